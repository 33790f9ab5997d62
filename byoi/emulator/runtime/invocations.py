"""InvokeEndpoint and InvokeEndpointWithResponseStream, answered by the endpoint's own instances.

Sources: API InvokeEndpoint, InvokeEndpointWithResponseStream (headers, ModelError 424);
DG deploy-model-options (25 MB, 60 s, 8 minutes of streaming). The wording of "not found",
of 413 and of ModelError is that of AWS's answers quoted in public issues
(aws/amazon-sagemaker-examples 293 and 245, aws/sagemaker-python-sdk 2955).
"""

from collections.abc import Callable
from contextlib import ExitStack

from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.wrappers import Request, Response

from byoi import contract
from byoi.emulator import answers, operations, refusals
from byoi.emulator.aws import constraints
from byoi.emulator.endpoints.container_logs import group_name
from byoi.emulator.endpoints.endpoints import Endpoint
from byoi.emulator.operations import Operation
from byoi.emulator.runtime.forwarding import PREFIX, ContainerError, Invocation
from byoi.invocation import to_model_error
from byoi.names import Arn

_SERVICE = "sagemaker-runtime"
_VARIANT_HEADER = f"{PREFIX}Target-Variant"
# The limit in API InvokeEndpoint, from which AWS's other pages differ.
_DOUBTFUL_BODY_BYTES = 6_291_456


class Invocations:
    """Answers requests for the paths below /endpoints.

    Args:
        find: Returns the endpoint of a region and name, None if there is none.
        account: Number of the account, for messages.
        log: Takes one line.
        timeout_s: Seconds for one response, or until a stream begins.
        stream_timeout_s: Seconds for a whole stream.
    """

    def __init__(
        self,
        find: Callable[[str, str], Endpoint | None],
        *,
        account: str,
        log: Callable[[str], None],
        timeout_s: float = contract.INVOCATION_TIMEOUT_S,
        stream_timeout_s: float = contract.STREAM_TIMEOUT_S,
    ) -> None:
        self._find = find
        self._account = account
        self._log = log
        self._timeout_s = timeout_s
        self._stream_timeout_s = stream_timeout_s

    def answer(self, request: Request, region: str) -> Response:
        """Answer one request."""
        asked = operations.read(request, _SERVICE)
        if asked.model is None:
            message = f"no such operation: {asked.action}"
            return answers.error(404, "UnknownOperationException", message)
        return self._refuse(request, asked) or self._invoke(
            request,
            region,
            asked.parameters["EndpointName"],
            is_stream=asked.action == "InvokeEndpointWithResponseStream",
        )

    def _refuse(self, request: Request, asked: Operation) -> Response | None:
        """Return an error if no endpoint could answer the request."""
        if what := refusals.find(_SERVICE, asked.action, asked.parameters, asked.unknown):
            return answers.refused(what)
        if problem := constraints.find(_SERVICE, asked.action, asked.parameters):
            return _invalid(problem)
        too_large = contract.REQUEST_BODY_BYTES + 1
        # A chunked body has no length; werkzeug cuts it there without an error.
        request.max_content_length = too_large
        try:
            size = len(request.get_data())
        except RequestEntityTooLarge:
            size = too_large
        if size >= too_large:
            message = f"HTTP content length exceeded {contract.REQUEST_BODY_BYTES} bytes."
            return answers.error(413, "413", message)
        if size > _DOUBTFUL_BODY_BYTES:
            self._log(
                f"WARNING: a request body of {size:,} B; AWS's sources disagree whether more "
                f"than {_DOUBTFUL_BODY_BYTES:,} B pass (API reference) or 25 MB (Developer Guide)"
            )
        return None

    def _invoke(self, request: Request, region: str, name: str, *, is_stream: bool) -> Response:
        endpoint = self._find(region, name)
        status = endpoint.record.endpoint_status if endpoint else "Deleting"
        if endpoint is None or status == "Deleting":
            return _invalid(f"Endpoint {name} of account {self._account} not found.")
        with ExitStack() as lent:
            try:
                variant = request.headers.get(_VARIANT_HEADER)
                instance = lent.enter_context(endpoint.choose(variant))
            except KeyError:
                return _invalid(f"Variant {variant} does not exist in endpoint {name}.")
            if instance is None:
                return _invalid(
                    f"Endpoint {name} of account {self._account} is not in service; it is {status}."
                )
            invocation = Invocation(
                request,
                instance.connections,
                timeout_s=self._timeout_s,
                stream_timeout_s=self._stream_timeout_s,
            )
            response = invocation.stream() if is_stream else invocation.whole()
            if isinstance(response, ContainerError):
                return self._model_error(response, region, name)
            response.headers["x-Amzn-Invoked-Production-Variant"] = instance.variant
            # A stream continues after this.
            response.call_on_close(lent.pop_all().close)
            return response

    def _model_error(self, error: ContainerError, region: str, name: str) -> Response:
        group = f"log-group:{group_name(name)}"
        fields = to_model_error(
            error.status,
            error.body,
            log_group=Arn("aws", "logs", region, self._account, group),
        )
        return answers.error(424, "ModelError", fields.pop("Message"), **fields)


def _invalid(message: str) -> Response:
    return answers.error(400, "ValidationError", message)
