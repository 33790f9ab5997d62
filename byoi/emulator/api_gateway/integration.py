"""The integration of a method: one call to SageMaker Runtime, and the caller's response.

A MOCK integration calls nothing: its request template makes the status that chooses the response.

Sources: API Gateway Developer Guide, "Integrations for REST APIs" (request templates,
passthroughBehavior, 29 s), "Mock integrations for REST APIs" (statusCode), "Mapping template
transformations for REST APIs", "Set up an integration response" (selectionPattern matches the
status, except for Lambda), "Method response for a method"; API Integration (uri, credentials).
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

from byoi.emulator.api_gateway import mappings, templates, variables
from byoi.emulator.api_gateway.call import Call
from byoi.emulator.api_gateway.gateway_responses import GatewayError, configuration_error
from byoi.emulator.aws import account, iam
from byoi.emulator.aws.errors import NotEmulatedError
from byoi.names import Arn

# The one service that is called.
URI = re.compile(
    r"arn:aws:apigateway:([a-z0-9-]+):runtime\.sagemaker:path//?endpoints/([^/]+)/invocations"
)
DEFAULT_TIMEOUT_MS = 29_000
MOCK = "MOCK"
# Said once in the log.
SLASHES = (
    "public templates write the URI of a SageMaker integration with one slash before 'endpoints' "
    "and with two; both are taken here, whether AWS takes both is not tried"
)
# A key without quotes, as the AWS CDK writes `{ statusCode: 204 }`.
_BARE_KEY = re.compile(r"([{,]\s*)([A-Za-z_]\w*)(\s*:)")
_SERVICE = "apigateway.amazonaws.com"
_ACTION = "sagemaker:InvokeEndpoint"
_JSON = "application/json"
_VARIABLE = re.compile(r"\$\{stageVariables\.(\w+)\}|\{(\w+)\}")


@dataclass(frozen=True)
class EndpointResponse:
    """A response of SageMaker Runtime.

    Attributes:
        status: HTTP status.
        headers: Name to value.
        body: Body.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes


def invoke(
    call: Call, invocations: Callable[[Request, str], Response], context: variables.Context
) -> EndpointResponse:
    """Invoke the endpoint, as the role of the integration; a MOCK makes its own response.

    Args:
        call: The call.
        invocations: Answers a request to SageMaker Runtime in a region.
        context: `$context`, whose request override the template may set.

    Raises:
        GatewayError: There is no response, or no permission.
        NotEmulatedError: The integration or a policy has something that is not emulated.
    """
    if call.integration["type"] == MOCK:
        return _mock(call, context)
    mapped = mappings.map_request_parameters(call)
    body = _map_request_body(call, context)
    headers = {
        "Accept": _JSON,
        "Content-Type": call.header("Content-Type") or _JSON,
        **mapped["header"],
        **context.request_override.headers(),
    }
    path = {**mapped["path"], **context.request_override.members["path"]}
    if context.request_override.members["querystring"]:
        raise NotEmulatedError("$context.requestOverride.querystring")
    match = URI.fullmatch(_fill_variables(call.integration["uri"], path, call.stage_variables))
    if match is None:
        raise configuration_error(
            f"Invalid endpoint address: {call.integration['uri']} with {path}"
        )
    call.remark(SLASHES)
    region, name = match[1], match[2]
    role = _fill_variables(call.integration["credentials"], {}, call.stage_variables)
    if not iam.may_assume(_SERVICE, role):
        raise configuration_error(
            f"API Gateway does not have permission to assume the provided role {role}"
        )
    # In ARNs, SageMaker's names are lower-case, even if they were given otherwise.
    arn = Arn("aws", "sagemaker", region, account.NUMBER, f"endpoint/{name.lower()}")
    if denial := iam.explain_denial(role, _ACTION, str(arn)):
        body = json.dumps({"Message": denial}).encode()
        return EndpointResponse(403, {"Content-Type": _JSON}, body)
    builder = EnvironBuilder(
        path=f"/endpoints/{name}/invocations",
        method="POST",
        headers=list(headers.items()),
        data=body,
    )
    timeout_ms = int(call.integration.get("timeoutInMillis") or DEFAULT_TIMEOUT_MS)
    return _ask_within(
        timeout_ms / 1000, lambda: _read_whole(invocations(Request(builder.get_environ()), region))
    )


def _mock(call: Call, context: variables.Context) -> EndpointResponse:
    """Return an empty response with the status that the request template gives."""
    made = _map_request_body(call, context).decode("utf-8", "replace")
    try:
        found = json.loads(_BARE_KEY.sub(r'\1"\2"\3', made))
    except ValueError:
        if "statusCode" in made:
            raise NotEmulatedError(f"the request template of a MOCK that makes {made!r}") from None
        found = None
    status = found.get("statusCode") if isinstance(found, dict) else None
    if isinstance(status, str):
        raise NotEmulatedError(f"statusCode {status!r} of a MOCK; write a number without quotes")
    if type(status) is not int or not 100 <= status <= 599:
        raise configuration_error(
            "Unable to parse statusCode. It should be an integer defined in the request template."
        )
    return EndpointResponse(status, {}, b"")


def _map_request_body(call: Call, context: variables.Context) -> bytes:
    template = _choose_request_template(call)
    binary = mappings.is_binary(call.content_type, call.api.binary_media_types)
    content = mappings.convert_request_payload(
        call.body, binary=binary, handling=call.integration.get("contentHandling")
    )

    def unreadable(words: str) -> GatewayError:
        return GatewayError("BAD_REQUEST_BODY", f"Could not parse request body into json: {words}")

    return _apply_template(template, content, call, context, unreadable)


def _choose_request_template(call: Call) -> str | None:
    """Return the request template, None if the payload passes unchanged."""
    found: Mapping[str, str] = call.integration.get("requestTemplates") or {}
    template = found.get(call.content_type) or found.get("$default")
    if template is not None:
        return template
    behavior = call.integration.get("passthroughBehavior") or "WHEN_NO_MATCH"
    if behavior == "NEVER" or (behavior == "WHEN_NO_TEMPLATES" and found):
        raise GatewayError("UNSUPPORTED_MEDIA_TYPE")
    return None


def _fill_variables(text: str, path: Mapping[str, Any], stage_variables: Mapping[str, str]) -> str:
    def value(match: re.Match[str]) -> str:
        found = stage_variables.get(match[1]) if match[1] else path.get(match[2])
        return match[0] if found is None else str(found)

    return _VARIABLE.sub(value, text)


def _read_whole(response: Response) -> EndpointResponse:
    try:
        return EndpointResponse(
            response.status_code, dict(response.headers.items()), response.get_data()
        )
    finally:
        response.close()


def _ask_within(timeout_s: float, ask: Callable[[], EndpointResponse]) -> EndpointResponse:
    """Return the response; after the time-out, the endpoint continues and is not waited for."""
    done: queue.SimpleQueue[EndpointResponse | Exception] = queue.SimpleQueue()

    def run() -> None:
        try:
            done.put(ask())
        except Exception as problem:  # noqa: BLE001 - raised again by the caller
            done.put(problem)

    threading.Thread(target=run, name="api gateway", daemon=True).start()
    try:
        outcome = done.get(timeout=timeout_s)
    except queue.Empty:
        raise GatewayError("INTEGRATION_TIMEOUT") from None
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


def respond(call: Call, answer: EndpointResponse, context: variables.Context) -> Response:
    """Return the caller's response.

    Args:
        call: The call.
        answer: Response of SageMaker Runtime.
        context: `$context`, whose response override the template may set.

    Raises:
        GatewayError: No integration response matches, or its template fails.
        NotEmulatedError: The integration response has something that is not emulated.
    """
    chosen = _choose_integration_response(
        call.integration.get("integrationResponses") or {}, answer.status
    )
    if len(answer.body) > mappings.MAX_PAYLOAD_BYTES:
        raise configuration_error(
            f"Integration response of reported length {len(answer.body)} is larger than allowed "
            f"maximum of {mappings.MAX_PAYLOAD_BYTES} bytes."
        )
    headers = mappings.map_response_parameters(
        chosen.get("responseParameters") or {}, call, answer.headers
    )
    body = _map_response_body(call, answer, chosen, context)
    headers.update(context.response_override.headers())
    content_type = _pop_header(headers, "Content-Type") or _JSON
    return Response(
        body,
        status=context.response_override.status or int(chosen["statusCode"]),
        content_type=content_type,
        headers={**headers, "x-amzn-requestid": str(call.context["requestId"])},
    )


def _choose_integration_response(
    responses: Mapping[str, Mapping[str, Any]], status: int
) -> Mapping[str, Any]:
    matching = [
        one
        for one in responses.values()
        if one.get("selectionPattern") and re.fullmatch(one["selectionPattern"], str(status))
    ]
    found = matching or [one for one in responses.values() if not one.get("selectionPattern")]
    if not found:
        raise configuration_error(
            "No match for output mapping and no default output mapping configured. "
            f"Endpoint Response Status Code: {status}"
        )
    if len(found) > 1:
        raise NotEmulatedError(f"several integration responses that fit the status {status}")
    return found[0]


def _map_response_body(
    call: Call, answer: EndpointResponse, chosen: Mapping[str, Any], context: variables.Context
) -> bytes:
    media_types = call.api.binary_media_types
    content = mappings.convert_response_payload(
        answer.body,
        binary=mappings.is_binary(answer.headers.get("Content-Type"), media_types),
        accepts_binary=mappings.is_binary(call.header("Accept"), media_types),
        handling=chosen.get("contentHandling"),
    )
    template = _choose_response_template(
        chosen.get("responseTemplates") or {}, call.header("Accept")
    )
    return _apply_template(template, content, call, context, configuration_error)


def _choose_response_template(found: Mapping[str, str | None], accept: str | None) -> str | None:
    """Return the template for the accepted media type, else that for JSON, else the only one."""
    wanted = (accept or "").partition(";")[0].strip()
    if template := found.get(wanted) or found.get(_JSON):
        return template
    given = [template for template in found.values() if template]
    if len(given) > 1:
        raise NotEmulatedError("a choice between several response templates, none of them JSON")
    return given[0] if given else None


def _pop_header(headers: dict[str, str], name: str) -> str | None:
    for one in list(headers):
        if one.lower() == name.lower():
            return headers.pop(one)
    return None


def _apply_template(
    template: str | None,
    content: bytes | str,
    call: Call,
    context: variables.Context,
    unreadable: Callable[[str], GatewayError],
) -> bytes:
    """Return the body that a mapping template makes of a payload.

    Args:
        template: The template; None if the payload passes unchanged.
        content: The payload, as text or bytes.
        call: The call, whose parameters and stage variables the template may read.
        context: `$context`.
        unreadable: Makes the error for a payload that is not JSON, from the parser's message.

    Raises:
        GatewayError: The template reads JSON and the payload is not JSON.
        NotEmulatedError: The template or the payload has something that is not emulated.
    """
    if template is None:
        return content if isinstance(content, bytes) else content.encode()
    if isinstance(content, bytes):
        raise NotEmulatedError("a mapping template for a binary payload")
    found = {
        "esc": variables.Escape(call.remark),
        "input": variables.Input(content, call.parameters, unreadable, call.remark),
        "context": context,
        "util": variables.Util(),
        "stageVariables": variables.Members("stageVariables", call.stage_variables),
    }
    return templates.render(template, found).encode()
