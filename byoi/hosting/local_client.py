"""The SageMaker API of local mode: the SDK's own, with clear errors and without leftovers.

Source of the calls' names and parameters: sagemaker 2.257, local/local_session.py.
"""

# ruff: noqa: N803, PLR0913, PLR0917 - names and number of parameters are the API's

import datetime as dt
import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError
from sagemaker.local.entities import (
    _LocalEndpoint,
    _LocalEndpointConfig,
    _LocalModel,
    _LocalTrainingJob,
)
from sagemaker.local.local_session import LocalSagemakerClient

from byoi import errors
from byoi.hosting import missing_bucket, parameters, staging
from byoi.hosting.container import LocalContainer, Place
from byoi.hosting.jobs import TrainingContainer, TransformJob
from byoi.local import orphans


class LocalClient(LocalSagemakerClient):  # type: ignore[misc] # the SDK ships no types
    """The SDK's `sagemaker_client` of one local session.

    Attributes:
        containers: The containers of endpoints, by the endpoint's name.
    """

    def __init__(self, session: Any, place: Place) -> None:
        super().__init__(session)
        self.containers: dict[str, LocalContainer] = {}
        self._place = place
        self._has_looked_for_orphans = False

    def __getattr__(self, name: str) -> Any:
        """Return a method that refuses a call which local mode does not have, by name.

        Raises:
            AttributeError: boto3's client has no such attribute either.
        """
        if not name.startswith("_"):
            client = self._boto_client
            if name in {"exceptions", "meta"}:
                return getattr(client, name)
            refused = parameters.refused_call(client.meta.service_model, name)
            if refused is not None:
                return refused
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def create_model(
        self, ModelName: str, PrimaryContainer: dict[str, Any] | None = None, **others: Any
    ) -> None:
        """Register a model; unlike in the SDK, the model data may be absent.

        Raises:
            ConfigurationError: A parameter is none that local mode does, see `parameters`.
        """
        _check("CreateModel", locals())
        if not (PrimaryContainer or {}).get("Image"):
            raise errors.ConfigurationError(
                f"CreateModel: local mode needs PrimaryContainer with an Image, received "
                f"{PrimaryContainer!r}"
            )
        container = {"ModelDataUrl": None, "Environment": {}, **(PrimaryContainer or {})}
        LocalSagemakerClient._models[ModelName] = _LocalModel(ModelName, container)  # noqa: SLF001

    def create_endpoint_config(
        self,
        EndpointConfigName: str,
        ProductionVariants: list[dict[str, Any]],
        Tags: Any = None,
        **others: Any,
    ) -> None:
        """Register an endpoint configuration.

        Raises:
            ConfigurationError: It has a feature that local mode does not have.
        """
        _check("CreateEndpointConfig", locals())
        if len(ProductionVariants) != 1:
            raise errors.ConfigurationError(
                "CreateEndpointConfig: local mode runs one container an endpoint and has no more "
                f"than one variant or instance, received {len(ProductionVariants)} variants; "
                f"{parameters.ON_EMULATOR}"
            )
        if missing := {"ModelName", "InstanceType"} - ProductionVariants[0].keys():
            raise errors.ConfigurationError(
                f"CreateEndpointConfig: a variant has {' and '.join(sorted(missing))}, which is "
                f"missing in {ProductionVariants[0]!r}; endpoints of inference components are "
                "AWS's"
            )
        config = _LocalEndpointConfig(EndpointConfigName, ProductionVariants, Tags)
        LocalSagemakerClient._endpoint_configs[EndpointConfigName] = config  # noqa: SLF001

    def describe_endpoint_config(self, EndpointConfigName: str) -> dict[str, Any]:
        """Describe a configuration; the error for an absent one names the order of deletion."""
        try:
            found: dict[str, Any] = super().describe_endpoint_config(EndpointConfigName)
        except ClientError as error:
            raise _validation_error(
                "DescribeEndpointConfig",
                f"Could not find endpoint configuration {EndpointConfigName}; if it went with its "
                "endpoint: call delete_model() before delete_endpoint(), because the model's name "
                "stands in it",
            ) from error
        return found

    def create_endpoint(
        self, EndpointName: str, EndpointConfigName: str, Tags: Any = None, **others: Any
    ) -> None:
        """Start the container and return once it is healthy.

        Raises:
            ByoiError: As `LocalContainer` and its `serve`; nothing is left running.
            ClientError: ValidationException, the endpoint exists, or the configuration or its
                model does not.
        """
        _check("CreateEndpoint", locals())
        if EndpointName in self.containers:
            # API CreateEndpoint's words.
            raise _validation_error(
                "CreateEndpoint", f'Cannot create already existing endpoint "{EndpointName}".'
            )
        endpoint = _LocalEndpoint(EndpointName, EndpointConfigName, Tags, self.sagemaker_session)
        variant = endpoint.production_variant
        container = self._container(variant["InstanceType"], endpoint.primary_container["Image"])
        container.serve(
            endpoint.primary_container["ModelDataUrl"],
            endpoint.primary_container["Environment"],
            startup_timeout_s=variant.get("ContainerStartupHealthCheckTimeoutInSeconds"),
        )
        endpoint.create_time = dt.datetime.now(dt.UTC)
        endpoint.container = container
        endpoint.state = endpoint._IN_SERVICE  # noqa: SLF001 - the SDK's word for it
        self.containers[EndpointName] = container
        LocalSagemakerClient._endpoints[EndpointName] = endpoint  # noqa: SLF001

    def update_endpoint(self, *_: Any, **__: Any) -> None:
        """Refuse it: local mode has no updates.

        Raises:
            ConfigurationError: Always.
        """
        parameters.refuse_call("UpdateEndpoint")

    def delete_endpoint(self, EndpointName: str) -> None:
        """Stop the endpoint and forget it; the SDK would still report it as InService.

        What was wrong with its container's end is logged as a warning.

        Raises:
            ClientError: ValidationException, there is no such endpoint.
        """
        _require(EndpointName, LocalSagemakerClient._endpoints, "endpoint")  # noqa: SLF001
        super().delete_endpoint(EndpointName)
        if (container := self.containers.pop(EndpointName, None)) is not None:
            container.report_stop()
        LocalSagemakerClient._endpoints.pop(EndpointName, None)  # noqa: SLF001

    def delete_endpoint_config(self, EndpointConfigName: str) -> None:
        """Forget a configuration.

        Raises:
            ClientError: ValidationException, there is no such configuration.
        """
        configs = LocalSagemakerClient._endpoint_configs  # noqa: SLF001
        _require(EndpointConfigName, configs, "endpoint configuration")
        super().delete_endpoint_config(EndpointConfigName)

    def delete_model(self, ModelName: str) -> None:
        """Forget a model.

        Raises:
            ClientError: ValidationException, there is no such model.
        """
        _require(ModelName, LocalSagemakerClient._models, "model")  # noqa: SLF001
        super().delete_model(ModelName)

    def create_transform_job(
        self,
        TransformJobName: str,
        ModelName: str,
        TransformInput: dict[str, Any],
        TransformOutput: dict[str, Any],
        TransformResources: dict[str, Any],
        **others: Any,
    ) -> None:
        """Run a batch transform to its end.

        Raises:
            ConfigurationError: A parameter is none that local mode does, see `parameters`.
            ByoiError: As `TransformJob.start`.
        """
        _check("CreateTransformJob", locals())
        job = TransformJob(TransformJobName, ModelName, self.sagemaker_session)
        container = self._container(
            TransformResources["InstanceType"], job.primary_container["Image"]
        )
        LocalSagemakerClient._transform_jobs[TransformJobName] = job  # noqa: SLF001
        job.start(
            TransformInput, TransformOutput, TransformResources, container=container, **others
        )

    def create_training_job(
        self,
        TrainingJobName: str,
        AlgorithmSpecification: dict[str, Any],
        OutputDataConfig: dict[str, Any],
        ResourceConfig: dict[str, Any],
        InputDataConfig: list[dict[str, Any]] | None = None,
        Environment: dict[str, str] | None = None,
        **others: Any,
    ) -> None:
        """Run a training job to its end.

        Raises:
            ConfigurationError: A parameter is none that local mode does, see `parameters`.
            ByoiError: As `TrainingContainer.train`.
        """
        _check("CreateTrainingJob", locals())
        container = TrainingContainer(
            self._place,
            ResourceConfig["InstanceType"],
            ResourceConfig["InstanceCount"],
            AlgorithmSpecification["TrainingImage"],
            self.sagemaker_session,
        )
        self._remove_orphans()
        limits = others.get("StoppingCondition") or {}
        container.max_runtime_s = limits.get("MaxRuntimeInSeconds")
        container.container_entrypoint = AlgorithmSpecification.get("ContainerEntrypoint")
        container.container_arguments = AlgorithmSpecification.get("ContainerArguments")
        job = _LocalTrainingJob(container)
        channels = [_staged(channel, container.workspace) for channel in InputDataConfig or []]
        hyperparameters = others.get("HyperParameters") or {}
        job.start(channels, OutputDataConfig, hyperparameters, Environment or {}, TrainingJobName)
        LocalSagemakerClient._training_jobs[TrainingJobName] = job  # noqa: SLF001

    def create_processing_job(self, **asked: Any) -> None:
        """Run a processing job as the SDK does.

        Raises:
            ConfigurationError: A parameter is none that local mode does, see `parameters`.
        """
        missing_bucket.check(asked)
        parameters.check("CreateProcessingJob", asked)
        super().create_processing_job(**asked)

    def find_variant(self, endpoint_name: str) -> str:
        """Return the name of an endpoint's variant; KeyError if there is no such endpoint."""
        endpoint = LocalSagemakerClient._endpoints[endpoint_name]  # noqa: SLF001
        return str(endpoint.production_variant.get("VariantName", "AllTraffic"))

    def find_url(self, endpoint_name: str) -> str:
        """Return the URL of an endpoint's container; KeyError if there is no such endpoint."""
        return self.containers[endpoint_name].url

    def find_log(self, endpoint_name: str) -> str:
        """Return the path of the log of an endpoint's container."""
        return str(self.containers[endpoint_name].log)

    @functools.cached_property
    def _boto_client(self) -> Any:
        """Return boto3's client, for its names only: nothing is sent."""
        return self.sagemaker_session.boto_session.client("sagemaker")

    def _container(self, instance_type: str, image: str) -> LocalContainer:
        made = LocalContainer(self._place, instance_type, 1, image, self.sagemaker_session)
        self._remove_orphans()
        return made

    def _remove_orphans(self) -> None:
        if not self._has_looked_for_orphans:
            orphans.remove_orphans(self._place.engine)
            staging.remove_orphaned_directories(self._place.directory.parent)
            self._has_looked_for_orphans = True


def _check(action: str, given: dict[str, Any]) -> None:
    """Check the parameters of a method of the client, which are its `locals()`."""
    named = {name: value for name, value in given.items() if name not in {"self", "others"}}
    named |= given["others"]
    missing_bucket.check(named)
    parameters.check(action, named)


def _require(name: str, known: Mapping[str, Any], kind: str) -> None:
    if name not in known:
        # The words of API DeleteEndpoint and its kin, which have an ARN there.
        operation = f"Delete{kind.title().replace(' ', '').removesuffix('uration')}"
        raise _validation_error(operation, f'Could not find {kind} "{name}".')


def _validation_error(operation: str, message: str) -> ClientError:
    return ClientError({"Error": {"Code": "ValidationException", "Message": message}}, operation)


def _staged(channel: dict[str, Any], directory: Path) -> dict[str, Any]:
    """Return the channel with a source that the SDK agrees to mount."""
    kinds = {"S3DataSource": "S3Uri", "FileDataSource": "FileUri"}
    source = {
        kind: {**content, kinds[kind]: staging.stage_channel(content[kinds[kind]], directory)}
        if kind in kinds
        else content
        for kind, content in channel["DataSource"].items()
    }
    return {**channel, "DataSource": source}
