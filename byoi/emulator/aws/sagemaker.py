"""SageMaker: moto's records of models, configurations and endpoints, with endpoints that run.

A subclass of moto's backend takes its place, so that CloudFormation, which calls the backend
without a request, gets the same endpoints. `replacements` lists everything that changes in moto.

Sources: moto 5.2.5, sagemaker/models.py and responses.py; requirements pin that version, and
tests/byoi/emulator/test_patches.py fails if another one differs; API CreateModel,
CreateEndpointConfig; the wording about the role is that of AWS's answer quoted in a public issue
(awslabs/predictive-maintenance-using-machine-learning 3), and that about the volume's size of an
answer quoted in another (autogluon/autogluon-cloud 50).
"""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar

from moto.core.exceptions import ServiceException
from moto.core.responses import ActionResult
from moto.core.utils import get_service_model
from moto.sagemaker import models
from moto.sagemaker.exceptions import ValidationError
from moto.sagemaker.models import (
    FakeEndpoint,
    FakeEndpointConfig,
    SageMakerModelBackend,
    sagemaker_backends,
)
from moto.sagemaker.responses import SageMakerResponse

from byoi import errors
from byoi.emulator import refusals
from byoi.emulator.aws import constraints, iam, sagemaker_lists
from byoi.emulator.aws.errors import NotEmulatedError
from byoi.emulator.aws.patches import request_parameters, requesting
from byoi.emulator.endpoints.endpoints import Endpoints
from byoi.emulator.endpoints.instances import VariantConfig
from byoi.names import Arn, has_local_disk, sagemaker_arn

_SERVICE = "sagemaker.amazonaws.com"
# What an endpoint shows of its configuration.
_OF_CONFIG = frozenset({"MetricsConfig", "CrossRegionTrafficConfig"})


def replacements(endpoints: Endpoints, startup_timeout_s: float) -> Iterator[tuple[Any, str, Any]]:
    """Yield object, name and new value of each replaced attribute of moto.

    Args:
        endpoints: The endpoints of the emulator in this process.
        startup_timeout_s: For endpoint configurations without one.
    """
    attributes = {
        "running": endpoints,
        "startup_timeout_s": startup_timeout_s,
        # moto finds the paths of a service beside the module of its backend.
        "__module__": SageMakerModelBackend.__module__,
    }
    yield sagemaker_backends, "backend", type("EndpointBackend", (EndpointBackend,), attributes)
    yield SageMakerResponse, "update_endpoint", _respond_to_update
    yield SageMakerResponse, "describe_model", _respond_to_describe_model
    yield from sagemaker_lists.replacements()
    yield models, "arn_formatter", _arn
    yield SageMakerResponse, "call_action", _checking_action(SageMakerResponse.call_action)
    # moto's instance types are years old; `constraints` has the current ones.
    yield FakeEndpointConfig, "validate_instance_type", lambda *_: None


def check_request(action: str, parameters: Mapping[str, Any], *, requires: bool = False) -> None:
    """Check the parameters of a call, or the properties of a resource that become them.

    Args:
        action: Such as `CreateModel`.
        parameters: Named as in the API reference.
        requires: Whether what the API requires must be there; CloudFormation makes some of it.

    Raises:
        NotEmulatedError: They ask for something that is not emulated.
        ValidationError: They break a constraint of the API's model.
    """
    if what := refusals.find("sagemaker", action, parameters):
        raise NotEmulatedError(what)
    if problem := constraints.find("sagemaker", action, parameters, requires=requires):
        raise ValidationError(problem)


class EndpointBackend(SageMakerModelBackend):
    """One region's SageMaker.

    Attributes:
        running: The endpoints behind moto's records.
        startup_timeout_s: For endpoint configurations without one.
    """

    running: ClassVar[Endpoints]
    startup_timeout_s: ClassVar[float]

    def create_model(self, model_name: str, **rest: Any) -> Any:  # type: ignore[override] # moto names them
        """Record a model."""
        asked = request_parameters()
        _require_container(asked)
        _require_trust(asked)
        self._require_new(self._models, "model", "model", model_name)
        model: Any = super().create_model(model_name=model_name, **rest)
        model.enable_network_isolation = _is_true(asked.get("EnableNetworkIsolation"))
        model.asked = asked
        return model

    def delete_model(self, model_name: str) -> None:
        """Delete a model, named as it was created or as its ARN has the name."""
        super().delete_model(_spelled(self._models, model_name))

    def create_endpoint_config(  # type: ignore[override] # moto names them
        self, endpoint_config_name: str, **rest: Any
    ) -> Any:
        """Record an endpoint configuration."""
        asked = request_parameters()
        _require_variants(asked)
        _require_trust(asked)
        self._require_new(
            self.endpoint_configs, "endpoint-config", "endpoint configuration", endpoint_config_name
        )
        made: Any = super().create_endpoint_config(
            endpoint_config_name=endpoint_config_name, **rest
        )
        made.asked = asked
        return made

    def delete_endpoint_config(self, endpoint_config_name: str) -> None:
        """Delete a configuration, named as it was created or as its ARN has the name."""
        super().delete_endpoint_config(_spelled(self.endpoint_configs, endpoint_config_name))

    def describe_endpoint_config(self, endpoint_config_name: str) -> dict[str, Any]:
        """Show an endpoint configuration."""
        super().describe_endpoint_config(endpoint_config_name)  # raises if there is none
        record: Any = self.endpoint_configs[endpoint_config_name]
        return {
            **_shown_again("DescribeEndpointConfig", record.asked),
            "EndpointConfigName": endpoint_config_name,
            "EndpointConfigArn": record.endpoint_config_arn,
            "CreationTime": record.creation_time,
        }

    def create_endpoint(
        self, endpoint_name: str, endpoint_config_name: str, tags: list[dict[str, str]]
    ) -> Any:
        """Start to create an endpoint."""
        self._require_new(self.endpoints, "endpoint", "endpoint", endpoint_name)
        variants = self._variants(endpoint_config_name)
        record = FakeEndpoint(  # type: ignore[abstract] # moto itself makes them so
            account_id=self.account_id,
            region_name=self.region_name,
            endpoint_name=endpoint_name,
            endpoint_config_name=endpoint_config_name,
            production_variants=self.endpoint_configs[endpoint_config_name].production_variants,
            data_capture_config={},
            tags=tags,
        )
        record.data_capture_config = None  # type: ignore[assignment] # AWS shows none, not {}
        record.configs = {endpoint_config_name: self._asked_config(endpoint_config_name)}  # type: ignore[attr-defined]
        self.endpoints[endpoint_name] = record
        self.running.create(self.region_name, record, endpoint_config_name, variants)
        return record

    def describe_endpoint(self, endpoint_name: str) -> dict[str, Any]:
        """Show an endpoint, with what its configuration says of it as a whole."""
        shown = super().describe_endpoint(endpoint_name)
        record: Any = self.endpoints[endpoint_name]
        config = record.configs.get(record.endpoint_config_name, {})
        shown.update(
            {
                name: value
                for name, value in _shown_again("DescribeEndpoint", config).items()
                if name in _OF_CONFIG
            }
        )
        if deployed := getattr(record, "deployment", None):
            shown["LastDeploymentConfig"] = deployed
        routings = {
            one["VariantName"]: one["RoutingConfig"]
            for one in config.get("ProductionVariants", ())
            if one.get("RoutingConfig")
        }
        for variant in shown["ProductionVariants"]:
            if routing := routings.get(variant["VariantName"]):
                variant["RoutingConfig"] = routing
        return shown

    def update_endpoint(self, endpoint_name: str, endpoint_config_name: str) -> Any:
        """Start to update an endpoint to another configuration; moto has no such call."""
        record = self._serving(endpoint_name)
        variants = self._variants(endpoint_config_name)
        record.configs[endpoint_config_name] = self._asked_config(endpoint_config_name)
        record.deployment = request_parameters().get("DeploymentConfig")
        self.running.update(self.region_name, endpoint_name, endpoint_config_name, variants)
        return record

    def delete_endpoint(self, endpoint_name: str) -> None:
        """Start to delete an endpoint, named as it was created or as its ARN has the name."""
        name = _spelled(self.endpoints, endpoint_name)
        self._idle(name)

        def forget() -> None:
            self.endpoints.pop(name, None)

        self.running.delete(self.region_name, name, forget)

    def update_endpoint_weights_and_capacities(
        self, endpoint_name: str, desired_weights_and_capacities: list[dict[str, Any]]
    ) -> str:
        """Start to change the variants' weights and numbers of instances."""
        record = self._serving(endpoint_name)
        before = [dict(one) for one in record.production_variants]
        arn = super().update_endpoint_weights_and_capacities(
            endpoint_name, desired_weights_and_capacities
        )
        # moto has checked the names, and records the change as done.
        record.production_variants = before
        counts, weights = {}, {}
        for wanted in desired_weights_and_capacities:
            name = wanted["VariantName"]
            if "DesiredInstanceCount" in wanted:
                counts[name] = int(wanted["DesiredInstanceCount"])
            if "DesiredWeight" in wanted:
                weights[name] = float(wanted["DesiredWeight"])
        if 0 in counts.values():
            raise NotEmulatedError("a variant with no instance (DesiredInstanceCount=0)")
        self.running.scale(self.region_name, endpoint_name, counts, weights)
        return arn

    def add_tags(self, arn: str, tags: list[dict[str, str]]) -> list[dict[str, str]]:
        """Tag a resource; a key that exists gets the new value, while moto keeps both."""
        self.delete_tags(arn, [tag["Key"] for tag in tags])
        return super().add_tags(arn, tags)

    def _get_resource_from_arn(self, arn: str) -> Any:
        try:
            parsed = Arn.parse(arn)
        except errors.ConfigurationError as error:
            raise ValidationError(f"Could not find a resource with the ARN {arn!r}.") from error
        kind, _, name = parsed.resource.partition("/")
        kinds: dict[str, Mapping[str, Any]] = {
            "endpoint": self.endpoints,
            "endpoint-config": self.endpoint_configs,
            "model": self._models,
        }
        records = kinds.get(kind, {})
        own = _arn(kind, name, self.account_id, self.region_name)
        found = records.get(_spelled(records, name)) if own == arn.lower() else None
        if found is None:
            raise ValidationError(f'Could not find {kind} "{arn}".')
        return found

    def _require_new(self, records: Mapping[str, Any], kind: str, noun: str, name: str) -> None:
        """Check that no record has a name, in any case: its ARN would be the same."""
        if _spelled(records, name) in records:
            arn = _arn(kind, name, self.account_id, self.region_name)
            raise ValidationError(f'Cannot create already existing {noun} "{arn}".')

    def _asked_config(self, name: str) -> Mapping[str, Any]:
        record: Any = self.endpoint_configs[name]
        return record.asked  # type: ignore[no-any-return]

    def _serving(self, name: str) -> Any:
        """Return the record of an endpoint that can be updated."""
        record = self._idle(name)
        if record.endpoint_status == "Failed":
            raise ValidationError(f'Cannot update failed endpoint "{record.arn}".')
        return record

    def _idle(self, name: str) -> Any:
        """Return the record of an endpoint in a final status."""
        record = self.endpoints.get(name)
        if record is None:
            super().describe_endpoint(name)  # raises
        elif record.endpoint_status not in {"InService", "Failed"}:
            raise ValidationError(f'Cannot update in-progress endpoint "{record.arn}".')
        return record

    def _variants(self, config_name: str) -> list[VariantConfig]:
        super().describe_endpoint_config(config_name)  # raises if there is none
        is_isolated = _is_true(self._asked_config(config_name).get("EnableNetworkIsolation"))
        variants = []
        for variant in self.endpoint_configs[config_name].production_variants:
            model: Any = self.describe_model(variant["ModelName"])
            timeout_s = variant.get("ContainerStartupHealthCheckTimeoutInSeconds")
            download_s = variant.get("ModelDataDownloadTimeoutInSeconds")
            variants.append(
                VariantConfig(
                    name=variant["VariantName"],
                    count=int(variant.get("InitialInstanceCount") or 1),
                    weight=float(variant.get("InitialVariantWeight", 1.0)),
                    container=model.primary_container,
                    is_isolated=is_isolated or model.enable_network_isolation,
                    startup_timeout_s=float(timeout_s or self.startup_timeout_s),
                    download_timeout_s=float(download_s) if download_s else None,
                )
            )
        return variants


def _require_trust(parameters: Mapping[str, Any]) -> None:
    """Check that SageMaker may assume the execution role of a model.

    A role that does not exist here passes: it may be one of the user's AWS account.

    Raises:
        ValidationError: The role exists and does not trust SageMaker.
    """
    arn = str(parameters.get("ExecutionRoleArn", ""))
    role = iam.find_role(arn)
    # Conditions, such as on the account that SageMaker acts for, are taken as met.
    if role is not None and not iam.is_trusting(role, _SERVICE):
        raise ValidationError(
            f"Could not assume role {arn}. Please ensure that the role exists and allows "
            f"principal '{_SERVICE}' to assume the role."
        )


def _require_container(parameters: Mapping[str, Any]) -> None:
    """Check that a model has a container with an image.

    Raises:
        ValidationError: It has none; AWS's wording differs.
    """
    container = parameters.get("PrimaryContainer")
    if not container:
        raise ValidationError("A model needs PrimaryContainer or Containers, received neither.")
    if not container.get("Image"):
        raise ValidationError("PrimaryContainer needs an Image, received none.")


def _require_variants(parameters: Mapping[str, Any]) -> None:
    """Check the variants of an endpoint configuration.

    Raises:
        ValidationError: Two have the same name, one has no instance type, where AWS's wording
            differs, or one has a volume beside a local disk.
        NotEmulatedError: One has no model, as the variants of inference components.
    """
    variants = parameters.get("ProductionVariants") or ()
    names = [variant.get("VariantName") for variant in variants]
    if twice := [name for name in names if names.count(name) > 1]:
        raise ValidationError(f"Two production variants have the name {twice[0]}.")
    for variant in variants:
        name = variant.get("VariantName")
        if not variant.get("ModelName"):
            raise NotEmulatedError(
                f"CreateEndpointConfig with a variant without ModelName ({name}), whose models "
                "are inference components; name a model in the variant"
            )
        if not variant.get("InstanceType"):
            raise ValidationError(f"Production variant {name} needs an InstanceType.")
        instance_type = str(variant["InstanceType"])
        if variant.get("VolumeSizeInGB") and has_local_disk(instance_type):
            raise ValidationError(
                f"VolumeSize parameter is not allowed for the selected Instance type "
                f"{instance_type}."
            )


def _arn(kind: str, name: str, account_id: str, region_name: str) -> str:
    return sagemaker_arn(kind, name, region=region_name, account=account_id)


def _spelled(records: Mapping[str, Any], name: str) -> str:
    """Return the name of a record as it was created, where one differs in case at most."""
    if name in records:
        return name
    return next((one for one in records if one.lower() == name.lower()), name)


def _is_true(value: Any) -> bool:
    # A template's may be a text.
    return str(value).lower() == "true"


def _shown_again(action: str, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was asked for, as far as a description has a member for it."""
    shape = get_service_model("sagemaker").operation_model(action).output_shape
    shown: dict[str, Any] = constraints.typed(shape, asked)
    # AWS omits what is empty, and the SDK sends back what it gets.
    return {name: value for name, value in shown.items() if value not in ({}, [], None)}


def _respond_to_describe_model(self: Any) -> Any:
    record = self.sagemaker_backend.describe_model(self._get_param("ModelName"))
    shown = {
        **_shown_again("DescribeModel", record.asked),
        "ModelArn": record.arn,
        "CreationTime": record.creation_time,
        "EnableNetworkIsolation": record.enable_network_isolation,
    }
    shown["PrimaryContainer"].setdefault("Mode", "SingleModel")
    return ActionResult(shown)


def _respond_to_update(self: Any) -> Any:
    record = self.sagemaker_backend.update_endpoint(
        endpoint_name=self._get_param("EndpointName"),
        endpoint_config_name=self._get_param("EndpointConfigName"),
    )
    return ActionResult({"EndpointArn": record.arn})


def _checking_action(call_action: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def called(self: Any) -> Any:
        asked = json.loads(self.body or "{}")
        try:
            check_request(self._get_action(), asked, requires=True)
            with requesting(asked):
                return call_action(self)
        except ServiceException as error:
            # moto answers only errors that the action itself raises.
            status, headers, body = self.serialized(ActionResult(error))
            return status, *self._enrich_response(headers, body)

    return called
