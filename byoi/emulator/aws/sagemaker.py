"""moto's SageMaker, with real endpoints behind it.

A subclass of moto's backend takes its place, so that CloudFormation, which calls the
backend without a request, gets the same endpoints. `replacements` names everything of
moto's that changes.

Source: moto 5.2.5, sagemaker/models.py; requirements pin that version,
and tests/emulator/test_moto_backend.py fails where another one differs.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar, Protocol

from moto.sagemaker.exceptions import ValidationError
from moto.sagemaker.models import FakeEndpoint, SageMakerModelBackend, sagemaker_backends

from byoi.emulator.aws import moto_requests, validation
from byoi.emulator.aws.errors import NotEmulatedError
from byoi.emulator.aws.patches import request_parameters
from byoi.emulator.endpoints.instances import Plan


class Endpoints(Protocol):
    """What runs behind moto's records of endpoints; each call returns at once."""

    def create(self, region: str, record: Any, config: str, plans: list[Plan]) -> None:
        """Create an endpoint."""

    def update(self, region: str, name: str, config: str, plans: list[Plan]) -> None:
        """Update it to another configuration."""

    def delete(self, region: str, name: str, gone: Callable[[], None]) -> None:
        """Delete it."""

    def scale(
        self, region: str, name: str, counts: Mapping[str, int], weights: Mapping[str, float]
    ) -> None:
        """Change numbers of instances and shares of the requests, by variant."""


def replacements(endpoints: Endpoints, startup_timeout_s: float) -> Iterator[tuple[Any, str, Any]]:
    """Yield object, name and new value of each attribute of moto's that is replaced.

    Args:
        endpoints: Of the emulator that runs in this process.
        startup_timeout_s: For endpoint configurations that set none.
    """
    attributes = {
        "endpoints_behind": endpoints,
        "startup_timeout_s": startup_timeout_s,
        # moto finds the paths of a service beside the module of its backend.
        "__module__": SageMakerModelBackend.__module__,
    }
    yield sagemaker_backends, "backend", type("EndpointBackend", (EndpointBackend,), attributes)
    yield from moto_requests.replacements()


class EndpointBackend(SageMakerModelBackend):
    """One region's SageMaker.

    Attributes:
        endpoints_behind: What runs.
        startup_timeout_s: For endpoint configurations that set none.
    """

    endpoints_behind: ClassVar[Endpoints]
    startup_timeout_s: ClassVar[float]

    def create_model(self, model_name: str, **rest: Any) -> Any:  # type: ignore[override] # moto names them
        """Record a model."""
        asked = request_parameters()
        validation.require_role(asked)
        if model_name in self._models:
            arn = self._models[model_name].arn
            raise ValidationError(f'Cannot create already existing model "{arn}".')
        model = super().create_model(model_name=model_name, **rest)
        model.enable_network_isolation = bool(asked.get("EnableNetworkIsolation"))
        return model

    def create_endpoint_config(  # type: ignore[override] # moto names them
        self, endpoint_config_name: str, **rest: Any
    ) -> Any:
        """Record an endpoint configuration."""
        validation.require_variants(request_parameters())
        if endpoint_config_name in self.endpoint_configs:
            arn = self.endpoint_configs[endpoint_config_name].endpoint_config_arn
            raise ValidationError(f'Cannot create already existing endpoint configuration "{arn}".')
        return super().create_endpoint_config(endpoint_config_name=endpoint_config_name, **rest)

    def describe_endpoint_config(self, endpoint_config_name: str) -> dict[str, Any]:
        """Show an endpoint configuration."""
        # AWS leaves out what was not given, and the SDK sends back what it gets.
        shown = super().describe_endpoint_config(endpoint_config_name)
        return {name: value for name, value in shown.items() if value not in ({}, [])}

    def create_endpoint(
        self, endpoint_name: str, endpoint_config_name: str, tags: list[dict[str, str]]
    ) -> Any:
        """Start to create an endpoint."""
        if endpoint_name in self.endpoints:
            arn = self.endpoints[endpoint_name].arn
            raise ValidationError(f'Cannot create already existing endpoint "{arn}".')
        plans = self._plans(endpoint_config_name)
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
        self.endpoints_behind.create(self.region_name, record, endpoint_config_name, plans)
        return record

    def update_endpoint(self, endpoint_name: str, endpoint_config_name: str) -> Any:
        """Start to put another configuration's instances in place; moto has no such call."""
        record = self._serving(endpoint_name)
        plans = self._plans(endpoint_config_name)
        self.endpoints_behind.update(self.region_name, endpoint_name, endpoint_config_name, plans)
        return record

    def delete_endpoint(self, endpoint_name: str) -> None:
        """Start to delete an endpoint."""
        self._idle(endpoint_name)

        def forget() -> None:
            self.endpoints.pop(endpoint_name, None)

        self.endpoints_behind.delete(self.region_name, endpoint_name, forget)

    def update_endpoint_weights_and_capacities(
        self, endpoint_name: str, desired_weights_and_capacities: list[dict[str, Any]]
    ) -> str:
        """Start to change the variants' weights and numbers of instances."""
        record = self._serving(endpoint_name)
        before = [dict(one) for one in record.production_variants]
        arn = super().update_endpoint_weights_and_capacities(
            endpoint_name, desired_weights_and_capacities
        )
        # moto has checked the names, and shows as done what only begins.
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
        self.endpoints_behind.scale(self.region_name, endpoint_name, counts, weights)
        return arn

    def add_tags(self, arn: str, tags: list[dict[str, str]]) -> list[dict[str, str]]:
        """Tag a thing; a key it has already gets the new value, where moto keeps both."""
        self.delete_tags(arn, [tag["Key"] for tag in tags])
        return super().add_tags(arn, tags)

    def _serving(self, name: str) -> Any:
        """Return the record of an endpoint that can be updated."""
        record = self._idle(name)
        if record.endpoint_status == "Failed":
            raise ValidationError(f'Cannot update failed endpoint "{record.arn}".')
        return record

    def _idle(self, name: str) -> Any:
        """Return the record of an endpoint that nothing goes on with."""
        record = self.endpoints.get(name)
        if record is None:
            super().describe_endpoint(name)  # raises, in moto's words
        elif record.endpoint_status not in {"InService", "Failed"}:
            raise ValidationError(f'Cannot update in-progress endpoint "{record.arn}".')
        return record

    def _plans(self, config_name: str) -> list[Plan]:
        super().describe_endpoint_config(config_name)  # raises where there is none
        plans = []
        for variant in self.endpoint_configs[config_name].production_variants:
            model = self.describe_model(variant["ModelName"])
            timeout_s = variant.get("ContainerStartupHealthCheckTimeoutInSeconds")
            plans.append(
                Plan(
                    variant=variant["VariantName"],
                    count=int(variant.get("InitialInstanceCount") or 1),
                    weight=float(variant.get("InitialVariantWeight", 1.0)),
                    container=model.primary_container,
                    is_isolated=model.enable_network_isolation,
                    startup_timeout_s=float(timeout_s or self.startup_timeout_s),
                )
            )
        return plans
