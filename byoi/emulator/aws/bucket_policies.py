"""Policies of buckets: which objects nobody may reach.

moto applies a policy's statements to everybody as if they had no conditions, so that the usual
one, which denies requests without TLS, would deny all. Here conditions are evaluated; a request
counts as one that came by TLS, because the emulator's plain HTTP stands for AWS's HTTPS. What
would need to know who calls is refused: callers of S3 are not told apart.

Sources: S3 User Guide, "Policies and permissions in Amazon S3" (elements) and
access-control-auth-workflow-object-operation.html; moto 5.2.5, s3/models.py and responses.py.
"""

from collections.abc import Callable, Iterator
from typing import Any

from moto.iam.access_control import PermissionResult
from moto.s3.exceptions import S3ClientError
from moto.s3.models import FakeBucket, S3Backend

from byoi import policy
from byoi.emulator import refusals
from byoi.policy import Decision, Request

_EVERYBODY = ("*", {"AWS": "*"}, {"AWS": ["*"]})
_ALL = {"Effect": "Allow", "Action": "*", "Resource": "*"}
_CONTEXT = {"aws:SecureTransport": "true"}
# moto names an action by the method.
_ACTIONS = {"s3:HeadObject": "s3:GetObject", "s3:PostObject": "s3:PutObject"}


def replacements() -> Iterator[tuple[Any, str, Any]]:
    """Yield object, name and new value of each replaced attribute of moto's S3."""
    yield S3Backend, "put_bucket_policy", _checking(S3Backend.put_bucket_policy)
    yield FakeBucket, "get_permission", _permission


def check(document: str | bytes) -> None:
    """Check that a bucket may have a policy, and that what it denies can be evaluated.

    Raises:
        S3ClientError: It is no policy; or, as not emulated, it denies something to some, or
            under a condition that cannot be evaluated.
    """
    try:
        statements = policy.statements(_text(document))
        denying = [one for one in statements if one["Effect"] == "Deny"]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise S3ClientError("MalformedPolicy", "This policy contains invalid Json") from error
    for one in denying:
        if one.get("Principal") not in _EVERYBODY:
            raise _refused("a bucket policy that denies something to some and not to all")
        condition = {**_ALL, "Effect": "Deny", "Condition": one.get("Condition")}
        found = policy.evaluate([{"Statement": [_ALL, condition]}], _request("s3:any", "any"))
        if found.undecided:
            raise _refused(f"a bucket policy with {' and '.join(found.undecided)}")


def _refused(what: str) -> S3ClientError:
    return S3ClientError(refusals.CODE, refusals.message(what))


def _text(document: str | bytes) -> str:
    return document.decode() if isinstance(document, bytes) else document


def _checking(put: Callable[..., Any]) -> Callable[..., Any]:
    def checked(self: Any, bucket_name: str, document: bytes) -> Any:
        check(document)
        return put(self, bucket_name, document)

    return checked


def _permission(self: Any, action: str, resource: str) -> Any:
    """Return whether a bucket's policy denies an action to everybody."""
    if self.policy is None:
        return PermissionResult.NEUTRAL
    found = policy.evaluate([_text(self.policy)], _request(_ACTIONS.get(action, action), resource))
    denied = found.decision is Decision.EXPLICIT_DENY
    return PermissionResult.DENIED if denied else PermissionResult.NEUTRAL


def _request(action: str, resource: str) -> Request:
    return Request(action, resource, context=_CONTEXT)
