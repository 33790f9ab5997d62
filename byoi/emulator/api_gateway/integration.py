"""The integration: what is asked of SageMaker Runtime for one call, and its answer.

Sources: API Gateway Developer Guide, "Integrations for REST APIs" (request templates,
passthroughBehavior, 29 s); API Integration (uri, credentials).
"""

import json
import queue
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from werkzeug.test import EnvironBuilder
from werkzeug.wrappers import Request, Response

from byoi.emulator.api_gateway import mapping, mappings, payload, variables
from byoi.emulator.api_gateway.call import Call
from byoi.emulator.api_gateway.gateway_responses import INTERNAL, GatewayError
from byoi.emulator.aws import account, iam
from byoi.emulator.aws.errors import NotEmulatedError

# The one kind of integration that is executed; AWS takes one slash or two.
URI = re.compile(
    r"arn:aws:apigateway:([a-z0-9-]+):runtime\.sagemaker:path//?endpoints/([^/]+)/invocations"
)
DEFAULT_TIMEOUT_MS = 29_000
_SERVICE = "apigateway.amazonaws.com"
_ACTION = "sagemaker:InvokeEndpoint"
_VARIABLE = re.compile(r"\$\{stageVariables\.(\w+)\}|\{(\w+)\}")


@dataclass(frozen=True)
class Answer:
    """What SageMaker Runtime answered.

    Attributes:
        status: HTTP status.
        headers: Name to value.
        body: The body.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes


def invoke(
    call: Call, invocations: Callable[[Request, str], Response], context: variables.Context
) -> Answer:
    """Ask SageMaker Runtime.

    Args:
        call: The call.
        invocations: Answers a request to SageMaker Runtime in a region.
        context: `$context`, whose request override the template may set.

    Raises:
        GatewayError: There is no answer.
        NotEmulatedError: Something of it is not emulated.
    """
    mapped = mappings.of_request(call)
    body = _body(call, context)
    headers = {
        "Accept": "application/json",
        "Content-Type": call.header("Content-Type") or "application/json",
        **mapped["header"],
        **context.request_override.headers(),
    }
    path = {**mapped["path"], **context.request_override.members["path"]}
    if context.request_override.members["querystring"]:
        raise NotEmulatedError("$context.requestOverride.querystring")
    match = URI.fullmatch(_fill(call.integration["uri"], path, call.stage_variables))
    if match is None:
        cause = f"Invalid endpoint address: {call.integration['uri']} with {path}"
        raise GatewayError("API_CONFIGURATION_ERROR", INTERNAL, cause=cause)
    region, name = match[1], match[2]
    role = _fill(call.integration["credentials"], {}, call.stage_variables)
    if not iam.may_assume(_SERVICE, role):
        cause = f"API Gateway does not have permission to assume the provided role {role}"
        raise GatewayError("API_CONFIGURATION_ERROR", INTERNAL, cause=cause)
    # In ARNs, SageMaker's names are lower-case, whatever they were given as.
    arn = f"arn:aws:sagemaker:{region}:{account.NUMBER}:endpoint/{name.lower()}"
    if denied := iam.explain_denial(role, _ACTION, arn):
        body = json.dumps({"Message": denied}).encode()
        return Answer(403, {"Content-Type": "application/json"}, body)
    builder = EnvironBuilder(
        path=f"/endpoints/{name}/invocations",
        method="POST",
        headers=list(headers.items()),
        data=body,
    )
    timeout_ms = int(call.integration.get("timeoutInMillis") or DEFAULT_TIMEOUT_MS)
    return _within(
        timeout_ms / 1000, lambda: _whole(invocations(Request(builder.get_environ()), region))
    )


def _body(call: Call, context: variables.Context) -> bytes:
    template = _template(call)
    binary = payload.is_binary(call.content_type, call.api.binary_media_types)
    content = payload.of_request(
        call.body, binary=binary, handling=call.integration.get("contentHandling")
    )

    def unreadable(words: str) -> GatewayError:
        return GatewayError("BAD_REQUEST_BODY", f"Could not parse request body into json: {words}")

    return mapping.apply(template, content, call, context, unreadable)


def _template(call: Call) -> str | None:
    """Return the request template, None where the payload passes as it is."""
    found: Mapping[str, str] = call.integration.get("requestTemplates") or {}
    template = found.get(call.content_type) or found.get("$default")
    if template is not None:
        return template
    behavior = call.integration.get("passthroughBehavior") or "WHEN_NO_MATCH"
    if behavior == "NEVER" or (behavior == "WHEN_NO_TEMPLATES" and found):
        raise GatewayError("UNSUPPORTED_MEDIA_TYPE")
    return None


def _fill(text: str, path: Mapping[str, Any], stage_variables: Mapping[str, str]) -> str:
    def value(match: re.Match[str]) -> str:
        found = stage_variables.get(match[1]) if match[1] else path.get(match[2])
        return match[0] if found is None else str(found)

    return _VARIABLE.sub(value, text)


def _whole(response: Response) -> Answer:
    try:
        return Answer(response.status_code, dict(response.headers.items()), response.get_data())
    finally:
        response.close()


def _within(timeout_s: float, ask: Callable[[], Answer]) -> Answer:
    """Return the answer; where it takes too long, the endpoint goes on and nobody waits for it."""
    done: queue.SimpleQueue[Answer | Exception] = queue.SimpleQueue()

    def run() -> None:
        try:
            done.put(ask())
        except Exception as problem:  # noqa: BLE001 - raised again where it is waited for
            done.put(problem)

    threading.Thread(target=run, name="api gateway", daemon=True).start()
    try:
        outcome = done.get(timeout=timeout_s)
    except queue.Empty:
        raise GatewayError("INTEGRATION_TIMEOUT") from None
    if isinstance(outcome, Exception):
        raise outcome
    return outcome
