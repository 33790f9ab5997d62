"""Endpoints that clean up after themselves, for scripts and for notebook cells."""

import contextlib
from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from typing import Any, Self

from sagemaker.predictor import Predictor

from byoi_lib.deployment import waiting
from byoi_lib.hosting import aws_deployment, local_deployment, removal
from byoi_lib.hosting.local_client import LocalClient
from byoi_lib.hosting.local_session import LOCAL_ROLE
from byoi_lib.model_data import ModelData


class Endpoint:
    """What `Model.deploy` made: the endpoint, its configuration and its model.

    Attributes:
        predictor: The SDK's Predictor for it.
        name: The endpoint's name.
    """

    def __init__(self, predictor: Predictor) -> None:
        """Take over the clean-up of what `Model.deploy` returned.

        Args:
            predictor: Of a live endpoint, in local mode or on AWS.
        """
        self.predictor = predictor
        self.name: str = predictor.endpoint_name
        self._session = predictor.sagemaker_session
        client = self._session.sagemaker_client
        described = client.describe_endpoint(EndpointName=self.name)
        self._config: str = described["EndpointConfigName"]
        variants = client.describe_endpoint_config(EndpointConfigName=self._config)
        self._models = [variant["ModelName"] for variant in variants["ProductionVariants"]]
        is_local = isinstance(client, LocalClient)
        self._container = client.containers.get(self.name) if is_local else None

    @classmethod
    def deploy(  # noqa: PLR0913 - keywords, most with a default
        cls,
        image_uri: str,
        model_data: ModelData | Path | str | None,
        *,
        session: Any,
        role: str | None = None,
        instance_type: str = "local",
        environment: Mapping[str, str] | None = None,
        serializer: Any = None,
        deserializer: Any = None,
        startup_timeout_s: int | None = None,
        name: str | None = None,
        lifetime_h: float | None = aws_deployment.LIFETIME_H,
        progress: waiting.Progress = waiting.silent,
        is_checked: bool = True,
    ) -> Self:
        """Create an endpoint and wait for it; where that fails, nothing of it stays.

        The one function serves local mode and AWS: only `session` and `instance_type`
        differ. On AWS it is `deployment.deploy`, because the SDK's `Model.deploy` fails
        where the endpoint is there already, and makes an invalid name of an image with a
        digest: deploying the same again changes nothing, something else under the same
        `name` is an update, and a failure is named with the container's last words.

        Args:
            image_uri: Image with tag or digest: in ECR, or on this machine for local mode.
            model_data: What `model_data.pack` returned, an archive's path or a URI; on AWS a
                path is uploaded to the session's bucket. None: what is baked into the image.
            session: `LocalSession`, or what `aws_session` returns, or `sagemaker.Session`.
            role: ARN of the execution role, on AWS by default `Account.role_arn()`; any in
                local mode.
            instance_type: `local`, or a hosting instance such as `ml.c6i.large`.
            environment: Variables for the container.
            serializer: An SDK serializer; None sends bytes as they are.
            deserializer: An SDK deserializer; None returns the body's bytes.
            startup_timeout_s: Seconds for /ping to turn 200 on AWS, from 60 to 3600; by
                default from how long it takes here, see `startup`. Local mode takes the
                session's.
            name: The endpoint's on AWS; by default one that stands for image and model data.
            lifetime_h: Hours until `byoi delete --expired` may delete it; None is never.
            progress: Takes one line for each thing that happens on AWS.
            is_checked: Whether `preflight` looks first at what would make it fail on AWS.

        Raises:
            ByoiError: In local mode, as `LocalContainer.serve`; on AWS, as
                `planning.make` and `deployment.deploy`.

        Source of the range: API ProductionVariant, ContainerStartupHealthCheckTimeoutInSeconds.
        """
        data = model_data.path if isinstance(model_data, ModelData) else model_data
        if session.local_mode:
            predictor = local_deployment.make(
                image_uri,
                data,
                session=session,
                role=role or LOCAL_ROLE,
                instance_type=instance_type,
                environment=environment or {},
            )
        else:
            predictor = aws_deployment.make(
                image_uri,
                data,
                session=session,
                role_arn=role,
                instance_type=instance_type,
                environment=environment or {},
                startup_timeout_s=startup_timeout_s,
                name=name,
                lifetime_h=lifetime_h,
                progress=progress,
                is_checked=is_checked,
            )
        if serializer is not None:
            predictor.serializer = serializer
        if deserializer is not None:
            predictor.deserializer = deserializer
        return cls(predictor)

    @property
    def log(self) -> Path | None:
        """The file with the container's log, in local mode."""
        return self._container.log if self._container else None

    def delete(self) -> None:
        """Delete endpoint, configuration and model; in local mode also container and files.

        Each is attempted whatever became of the others, and what is gone already is fine.

        Raises:
            HostingError: Something could not be deleted; the message names it.
        """
        removal.delete(self._session, self.name, self._config, self._models)

    def remains(self) -> list[str]:
        """Return what is still there of it: an empty list after `delete`."""
        client = self._session.sagemaker_client
        asked: list[tuple[str, Callable[..., Any], dict[str, str]]] = [
            ("endpoint", client.describe_endpoint, {"EndpointName": self.name}),
            (
                "endpoint configuration",
                client.describe_endpoint_config,
                {"EndpointConfigName": self._config},
            ),
        ]
        asked += [("model", client.describe_model, {"ModelName": name}) for name in self._models]
        found = [
            f"{kind} {name}"
            for kind, describe, parameters in asked
            for name in parameters.values()
            if removal.is_done(describe, **parameters)
        ]
        return found + (self._container.remains() if self._container else [])


@contextlib.contextmanager
def endpoint(
    image_uri: str, model_data: ModelData | Path | str | None, **arguments: Any
) -> Generator[Predictor]:
    """Create an endpoint, yield its predictor, delete all of it.

    Arguments and errors are those of `Endpoint.deploy`.
    """
    made = Endpoint.deploy(image_uri, model_data, **arguments)
    try:
        yield made.predictor
    finally:
        made.delete()
