"""What a check before a deployment found out."""

from dataclasses import dataclass

from botocore.exceptions import BotoCoreError, ClientError

from byoi.deployment.account import error_code

# The emulator's own word; AWS has none like it.
_NOT_EMULATED = "NotEmulated"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        what: What it is, and what was seen.
        is_ok: Whether it is as it must be; None where that could not be told.
        remedy: A command or page that puts it right, or why it could not be told; "" where
            nothing is to be done.
    """

    what: str
    is_ok: bool | None
    remedy: str = ""


def untold(what: str, error: BotoCoreError | ClientError) -> Finding:
    """Return the finding for what AWS did not answer."""
    if not isinstance(error, ClientError):
        return Finding(what, None, f"AWS did not answer: {error}")
    action = error.operation_name
    if error_code(error) == _NOT_EMULATED:
        return Finding(what, None, f"only AWS tells: the emulator has no {action}")
    message = str(error.response["Error"].get("Message", "")).partition(". ")[0]
    said = ": ".join(part for part in (error_code(error), message) if part)
    return Finding(what, None, f"{action} was refused ({said})")
