"""What an image's tag stands for now, so that a tag that moved is another deployment."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from byoi_lib import errors
from byoi_lib.engine import Engine
from byoi_lib.registry import MANIFEST_TYPES, HttpRegistry

# Source: API CreateModel, ContainerDefinition.Image: registry/repository[:tag] or [@digest].
_ECR = re.compile(r"(\d{12})\.dkr[.-]ecr[^/]*\.([a-z0-9-]+)\.(amazonaws|on)\.[a-z.]+/(.+)")


def find(image_uri: str, ecr: Any, environ: Mapping[str, str] = os.environ) -> str:
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


def split(name: str) -> tuple[str, str]:
    """Return repository and tag of a reference without a digest."""
    repository, colon, tag = name.rpartition(":")
    # The colon of host:port is none of a tag.
    return (repository, tag) if colon and "/" not in tag else (name, "latest")


def _is_host(word: str) -> bool:
    """Whether docker takes the part before the first slash for a registry."""
    return word == "localhost" or "." in word or ":" in word


def _in_ecr(ecr: Any, name: str) -> str:
    repository, tag = split(name)
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
    address, tag = split(name)
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
