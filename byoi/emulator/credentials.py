"""The keys that may sign a request: this start's own, and those that its IAM and STS issued.

Source: IAM User Guide, reference_identifiers.html (the form of access key ids) and
id_credentials_access-keys.html; moto 5.2.5, iam/models.py and sts/models.py.
"""

import base64
import datetime as dt
import secrets
import string
from dataclasses import dataclass, field
from typing import Any, Self

from moto.iam.models import iam_backends
from moto.sts.models import sts_backends

_SECRET_ALPHABET = string.ascii_letters + string.digits
_SECRET_CHARACTERS = 40


@dataclass(frozen=True)
class Key:
    """One pair of access key id and secret.

    Attributes:
        access_key: The id that stands in a request.
        secret: What the request is signed with.
        token: Session token that must come along; None for a key that has none.
        problem: Why the key is not accepted any more, "" for a valid one.
    """

    access_key: str
    secret: str = field(repr=False)
    token: str | None = field(default=None, repr=False)
    problem: str = ""

    @classmethod
    def random(cls) -> Self:
        """Return a new key in the form of AWS's long-term keys."""
        # 10 random bytes are 16 characters of base 32, the alphabet of AWS's own.
        access_key = f"AKIA{base64.b32encode(secrets.token_bytes(10)).decode()}"
        secret = "".join(secrets.choice(_SECRET_ALPHABET) for _ in range(_SECRET_CHARACTERS))
        return cls(access_key, secret)


class Credentials:
    """Every key that is accepted.

    Args:
        own: This start's.
    """

    def __init__(self, own: Key) -> None:
        self._own = own

    def find(self, access_key: str) -> Key | None:
        """Return the key of an id, None where there is none."""
        if access_key == self._own.access_key:
            return self._own
        return _issued(access_key)


def _issued(access_key: str) -> Key | None:
    """Return a key that CreateAccessKey or AssumeRole made in any of moto's accounts."""
    # Lists, because other threads create accounts.
    for number, partitions in list(iam_backends.items()):
        for partition, backend in list(partitions.items()):
            found = backend.access_keys.get(access_key)
            if found is None:
                continue
            if found.user_name is None:
                return _of_session(found, sts_backends[number][partition])
            user = backend.users.get(found.user_name)
            # moto keeps the keys of a user that was deleted.
            if user is None or found not in user.access_keys:
                return None
            problem = "" if found.status == "Active" else f"is {found.status}"
            return Key(access_key, found.secret_access_key, problem=problem)
    return None


def _of_session(found: Any, sts: Any) -> Key | None:
    """Return the key of a role's session, with its token."""
    session = sts.get_assumed_role_from_access_key(found.access_key_id)
    if session is None:
        return None
    expiration = session.expiration.replace(tzinfo=dt.UTC)
    is_over = expiration <= dt.datetime.now(dt.UTC)
    return Key(
        found.access_key_id,
        found.secret_access_key,
        session.session_token,
        problem=f"expired at {expiration:%Y-%m-%dT%H:%M:%SZ}" if is_over else "",
    )
