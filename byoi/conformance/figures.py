"""Times of a server that rules have measured, each with the platform's limit of it."""

from dataclasses import dataclass


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
