"""The steps of build_and_push.sh around docker's own: platform, repository, login, check.

`python -m byoi.deployment.push VERB ...` prints one line on stdout:

    platform INSTANCE_TYPE       the platform its machines run
    ecr-repository NAME          the repository's address in Amazon ECR, created if missing
    ecr-password                 a password for `docker login --username AWS`
    check REFERENCE PLATFORM     repository@sha256:... of what was pushed, if SageMaker takes it

Source: SageMaker's CreateModel answers "Unsupported manifest media type" to every OCI type,
an index or a single image.
"""

import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from byoi import errors
from byoi.deployment.registry import DOCKER_MANIFEST, HttpRegistry, Manifest, Registry, connect_ecr

_ECR_HOST = re.compile(r"^\d{12}\.dkr[.-]ecr")


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


def check(registry: Registry, repository: str, tag: str, platform: str) -> Manifest:
    """Return the manifest under the tag, if SageMaker takes it.

    Args:
        registry: Where it was pushed.
        repository: Its name there, without the host.
        tag: Its tag.
        platform: The platform of the instance type it is for.

    Raises:
        RegistryError: It cannot be read, is not a single image with Docker's media type, or
            is for another platform.
    """
    manifest = registry.manifest(repository, tag)
    if manifest.media_type != DOCKER_MANIFEST:
        raise errors.RegistryError(
            f"SageMaker would refuse {repository}:{tag}: its manifest is {manifest.media_type}, "
            f"expected {DOCKER_MANIFEST}. Build one platform without attestations "
            "(BUILDX_NO_DEFAULT_ATTESTATIONS=1) and with Docker media types (docker build "
            "--output type=image,oci-mediatypes=false), as ./build_and_push.sh byoi does, or turn "
            "off the engine's containerd image store; then push again"
        )
    received = registry.platform(repository, manifest)
    if received not in {None, platform}:
        raise errors.RegistryError(
            f"SageMaker could not run {repository}:{tag}: it is built for {received}, the "
            f"instance type needs {platform}. Build it for that platform (PLATFORM={platform} "
            "make image), or name an instance type it is for: INSTANCE_TYPE=ml.m5.large "
            "(linux/amd64), INSTANCE_TYPE=ml.c7g.large (linux/arm64)"
        )
    return manifest


def main(arguments: Sequence[str]) -> str:
    """Return the line that the verb and its arguments ask for."""
    match arguments:
        case ["platform", instance_type]:
            return platform_of(instance_type)
        case ["ecr-repository", name]:
            return connect_ecr().create_repository(name)
        case ["ecr-password"]:
            return connect_ecr().password()
        case ["check", reference, platform]:
            address, _, tag = reference.rpartition(":")
            host, _, repository = address.partition("/")
            docker_config = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")
            registry: Registry = (
                connect_ecr() if _ECR_HOST.match(host) else HttpRegistry(host, docker_config)
            )
            return f"{address}@{check(registry, repository, tag, platform).digest}"
    raise errors.ConfigurationError(f"no such verb: {' '.join(arguments)!r}\n\n{__doc__}")


if __name__ == "__main__":
    try:
        print(main(sys.argv[1:]))  # noqa: T201 - the result, for the script
    except errors.ByoiError as error:
        sys.exit(f"build_and_push: {error}")
