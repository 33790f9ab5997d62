"""Endpoints that clean up after themselves, for scripts and for notebook cells."""

import contextlib
import hashlib
from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from typing import Any, Self

from botocore.exceptions import BotoCoreError, ClientError
from sagemaker.model import Model
from sagemaker.predictor import Predictor

from byoi_lib import errors
from byoi_lib.hosting.local_client import LocalClient
from byoi_lib.hosting.local_session import LOCAL_ROLE
from byoi_lib.model_data import ModelData

# AWS takes minutes; the SDK's own 30 s would round each wait up.
_POLL_S = 5


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
        role: str = LOCAL_ROLE,
        instance_type: str = "local",
        environment: Mapping[str, str] | None = None,
        serializer: Any = None,
        deserializer: Any = None,
        startup_timeout_s: int | None = None,
    ) -> Self:
        """Create an endpoint and wait for it; where that fails, nothing of it stays.

        The one function serves local mode and AWS: only `session`, `role` and
        `instance_type` differ.

        Args:
            image_uri: Image with tag or digest: in ECR, or on this machine for local mode.
            model_data: What `model_data.pack` returned, an archive's path or a URI; on AWS a
                path is uploaded to the session's bucket. None: what is baked into the image.
            session: `LocalSession`, or `sagemaker.Session`.
            role: ARN of the execution role; any in local mode.
            instance_type: `local`, or a hosting instance such as `ml.c6i.large`.
            environment: Variables for the container.
            serializer: An SDK serializer; None sends bytes as they are.
            deserializer: An SDK deserializer; None returns the body's bytes.
            startup_timeout_s: Seconds for /ping to turn 200 on AWS, from 60 to 3600; local
                mode takes the session's.

        Raises:
            ByoiError: In local mode, as `LocalContainer.serve`.
            ClientError: AWS refused a call.

        Source of the range: API ProductionVariant, ContainerStartupHealthCheckTimeoutInSeconds.
        """
        model = Model(
            image_uri=image_uri,
            model_data=_location(model_data, session),
            role=role,
            env=dict(environment or {}),
            predictor_cls=Predictor,
            sagemaker_session=session,
        )
        try:
            predictor = model.deploy(
                initial_instance_count=1,
                instance_type=instance_type,
                serializer=serializer,
                deserializer=deserializer,
                container_startup_health_check_timeout=startup_timeout_s,
                wait=False,
            )
            session.wait_for_endpoint(model.endpoint_name, poll=_POLL_S)
            return cls(predictor)
        except BaseException:
            # The SDK gives the configuration the endpoint's name.
            name = model.endpoint_name
            _delete(session, name, name, [model.name] if model.name else [])
            raise

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
        _delete(self._session, self.name, self._config, self._models)

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
            if _is_done(describe, **parameters)
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


def _location(model_data: ModelData | Path | str | None, session: Any) -> str | None:
    """Return the URI the SDK is given; a path is uploaded first where it is not local."""
    if model_data is None or (isinstance(model_data, str) and "://" in model_data):
        return model_data
    path = model_data.path if isinstance(model_data, ModelData) else Path(model_data)
    if session.local_mode:
        return f"file://{path.absolute()}"
    if not path.is_file():
        raise errors.ModelDataError(f"{path}: no such archive; write one with `byoi pack`")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    uri: str = session.upload_data(
        str(path), bucket=session.default_bucket(), key_prefix=f"byoi/{digest[:16]}"
    )
    return uri


def _delete(session: Any, endpoint: str | None, config: str | None, models: list[str]) -> None:
    client = session.sagemaker_client
    failures = []
    steps: list[tuple[Callable[..., Any], dict[str, str]]] = []
    if endpoint and config:
        steps.append((client.delete_endpoint, {"EndpointName": endpoint}))
        steps.append((client.delete_endpoint_config, {"EndpointConfigName": config}))
    steps += [(client.delete_model, {"ModelName": name}) for name in models]
    for step, parameters in steps:
        try:
            _is_done(step, **parameters)
        except (ClientError, BotoCoreError, OSError, errors.ByoiError) as error:
            failures.append(f"{', '.join(parameters.values())}: {error}")
    if failures:
        raise errors.HostingError(
            "not everything could be deleted; call delete() again, or delete by hand: "
            + "; ".join(failures)
        )


def _is_done(call: Callable[..., Any], **parameters: str) -> bool:
    """Make a call on something by its name; False where AWS says there is no such thing."""
    try:
        call(**parameters)
    except ClientError as error:
        if error.response["Error"]["Code"] in {"ValidationException", "ResourceNotFound"}:
            return False
        raise
    return True
