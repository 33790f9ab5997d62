"""The tags of endpoints, configurations and models: their endpoint, and when it expires.

Clean-up reads nothing else, so it works after the process that deployed has ended.

Source: API Tag; SageMaker Developer Guide, tagging.
"""

import datetime as dt
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from byoi import errors

# The endpoint's name: this project made every resource with this tag.
ENDPOINT = "byoi:endpoint"
# When the resource may be deleted: ISO 8601 in UTC, or NEVER.
EXPIRES = "byoi:expires"
NEVER = "never"
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


@dataclass(frozen=True)
class Ownership:
    """The tags of one resource, as they are read.

    Attributes:
        endpoint: Name of the endpoint that the resource was made for.
        expires: When the resource may be deleted, in UTC; None is never.
    """

    endpoint: str
    expires: dt.datetime | None

    def is_expired(self, now: dt.datetime) -> bool:
        """Whether the resource may be deleted at `now`."""
        return self.expires is not None and self.expires <= now


def make(endpoint: str, expires: dt.datetime | None) -> list[dict[str, str]]:
    """Return the tags as boto3 and the SDK take them.

    Args:
        endpoint: The endpoint's name.
        expires: When the resource may be deleted, with a time zone; None is never.
    """
    return [
        {"Key": ENDPOINT, "Value": endpoint},
        {"Key": EXPIRES, "Value": to_text(expires)},
    ]


def read(tags: Iterable[Mapping[str, str]]) -> Ownership | None:
    """Return the ownership that tags name, None if they are not of this project."""
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
    """Parse `8h`, `3d`, `90m`, `30s`, `never` or an ISO 8601 time.

    Args:
        text: The expiry; a time without a zone is UTC.
        now: Start of a duration, with a time zone.

    Raises:
        ConfigurationError: It is not one of these, or is in the past.
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
        raise errors.ConfigurationError(f"{wanted}; this one is in the past")
    return expires


def _time(text: str) -> dt.datetime | None:
    try:
        time = dt.datetime.fromisoformat(text)
    except ValueError:
        # NEVER, or an unknown value: never delete because of it.
        return None
    return time if time.tzinfo else time.replace(tzinfo=dt.UTC)
