"""Parameter mapping: requestParameters of an integration, responseParameters of its responses.

Source: API Gateway Developer Guide, "Parameter mapping examples" and the reference of mapping
expressions below it.
"""

from collections.abc import Mapping
from typing import Any

from byoi.emulator.api_gateway import json_path
from byoi.emulator.api_gateway.call import Call
from byoi.emulator.aws.errors import NotEmulatedError

# Set by the gateway itself; a mapping of them makes a call fail on AWS.
_ILLEGAL = frozenset(
    {"authorization", "connection", "content-length", "expect", "proxy-authenticate", "te"}
    | {"transfer-encoding", "x-amzn-apigateway-api-id", "x-amzn-trace-id"}
)


def check_request(mapping: Mapping[str, str]) -> None:
    """Refuse requestParameters that cannot be mapped here.

    Raises:
        NotEmulatedError: The message names the parameter.
    """
    for target, source in mapping.items():
        _, _, place = target.rpartition("integration.request.")
        kind, _, name = place.partition(".")
        if kind not in {"header", "path"} or name.lower() in _ILLEGAL:
            raise NotEmulatedError(f"requestParameters with {target}")
        is_known = _is_static(source) or source.startswith(
            ("method.request.header.", "method.request.path.", "method.request.querystring.",
             "stageVariables.", "context.")
        )  # fmt: skip
        if not is_known:
            raise NotEmulatedError(f"requestParameters with the source {source}")


def check_response(mapping: Mapping[str, str]) -> None:
    """Refuse responseParameters that cannot be mapped here.

    Raises:
        NotEmulatedError: The message names the parameter.
    """
    for target, source in mapping.items():
        is_known = _is_static(source) or source.startswith(
            ("integration.response.header.", "stageVariables.", "context.")
        )
        if not target.startswith("method.response.header.") or not is_known:
            raise NotEmulatedError(f"responseParameters with {target}: {source}")


def of_request(call: Call) -> dict[str, dict[str, str]]:
    """Return the integration request's parameters: `header` and `path`, each name to value."""
    found: dict[str, dict[str, str]] = {"header": {}, "path": {}}
    for target, source in (call.integration.get("requestParameters") or {}).items():
        kind, _, name = target.removeprefix("integration.request.").partition(".")
        value = _value(source, call)
        if value is None and source.startswith("method.request."):
            place, _, wanted = source.removeprefix("method.request.").partition(".")
            value = call.header(wanted) if place == "header" else call.parameters[place].get(wanted)
        if value:
            found[kind][name] = value
    return found


def of_response(
    mapping: Mapping[str, str], call: Call, headers: Mapping[str, str]
) -> dict[str, str]:
    """Return the response's headers.

    Args:
        mapping: The integration response's responseParameters.
        call: What is answered.
        headers: The endpoint's answer's.
    """
    found = {}
    for target, source in mapping.items():
        value = _value(source, call)
        if value is None and source.startswith("integration.response.header."):
            value = headers.get(source.removeprefix("integration.response.header."))
        if value:
            found[target.removeprefix("method.response.header.")] = value
    return found


def _is_static(source: str) -> bool:
    return len(source) > 1 and source.startswith("'") and source.endswith("'")


def _value(source: str, call: Call) -> str | None:
    """Return the value of a source that is in no request or response, None of others."""
    if _is_static(source):
        return source[1:-1]
    if source.startswith("stageVariables."):
        return call.stage_variables.get(source.removeprefix("stageVariables."))
    if source.startswith("context."):
        value: Any = json_path.find(call.context, source.removeprefix("context."))
        if not isinstance(value, str | int):
            raise NotEmulatedError(f"the source {source} of a parameter mapping")
        return str(value)
    return None
