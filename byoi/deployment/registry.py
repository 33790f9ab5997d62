"""What an image registry holds under a tag, read through the registry's HTTP API.

Source: distribution.github.io/distribution/spec/api.

Amazon ECR in the account and region of the caller's credentials: repository, login, manifest.

What an image's tag stands for now, so that a tag that moved is another deployment.
"""

import base64
import contextlib
import ipaddress
import json
import os
import re
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from botocore.exceptions import ClientError

from byoi import errors
from byoi.local.docker import Engine

DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
# Asked for, so that a registry shows what was really pushed instead of converting it.
MANIFEST_TYPES = (
    DOCKER_MANIFEST,
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
)
_TIMEOUT_S = 30


@dataclass(frozen=True)
class Manifest:
    """What a registry holds under a tag.

    Attributes:
        media_type: As the registry names it.
        digest: sha256:...
        content: The JSON document.
    """

    media_type: str
    digest: str
    content: dict[str, Any]


class Registry(Protocol):
    """Where manifests are read from."""

    def manifest(self, repository: str, tag: str) -> Manifest:
        """Return what lies under the tag."""

    def platform(self, repository: str, manifest: Manifest) -> str | None:
        """Return the platform an image was built for; None where it is not told."""


class HttpRegistry:
    """Any registry, through its HTTP API.

    Args:
        host: host[:port]; over plain HTTP only on this machine, as docker does it.
        docker_config: Directory of docker's config.json, for `docker login`'s credentials.
        authorization: The header's value instead, where it is known.
    """

    def __init__(
        self, host: str, docker_config: Path | None = None, *, authorization: str | None = None
    ) -> None:
        self.host = host
        self._authorization = authorization
        if docker_config is not None:
            self._authorization = _authorization(host, docker_config / "config.json")

    def manifest(self, repository: str, tag: str) -> Manifest:
        """Return what lies under the tag."""
        headers, body = self._get(f"{repository}/manifests/{tag}", ", ".join(MANIFEST_TYPES))
        media_type = headers["Content-Type"].split(";")[0]
        return Manifest(media_type, headers["Docker-Content-Digest"], json.loads(body))

    def platform(self, repository: str, manifest: Manifest) -> str:
        """Return the platform in the image's configuration."""
        _, body = self._get(f"{repository}/blobs/{manifest.content['config']['digest']}", "*/*")
        config = json.loads(body)
        return f"{config['os']}/{config['architecture']}"

    def _get(self, path: str, accept: str) -> tuple[Any, bytes]:
        local = _is_this_machine(self.host.partition(":")[0])
        proxies = [urllib.request.ProxyHandler({})] if local else []
        opener = urllib.request.build_opener(*proxies)
        error: OSError | None = None
        for scheme in ("https", "http") if local else ("https",):
            url = f"{scheme}://{self.host}/v2/{path}"
            request = urllib.request.Request(url, headers={"Accept": accept})  # noqa: S310
            if self._authorization is not None:
                # Not for where ECR redirects to: S3 refuses a signed address with this header.
                request.add_unredirected_header("Authorization", self._authorization)
            try:
                with opener.open(request, timeout=_TIMEOUT_S) as response:
                    return response.headers, response.read()
            except urllib.error.HTTPError as answer:
                answer.close()
                error = answer
            except OSError as failure:
                error = failure
        raise errors.RegistryError(
            f"{url} cannot be read: {error}. It must be readable with what `docker login "
            f"{self.host}` left in docker's configuration; log in, or check REGISTRY"
        ) from error


def _is_this_machine(name: str) -> bool:
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"


def _authorization(host: str, config_file: Path) -> str | None:
    """Return the header's value for what `docker login` stored, in its file or its helper."""
    try:
        config = json.loads(config_file.read_text(encoding="utf-8"))
    except OSError:
        return None
    helper = config.get("credHelpers", {}).get(host) or config.get("credsStore")
    stored = config.get("auths", {}).get(host, {}).get("auth")
    if stored is None and helper is not None:
        done = subprocess.run(
            [f"docker-credential-{helper}", "get"],
            input=host,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode == 0:
            found = json.loads(done.stdout)
            stored = base64.b64encode(f"{found['Username']}:{found['Secret']}".encode()).decode()
    return None if stored is None else f"Basic {stored}"


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


# Source: API CreateModel, ContainerDefinition.Image: registry/repository[:tag] or [@digest].
_ECR = re.compile(r"(\d{12})\.dkr[.-]ecr[^/]*\.([a-z0-9-]+)\.(amazonaws|on)\.[a-z.]+/(.+)")


def find_image_digest(image_uri: str, ecr: Any, environ: Mapping[str, str] = os.environ) -> str:
    """Return the digest of an image, the reference itself where nobody tells it.

    Asked in this order: the reference, Amazon ECR or the registry it names, the engine of
    this machine.

    Args:
        image_uri: Image with tag or digest.
        ecr: boto3's client of that name.
        environ: Leads to docker and its configuration.
    """
    name, _, digest = image_uri.partition("@")
    if digest:
        return digest
    path = name.partition("/")[2]
    if _ECR.fullmatch(name):
        found = _in_ecr(ecr, name)
    elif path and _is_host(name.partition("/")[0]):
        found = _in_registry(name, environ)
    else:
        found = ""
    return found or _on_this_machine(image_uri, environ) or image_uri


def split_reference(name: str) -> tuple[str, str]:
    """Return repository and tag of a reference without a digest."""
    repository, colon, tag = name.rpartition(":")
    # The colon of host:port is none of a tag.
    return (repository, tag) if colon and "/" not in tag else (name, "latest")


def _is_host(word: str) -> bool:
    """Whether docker takes the part before the first slash for a registry."""
    return word == "localhost" or "." in word or ":" in word


def _in_ecr(ecr: Any, name: str) -> str:
    repository, tag = split_reference(name)
    match = _ECR.fullmatch(repository)
    if match is None:
        return ""
    try:
        answer = ecr.batch_get_image(
            registryId=match[1],
            repositoryName=match[4],
            imageIds=[{"imageTag": tag}],
            acceptedMediaTypes=list(MANIFEST_TYPES),
        )
    except ClientError:
        # Not there or not to be read: preflight says which, and SageMaker has the last word.
        return ""
    return str(answer["images"][0]["imageId"]["imageDigest"]) if answer["images"] else ""


def _in_registry(name: str, environ: Mapping[str, str]) -> str:
    address, tag = split_reference(name)
    host, _, repository = address.partition("/")
    home = Path(environ.get("HOME") or Path.home())
    docker_config = Path(environ.get("DOCKER_CONFIG") or home / ".docker")
    try:
        return HttpRegistry(host, docker_config).manifest(repository, tag).digest
    except errors.RegistryError:
        return ""


def _on_this_machine(image_uri: str, environ: Mapping[str, str]) -> str:
    try:
        return Engine(environ).image_id(image_uri)
    except errors.ByoiError:
        return ""
