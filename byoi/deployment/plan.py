"""What is to be deployed, and the calls that say it to SageMaker.

Sources: API CreateModel, CreateEndpointConfig (ProductionVariant), CreateEndpoint.

Names that follow from content: the same thing has the same name, another one never meets it.

Source of their form: API CreateEndpoint, CreateEndpointConfig and CreateModel.

From what a user names to a plan: digests, the place of the model data, the role.
"""

import datetime as dt
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from byoi import errors
from byoi.deployment import model_object, registry, tags
from byoi.deployment.account import Account, aws_errors
from byoi.deployment.account import check_role_arn as check_role

# All names begin so; with the tags it is how our things are found among others.
NAME_PREFIX = "byoi-"
_CHARACTERS = 63
_NAME = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}")
_DIGEST_CHARACTERS = 12


def derive_name(stem: str, content: Any) -> str:
    """Return a name that SageMaker takes, which stands for `content`.

    Args:
        stem: What a reader knows it by; shortened where need be.
        content: Anything JSON can write.
    """
    digest = hashlib.sha256(json.dumps(content).encode()).hexdigest()[:_DIGEST_CHARACTERS]
    start = stem if stem.startswith(NAME_PREFIX) else NAME_PREFIX + stem
    start = re.sub(r"[^a-zA-Z0-9]+", "-", start)
    return f"{start[: _CHARACTERS - _DIGEST_CHARACTERS - 1].rstrip('-')}-{digest}"


def check_endpoint_name(name: str) -> str:
    """Return an endpoint's name, where SageMaker would take it.

    Raises:
        ConfigurationError: It would not.
    """
    if not _NAME.fullmatch(name):
        raise errors.ConfigurationError(
            f"endpoint name {name!r}: SageMaker takes 1 to {_CHARACTERS} letters, digits and "
            "hyphens, the first and last no hyphen"
        )
    return name


# The SDK's word for an endpoint's only variant.
VARIANT = "AllTraffic"
# API ProductionVariant, ContainerStartupHealthCheckTimeoutInSeconds.
MIN_STARTUP_TIMEOUT_S = 60
MAX_STARTUP_TIMEOUT_S = 3600


@dataclass(frozen=True)
class Plan:
    """One endpoint as it shall be.

    The names of its model and configuration follow from its content, so that the same
    plan finds what it made before, and another one never meets it.

    Attributes:
        endpoint_name: Chosen by the user.
        image_uri: Image with tag or digest.
        model_data_url: s3:// URI of a model.tar.gz; None: what is baked into the image.
        role_arn: Of the execution role.
        instance_type: A hosting type such as `ml.m5.large`.
        instance_count: How many of them.
        environment: Variables of the container.
        startup_timeout_s: Seconds for /ping to turn 200, from 60 to 3600; None: measured,
            or AWS's own. Only a number given here is part of the names.
        expires: When it may be deleted, with a time zone; None is never.
        image_digest: What the image's tag stands for now; "" where that is not known.
        model_digest: What the model data are now; "" where the URI alone names them.
    """

    endpoint_name: str
    image_uri: str
    model_data_url: str | None
    role_arn: str
    instance_type: str = "ml.m5.large"
    instance_count: int = 1
    environment: Mapping[str, str] = field(default_factory=dict)
    startup_timeout_s: int | None = None
    expires: dt.datetime | None = None
    image_digest: str = ""
    model_digest: str = ""

    def __post_init__(self) -> None:
        """Check what AWS would refuse only after the first things are made.

        Raises:
            ConfigurationError: A value cannot be used.
        """
        check_endpoint_name(self.endpoint_name)
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
        if url is not None and not re.fullmatch(r"s3://[^/]+/.+", url):
            raise errors.ConfigurationError(
                f"received model data {url!r}, expected s3://BUCKET/KEY of a model.tar.gz"
            )

    @property
    def model_name(self) -> str:
        """The model's name: the same for the same image, model data, variables and role."""
        content = [
            self.image_digest or self.image_uri,
            self.model_digest or self.model_data_url,
            self.model_data_url,
            sorted(self.environment.items()),
            self.role_arn,
        ]
        return self._name(content)

    @property
    def config_name(self) -> str:
        """The configuration's name: the same for the same model, instances and time-out."""
        content = [
            self.model_name,
            self.instance_type,
            self.instance_count,
            self.startup_timeout_s,
        ]
        return self._name(content)

    @property
    def tags(self) -> list[dict[str, str]]:
        """The tags of all three."""
        return tags.make(self.endpoint_name, self.expires)

    def model_request(self) -> dict[str, Any]:
        """Return the parameters of CreateModel."""
        container: dict[str, Any] = {"Image": self.image_uri}
        if self.environment:
            container["Environment"] = dict(self.environment)
        if self.model_data_url:
            container["ModelDataUrl"] = self.model_data_url
        return {
            "ModelName": self.model_name,
            "ExecutionRoleArn": self.role_arn,
            "PrimaryContainer": container,
            "Tags": self.tags,
        }

    def config_request(self, startup_timeout_s: int | None = None) -> dict[str, Any]:
        """Return the parameters of CreateEndpointConfig.

        Args:
            startup_timeout_s: Taken where the plan itself has none.
        """
        variant: dict[str, Any] = {
            "VariantName": VARIANT,
            "ModelName": self.model_name,
            "InstanceType": self.instance_type,
            "InitialInstanceCount": self.instance_count,
        }
        timeout_s = self.startup_timeout_s or startup_timeout_s
        if timeout_s is not None:
            variant["ContainerStartupHealthCheckTimeoutInSeconds"] = timeout_s
        return {
            "EndpointConfigName": self.config_name,
            "ProductionVariants": [variant],
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


@aws_errors("it cannot be planned")
def make_plan(  # noqa: PLR0913 - keywords with a default
    account: Account,
    endpoint_name: str,
    image_uri: str,
    model_data: Path | str | None,
    *,
    role_arn: str | None = None,
    instance_type: str = "ml.m5.large",
    instance_count: int = 1,
    environment: Mapping[str, str] | None = None,
    startup_timeout_s: int | None = None,
    expires: dt.datetime | None = None,
) -> Plan:
    """Return a plan; nothing is made or uploaded yet.

    Args:
        account: Where it is to be deployed.
        endpoint_name: Chosen by the user.
        image_uri: Image with tag or digest.
        model_data: An archive of this machine, an s3:// URI, or None.
        role_arn: Of the execution role; by default `account.role_arn()`.
        instance_type: A hosting type.
        instance_count: How many of them.
        environment: Variables of the container.
        startup_timeout_s: As `Plan`'s.
        expires: As `Plan`'s.

    Raises:
        ConfigurationError: Something cannot be used, or is missing.
        ModelDataError: There is no such archive.
        HostingError: AWS refused a call.
    """
    url, digest = None, ""
    if isinstance(model_data, str) and model_data.startswith("s3://"):
        url, digest = model_data, model_object.find_digest(account.client("s3"), model_data)
    elif model_data is not None:
        url, digest = model_object.place(account.bucket(), Path(model_data))
    return Plan(
        endpoint_name,
        image_uri,
        url,
        check_role(role_arn, "--role") if role_arn else account.role_arn(),
        instance_type=instance_type,
        instance_count=instance_count,
        environment=environment or {},
        startup_timeout_s=startup_timeout_s,
        expires=expires,
        image_digest=registry.find_image_digest(image_uri, account.client("ecr"), account.environ),
        model_digest=digest,
    )


@aws_errors("the model data were not uploaded")
def upload_model_data(account: Account, plan: Plan, model_data: Path | str | None) -> bool:
    """Put an archive of this machine where the plan expects it; False where it is there.

    Raises:
        HostingError: AWS refused it.
    """
    if plan.model_data_url is None or model_data is None or str(model_data).startswith("s3://"):
        return False
    return model_object.upload(account.client("s3"), plan.model_data_url, Path(model_data))
