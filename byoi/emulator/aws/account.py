"""moto's one account: emptied, given a bucket and a role, and read from; what differs in its S3."""

import json
from collections.abc import Iterator
from typing import Any

from moto.core.base_backend import BackendDict
from moto.core.model_instances import reset_model_data
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.iam.models import iam_backends
from moto.s3.exceptions import S3ClientError
from moto.s3.models import s3_backends
from moto.s3.responses import S3Response

from byoi import policy

NUMBER = DEFAULT_ACCOUNT_ID
BUCKET = "byoi-emulator"
ROLE_NAME = "byoi-execution-role"
_TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "sagemaker.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ],
}
# What SageMaker's Developer Guide says that an endpoint's role needs (sagemaker-roles.html,
# "CreateModel API: Execution Role Permissions", also with a private VPC), for any bucket and
# repository: a model's data may be in a bucket that was made a moment ago.
_RIGHTS = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": [
                "cloudwatch:PutMetricData",
                *policy.VPC_ACTIONS,
                "ecr:BatchCheckLayerAvailability",
                "ecr:BatchGetImage",
                "ecr:GetAuthorizationToken",
                "ecr:GetDownloadUrlForLayer",
                "logs:CreateLogGroup",
                "logs:CreateLogStream",
                "logs:DescribeLogStreams",
                "logs:PutLogEvents",
                "s3:GetObject",
                "s3:ListBucket",
            ],
            "Resource": "*",
        }
    ],
}


def replacements() -> Iterator[tuple[Any, str, Any]]:
    """Yield object, name and new value of each replaced attribute of moto's S3."""
    read = S3Response._tagging_from_xml  # noqa: SLF001 - moto has no other

    def tags(self: Any) -> Any:
        # moto fails on an empty set, with which AWS removes all tags.
        return read(self) if b"<Tag>" in self.body else {}

    yield S3Response, "_tagging_from_xml", tags


def reset() -> None:
    """Empty moto's account, which an earlier emulator in this process may have filled."""
    BackendDict.reset()
    reset_model_data()


def make_bucket(region: str) -> str:
    """Create the default bucket and return its name."""
    s3_backends[NUMBER]["aws"].create_bucket(BUCKET, region)
    return BUCKET


def make_role() -> str:
    """Create the execution role and return its ARN."""
    backend = iam_backends[NUMBER]["aws"]
    role = backend.create_role(
        role_name=ROLE_NAME,
        assume_role_policy_document=json.dumps(_TRUST),
        path="/",
        permissions_boundary=None,
        description="Execution role of endpoints on the emulator",
        tags=[],
        max_session_duration="3600",
    )
    backend.put_role_policy(ROLE_NAME, "run-endpoints", json.dumps(_RIGHTS))
    return str(role.arn)


def read_object(bucket: str, key: str) -> bytes | None:
    """Return an object of S3, None if there is none."""
    try:
        found = s3_backends[NUMBER]["aws"].get_object(bucket, key)
    except S3ClientError:  # no such bucket
        return None
    return None if found is None else bytes(found.value)


def list_keys(bucket: str, prefix: str) -> list[str]:
    """Return the keys of a bucket that begin with `prefix`."""
    try:
        found = s3_backends[NUMBER]["aws"].get_bucket(bucket)
    except S3ClientError:
        return []
    return [key for key in found.keys if key.startswith(prefix)]
