"""What is said of a rule of the container contract, and why."""

import enum
from dataclasses import dataclass


class Verdict(enum.Enum):
    """What is said of a rule."""

    PASS = "pass"  # noqa: S105 - a word, no password
    FAIL = "fail"
    NOT_APPLICABLE = "not applicable"
    NOT_TESTED = "not tested"


class Broken(Exception):  # noqa: N818 - named after the condition
    """The rule does not hold.

    Attributes:
        seen: What was seen, in a few words.
        remedy: What to change, in a sentence.
    """

    def __init__(self, seen: str, remedy: str) -> None:
        super().__init__(seen)
        self.seen = seen
        self.remedy = remedy


class NotTested(Exception):  # noqa: N818 - named after the condition
    """The rule could not be tested; the text says what to give so that it can."""


class NotApplicable(Exception):  # noqa: N818 - named after the condition
    """The rule does not concern this image; the text says why."""


@dataclass(frozen=True)
class Figure:
    """A time that a rule measured.

    Attributes:
        name: What took it, such as `slowest /ping`.
        rule: The id of the rule that measured it.
        seconds: What it took.
        limit_s: What the platform allows.
    """

    name: str
    rule: str
    seconds: float
    limit_s: float

    @property
    def share(self) -> float:
        """What it took of the limit, 1 for all of it and for more."""
        return min(1.0, self.seconds / self.limit_s)
