"""SageMaker: moto's records of models, configurations and endpoints, with endpoints that run.

A subclass of moto's backend takes its place, so that CloudFormation, which calls the backend
without a request, gets the same endpoints. `replacements` lists everything that changes in moto.

Sources: moto 5.2.5, sagemaker/models.py and responses.py; requirements pin that version, and
tests/byoi/emulator/test_patches.py fails if another one differs; API CreateModel,
CreateEndpointConfig; the wording about the role is that of AWS's answer quoted in a public issue
(awslabs/predictive-maintenance-using-machine-learning 3).
"""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar

from moto.core.exceptions import ServiceException
from moto.core.responses import ActionResult
from moto.sagemaker.exceptions import ValidationError
from moto.sagemaker.models import (
    FakeEndpoint,
    FakeEndpointConfig,
    SageMakerModelBackend,
    sagemaker_backends,
)
from moto.sagemaker.responses import SageMakerResponse

from byoi.emulator import refusals
from byoi.emulator.aws import constraints, iam
from byoi.emulator.aws.errors import NotEmulatedError
from byoi.emulator.aws.patches import request_parameters, requesting
from byoi.emulator.endpoints.endpoints import Endpoints
from byoi.emulator.endpoints.instances import VariantConfig

_SERVICE = "sagemaker.amazonaws.com"


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
    yield SageMakerResponse, "call_action", _checking_action(SageMakerResponse.call_action)
    # moto's instance types are years old; `constraints` has the current ones.
    yield FakeEndpointConfig, "validate_instance_type", lambda *_: None


def check_request(action: str, parameters: Mapping[str, Any]) -> None:
    """Check the parameters of a call, or the properties of a resource that become them.

    Raises:
        NotEmulatedError: They ask for something that is not emulated.
        ValidationError: They break a constraint of the API's model.
    """
    if what := refusals.find(action, parameters):
        raise NotEmulatedError(what)
    if problem := constraints.find("sagemaker", action, parameters):
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
        _require_trust(asked)
        if model_name in self._models:
            arn = self._models[model_name].arn
            raise ValidationError(f'Cannot create already existing model "{arn}".')
        model = super().create_model(model_name=model_name, **rest)
        model.enable_network_isolation = bool(asked.get("EnableNetworkIsolation"))
        # AWS omits what was not given; moto shows {}, whose members would be required.
        model.vpc_config = model.vpc_config or None  # type: ignore[assignment]
        return model

    def create_endpoint_config(  # type: ignore[override] # moto names them
        self, endpoint_config_name: str, **rest: Any
    ) -> Any:
        """Record an endpoint configuration."""
        _require_unique_variants(request_parameters())
        if endpoint_config_name in self.endpoint_configs:
            arn = self.endpoint_configs[endpoint_config_name].endpoint_config_arn
            raise ValidationError(f'Cannot create already existing endpoint configuration "{arn}".')
        return super().create_endpoint_config(endpoint_config_name=endpoint_config_name, **rest)

    def describe_endpoint_config(self, endpoint_config_name: str) -> dict[str, Any]:
        """Show an endpoint configuration."""
        # AWS omits what was not given, and the SDK sends back what it gets.
        shown = super().describe_endpoint_config(endpoint_config_name)
        return {name: value for name, value in shown.items() if value not in ({}, [])}

    def create_endpoint(
        self, endpoint_name: str, endpoint_config_name: str, tags: list[dict[str, str]]
    ) -> Any:
        """Start to create an endpoint."""
        if endpoint_name in self.endpoints:
            arn = self.endpoints[endpoint_name].arn
            raise ValidationError(f'Cannot create already existing endpoint "{arn}".')
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
        self.endpoints[endpoint_name] = record
        self.running.create(self.region_name, record, endpoint_config_name, variants)
        return record

    def update_endpoint(self, endpoint_name: str, endpoint_config_name: str) -> Any:
        """Start to update an endpoint to another configuration; moto has no such call."""
        record = self._serving(endpoint_name)
        variants = self._variants(endpoint_config_name)
        self.running.update(self.region_name, endpoint_name, endpoint_config_name, variants)
        return record

    def delete_endpoint(self, endpoint_name: str) -> None:
        """Start to delete an endpoint."""
        self._idle(endpoint_name)

        def forget() -> None:
            self.endpoints.pop(endpoint_name, None)

        self.running.delete(self.region_name, endpoint_name, forget)

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
        variants = []
        for variant in self.endpoint_configs[config_name].production_variants:
            model = self.describe_model(variant["ModelName"])
            timeout_s = variant.get("ContainerStartupHealthCheckTimeoutInSeconds")
            variants.append(
                VariantConfig(
                    name=variant["VariantName"],
                    count=int(variant.get("InitialInstanceCount") or 1),
                    weight=float(variant.get("InitialVariantWeight", 1.0)),
                    container=model.primary_container,
                    is_isolated=model.enable_network_isolation,
                    startup_timeout_s=float(timeout_s or self.startup_timeout_s),
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


def _require_unique_variants(parameters: Mapping[str, Any]) -> None:
    """Check that the variants of an endpoint configuration have different names.

    Raises:
        ValidationError: Two have the same name; AWS's wording differs.
    """
    names = [variant.get("VariantName") for variant in parameters.get("ProductionVariants", ())]
    if twice := [name for name in names if names.count(name) > 1]:
        raise ValidationError(f"Two production variants have the name {twice[0]}.")


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
            check_request(self._get_action(), asked)
            with requesting(asked):
                return call_action(self)
        except ServiceException as error:
            # moto answers only errors that the action itself raises.
            status, headers, body = self.serialized(ActionResult(error))
            return status, *self._enrich_response(headers, body)

    return called
