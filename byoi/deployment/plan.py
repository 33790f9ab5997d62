"""An endpoint as it is planned: what the user specified, with names and digests, as AWS's requests.

Sources: API CreateModel, CreateEndpointConfig (ProductionVariant), CreateEndpoint.
"""

import datetime as dt
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from byoi import errors, model_data, names
from byoi.deployment import image, model_folder, model_object, tags
from byoi.deployment.account import Account, aws_errors, check_role_arn
from byoi.deployment.placement import Placement
from byoi.model_data import ModelData

# All names begin so; together with the tags it marks what this project made.
NAME_PREFIX = "byoi-"
# The SDK's name for an endpoint's only variant.
VARIANT = "AllTraffic"
# API S3ModelDataSource.
_UNCOMPRESSED = {"S3DataType": "S3Prefix", "CompressionType": "None"}
# API ProductionVariant, ContainerStartupHealthCheckTimeoutInSeconds.
MIN_STARTUP_TIMEOUT_S = 60
MAX_STARTUP_TIMEOUT_S = 3600
# API ContainerDefinition, ModelDataUrl, and S3ModelDataSource, S3Uri.
_URL_CHARACTERS = 1024
_DIGEST_CHARACTERS = 12


@dataclass(frozen=True)
class EndpointSpec:
    """What a user specifies of an endpoint.

    Attributes:
        image_uri: Image with tag or digest.
        model_data: What `model_data.pack` returned, the path of an archive, or its `file://` or
            `s3://` URI; or a model directory, or `s3://BUCKET/PREFIX/`, whose files are not
            packed; None: baked into the image.
        name: The endpoint's name; None: derived from image, model data and instances.
        role_arn: ARN of the execution role; None: `Account.role_arn()`.
        instance_type: A hosting type.
        instance_count: Number of instances.
        environment: Variables of the container.
        startup_timeout_s: Seconds for /ping to turn 200, from 60 to 3600; None: derived from how
            long the container takes on this machine.
        placement: Network, disk, key, and the time for the model data to arrive.
        expires: When the endpoint may be deleted, with a time zone; None is never.
        is_checked: Whether `preflight` runs first.
    """

    image_uri: str
    model_data: ModelData | Path | str | None = None
    name: str | None = None
    role_arn: str | None = None
    instance_type: str = "ml.m5.large"
    instance_count: int = 1
    environment: Mapping[str, str] = field(default_factory=dict)
    startup_timeout_s: int | None = None
    placement: Placement = field(default_factory=Placement)
    expires: dt.datetime | None = None
    is_checked: bool = True

    @property
    def archive(self) -> Path | None:
        """The archive, or directory, on this machine, None where the model data is elsewhere.

        Raises:
            ConfigurationError: The model data is a URI of another scheme.
        """
        return model_data.local_path(self.model_data)


@dataclass(frozen=True)
class Plan:
    """One endpoint as planned.

    The names of its model and configuration follow from its content: the same plan finds what
    it made before, and different plans never collide.

    Attributes:
        endpoint_name: Name of the endpoint.
        image_uri: Image with tag or digest.
        model_data_url: s3:// URI of a model.tar.gz, or of a prefix of files, which ends in /;
            None: baked into the image.
        role_arn: ARN of the execution role.
        instance_type: A hosting type such as `ml.m5.large`.
        instance_count: Number of instances.
        environment: Variables of the container.
        startup_timeout_s: Seconds for /ping to turn 200, from 60 to 3600; None: measured, or
            AWS's default. Only a number given here is part of the names.
        placement: Network, disk, key, and the time for the model data to arrive.
        expires: When the endpoint may be deleted, with a time zone; None is never.
        image_digest: What the image's tag refers to now; "" if that is not known.
        model_digest: Digest of the model data; "" if the URI alone identifies it.
    """

    endpoint_name: str
    image_uri: str
    model_data_url: str | None
    role_arn: str
    instance_type: str = "ml.m5.large"
    instance_count: int = 1
    environment: Mapping[str, str] = field(default_factory=dict)
    startup_timeout_s: int | None = None
    placement: Placement = field(default_factory=Placement)
    expires: dt.datetime | None = None
    image_digest: str = ""
    model_digest: str = ""

    def __post_init__(self) -> None:
        """Check what AWS would refuse only after the first resources are made.

        Raises:
            ConfigurationError: A value cannot be used.
        """
        names.check_endpoint_name(self.endpoint_name)
        if not re.fullmatch(r"ml\.[a-z0-9-]+\.[a-z0-9-]+", self.instance_type):
            raise errors.ConfigurationError(
                f"instance type {self.instance_type!r}: expected a hosting type such as ml.m5.large"
            )
        if self.instance_count < 1:
            raise errors.ConfigurationError(
                f"received {self.instance_count} instances, expected 1 or more"
            )
        timeout_s = self.startup_timeout_s
        if timeout_s is not None and not (
            MIN_STARTUP_TIMEOUT_S <= timeout_s <= MAX_STARTUP_TIMEOUT_S
        ):
            raise errors.ConfigurationError(
                f"received a start-up time-out of {timeout_s} s, SageMaker takes "
                f"{MIN_STARTUP_TIMEOUT_S} to {MAX_STARTUP_TIMEOUT_S} s"
            )
        url = self.model_data_url
        if url is not None and not (names.is_s3_uri(url) and names.S3Uri.parse(url).key):
            raise errors.ConfigurationError(
                f"received model data {url!r}, expected s3://BUCKET/KEY of a model.tar.gz, or "
                "s3://BUCKET/PREFIX/ of its files"
            )
        if url is not None and len(url) > _URL_CHARACTERS:
            raise errors.ConfigurationError(
                f"received model data with a URI of {len(url)} characters, SageMaker takes "
                f"{_URL_CHARACTERS}; copy it to a shorter key"
            )
        if url is None and self.placement.download_timeout_s is not None:
            raise errors.ConfigurationError(
                f"received a download time-out of {self.placement.download_timeout_s} s, and no "
                "model data that could be downloaded; add --model-data, or leave it out"
            )
        self.placement.check_instance_type(self.instance_type)

    @property
    def model_name(self) -> str:
        """Name of the model: the same for the same image, model data, variables, role, network."""
        content: list[Any] = [
            self.image_digest or self.image_uri,
            self.model_digest or self.model_data_url,
            self.model_data_url,
            sorted(self.environment.items()),
            self.role_arn,
        ]
        if placed := self.placement.model_parameters():
            content.append(placed)
        return self._name(content)

    @property
    def config_name(self) -> str:
        """Name of the configuration: the same for the same model, instances, disks, time-outs."""
        content: list[Any] = [
            self.model_name,
            self.instance_type,
            self.instance_count,
            self.startup_timeout_s,
        ]
        placement = self.placement
        if placed := {**placement.config_parameters(), **placement.variant_parameters()}:
            content.append(placed)
        return self._name(content)

    @property
    def is_uncompressed(self) -> bool:
        """Whether the model data is a prefix of files, and no archive."""
        return self.model_data_url is not None and model_folder.is_prefix(self.model_data_url)

    def lines(self) -> Iterator[str]:
        """Yield a line for each thing in which it differs from what AWS does by itself."""
        if self.is_uncompressed:
            yield f"model data: the files below {self.model_data_url}, not packed"
        yield from self.placement.lines(self.instance_type)

    @property
    def tags(self) -> list[dict[str, str]]:
        """Tags of endpoint, configuration and model."""
        return tags.make(self.endpoint_name, self.expires)

    def model_request(self) -> dict[str, Any]:
        """Return the parameters of CreateModel."""
        container: dict[str, Any] = {"Image": self.image_uri}
        if self.environment:
            container["Environment"] = dict(self.environment)
        if self.is_uncompressed:
            source = {"S3Uri": self.model_data_url, **_UNCOMPRESSED}
            container["ModelDataSource"] = {"S3DataSource": source}
        elif self.model_data_url:
            container["ModelDataUrl"] = self.model_data_url
        return {
            "ModelName": self.model_name,
            "ExecutionRoleArn": self.role_arn,
            "PrimaryContainer": container,
            **self.placement.model_parameters(),
            "Tags": self.tags,
        }

    def config_request(self, startup_timeout_s: int | None = None) -> dict[str, Any]:
        """Return the parameters of CreateEndpointConfig.

        Args:
            startup_timeout_s: Used if the plan itself has none.
        """
        variant: dict[str, Any] = {
            "VariantName": VARIANT,
            "ModelName": self.model_name,
            "InstanceType": self.instance_type,
            "InitialInstanceCount": self.instance_count,
            **self.placement.variant_parameters(),
        }
        timeout_s = self.startup_timeout_s or startup_timeout_s
        if timeout_s is not None:
            variant["ContainerStartupHealthCheckTimeoutInSeconds"] = timeout_s
        return {
            "EndpointConfigName": self.config_name,
            "ProductionVariants": [variant],
            **self.placement.config_parameters(),
            "Tags": self.tags,
        }

    def endpoint_request(self) -> dict[str, Any]:
        """Return the parameters of CreateEndpoint."""
        return {
            "EndpointName": self.endpoint_name,
            "EndpointConfigName": self.config_name,
            "Tags": self.tags,
        }

    def _name(self, content: Any) -> str:
        return derive_name(self.endpoint_name, [self.endpoint_name, content])


@aws_errors("no plan could be made")
def make_plan(account: Account, spec: EndpointSpec) -> Plan:
    """Return the plan for what a user specified; nothing is made or uploaded yet.

    Args:
        account: Account to deploy to.
        spec: What the user specified.

    Raises:
        ConfigurationError: A value cannot be used, or is missing.
        ModelDataError: There is no such archive.
        HostingError: AWS refused a call.
    """
    url, digest = None, ""
    if spec.archive is not None:
        kept: Any = model_folder if spec.archive.is_dir() else model_object
        url, digest = kept.place(account.bucket(), spec.archive, spec.placement.kms_key)
    elif spec.model_data is not None:
        url = str(spec.model_data)
        kept = model_folder if model_folder.is_prefix(url) else model_object
        digest = kept.find_digest(account.client("s3"), url)
    plan = Plan(
        spec.name or "unnamed",
        spec.image_uri,
        url,
        check_role_arn(spec.role_arn, "--role") if spec.role_arn else account.role_arn(),
        instance_type=spec.instance_type,
        instance_count=spec.instance_count,
        environment=spec.environment,
        startup_timeout_s=spec.startup_timeout_s,
        placement=spec.placement,
        expires=spec.expires,
        image_digest=image.find_digest(spec.image_uri, account.client("ecr"), account.environ),
        model_digest=digest,
    )
    if spec.name is None:
        plan = replace(plan, endpoint_name=derive_name("endpoint", plan.config_name))
    return plan


def derive_name(stem: str, content: Any) -> str:
    """Return a name that SageMaker takes: the same for the same content.

    Args:
        stem: The part that a reader recognises; shortened if necessary.
        content: Anything JSON can write.
    """
    digest = hashlib.sha256(json.dumps(content).encode()).hexdigest()[:_DIGEST_CHARACTERS]
    start = stem if stem.startswith(NAME_PREFIX) else NAME_PREFIX + stem
    start = re.sub(r"[^a-zA-Z0-9]+", "-", start)
    characters = names.ENDPOINT_NAME_CHARACTERS - _DIGEST_CHARACTERS - 1
    return f"{start[:characters].rstrip('-')}-{digest}"
