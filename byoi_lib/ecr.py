"""Amazon ECR in the account and region of the caller's credentials: repository, login, manifest."""

import base64
import contextlib
import json
import sys
from collections.abc import Iterator
from typing import Any

from byoi_lib import errors
from byoi_lib.registry import MANIFEST_TYPES, HttpRegistry, Manifest

# A build that is re-made from changed files under the same tag leaves one without a tag.
LIFECYCLE_POLICY = {
    "rules": [
        {
            "rulePriority": 1,
            "description": "Images that lost their tag to a later build of the same commit",
            "selection": {
                "tagStatus": "untagged",
                "countType": "sinceImagePushed",
                "countUnit": "days",
                "countNumber": 30,
            },
            "action": {"type": "expire"},
        }
    ]
}


@contextlib.contextmanager
def _aws_errors() -> Iterator[None]:
    """Turn what AWS or boto3 refuses into one line with the remedy."""
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - see connect

    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise errors.RegistryError(
            f"Amazon ECR cannot be used: {error}. It needs credentials and a region "
            "(AWS_PROFILE or AWS_ACCESS_KEY_ID, AWS_DEFAULT_REGION) that may call "
            "sts:GetCallerIdentity and ecr; or push to another registry: REGISTRY=host:port"
        ) from error


def connect() -> "EcrRegistry":
    """Return ECR as boto3's own configuration finds it.

    Raises:
        MissingProgramError: boto3 is not installed.
        RegistryError: There is no region.
    """
    try:
        import boto3  # noqa: PLC0415 - other registries work without it
    except ImportError as error:
        raise errors.MissingProgramError(
            f"Amazon ECR needs boto3, and {sys.executable} has none: run `make .venv`, or push "
            "to another registry: REGISTRY=host:port"
        ) from error
    with _aws_errors():
        session = boto3.Session()
        return EcrRegistry(session.client("sts"), session.client("ecr"))


class EcrRegistry:
    """Amazon ECR.

    Args:
        sts: boto3's client of that name.
        ecr: boto3's client of that name.
    """

    def __init__(self, sts: Any, ecr: Any) -> None:
        self._sts = sts
        self._ecr = ecr

    @_aws_errors()
    def create_repository(self, name: str) -> str:
        """Return the repository's address; create it, scanned on push, if it is not there."""
        caller = self._sts.get_caller_identity()
        region = self._ecr.meta.region_name
        print(f"account {caller['Account']} as {caller['Arn']}, region {region}", file=sys.stderr)  # noqa: T201
        try:
            found = self._ecr.describe_repositories(repositoryNames=[name])["repositories"][0]
        except self._ecr.exceptions.RepositoryNotFoundException:
            print(f"creating repository {name}", file=sys.stderr)  # noqa: T201
            found = self._ecr.create_repository(
                repositoryName=name, imageScanningConfiguration={"scanOnPush": True}
            )["repository"]
            self._ecr.put_lifecycle_policy(
                repositoryName=name, lifecyclePolicyText=json.dumps(LIFECYCLE_POLICY)
            )
        return str(found["repositoryUri"])

    @_aws_errors()
    def password(self) -> str:
        """Return a password for the user AWS, valid for 12 hours."""
        data = self._ecr.get_authorization_token()["authorizationData"][0]
        return base64.b64decode(data["authorizationToken"]).decode().partition(":")[2]

    @_aws_errors()
    def http(self) -> HttpRegistry:
        """Return the same registry through its HTTP API, which also shows configurations.

        Source: ECR User Guide, registry_auth.html, "Using HTTP API authentication".
        """
        data = self._ecr.get_authorization_token()["authorizationData"][0]
        host = data["proxyEndpoint"].partition("://")[2]
        return HttpRegistry(host, authorization=f"Basic {data['authorizationToken']}")

    @_aws_errors()
    def manifest(self, repository: str, tag: str) -> Manifest:
        """Return what lies under the tag, or the digest in its place.

        Raises:
            RegistryError: Nothing does, or AWS refuses the call.
        """
        answer = self._ecr.batch_get_image(
            repositoryName=repository,
            imageIds=[{"imageDigest" if tag.startswith("sha256:") else "imageTag": tag}],
            acceptedMediaTypes=list(MANIFEST_TYPES),
        )
        if not answer["images"]:
            raise errors.RegistryError(
                f"Amazon ECR has no {repository}:{tag}: {answer['failures']}. Push it: "
                "./build_and_push.sh"
            )
        image = answer["images"][0]
        content = json.loads(image["imageManifest"])
        media_type = image.get("imageManifestMediaType") or content["mediaType"]
        return Manifest(media_type, image["imageId"]["imageDigest"], content)

    def platform(self, repository: str, manifest: Manifest) -> str | None:  # noqa: ARG002
        """Return None: ECR's API shows no image configuration; the script asked docker before."""
        return None
