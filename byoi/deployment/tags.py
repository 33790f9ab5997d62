"""Tags say what belongs to whom and until when; nothing else has to be remembered.

Every endpoint, configuration and model that is deployed carries both, so that clean-up
works after the process that made them is gone.
"""

import datetime as dt
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from byoi import errors

# The endpoint's name: what carries it was made here.
ENDPOINT = "byoi:endpoint"
# When it may be deleted: ISO 8601 in UTC, or NEVER.
EXPIRES = "byoi:expires"
NEVER = "never"
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


@dataclass(frozen=True)
class Ownership:
    """What the tags of one thing say.

    Attributes:
        endpoint: Name of the endpoint it was made for.
        expires: When it may be deleted, in UTC; None is never.
    """

    endpoint: str
    expires: dt.datetime | None

    def is_expired(self, now: dt.datetime) -> bool:
        """Whether its time is over at `now`."""
        return self.expires is not None and self.expires <= now


def make(endpoint: str, expires: dt.datetime | None) -> list[dict[str, str]]:
    """Return the tags as boto3 and the SDK take them.

    Args:
        endpoint: The endpoint's name.
        expires: When it may be deleted, with a time zone; None is never.
    """
    return [
        {"Key": ENDPOINT, "Value": endpoint},
        {"Key": EXPIRES, "Value": to_text(expires)},
    ]


def read(tags: Iterable[Mapping[str, str]]) -> Ownership | None:
    """Return what tags say, None where they say that it is not ours."""
    found = {tag["Key"]: tag["Value"] for tag in tags}
    if ENDPOINT not in found:
        return None
    return Ownership(found[ENDPOINT], _time(found.get(EXPIRES, NEVER)))


def to_text(expires: dt.datetime | None) -> str:
    """Return the value of the tag: `2026-12-01T10:00:00Z`, or `never`."""
    if expires is None:
        return NEVER
    return expires.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_expiry(text: str, now: dt.datetime) -> dt.datetime | None:
    """Return the time that `8h`, `3d`, `90m`, `30s`, `never` or an ISO 8601 time names.

    Args:
        text: What the user wrote; a time without a zone is UTC.
        now: With a time zone; what a duration is counted from.

    Raises:
        ConfigurationError: It is none of these, or lies in the past.
    """
    if text == NEVER:
        return None
    wanted = f"received an expiry of {text!r}, expected 8h, 3d, never or 2026-12-01T10:00Z"
    if match := re.fullmatch(r"(\d+)([smhd])", text):
        try:
            expires = now + dt.timedelta(**{_UNITS[match[2]]: int(match[1])})
        except OverflowError:
            raise errors.ConfigurationError(wanted) from None
    else:
        try:
            expires = dt.datetime.fromisoformat(text)
        except ValueError:
            raise errors.ConfigurationError(wanted) from None
        if expires.tzinfo is None:
            expires = expires.replace(tzinfo=dt.UTC)
    if expires <= now:
        raise errors.ConfigurationError(f"{wanted}; this one is over already")
    return expires


def _time(text: str) -> dt.datetime | None:
    try:
        time = dt.datetime.fromisoformat(text)
    except ValueError:
        # NEVER, or what somebody else wrote: nothing is deleted for a value nobody understands.
        return None
    return time if time.tzinfo else time.replace(tzinfo=dt.UTC)
