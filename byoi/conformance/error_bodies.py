"""Find an error in a response body, independent of its status.

AWS documents no format for them: these are the keys and words that servers and their frameworks
use. Words that a model may predict, such as a state, are not among them.
"""

import json
import re

_READ_BYTES = 1 << 20
# Keys of an error in a JSON body, letters only.
_ERROR_KEYS = {
    *("error", "errors", "exception", "traceback", "stacktrace"),
    *("errormessage", "errortype", "errorcode"),
}
# Not "failed": a model may predict it.
_STATUS_KEYS, _ERROR_VALUES = {"status", "state"}, {"error"}
_SUCCESS_KEYS = {"success", "ok", "issuccess"}
_ERROR_TEXT = re.compile(
    r"\s*(?:\w*Error\b|\w*Exception\b|internal server error|traceback \(most recent)",
    re.IGNORECASE,
)


def error_in(body: bytes) -> str:
    """Return the error in a body, "" without one."""
    text = body[:_READ_BYTES].decode("utf-8", "replace")
    try:
        content = json.loads(text)
    except ValueError:
        content = text
    if isinstance(content, str):
        return content.strip()[:120] if _ERROR_TEXT.match(content) else ""
    if not isinstance(content, dict):
        return ""
    for name, value in content.items():
        word = re.sub(r"[^a-z]", "", name.lower())
        # A number may be a prediction, such as a reconstruction error.
        is_told = value is True or (isinstance(value, str | dict | list) and value)
        if word in _ERROR_KEYS and is_told:
            return f"{name}: {value}"[:120]
        if word in _STATUS_KEYS and str(value).lower() in _ERROR_VALUES:
            return f"{name}: {value}"[:120]
        if word in _SUCCESS_KEYS and value is False:
            return f"{name}: {value}"
    return ""


def is_nothing(body: bytes) -> bool:
    """Whether a body is empty, or JSON without content, such as `null` or `[]`."""
    text = body[:_READ_BYTES].decode("utf-8", "replace").strip()
    try:
        content = json.loads(text) if text else None
    except ValueError:
        return False
    return content is None or content in ("", [], {})
