"""The result of one check before a deployment.

A module of its own, because every check makes findings and `preflight` calls every check.
"""

from dataclasses import dataclass

from botocore.exceptions import BotoCoreError, ClientError

from byoi.deployment.account import error_code

# The emulator's error code for calls that it does not emulate; AWS has none like it.
_NOT_EMULATED = "NotEmulated"
_MARKS = {True: "ok", False: "FAILED", None: "not known"}


@dataclass(frozen=True)
class Finding:
    """One thing that was checked.

    Attributes:
        what: The thing, and its state.
        is_ok: Whether a deployment can succeed with it; None if that is not known.
        remedy: A command or page that repairs it, or the reason why it is not known; "" where
            nothing has to be done.
    """

    what: str
    is_ok: bool | None
    remedy: str = ""

    def __str__(self) -> str:
        """Return the finding as a line, with the remedy as a second one."""
        line = f"{_MARKS[self.is_ok]}: {self.what}"
        return f"{line}\n    {self.remedy}" if self.remedy else line


def not_known(what: str, error: BotoCoreError | ClientError) -> Finding:
    """Return the finding for a question that AWS refused, or did not answer."""
    if not isinstance(error, ClientError):
        return Finding(what, None, f"AWS did not answer: {error}")
    action = error.operation_name
    if error_code(error) == _NOT_EMULATED:
        return Finding(what, None, f"not checked: the emulator does not support {action}")
    message = str(error.response["Error"].get("Message", "")).partition(". ")[0]
    reason = ": ".join(part for part in (error_code(error), message) if part)
    return Finding(what, None, f"{action} was refused ({reason})")
