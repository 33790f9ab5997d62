"""The steps of build_and_push.sh around docker's own; the script alone calls this module.

`python -m byoi.deployment.push VERB ...` prints one line on stdout:

    platform INSTANCE_TYPE       the platform that its machines run
    ecr-repository NAME          the repository's address in Amazon ECR, created if missing
    ecr-password                 a password for `docker login --username AWS`
    check REFERENCE PLATFORM     repository@sha256:... of the pushed image, if SageMaker accepts it
"""

import sys
from collections.abc import Sequence

from byoi import errors
from byoi.deployment.ecr import connect_ecr
from byoi.deployment.image import ManifestSource, check_image, platform_of
from byoi.names import ImageReference
from byoi.registry import Registry


def main(arguments: Sequence[str]) -> str:
    """Return the line that the verb and its arguments ask for.

    Raises:
        ByoiError: As the library's functions behind the verbs; ConfigurationError for another verb.
    """
    match arguments:
        case ["platform", instance_type]:
            return platform_of(instance_type)
        case ["ecr-repository", name]:
            return connect_ecr().create_repository(name)
        case ["ecr-password"]:
            return connect_ecr().password()
        case ["check", reference, platform]:
            image = ImageReference.parse(reference)
            source: ManifestSource = connect_ecr() if image.ecr else Registry(image.registry)
            manifest = check_image(source, image.repository, image.version, platform)
            return f"{image.address}@{manifest.digest}"
    raise errors.ConfigurationError(f"no such verb: {' '.join(arguments)!r}\n\n{__doc__}")


if __name__ == "__main__":
    try:
        print(main(sys.argv[1:]))  # noqa: T201 - the result, for the script
    except errors.ByoiError as error:
        sys.exit(f"build_and_push: {error}")
