"""What a mapping template finds: `$input`, `$util`, `$context`, `$stageVariables`.

Sources: API Gateway Developer Guide, "Variables for data transformations"; commons-lang's
StringEscapeUtils.escapeJavaScript; Java's URLEncoder.
"""

import base64
import binascii
import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote_plus, unquote_plus

from byoi.emulator.api_gateway import json_path
from byoi.emulator.api_gateway.gateway_responses import GatewayError
from byoi.emulator.api_gateway.velocity import Variable
from byoi.emulator.aws.errors import NotEmulatedError

_ESCAPES = {
    "\\": "\\\\", '"': '\\"', "'": "\\'", "/": "\\/",
    "\b": "\\b", "\n": "\\n", "\t": "\\t", "\f": "\\f", "\r": "\\r",
}  # fmt: skip


class Context(Variable):
    """`$context`, whose overrides a template may set."""

    name = "context"

    def __init__(self, members: Mapping[str, Any]) -> None:
        """Copy the members, so that a template changes only its own."""
        self.request_override = Override("requestOverride", "header", "querystring", "path")
        self.response_override = Override("responseOverride", "header")
        self.members = {
            **members,
            "identity": Members("context.identity", members["identity"]),
            "requestOverride": self.request_override,
            "responseOverride": self.response_override,
        }


class Members(Variable):
    """Members that are only read."""

    def __init__(self, name: str, members: Mapping[str, Any]) -> None:
        """Name them for messages."""
        self.name = name
        self.members = members


class Override(Variable):
    """What a template sets instead of what is mapped.

    Attributes:
        status: HTTP status, None where it is not set.
    """

    def __init__(self, name: str, *places: str) -> None:
        """Take the kinds of parameters there are."""
        self.name = f"context.{name}"
        self.members: dict[str, Any] = {place: {} for place in places}
        self.status: int | None = None

    def __setitem__(self, name: str, value: Any) -> None:
        """Set the status; everything else is set one level below."""
        if name != "status" or not isinstance(value, int) or not 100 <= value <= 599:
            raise NotEmulatedError(f"${self.name}.{name} = {value!r}")
        self.status = value

    def headers(self) -> dict[str, str]:
        """Return the headers that are set."""
        return {name: str(value) for name, value in self.members["header"].items()}


class Input(Variable):
    """`$input`: the payload and the request's parameters."""

    name = "input"

    def __init__(
        self,
        body: str,
        parameters: Mapping[str, Mapping[str, str]],
        unreadable: Callable[[str], GatewayError],
    ) -> None:
        """Take what the template is about.

        Args:
            body: The payload as text.
            parameters: `path`, `querystring` and `header`, each name to value.
            unreadable: Makes the error for a payload that is no JSON, from the parser's words.
        """
        self._body = body
        self._parameters = {place: dict(values) for place, values in parameters.items()}
        self._unreadable = unreadable
        self.members = {
            "body": body or "{}",
            "json": self._json,
            "path": self._path,
            "params": self._params,
        }

    def _path(self, path: str) -> Any:
        try:
            document = json.loads(self._body or "{}")
        except ValueError as problem:
            raise self._unreadable(str(problem)) from problem
        return json_path.find(document, path)

    def _json(self, path: str) -> str:
        found = self._path(path)
        if found is None:
            raise NotEmulatedError(f"$input.json('{path}') of a payload that has no such value")
        return json.dumps(found, ensure_ascii=False, separators=(",", ":"))

    def _params(self, name: str | None = None) -> Any:
        if name is None:
            return self._parameters
        for place in ("path", "querystring"):
            if name in self._parameters[place]:
                return self._parameters[place][name]
        # HTTP's names of headers have no case.
        headers = {one.lower(): value for one, value in self._parameters["header"].items()}
        return headers.get(name.lower(), "")


class Util(Variable):
    """`$util`."""

    name = "util"

    def __init__(self) -> None:
        """Name its functions."""
        self.members = {
            "escapeJavaScript": _escape_javascript,
            "parseJson": _parse_json,
            "urlEncode": lambda text: quote_plus(_text(text), safe="*").replace("~", "%7E"),
            "urlDecode": lambda text: unquote_plus(_text(text)),
            "base64Encode": lambda text: base64.b64encode(_text(text).encode()).decode(),
            "base64Decode": _decode,
        }


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise NotEmulatedError(f"$util with {value!r} instead of a text")
    return value


def _escape_javascript(value: Any) -> str:
    escaped = ""
    for one in _text(value):
        if one in _ESCAPES:
            escaped += _ESCAPES[one]
        elif " " <= one <= "~":
            escaped += one
        else:
            units = one.encode("utf-16-be")
            pairs = [units[i : i + 2].hex().upper() for i in range(0, len(units), 2)]
            escaped += "".join(f"\\u{pair}" for pair in pairs)
    return escaped


def _parse_json(value: Any) -> Any:
    try:
        return json.loads(_text(value))
    except ValueError as problem:
        raise GatewayError("API_CONFIGURATION_ERROR", cause=f"$util.parseJson: {problem}") from None


def _decode(value: Any) -> str:
    try:
        return base64.b64decode(_text(value), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as problem:
        cause = f"$util.base64Decode: {problem}"
        raise GatewayError("API_CONFIGURATION_ERROR", cause=cause) from None
