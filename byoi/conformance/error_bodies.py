"""Bodies that tell of an error, whatever status they come with.

No page of AWS has a form for them: these are the keys and words that servers and their frameworks
use. A model's own word, such as a state that it predicts, is none of them.
"""

import json
import re

_READ_BYTES = 1 << 20
# Of a body that tells of an error instead of a prediction: names without what is no letter.
_ERROR_KEYS = {
    *("error", "errors", "exception", "traceback", "stacktrace"),
    *("errormessage", "errortype", "errorcode"),
}
# "failed" may be what a model predicts.
_STATUS_KEYS, _ERROR_VALUES = {"status", "state"}, {"error"}
_SUCCESS_KEYS = {"success", "ok", "issuccess"}
_ERROR_TEXT = re.compile(
    r"\s*(?:\w*Error\b|\w*Exception\b|internal server error|traceback \(most recent)",
    re.IGNORECASE,
)


def error_in(body: bytes) -> str:
    """Return the error that a body is about, "" where it is about none."""
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
        # A model's error, as of a reconstruction, is a number.
        is_told = value is True or (isinstance(value, str | dict | list) and value)
        if word in _ERROR_KEYS and is_told:
            return f"{name}: {value}"[:120]
        if word in _STATUS_KEYS and str(value).lower() in _ERROR_VALUES:
            return f"{name}: {value}"[:120]
        if word in _SUCCESS_KEYS and value is False:
            return f"{name}: {value}"
    return ""
