"""A body on its way through a mapping template, or past it: the same there and back.

Source: API Gateway Developer Guide, "Mapping template transformations for REST APIs".
"""

from collections.abc import Callable

from byoi.emulator.api_gateway import templates, variables
from byoi.emulator.api_gateway.call import Call
from byoi.emulator.api_gateway.gateway_responses import GatewayError
from byoi.emulator.aws.errors import NotEmulatedError


def apply(
    template: str | None,
    content: bytes | str,
    call: Call,
    context: variables.Context,
    unreadable: Callable[[str], GatewayError],
) -> bytes:
    """Return the body that a template makes of a payload.

    Args:
        template: In Velocity; None where the payload passes as it is.
        content: The payload, as text where it is one.
        call: The call, whose parameters and stage variables the template may read.
        context: `$context`.
        unreadable: From what is wrong with a payload that is no JSON to the error for it.

    Raises:
        GatewayError: The template wants JSON and the payload is none.
        NotEmulatedError: Something of it is not emulated.
    """
    if template is None:
        return content if isinstance(content, bytes) else content.encode()
    if isinstance(content, bytes):
        raise NotEmulatedError("a mapping template for a binary payload")
    found = {
        "input": variables.Input(content, call.parameters, unreadable),
        "context": context,
        "util": variables.Util(),
        "stageVariables": variables.Members("stageVariables", call.stage_variables),
    }
    return templates.render(template, found).encode()
