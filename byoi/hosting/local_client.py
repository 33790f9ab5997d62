"""The SageMaker API of local mode: the SDK's own, with clear errors and without leftovers.

Source of the calls' names and parameters: sagemaker 2.257, local/local_session.py.
"""

# ruff: noqa: N803, PLR0913, PLR0917 - names and number of parameters are the API's

import datetime as dt
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
from byoi.hosting import staging
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

    def create_model(
        self,
        ModelName: str,
        PrimaryContainer: dict[str, Any],
        *_: Any,
        **__: Any,
    ) -> None:
        """Register a model; unlike in the SDK, the model data may be absent."""
        container = {"ModelDataUrl": None, "Environment": {}, **PrimaryContainer}
        LocalSagemakerClient._models[ModelName] = _LocalModel(ModelName, container)  # noqa: SLF001

    def create_endpoint_config(
        self,
        EndpointConfigName: str,
        ProductionVariants: list[dict[str, Any]],
        Tags: Any = None,
        **unsupported: Any,
    ) -> None:
        """Register an endpoint configuration.

        Raises:
            ConfigurationError: It has a feature that local mode does not have.
        """
        variant = ProductionVariants[0]
        wanted = [*unsupported]
        if "InstanceType" not in variant:
            wanted.append("ServerlessConfig")
        if len(ProductionVariants) > 1 or variant.get("InitialInstanceCount", 1) > 1:
            wanted.append("more than one variant or instance")
        if wanted:
            raise errors.ConfigurationError(
                f"local mode runs one container an endpoint and has no {', '.join(wanted)}; "
                'leave it out, or deploy to AWS with an instance type such as "ml.c6i.large"'
            )
        config = _LocalEndpointConfig(EndpointConfigName, ProductionVariants, Tags)
        LocalSagemakerClient._endpoint_configs[EndpointConfigName] = config  # noqa: SLF001

    def describe_endpoint_config(self, EndpointConfigName: str) -> dict[str, Any]:
        """Describe a configuration; the error for an absent one names the order of deletion."""
        try:
            found: dict[str, Any] = super().describe_endpoint_config(EndpointConfigName)
        except ClientError as error:
            details = {
                "Code": "ValidationException",
                "Message": f"Could not find endpoint configuration {EndpointConfigName}; if it "
                "went with its endpoint: call delete_model() before delete_endpoint(), because "
                "the model's name stands in it",
            }
            raise ClientError({"Error": details}, "DescribeEndpointConfig") from error
        return found

    def create_endpoint(
        self,
        EndpointName: str,
        EndpointConfigName: str,
        Tags: Any = None,
    ) -> None:
        """Start the container and return once it is healthy.

        Raises:
            ByoiError: As `LocalContainer` and its `serve`; nothing is left running.
        """
        endpoint = _LocalEndpoint(EndpointName, EndpointConfigName, Tags, self.sagemaker_session)
        container = self._container(
            endpoint.production_variant["InstanceType"], endpoint.primary_container["Image"]
        )
        container.serve(
            endpoint.primary_container["ModelDataUrl"], endpoint.primary_container["Environment"]
        )
        endpoint.create_time = dt.datetime.now(dt.UTC)
        endpoint.container = container
        endpoint.state = endpoint._IN_SERVICE  # noqa: SLF001 - the SDK's word for it
        self.containers[EndpointName] = container
        LocalSagemakerClient._endpoints[EndpointName] = endpoint  # noqa: SLF001

    def delete_endpoint(self, EndpointName: str) -> None:
        """Stop the endpoint and forget it; the SDK would still report it as InService."""
        super().delete_endpoint(EndpointName)
        self.containers.pop(EndpointName, None)
        LocalSagemakerClient._endpoints.pop(EndpointName, None)  # noqa: SLF001

    def create_transform_job(
        self,
        TransformJobName: str,
        ModelName: str,
        TransformInput: dict[str, Any],
        TransformOutput: dict[str, Any],
        TransformResources: dict[str, Any],
        **settings: Any,
    ) -> None:
        """Run a batch transform to its end; errors as `TransformJob.start`."""
        job = TransformJob(TransformJobName, ModelName, self.sagemaker_session)
        container = self._container(
            TransformResources["InstanceType"], job.primary_container["Image"]
        )
        LocalSagemakerClient._transform_jobs[TransformJobName] = job  # noqa: SLF001
        job.start(
            TransformInput, TransformOutput, TransformResources, container=container, **settings
        )

    def create_training_job(
        self,
        TrainingJobName: str,
        AlgorithmSpecification: dict[str, Any],
        OutputDataConfig: dict[str, Any],
        ResourceConfig: dict[str, Any],
        InputDataConfig: list[dict[str, Any]] | None = None,
        Environment: dict[str, str] | None = None,
        **settings: Any,
    ) -> None:
        """Run a training job to its end; errors as `TrainingContainer.train`."""
        container = TrainingContainer(
            self._place,
            ResourceConfig["InstanceType"],
            ResourceConfig["InstanceCount"],
            AlgorithmSpecification["TrainingImage"],
            self.sagemaker_session,
        )
        self._remove_orphans()
        container.container_entrypoint = AlgorithmSpecification.get("ContainerEntrypoint")
        container.container_arguments = AlgorithmSpecification.get("ContainerArguments")
        job = _LocalTrainingJob(container)
        channels = [_staged(channel, container.workspace) for channel in InputDataConfig or []]
        parameters = settings.get("HyperParameters") or {}
        job.start(channels, OutputDataConfig, parameters, Environment or {}, TrainingJobName)
        LocalSagemakerClient._training_jobs[TrainingJobName] = job  # noqa: SLF001

    def find_url(self, endpoint_name: str) -> str:
        """Return the URL of an endpoint's container; KeyError if there is no such endpoint."""
        return self.containers[endpoint_name].url

    def find_log(self, endpoint_name: str) -> str:
        """Return the path of the log of an endpoint's container."""
        return str(self.containers[endpoint_name].log)

    def _container(self, instance_type: str, image: str) -> LocalContainer:
        made = LocalContainer(self._place, instance_type, 1, image, self.sagemaker_session)
        self._remove_orphans()
        return made

    def _remove_orphans(self) -> None:
        if not self._has_looked_for_orphans:
            orphans.remove_orphans(self._place.engine)
            staging.remove_orphaned_directories(self._place.directory.parent)
            self._has_looked_for_orphans = True


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
