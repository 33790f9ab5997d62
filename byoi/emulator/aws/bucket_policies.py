"""Policies of buckets: which objects nobody may reach, and the resource of a stack.

moto applies a policy's statements to everybody as if they had no conditions, so that the usual
one, which denies requests without TLS, would deny all. Here conditions are evaluated; a request
counts as one that came by TLS, because the emulator's plain HTTP stands for AWS's HTTPS. What
would need to know who calls is refused: callers of S3 are not told apart.

Sources: S3 User Guide, "Policies and permissions in Amazon S3" (elements) and
access-control-auth-workflow-object-operation.html; CloudFormation's reference of
AWS::S3::BucketPolicy; moto 5.2.5, s3/models.py and responses.py.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from moto.core.common_models import CloudFormationModel
from moto.iam.access_control import PermissionResult
from moto.s3.exceptions import S3ClientError
from moto.s3.models import FakeBucket, S3Backend, s3_backends

from byoi import policy
from byoi.emulator import refusals
from byoi.emulator.aws.errors import NotEmulatedError, ResourceFailedError
from byoi.policy import Decision, Request

_EVERYBODY = ("*", {"AWS": "*"}, {"AWS": ["*"]})
_ALL = {"Effect": "Allow", "Action": "*", "Resource": "*"}
_CONTEXT = {"aws:SecureTransport": "true"}
# moto names an action by the method.
_ACTIONS = {"s3:HeadObject": "s3:GetObject", "s3:PostObject": "s3:PutObject"}
_PROPERTIES = {"Bucket", "PolicyDocument"}


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


class BucketPolicy(CloudFormationModel):
    """A bucket's policy that a stack has made; moto finds it by its type.

    Attributes:
        physical_resource_id: The value of Ref: the bucket's name.
    """

    def __init__(self, bucket: str) -> None:
        """Hold whose policy it is.

        Args:
            bucket: The bucket's name.
        """
        self.physical_resource_id = bucket

    @staticmethod
    def cloudformation_name_type() -> str:
        """Return no name: it has that of its bucket."""
        return ""

    @staticmethod
    def cloudformation_type() -> str:
        """Return the type in a template."""
        return "AWS::S3::BucketPolicy"

    @classmethod
    def create_from_cloudformation_json(
        cls,
        resource_name: str,  # noqa: ARG003 - moto's
        cloudformation_json: Mapping[str, Any],
        account_id: str,
        region_name: str,  # noqa: ARG003
        **_: Any,
    ) -> "BucketPolicy":
        """Put the policy on its bucket, which must have none."""
        name, document = _read(cloudformation_json["Properties"])
        backend = _backend(account_id)
        try:
            if backend.get_bucket_policy(name) is not None:
                raise ResourceFailedError(f"The bucket policy already exists on bucket {name}.")
            backend.put_bucket_policy(name, document)
        except S3ClientError as error:
            raise ResourceFailedError(str(error)) from error
        return cls(name)

    @classmethod
    def update_from_cloudformation_json(
        cls,
        original_resource: "BucketPolicy",
        new_resource_name: str,  # noqa: ARG003 - moto's
        cloudformation_json: Mapping[str, Any],
        account_id: str,
        region_name: str,  # noqa: ARG003
    ) -> "BucketPolicy":
        """Put another policy on the bucket."""
        name, document = _read(cloudformation_json["Properties"])
        if name != original_resource.physical_resource_id:
            raise NotEmulatedError("UpdateStack that gives a bucket policy another bucket")
        _backend(account_id).put_bucket_policy(name, document)
        return original_resource

    def delete(self, account: str, _region: str) -> None:
        """Take the policy from the bucket, if that exists."""
        backend = _backend(account)
        if self.physical_resource_id in backend.buckets:
            backend.delete_bucket_policy(self.physical_resource_id)


def _backend(account: str) -> Any:
    return s3_backends[account]["aws"]


def _read(properties: Mapping[str, Any]) -> tuple[str, bytes]:
    """Return a resource's bucket and document."""
    others = set(properties) - _PROPERTIES
    if others:
        raise NotEmulatedError(f"{', '.join(sorted(others))} of AWS::S3::BucketPolicy")
    document = properties["PolicyDocument"]
    text = document if isinstance(document, str) else json.dumps(document)
    return str(properties["Bucket"]), text.encode()
