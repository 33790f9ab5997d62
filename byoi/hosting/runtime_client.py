"""InvokeEndpoint, whole or as a stream, for endpoints on this machine, by boto3's own client.

boto3 checks, sends and parses as it does against AWS; two of its events do the platform's part:
the address before a request is sent, and the container's error status, which AWS reports as
ModelError, before a response is parsed. No network, account or credentials are needed.

Sources: API InvokeEndpoint (ModelError, status 424); the SDK's client for local mode
(sagemaker 2.257, local/local_session.py) returns error bodies as predictions.
"""

import http.client
import json
from collections.abc import Callable
from typing import Any

import boto3
import botocore.session
import sagemaker
from botocore import UNSIGNED, xform_name
from botocore.awsrequest import AWSPreparedRequest
from botocore.config import Config
from botocore.credentials import CredentialResolver
from botocore.exceptions import ClientError
from sagemaker.predictor import Predictor

from byoi import contract, invocation, proxies
from byoi.hosting import parameters
from byoi.hosting.response_stream import ResponseStream

# Above the platform's own limit, so that the endpoint's answer comes before this time-out.
READ_TIMEOUT_S = contract.INVOCATION_TIMEOUT_S + 10
# A stream may take all of its time for one piece.
STREAM_TIMEOUT_S = contract.STREAM_TIMEOUT_S + 10
CONNECT_TIMEOUT_S = 5
_WHOLE = "InvokeEndpoint"
_STREAM = "InvokeEndpointWithResponseStream"
# API InvokeEndpointWithResponseStream: names there, other than those beside a whole answer.
_STREAM_ACCEPT = "X-Amzn-SageMaker-Accept"
_STREAM_CONTENT_TYPE = "X-Amzn-SageMaker-Content-Type"
# Each request gets the address of its container instead, before it is sent.
_PLACEHOLDER = "http://127.0.0.1"
# Nothing is sent to it, so any region will do.
REGION = "us-east-1"
# Not a region of AWS: the SDK reports nothing to its authors from a region that it does not know.
# Opting out by SDK_CONFIG costs 3 s a deploy, because the SDK checks a configuration against its
# whole schema each time it reads a value (24 times).
LOCAL_REGION = "local"
# The SDK reports calls to a bucket of its authors unless told not to.
SDK_CONFIG: dict[str, Any] = {
    "SchemaVersion": "1.0",
    "SageMaker": {"PythonSDK": {"Modules": {"TelemetryOptOut": True}}},
}


def boto_session(region: str = REGION) -> boto3.Session:
    """Return a session with a region and without credentials.

    The environment, the files in ~/.aws and the instance metadata address are not asked, so
    nothing waits for them, and the SDK has no credentials to copy into a container.
    """
    session = botocore.session.Session()
    session.register_component("credential_provider", CredentialResolver([]))
    return boto3.Session(botocore_session=session, region_name=region)


class RuntimeClient:
    """The SDK's `sagemaker_runtime_client`, for endpoints on this machine.

    Attributes:
        exceptions: The client's error classes: `client.exceptions.ModelError`.
    """

    def __init__(  # noqa: PLR0913 - keywords with a default
        self,
        find_url: Callable[[str], str],
        *,
        boto_session: boto3.Session,
        find_log: Callable[[str], str] = lambda name: f"the log of endpoint {name}",
        find_variant: Callable[[str], str] = lambda _name: "AllTraffic",
        read_timeout_s: float = READ_TIMEOUT_S,
        stream_timeout_s: float = STREAM_TIMEOUT_S,
    ) -> None:
        """Make a client.

        Args:
            find_url: Endpoint's name to `http://host:port`; KeyError if there is no endpoint.
            boto_session: Supplies region and service model; its credentials are not used.
            find_log: Endpoint's name to a description of where its log is.
            find_variant: Endpoint's name to the name of its one variant; by default the one that
                the SDK gives.
            read_timeout_s: Seconds without an answer after which botocore's
                ReadTimeoutError is raised.
            stream_timeout_s: Seconds without a piece of a stream after which it counts as broken.
        """
        self._find_url = find_url
        self._find_log = find_log
        self._find_variant = find_variant
        self._client = self._connect(boto_session, read_timeout_s)
        self._streaming = self._connect(boto_session, stream_timeout_s)
        self.exceptions = self._client.exceptions

    def _connect(self, boto_session: boto3.Session, read_timeout_s: float) -> Any:
        """Return boto3's client, led to the containers of this machine."""
        client = boto_session.client(
            "sagemaker-runtime",
            endpoint_url=_PLACEHOLDER,
            config=Config(
                signature_version=UNSIGNED,
                connect_timeout=CONNECT_TIMEOUT_S,
                read_timeout=read_timeout_s,
                # A model may have acted on the request: never send it twice.
                retries={"mode": "legacy", "total_max_attempts": 1},
                proxies=proxies.of(_PLACEHOLDER),
            ),
        )
        for operation, is_stream in ((_WHOLE, False), (_STREAM, True)):
            client.meta.events.register(f"before-send.sagemaker-runtime.{operation}", self._address)
            client.meta.events.register(
                f"before-parse.sagemaker-runtime.{operation}",
                _name_as_a_stream if is_stream else _report_as_model_error,
            )
        return client

    def invoke_endpoint(
        self,
        Body: Any,  # noqa: N803 - the SDK's batch transform passes these four by position
        EndpointName: str,  # noqa: N803
        ContentType: str | None = None,  # noqa: N803
        Accept: str | None = None,  # noqa: N803
        **asked: Any,
    ) -> dict[str, Any]:
        """Send one invocation; parameters and response as in boto3.

        Raises:
            ConfigurationError: A parameter is none that local mode does, see `parameters`.
            ClientError: `ModelError` if the container answered with an error status;
                `ValidationError` if no such endpoint or variant exists.
            HTTPClientError: botocore's class for a refused connection or no answer in time.
        """
        asked |= {"ContentType": ContentType, "Accept": Accept}
        return self._invoke(_WHOLE, Body=Body, EndpointName=EndpointName, **asked)

    def invoke_endpoint_with_response_stream(self, **asked: Any) -> dict[str, Any]:
        """Send one invocation; `Body` of the response gives the pieces as they come.

        Parameters, response and errors are those of boto3 and `invoke_endpoint`; see
        `ResponseStream`.
        """
        response = self._invoke(_STREAM, **asked)
        # botocore's own reads the frames that AWS makes of the pieces.
        response["Body"] = ResponseStream(response["Body"]._raw_stream)  # noqa: SLF001
        return response

    def __getattr__(self, name: str) -> Any:
        """Return a method that refuses a call which local mode does not have, by name.

        Raises:
            AttributeError: boto3's client has no such attribute either.
        """
        if not name.startswith("_"):
            refused = parameters.refused_call(self._client.meta.service_model, name)
            if refused is not None:
                return refused
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def _invoke(self, operation: str, **asked: Any) -> dict[str, Any]:
        asked = {name: value for name, value in asked.items() if value is not None}
        # What boto3 does not know, boto3 refuses.
        known = self._client.meta.service_model.operation_model(operation).input_shape.members
        parameters.check(operation, {name: asked[name] for name in asked.keys() & known.keys()})
        name = asked.get("EndpointName", "")
        if "TargetVariant" in asked:
            self._check_variant(name, asked["TargetVariant"])
        client = self._streaming if operation == _STREAM else self._client
        try:
            response: dict[str, Any] = getattr(client, xform_name(operation))(**asked)
        except self.exceptions.ModelError as error:
            error.response["LogStreamArn"] = self._find_log(name)
            raise
        return response

    def _check_variant(self, endpoint: str, wanted: str) -> None:
        try:
            found = self._find_variant(endpoint)
        except KeyError:
            # The request itself says that there is no such endpoint.
            return
        if wanted != found:
            raise _validation_error(
                f"Variant {wanted} does not exist in endpoint {endpoint}; it has one: {found}"
            )

    def _address(self, request: AWSPreparedRequest, **_: Any) -> None:
        name = request.url.split("/endpoints/", 1)[1].split("/", 1)[0]
        try:
            url = self._find_url(name)
        except KeyError as error:
            raise _validation_error(f"Endpoint {name} not found.") from error
        request.url = url.rstrip("/") + contract.INVOCATIONS_PATH
        if _STREAM_ACCEPT in request.headers:
            request.headers["Accept"] = request.headers[_STREAM_ACCEPT]
            del request.headers[_STREAM_ACCEPT]


def _validation_error(message: str) -> ClientError:
    details = {"Code": "ValidationError", "Message": message}
    return ClientError({"Error": details}, "InvokeEndpoint")


def _report_as_model_error(response_dict: dict[str, Any], **_: Any) -> None:
    """Turn a container's error response into the one that AWS sends for it."""
    status = response_dict["status_code"]
    if status < http.client.BAD_REQUEST:
        return
    body = invocation.to_model_error(status, response_dict["body"])
    response_dict["status_code"] = http.client.FAILED_DEPENDENCY
    response_dict["headers"]["x-amzn-errortype"] = "ModelError"
    response_dict["body"] = json.dumps(body).encode()


def _name_as_a_stream(response_dict: dict[str, Any], **_: Any) -> None:
    """Give the headers of a container's answer the names that they have beside a stream."""
    _report_as_model_error(response_dict)
    headers = response_dict["headers"]
    if "Content-Type" in headers:
        headers[_STREAM_CONTENT_TYPE] = headers["Content-Type"]


def predictor(
    url: str,
    *,
    serializer: Any = None,
    deserializer: Any = None,
    read_timeout_s: float = READ_TIMEOUT_S,
) -> Predictor:
    """Return a `sagemaker.predictor.Predictor` that posts to `url`/invocations.

    Args:
        url: `http://host:port` of a server that follows the container contract.
        serializer: An SDK serializer; None sends bytes as they are.
        deserializer: An SDK deserializer; None returns the body's bytes.
        read_timeout_s: Seconds to wait for an answer.

    Its `predict` raises the errors of `RuntimeClient.invoke_endpoint`.
    """
    session_here = boto_session()
    session = sagemaker.Session(
        boto_session=session_here,
        sagemaker_runtime_client=RuntimeClient(
            lambda _name: url,
            boto_session=session_here,
            find_log=lambda _name: f"the log of the server at {url}",
            read_timeout_s=read_timeout_s,
        ),
        sagemaker_config=SDK_CONFIG,
    )
    made = Predictor("url", sagemaker_session=session)
    if serializer is not None:
        made.serializer = serializer
    if deserializer is not None:
        made.deserializer = deserializer
    return made
