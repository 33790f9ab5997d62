"""What AWS and image registries call things: image references, S3 URIs and ARNs.

Sources: distribution/reference (docker's grammar of image references); ECR User Guide,
Registries (ACCOUNT.dkr.ecr.REGION.amazonaws.com, and dkr-ecr for dual-stack); API CreateModel,
ContainerDefinition.Image; IAM User Guide, reference_identifiers (ARNs); API S3ModelDataSource
(names of files). Types with a disk of their own: `volume_size_supported` of the SageMaker SDK
2.257, and EC2's "instance store volumes" for the families it does not name.
"""

import ipaddress
import re
import urllib.parse
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import NamedTuple, Self

from byoi import errors

DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
# Asked for, so that a registry shows what was really pushed instead of converting it.
MANIFEST_TYPES = (
    DOCKER_MANIFEST,
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
)
_ECR_HOST = re.compile(
    r"(\d{12})\.dkr[.-]ecr(?:-fips)?\.([a-z0-9-]+)\."
    r"(?:amazonaws\.com(?:\.cn)?|on\.aws|on\.amazonwebservices\.com\.cn|[a-z0-9.-]+\.gov)"
)
_S3 = "s3://"
# A letter d in the family stands for a local disk: m5d, g4dn, p4d.
_DISK_LETTER = "d"
_DISK_FAMILIES = ("g5", "g6", "g7", "p5", "p6", "trn1", "trn2")
# API S3ModelDataSource.
_NAME_BYTES = 255
# API CreateEndpoint, EndpointName.
ENDPOINT_NAME_CHARACTERS = 63
_ENDPOINT_NAME = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}")


class EcrHost(NamedTuple):
    """Whose Amazon ECR a registry is.

    Attributes:
        account: Number of the AWS account, 12 digits.
        region: Region's name.
    """

    account: str
    region: str


@dataclass(frozen=True)
class ImageReference:
    """A reference to an image: `[REGISTRY/]REPOSITORY[:TAG][@DIGEST]`.

    Attributes:
        registry: Host, with the port where it has one; "" where the reference names none.
        repository: Path of the repository in the registry.
        tag: Tag; "" where there is none.
        digest: `sha256:...`; "" where there is none.
    """

    registry: str
    repository: str
    tag: str = ""
    digest: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Take a reference apart; nothing is looked up.

        The part before the first slash is a registry where it is `localhost` or has a dot or
        a colon, as docker reads it.
        """
        name, _, digest = text.partition("@")
        first, slash, rest = name.partition("/")
        is_host = bool(slash) and (first == "localhost" or "." in first or ":" in first)
        registry, path = (first, rest) if is_host else ("", name)
        repository, _, tag = path.partition(":")
        return cls(registry, repository, tag, digest)

    @property
    def version(self) -> str:
        """The digest, else the tag, else docker's default tag `latest`."""
        return self.digest or self.tag or "latest"

    @property
    def base_name(self) -> str:
        """The last part of the repository's path, without registry, tag and digest."""
        return self.repository.rpartition("/")[2]

    @property
    def address(self) -> str:
        """Registry and repository, without tag and digest."""
        return f"{self.registry}/{self.repository}" if self.registry else self.repository

    @property
    def ecr(self) -> EcrHost | None:
        """Account and region of the Amazon ECR that the image is in, None of any other place."""
        match = _ECR_HOST.fullmatch(self.registry)
        return EcrHost(match[1], match[2]) if match else None


@dataclass(frozen=True)
class S3Uri:
    """The place of an object, or of a group of objects, in Amazon S3.

    Attributes:
        bucket: Name of the bucket.
        key: Key, or the start of several keys; may be empty.
    """

    bucket: str
    key: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Take `s3://BUCKET/KEY` apart.

        Raises:
            ConfigurationError: It is not an S3 URI.
        """
        bucket, _, key = text.removeprefix(_S3).partition("/")
        if not is_s3_uri(text) or not bucket:
            raise errors.ConfigurationError(f"expected s3://BUCKET/KEY, received {text!r}")
        return cls(bucket, key)

    def __str__(self) -> str:
        return f"{_S3}{self.bucket}/{self.key}"


def is_s3_uri(text: object) -> bool:
    """Whether something is written as an S3 URI."""
    return isinstance(text, str) and text.startswith(_S3)


@dataclass(frozen=True)
class Arn:
    """An Amazon Resource Name: `arn:PARTITION:SERVICE:REGION:ACCOUNT:RESOURCE`.

    Attributes:
        partition: `aws`, `aws-cn`, `aws-us-gov`, ...
        service: Namespace of the service.
        region: Empty for services that have no regions.
        account: Empty where the resource belongs to no account.
        resource: The rest; may have colons and slashes.
    """

    partition: str
    service: str
    region: str
    account: str
    resource: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Take an ARN apart.

        Raises:
            ConfigurationError: It has fewer than six parts, or does not begin with `arn`.
        """
        parts = text.split(":", 5)
        if len(parts) != 6 or parts[0] != "arn":
            raise errors.ConfigurationError(
                f"expected arn:PARTITION:SERVICE:REGION:ACCOUNT:RESOURCE, received {text!r}"
            )
        return cls(*parts[1:])

    @property
    def role_name(self) -> str:
        """Name of the IAM role that it names, without the role's path; "" for anything else."""
        is_role = self.service == "iam" and self.resource.startswith("role/")
        return self.resource.rpartition("/")[2] if is_role else ""

    def __str__(self) -> str:
        place = f"{self.partition}:{self.service}:{self.region}:{self.account}"
        return f"arn:{place}:{self.resource}"


def sagemaker_arn(kind: str, name: str, *, region: str, account: str) -> str:
    """Return the ARN of a SageMaker resource, which has the name in lower case.

    A policy whose ARN has the name's capitals therefore does not match: IAM compares ARNs with
    regard to case. Source: the ARNs that AWS's answers show for names with capitals, such as
    `DEMO-linear-...` in AWS's example notebooks; API CreateEndpoint ("The name is
    case-insensitive in CreateEndpoint").

    Args:
        kind: `endpoint`, `endpoint-config` or `model`.
        name: As it was created.
        region: Name of the region.
        account: Number of the account.
    """
    partition = "aws-cn" if region.startswith("cn-") else "aws"
    if region.startswith("us-gov-"):
        partition = "aws-us-gov"
    return str(Arn(partition, "sagemaker", region, account, f"{kind}/{name.lower()}"))


def is_this_machine(host: str) -> bool:
    """Whether a host, with or without a port, is this machine's loopback interface."""
    try:
        name = urllib.parse.urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"


def require_variables(environment: Mapping[str, str]) -> None:
    """Check that variables can be those of a process (POSIX, "Environment Variables").

    Raises:
        ConfigurationError: A name is empty or has `=` or a NUL, or a value has a NUL; the message
            has the name, and never the value.
    """
    for name, value in environment.items():
        if not name or "=" in name or "\0" in name:
            raise errors.ConfigurationError(
                f"{name!r:.100} cannot be the name of a variable; expected one without = and NUL"
            )
        if "\0" in str(value):
            raise errors.ConfigurationError(
                f"the value of the variable {name} has a NUL, which no variable can have; encode "
                "it, by base64 for example"
            )


def check_endpoint_name(name: str) -> str:
    """Return an endpoint's name if SageMaker takes it.

    Raises:
        ConfigurationError: It does not.
    """
    if not _ENDPOINT_NAME.fullmatch(name):
        raise errors.ConfigurationError(
            f"endpoint name {name!r}: SageMaker takes 1 to {ENDPOINT_NAME_CHARACTERS} letters, "
            "digits and hyphens, where the first and the last are not hyphens"
        )
    return name


def has_local_disk(instance_type: str) -> bool:
    """Whether a hosting type, `ml.FAMILY.SIZE`, has a disk of its own, and so no volume."""
    family = instance_type.split(".")[1]
    return _DISK_LETTER in family or family.startswith(_DISK_FAMILIES)


def problem_of_files(names: Collection[str]) -> str:
    """Return why these cannot be the files of one directory, "" if they can.

    Args:
        names: Paths below the directory, with slashes.
    """
    known = set(names)
    for name in sorted(names):
        parts = name.split("/")
        if any(_is_unusable(part) for part in parts):
            return f"{name!r:.300} cannot be the name of a file"
        for depth in range(1, len(parts)):
            if (folder := "/".join(parts[:depth])) in known:
                return f"{folder!r:.300} is a file, and a folder of other files"
    return ""


def _is_unusable(part: str) -> bool:
    return (
        not part.strip()
        or part in {".", ".."}
        or "\0" in part
        or len(part.encode(errors="surrogateescape")) > _NAME_BYTES
    )
