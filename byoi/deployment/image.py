"""An image that is to be deployed: what its tag refers to, and what SageMaker accepts.

No boto3 is imported here, so that `push` works for other registries without it.

Sources: SageMaker's CreateModel answers "Unsupported manifest media type" to every OCI type,
an index or a single image; SageMaker Developer Guide, notebooks-available-instance-types.
"""

import os
import re
from collections.abc import Mapping
from typing import Any, Protocol

from byoi import errors
from byoi.deployment import ecr
from byoi.local.docker import Engine
from byoi.names import DOCKER_MANIFEST, ImageReference
from byoi.registry import Manifest, Registry


class ManifestSource(Protocol):
    """A registry, or Amazon ECR's own API."""

    def manifest(self, repository: str, version: str) -> Manifest:
        """Return the manifest under a tag or digest."""

    def platform(self, repository: str, manifest: Manifest) -> str | None:
        """Return the platform an image was built for; None if that is not known."""


def platform_of(instance_type: str) -> str:
    """Return the platform of a SageMaker instance type: linux/amd64 or linux/arm64.

    Graviton families have a g behind the generation, as c7g, m6gd, g5g; g5 and g4dn do not.
    Those with Grace Blackwell end in -gb200 and the like.

    Raises:
        ConfigurationError: It does not look like ml.FAMILY.SIZE.
    """
    match = re.fullmatch(r"ml\.([a-z][a-z0-9-]+)\.[a-z0-9-]+", instance_type)
    if match is None:
        raise errors.ConfigurationError(
            f"INSTANCE_TYPE={instance_type!r}: expected a SageMaker type such as ml.m5.large "
            "or ml.c7g.large"
        )
    return "linux/arm64" if re.match(r"[a-z]+\d+(g|.*-gb)", match[1]) else "linux/amd64"


def check_image(source: ManifestSource, repository: str, version: str, platform: str) -> Manifest:
    """Return the manifest of an image that SageMaker accepts.

    Args:
        source: Where the image is.
        repository: Its repository, without the host.
        version: Its tag or digest.
        platform: The platform of the instance type it is for.

    Raises:
        RegistryError: It cannot be read, is not a single image with Docker's media type, or
            is built for another platform.
    """
    manifest = source.manifest(repository, version)
    check_manifest(manifest, f"{repository}:{version}")
    check_platform(source.platform(repository, manifest), platform, f"{repository}:{version}")
    return manifest


def check_manifest(manifest: Manifest, name: str) -> None:
    """Check that SageMaker accepts a manifest.

    Args:
        manifest: The manifest.
        name: What the image is called in an error.

    Raises:
        RegistryError: It does not.
    """
    if manifest.media_type != DOCKER_MANIFEST:
        raise errors.RegistryError(
            f"SageMaker would refuse {name}: its manifest is {manifest.media_type}, "
            f"expected {DOCKER_MANIFEST}. Build one platform without attestations "
            "(BUILDX_NO_DEFAULT_ATTESTATIONS=1) and with Docker media types (docker build "
            "--output type=image,oci-mediatypes=false), as ./build_and_push.sh byoi does, or turn "
            "off the engine's containerd image store; then push again"
        )


def check_platform(received: str | None, needed: str, name: str) -> None:
    """Check that an image was built for a platform; None, not known, passes.

    Args:
        received: The platform that the image was built for.
        needed: The platform of the instance type it is for.
        name: What the image is called in an error.

    Raises:
        RegistryError: It was built for another one.
    """
    if received not in {None, needed}:
        raise errors.RegistryError(
            f"SageMaker could not run {name}: it is built for {received}, the "
            f"instance type needs {needed}. Build it for that platform (PLATFORM={needed} "
            "make image), or name an instance type it is for: INSTANCE_TYPE=ml.m5.large "
            "(linux/amd64), INSTANCE_TYPE=ml.c7g.large (linux/arm64)"
        )


def find_digest(image_uri: str, ecr_client: Any, environ: Mapping[str, str] = os.environ) -> str:
    """Return what an image's tag refers to now, so that a moved tag is another deployment.

    Asked in this order: the reference itself, Amazon ECR or the registry that it names, the
    container engine of this machine.

    Args:
        image_uri: Image with tag or digest.
        ecr_client: boto3's client `ecr`.
        environ: Environment of docker: its command, stored logins and engine.

    Returns:
        A digest or the engine's image id; `image_uri` itself if none of them knows the image.
    """
    image = ImageReference.parse(image_uri)
    if image.digest:
        return image.digest
    found = ""
    if image.ecr is not None:
        found = ecr.find_digest(ecr_client, image)
    elif image.registry:
        found = _digest_in_registry(image, environ)
    return found or _id_in_engine(image_uri, environ) or image_uri


def _digest_in_registry(image: ImageReference, environ: Mapping[str, str]) -> str:
    try:
        found = Registry(image.registry, environ=environ)
        return found.manifest(image.repository, image.version).digest
    except errors.ByoiError:
        return ""


def _id_in_engine(image_uri: str, environ: Mapping[str, str]) -> str:
    try:
        return Engine(environ).image_id(image_uri)
    except errors.ByoiError:
        return ""
