"""The result of testing a rule of the container contract, and the reason for it."""

import enum
from dataclasses import dataclass


class Verdict(enum.Enum):
    """The result of testing a rule."""

    PASS = "pass"  # noqa: S105 - not a password
    FAIL = "fail"
    NOT_APPLICABLE = "not applicable"
    NOT_TESTED = "not tested"


class Broken(Exception):  # noqa: N818 - named after the condition
    """The rule does not hold.

    Attributes:
        seen: The observation, in a few words.
        remedy: What to change, in a sentence.
    """

    def __init__(self, seen: str, remedy: str) -> None:
        super().__init__(seen)
        self.seen = seen
        self.remedy = remedy


class NotTested(Exception):  # noqa: N818 - named after the condition
    """The rule could not be tested; the text says what is needed to test it."""


class NotApplicable(Exception):  # noqa: N818 - named after the condition
    """The rule does not concern this image; the text says why."""


@dataclass(frozen=True)
class Figure:
    """A time that a rule measured.

    Attributes:
        name: What was measured, such as `slowest /ping`.
        rule: The id of the rule that measured it.
        seconds: The measured time.
        limit_s: The limit of the platform.
    """

    name: str
    rule: str
    seconds: float
    limit_s: float

    @property
    def share(self) -> float:
        """The time as a share of the limit, at most 1."""
        return min(1.0, self.seconds / self.limit_s)
