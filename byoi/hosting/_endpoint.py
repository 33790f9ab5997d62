"""An endpoint that is deployed, in local mode or on AWS, and deleted with all its parts.

Local mode goes through the SDK's own `Model.deploy`. On AWS `byoi.deployment` deploys, because
`Model.deploy` fails if the endpoint exists, and makes an invalid name of an image with a digest.
"""

import contextlib
import datetime as dt
import os
import secrets
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any, Self

from sagemaker.model import Model
from sagemaker.predictor import Predictor

from byoi import deployment, errors, names
from byoi.deployment import resources, waiting
from byoi.deployment.plan import EndpointSpec, derive_name
from byoi.deployment.preparation import prepare
from byoi.deployment.resources import CONFIG, ENDPOINT, MODEL
from byoi.hosting.leftovers import cleaned_up
from byoi.hosting.local_client import LocalClient
from byoi.hosting.sessions import LOCAL_ROLE, AwsSession
from byoi.model_data import ModelData

# Forgotten endpoints cost money.
LIFETIME_H = 24.0


class Endpoint:
    """An endpoint with its configuration and its models.

    Attributes:
        predictor: The SDK's Predictor for it.
        name: The endpoint's name.
    """

    def __init__(self, predictor: Predictor) -> None:
        """Take over the clean-up of an endpoint, such as one that `Model.deploy` made.

        Args:
            predictor: Predictor of a live endpoint, in local mode or on AWS.
        """
        self.predictor = predictor
        self.name: str = predictor.endpoint_name
        self._session = predictor.sagemaker_session
        client = self._session.sagemaker_client
        described = client.describe_endpoint(EndpointName=self.name)
        self._config: str = described["EndpointConfigName"]
        self._models = resources.models_of(client, self._config)
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
        lifetime_h: float | None = LIFETIME_H,
        progress: waiting.Progress = waiting.silent,
        is_checked: bool = True,
    ) -> Self:
        """Create an endpoint and wait for it; if that fails, all of it is deleted.

        Only `session` and `instance_type` differ between local mode and AWS. On AWS, deploying
        the same again changes nothing, and other content under the same `name` is an update; a
        failure names its cause and has the last lines of the container's log.

        Args:
            image_uri: Image with tag or digest: in ECR, or on this machine for local mode.
            model_data: What `model_data.pack` returned, the path of an archive, or its `file://`
                or `s3://` URI; or a model directory, whose files are not packed. On AWS, what is on
                this machine is uploaded to the session's bucket, and `s3://BUCKET/PREFIX/` are
                files that are there. None: baked into the image.
            session: `LocalSession`, or what `aws_session` returns, or `sagemaker.Session`.
            role: ARN of the execution role, on AWS by default `Account.role_arn()`; any in
                local mode.
            instance_type: `local`, or a hosting instance such as `ml.c6i.large`.
            environment: Variables of the container.
            serializer: An SDK serializer; None sends bytes as they are.
            deserializer: An SDK deserializer; None returns the body's bytes.
            startup_timeout_s: Seconds for /ping to turn 200, on AWS from 60 to 3600. By default
                the session's in local mode; on AWS derived from how long it takes here, see
                `startup`.
            name: The endpoint's name; by default derived from image and model data on AWS, and
                made up in local mode.
            lifetime_h: Hours until `byoi delete --expired` may delete it; None is never. In local
                mode it ends with the process.
            progress: Takes one line for each step on AWS.
            is_checked: Whether `preflight` runs first on AWS.

        Raises:
            ByoiError: In local mode, as `LocalContainer.serve`, or the name is taken; on AWS, as
                `preparation.prepare` and `rollout.deploy`.

        Source of the range: API ProductionVariant, ContainerStartupHealthCheckTimeoutInSeconds.
        """
        spec = EndpointSpec(
            image_uri,
            model_data,
            name=name,
            role_arn=role,
            instance_type=instance_type,
            environment=environment or {},
            startup_timeout_s=startup_timeout_s,
            expires=_after(lifetime_h),
            is_checked=is_checked,
        )
        if session.local_mode:
            predictor = _deploy_local(spec, session)
        else:
            account = _account(session, needs_bucket=spec.archive is not None)
            prepared = prepare(account, spec, progress=progress)
            prepared.deploy(progress=progress)
            predictor = Predictor(prepared.plan.endpoint_name, sagemaker_session=session)
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
        """Delete endpoint, configuration and models; in local mode also container and files.

        Every deletion is attempted even if one fails; what is already gone is not an error.

        Raises:
            HostingError: Something could not be deleted; the message names it.
        """
        client = self._session.sagemaker_client
        resources.delete_all(client, self.name, self._config, self._models)

    def remains(self) -> list[str]:
        """Return what still exists of it: an empty list after `delete`."""
        client = self._session.sagemaker_client
        parts = [(ENDPOINT, self.name), (CONFIG, self._config)]
        parts += [(MODEL, name) for name in self._models]
        found = [
            f"{kind} {name}"
            for kind, name in parts
            if resources.describe(client, kind, name) is not None
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


def _after(lifetime_h: float | None) -> dt.datetime | None:
    return dt.datetime.now(dt.UTC) + dt.timedelta(hours=lifetime_h) if lifetime_h else None


def _deploy_local(spec: EndpointSpec, session: Any) -> Predictor:
    """Create an endpoint in local mode; if that fails, all of it is deleted."""
    # The SDK takes URIs only.
    data = f"file://{spec.archive}" if spec.archive is not None else spec.model_data
    model = Model(
        image_uri=spec.image_uri,
        model_data=data,
        role=spec.role_arn or LOCAL_ROLE,
        env=dict(spec.environment),
        predictor_cls=Predictor,
        # The SDK would derive one from the image's name, with the @ of a digest in it.
        name=derive_name("model", secrets.token_hex()),
        sagemaker_session=session,
    )
    name = spec.name or derive_name("endpoint", secrets.token_hex())
    if spec.name is not None:
        names.check_endpoint_name(name)
    if resources.describe(session.sagemaker_client, ENDPOINT, name) is not None:
        raise errors.HostingError(
            f"there is an endpoint {name!r}, and local mode has no updates; delete it first, or "
            "give another name"
        )
    try:
        with cleaned_up(session):
            return model.deploy(
                initial_instance_count=1,
                instance_type=spec.instance_type,
                endpoint_name=name,
                container_startup_health_check_timeout=spec.startup_timeout_s,
                wait=False,
            )
    except BaseException:
        # The SDK gives the configuration the endpoint's name.
        resources.delete_all(session.sagemaker_client, name, name, [str(model.name)])
        raise


def _account(session: Any, *, needs_bucket: bool) -> deployment.Account:
    """Return the account of a session; for the SDK's own class, the one that its clients use."""
    if isinstance(session, AwsSession):
        return session.account
    # The SDK may ask STS and make a bucket: only where one is needed.
    bucket = {"BYOI_BUCKET": session.default_bucket()} if needs_bucket else {}
    return deployment.Account(
        session.boto_session,
        environ={**os.environ, **bucket},
        clients={
            "sagemaker": session.sagemaker_client,
            "sagemaker-runtime": session.sagemaker_runtime_client,
            "s3": session.s3_client,
        },
    )
