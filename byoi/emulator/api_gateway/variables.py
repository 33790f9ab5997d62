"""Variables that a mapping template reads: `$input`, `$util`, `$context`, `$stageVariables`.

JSONPath is supported as far as a path names one place: `$`, `.name`, `['name']`, `[0]`.

Sources: API Gateway Developer Guide, "Variables for data transformations"; commons-lang's
StringEscapeUtils.escapeJavaScript; Java's URLEncoder.
"""

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote_plus, unquote_plus

from byoi.emulator.api_gateway import java
from byoi.emulator.api_gateway.gateway_responses import GatewayError, configuration_error
from byoi.emulator.api_gateway.velocity import Variable
from byoi.emulator.aws.errors import NotEmulatedError

_STEP = re.compile(r"\.([A-Za-z_][\w-]*)|\['([^']+)'\]|\[\"([^\"]+)\"\]|\[(\d+)\]")
_NO_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_MISSING = object()
# Said once in the log when a template meets them.
MISSING_FIELD = (
    '$input.json of a field that is not there is "" here, as users of API Gateway report it; '
    "AWS's documentation does not say"
)
ESCAPE = (
    "$esc is Velocity Tools' EscapeTool here: a recipe of AWS uses $esc.newline, which AWS's "
    "reference of variables does not list"
)
_ESCAPES = {
    "\\": "\\\\", '"': '\\"', "'": "\\'", "/": "\\/",
    "\b": "\\b", "\n": "\\n", "\t": "\\t", "\f": "\\f", "\r": "\\r",
}  # fmt: skip


class Context(Variable):
    """`$context`; a template may set its overrides."""

    name = "context"

    def __init__(self, members: Mapping[str, Any]) -> None:
        """Copy the members, so that a template changes only its own copy."""
        self.request_override = Override("requestOverride", "header", "querystring", "path")
        self.response_override = Override("responseOverride", "header")
        self.members = {
            **members,
            "identity": Members("context.identity", members["identity"]),
            "requestOverride": self.request_override,
            "responseOverride": self.response_override,
        }


class Members(Variable):
    """A variable with members that a template only reads."""

    def __init__(self, name: str, members: Mapping[str, Any]) -> None:
        """Give the members a name, for messages."""
        self.name = name
        found = dict(members)
        read = {
            "get": found.get,
            "keySet": lambda: java.Collection(found),
            "size": lambda: len(found),
        }
        self.members = {**read, "containsKey": lambda key: key in found, **found}


class Override(Variable):
    """The values that a template sets in place of the mapped ones.

    Attributes:
        status: HTTP status, None if it is not set.
    """

    def __init__(self, name: str, *places: str) -> None:
        """Accept these kinds of parameters."""
        self.name = f"context.{name}"
        self.members: dict[str, Any] = {place: {} for place in places}
        self.status: int | None = None

    def __setitem__(self, name: str, value: Any) -> None:
        """Set the status; everything else is set one level below."""
        if name != "status" or not isinstance(value, int) or not 100 <= value <= 599:
            raise NotEmulatedError(f"${self.name}.{name} = {value!r}")
        self.status = value

    def headers(self) -> dict[str, str]:
        """Return the headers that the template has set."""
        return {name: str(value) for name, value in self.members["header"].items()}


class Input(Variable):
    """`$input`: the payload and the request's parameters."""

    name = "input"

    def __init__(
        self,
        body: str,
        parameters: Mapping[str, Mapping[str, str]],
        unreadable: Callable[[str], GatewayError],
        remark: Callable[[str], None] = lambda _line: None,
    ) -> None:
        """Hold a payload and parameters.

        Args:
            body: The payload as text.
            parameters: `path`, `querystring` and `header`, each name to value.
            unreadable: Makes the error for a payload that is not JSON, from the parser's message.
            remark: Takes a line that says what is not known.
        """
        self._remark = remark
        self._body = body
        self._parameters = {place: dict(values) for place, values in parameters.items()}
        self._unreadable = unreadable
        self.members = {
            "body": body or "{}",
            "json": self._json,
            "path": self._path,
            "params": self._params,
        }

    def _path(self, path: str, missing: Any = None) -> Any:
        try:
            document = java.parse_json(self._body or "{}")
        except ValueError as problem:
            raise self._unreadable(str(problem)) from problem
        return find_path(document, path, missing)

    def _json(self, path: str) -> str:
        found = self._path(path, _MISSING)
        if found is _MISSING:
            self._remark(MISSING_FIELD)
            return '""'
        if found is None:
            raise NotEmulatedError(f"$input.json('{path}') of a null")
        return java.to_json(found)

    def _params(self, name: str | None = None) -> Any:
        if name is None:
            return self._parameters
        for place in ("path", "querystring"):
            if name in self._parameters[place]:
                return self._parameters[place][name]
        # Names of headers are case-insensitive.
        headers = {one.lower(): value for one, value in self._parameters["header"].items()}
        return headers.get(name.lower(), "")


class Escape(Variable):
    """`$esc`: the signs that Velocity itself would interpret, from Velocity Tools' EscapeTool."""

    name = "esc"
    members: Mapping[str, Any] = {
        "newline": "\n", "n": "\n", "quote": '"', "q": '"', "singleQuote": "'", "s": "'",
        "dollar": "$", "d": "$", "hash": "#", "h": "#", "exclamation": "!", "e": "!",
        "backslash": "\\", "b": "\\",
    }  # fmt: skip

    def __init__(self, remark: Callable[[str], None] = lambda _line: None) -> None:
        """Say with the first use what is not known."""
        self._remark = remark

    def __getitem__(self, name: str) -> Any:
        """Return a member."""
        self._remark(ESCAPE)
        return super().__getitem__(name)


class Util(Variable):
    """`$util`."""

    name = "util"

    def __init__(self) -> None:
        """Hold the functions."""
        self.members = {
            "escapeJavaScript": _escape_javascript,
            "parseJson": _parse_json,
            "urlEncode": lambda text: quote_plus(_require_text(text), safe="*").replace("~", "%7E"),
            "urlDecode": _decode_url,
            "base64Encode": lambda text: base64.b64encode(_require_text(text).encode()).decode(),
            "base64Decode": _decode_base64,
        }


def find_path(document: Any, path: str, missing: Any = None) -> Any:
    """Return the value at a path.

    Args:
        document: Parsed JSON.
        path: A JSONPath, with or without `$`.
        missing: Returned if there is no such value.

    Raises:
        NotEmulatedError: The path may name more than one place.
    """
    rest = path.removeprefix("$")
    if not path.startswith("$"):
        rest = f".{path}"
    while rest:
        step = _STEP.match(rest)
        if step is None:
            raise NotEmulatedError(f"the JSONPath {path}")
        rest = rest[step.end() :]
        name = step[1] or step[2] or step[3]
        if name is not None:
            document = document.get(name, missing) if isinstance(document, dict) else missing
        else:
            index = int(step[4])
            has_it = isinstance(document, list) and index < len(document)
            document = document[index] if has_it else missing
    return document


def _require_text(value: Any) -> str:
    if not isinstance(value, str):
        raise NotEmulatedError(f"$util with {value!r} instead of a text")
    return value


def _decode_url(value: Any) -> str:
    text = _require_text(value)
    # Java's URLDecoder raises an error, Python's leaves it as it is.
    if _NO_ESCAPE.search(text):
        raise NotEmulatedError(f"$util.urlDecode of {text!r}, in which a % begins no code")
    return unquote_plus(text)


def _escape_javascript(value: Any) -> str:
    escaped = ""
    for one in _require_text(value):
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
        return java.parse_json(_require_text(value))
    except ValueError as problem:
        raise configuration_error(f"$util.parseJson: {problem}") from None


def _decode_base64(value: Any) -> str:
    try:
        return base64.b64decode(_require_text(value), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as problem:
        raise configuration_error(f"$util.base64Decode: {problem}") from None
