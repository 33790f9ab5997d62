"""Amazon ECR in the account and region of the caller's credentials: repository, login, manifests.

Sources: API CreateRepository, PutLifecyclePolicy, GetAuthorizationToken, BatchGetImage.
"""

import base64
import contextlib
import json
import sys
from collections.abc import Iterator
from typing import Any

from byoi import errors
from byoi.names import MANIFEST_TYPES, ImageReference
from byoi.registry import Login, Manifest, Registry

# Building again from changed files under the same tag leaves the earlier image without a tag.
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
def _ecr_errors() -> Iterator[None]:
    """Turn what AWS or boto3 refuses into one line with the remedy."""
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - see connect_ecr

    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise errors.RegistryError(
            f"Amazon ECR cannot be used: {error}. It needs credentials and a region "
            "(AWS_PROFILE or AWS_ACCESS_KEY_ID, AWS_DEFAULT_REGION) that may call "
            "sts:GetCallerIdentity and ecr; or push to another registry: REGISTRY=host:port"
        ) from error


def connect_ecr() -> "EcrRegistry":
    """Return ECR as boto3's own configuration finds it.

    Raises:
        MissingProgramError: boto3 is not installed.
        RegistryError: There is no region.
    """
    try:
        import boto3  # noqa: PLC0415 - other registries work without it
    except ImportError as error:
        raise errors.MissingProgramError(
            f"Amazon ECR needs boto3, which is not installed for {sys.executable}: run "
            "`make .venv`, or push to another registry: REGISTRY=host:port"
        ) from error
    with _ecr_errors():
        session = boto3.Session()
        return EcrRegistry(session.client("sts"), session.client("ecr"))


class EcrRegistry:
    """Amazon ECR, through AWS's API.

    Args:
        sts: boto3's client of that name.
        ecr: boto3's client of that name.
    """

    def __init__(self, sts: Any, ecr: Any) -> None:
        self._sts = sts
        self._ecr = ecr

    @_ecr_errors()
    def create_repository(self, name: str) -> str:
        """Return the address of a repository; create it, scanned on push, if it is missing."""
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

    def password(self) -> str:
        """Return a password for the user AWS, valid for 12 hours."""
        return self._authorization()[1].password

    def http(self) -> Registry:
        """Return the same registry through its HTTP API, which also shows configurations.

        Source: ECR User Guide, registry_auth.html, "Using HTTP API authentication".
        """
        host, login = self._authorization()
        return Registry(host, login=login)

    @_ecr_errors()
    def manifest(self, repository: str, version: str) -> Manifest:
        """Return the manifest under a tag or digest.

        Raises:
            RegistryError: There is none, or AWS refuses the call.
        """
        answer = _get_image(self._ecr, repository, version)
        if not answer["images"]:
            raise errors.RegistryError(
                f"Amazon ECR has no {repository}:{version}: {answer['failures']}. Push it: "
                "./build_and_push.sh"
            )
        image = answer["images"][0]
        body = image["imageManifest"].encode()
        media_type = image.get("imageManifestMediaType") or json.loads(body)["mediaType"]
        return Manifest(media_type, image["imageId"]["imageDigest"], body)

    def platform(self, repository: str, manifest: Manifest) -> str | None:  # noqa: ARG002
        """Return None: AWS's API shows no image configuration; `http` does."""
        return None

    @_ecr_errors()
    def _authorization(self) -> tuple[str, Login]:
        """Return the host of the HTTP API, and the login that opens it."""
        data = self._ecr.get_authorization_token()["authorizationData"][0]
        user, _, password = base64.b64decode(data["authorizationToken"]).decode().partition(":")
        return data["proxyEndpoint"].partition("://")[2], Login(user, password)


def find_digest(ecr: Any, image: ImageReference) -> str:
    """Return the digest of an image in Amazon ECR; "" if it is missing or cannot be read.

    `preflight` names the reason, and SageMaker has the last word.

    Args:
        ecr: boto3's client of that name.
        image: A reference to an image whose registry is an ECR.
    """
    if image.ecr is None:
        return ""
    try:
        with _ecr_errors():
            answer = _get_image(ecr, image.repository, image.version, registryId=image.ecr.account)
    except errors.RegistryError:
        return ""
    return str(answer["images"][0]["imageId"]["imageDigest"]) if answer["images"] else ""


def _get_image(ecr: Any, repository: str, version: str, **registry: str) -> Any:
    key = "imageDigest" if version.startswith("sha256:") else "imageTag"
    return ecr.batch_get_image(
        **registry,
        repositoryName=repository,
        imageIds=[{key: version}],
        acceptedMediaTypes=list(MANIFEST_TYPES),
    )
