"""What is to be deployed, and the calls that say it to SageMaker.

Sources: API CreateModel, CreateEndpointConfig (ProductionVariant), CreateEndpoint.
"""

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from byoi_lib import errors
from byoi_lib.deployment import names, tags

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
        names.check(self.endpoint_name)
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
        return names.derive(self.endpoint_name, [self.endpoint_name, content])
