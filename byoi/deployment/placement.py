"""Where an endpoint's containers run: network, disk, key, and the time for model data to arrive.

Everything here is optional; AWS's defaults are a network with the internet, a disk of its choice
with a key of its own, and no time-out for the model data but its own.

Sources: API CreateModel (EnableNetworkIsolation, VpcConfig), CreateEndpointConfig (KmsKeyId),
ProductionVariant (VolumeSizeInGB, ModelDataDownloadTimeoutInSeconds), VpcConfig; DG
mkt-algo-model-internet-free (isolation and a VPC together: the model data comes through the VPC,
the container has no network).
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from byoi import errors
from byoi.names import has_local_disk

VOLUME_GB = (1, 512)
DOWNLOAD_TIMEOUT_S = (60, 3600)
_SUBNETS_LIMIT = 16
_SECURITY_GROUPS_LIMIT = 5
_KEY_CHARACTERS = 2048
_KEY = re.compile(
    r"[a-zA-Z0-9-]+|alias/[a-zA-Z0-9:/_-]+"
    r"|arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:(?:key/[a-zA-Z0-9-]+|alias/[a-zA-Z0-9/_-]+)"
)


@dataclass(frozen=True)
class Placement:
    """Where the containers of an endpoint run.

    Attributes:
        has_network: Whether the container may call others; False is EnableNetworkIsolation.
        subnets: Ids of the subnets of a VPC that the container is connected to.
        security_groups: Ids of the security groups of its connections.
        volume_gb: Size of each instance's volume, 1 to 512 GB; None is AWS's choice.
        kms_key: Key id, alias or ARN of the key that encrypts the volume, and what is uploaded.
        download_timeout_s: Seconds for the model data to be downloaded and unpacked, 60 to 3600;
            None is AWS's choice.
    """

    has_network: bool = True
    subnets: Sequence[str] = ()
    security_groups: Sequence[str] = ()
    volume_gb: int | None = None
    kms_key: str | None = None
    download_timeout_s: int | None = None

    def __post_init__(self) -> None:
        """Check what AWS would refuse only after the first resources are made.

        Raises:
            ConfigurationError: A value, or a combination, cannot be used.
        """
        if bool(self.subnets) != bool(self.security_groups):
            given, missing = ("subnets", "security groups")
            if not self.subnets:
                given, missing = missing, given
            raise errors.ConfigurationError(
                f"received {given} and no {missing}: a VPC needs both; add --subnet ID and "
                "--security-group ID, each as often as needed"
            )
        _check_ids("subnet", "subnet-", self.subnets, _SUBNETS_LIMIT)
        _check_ids("security group", "sg-", self.security_groups, _SECURITY_GROUPS_LIMIT)
        _check_range("a volume size", "GB", self.volume_gb, VOLUME_GB)
        _check_range("a download time-out", "s", self.download_timeout_s, DOWNLOAD_TIMEOUT_S)
        key = self.kms_key
        if key is not None and not (len(key) <= _KEY_CHARACTERS and _KEY.fullmatch(key)):
            raise errors.ConfigurationError(
                f"received the KMS key {key!r:.200}, expected a key's id, alias/NAME, or the ARN "
                "of either: `aws kms list-aliases` lists them"
            )

    def check_instance_type(self, instance_type: str) -> None:
        """Check that an instance of the type can have what is asked for.

        Raises:
            ConfigurationError: It has a disk of its own, and so no volume.
        """
        if self.volume_gb is not None and has_local_disk(instance_type):
            raise errors.ConfigurationError(
                f"received a volume size of {self.volume_gb} GB for {instance_type}, which has a "
                "local disk and takes no volume; leave --volume-size out, or choose a type "
                "without one, such as ml.m5.large"
            )

    def model_parameters(self) -> dict[str, Any]:
        """Return what of it is said to CreateModel."""
        parameters: dict[str, Any] = {}
        if not self.has_network:
            parameters["EnableNetworkIsolation"] = True
        if self.subnets:
            parameters["VpcConfig"] = {
                "Subnets": list(self.subnets),
                "SecurityGroupIds": list(self.security_groups),
            }
        return parameters

    def config_parameters(self) -> dict[str, Any]:
        """Return what of it is said to CreateEndpointConfig."""
        return {"KmsKeyId": self.kms_key} if self.kms_key is not None else {}

    def variant_parameters(self) -> dict[str, Any]:
        """Return what of it is said of the ProductionVariant."""
        parameters = {
            "VolumeSizeInGB": self.volume_gb,
            "ModelDataDownloadTimeoutInSeconds": self.download_timeout_s,
        }
        return {name: value for name, value in parameters.items() if value is not None}

    def lines(self, instance_type: str) -> Iterator[str]:
        """Yield a line for each thing that is asked for.

        Args:
            instance_type: Whose disk the key is for.
        """
        if not self.has_network:
            yield "network: none, the container can call nobody (EnableNetworkIsolation)"
        if self.subnets:
            yield f"VPC: {', '.join(self.subnets)}; {', '.join(self.security_groups)}"
        if self.volume_gb is not None:
            yield f"volume: {self.volume_gb} GB on each instance"
        if self.kms_key is not None and has_local_disk(instance_type):
            yield (
                f"key: {self.kms_key}, for what is uploaded; the local disk of {instance_type} "
                "is encrypted by its own hardware, with no key of yours"
            )
        elif self.kms_key is not None:
            yield f"key: {self.kms_key}, for the volume of each instance and what is uploaded"
        if self.download_timeout_s is not None:
            yield f"model data: {self.download_timeout_s} s to be downloaded and unpacked"


def _check_ids(what: str, start: str, ids: Sequence[str], limit: int) -> None:
    for one in ids:
        if not re.fullmatch(rf"{start}[0-9a-f]{{8,17}}", one):
            raise errors.ConfigurationError(
                f"received {one!r:.100} as a {what}, expected an id such as "
                f"{start}0123456789abcdef0"
            )
    if len(ids) > limit or len(set(ids)) < len(ids):
        raise errors.ConfigurationError(
            f"received {len(ids)} {what}s ({', '.join(ids)}), expected at most {limit}, each once"
        )


def _check_range(what: str, unit: str, value: int | None, limits: tuple[int, int]) -> None:
    low, high = limits
    if value is not None and not low <= value <= high:
        raise errors.ConfigurationError(
            f"received {what} of {value} {unit}, SageMaker takes {low} to {high} {unit}"
        )
