"""The way back: from SageMaker Runtime's answer to the caller's response.

Sources: API Gateway Developer Guide, "Set up an integration response" (the pattern matches the
status of AWS integrations that are no Lambda), "Method response for a method".
"""

import re
from collections.abc import Mapping
from typing import Any

from werkzeug.wrappers import Response

from byoi.emulator.api_gateway import mapping, mappings, payload, variables
from byoi.emulator.api_gateway.call import Call
from byoi.emulator.api_gateway.gateway_responses import INTERNAL, GatewayError
from byoi.emulator.api_gateway.integration import Answer
from byoi.emulator.aws.errors import NotEmulatedError

_JSON = "application/json"


def respond(call: Call, answer: Answer, context: variables.Context) -> Response:
    """Return the caller's response.

    Args:
        call: The call.
        answer: SageMaker Runtime's.
        context: `$context`, whose response override the template may set.

    Raises:
        GatewayError: Nothing fits the answer.
        NotEmulatedError: Something of it is not emulated.
    """
    chosen = _choose(call.integration.get("integrationResponses") or {}, answer.status)
    if len(answer.body) > payload.MAX_BYTES:
        raise _failed(
            f"Integration response of reported length {len(answer.body)} is larger than allowed "
            f"maximum of {payload.MAX_BYTES} bytes."
        )
    headers = mappings.of_response(chosen.get("responseParameters") or {}, call, answer.headers)
    body = _body(call, answer, chosen, context)
    headers.update(context.response_override.headers())
    content_type = _pop(headers, "Content-Type") or _JSON
    return Response(
        body,
        status=context.response_override.status or int(chosen["statusCode"]),
        content_type=content_type,
        headers={**headers, "x-amzn-requestid": str(call.context["requestId"])},
    )


def _choose(responses: Mapping[str, Mapping[str, Any]], status: int) -> Mapping[str, Any]:
    matching = [
        one
        for one in responses.values()
        if one.get("selectionPattern") and re.fullmatch(one["selectionPattern"], str(status))
    ]
    found = matching or [one for one in responses.values() if not one.get("selectionPattern")]
    if not found:
        raise _failed(
            "No match for output mapping and no default output mapping configured. "
            f"Endpoint Response Status Code: {status}"
        )
    if len(found) > 1:
        raise NotEmulatedError(f"several integration responses that fit the status {status}")
    return found[0]


def _body(
    call: Call, answer: Answer, chosen: Mapping[str, Any], context: variables.Context
) -> bytes:
    media_types = call.api.binary_media_types
    content = payload.of_response(
        answer.body,
        binary=payload.is_binary(answer.headers.get("Content-Type"), media_types),
        accepts_binary=payload.is_binary(call.header("Accept"), media_types),
        handling=chosen.get("contentHandling"),
    )
    template = _template(chosen.get("responseTemplates") or {}, call.header("Accept"))
    return mapping.apply(template, content, call, context, _failed)


def _template(found: Mapping[str, str | None], accept: str | None) -> str | None:
    """Return the template for what the caller accepts, else that for JSON, else the only one."""
    wanted = (accept or "").partition(";")[0].strip()
    if template := found.get(wanted) or found.get(_JSON):
        return template
    given = [template for template in found.values() if template]
    if len(given) > 1:
        raise NotEmulatedError("a choice between several response templates, none of them JSON")
    return given[0] if given else None


def _failed(cause: str) -> GatewayError:
    return GatewayError("API_CONFIGURATION_ERROR", INTERNAL, cause=cause)


def _pop(headers: dict[str, str], name: str) -> str | None:
    for one in list(headers):
        if one.lower() == name.lower():
            return headers.pop(one)
    return None
