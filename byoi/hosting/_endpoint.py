"""Endpoints that clean up after themselves, for scripts and for notebook cells.

Deleting what the SDK, or `byoi.deployment`, made of an endpoint.

An endpoint in local mode, by the SDK's own `Model.deploy`.

An endpoint on AWS, or the emulator, for a session of the SDK's.
"""

import contextlib
import datetime as dt
import functools
import os
import secrets
from collections.abc import Callable, Generator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from botocore.exceptions import BotoCoreError, ClientError
from sagemaker.model import Model
from sagemaker.predictor import Predictor

from byoi import deployment, errors
from byoi.deployment import plan, preflight, price, startup, waiting
from byoi.deployment.plan import derive_name, make_plan, upload_model_data
from byoi.hosting.local_client import LocalClient
from byoi.hosting.sessions import LOCAL_ROLE, AwsSession
from byoi.model_data import ModelData


def delete_resources(session: Any, endpoint: str, config: str, models: list[str]) -> None:
    """Delete an endpoint, wait until it is gone, and delete what it was made of.

    Each is attempted whatever became of the others, and what is gone already is fine.

    Raises:
        HostingError: Something could not be deleted; the message names it.
    """
    client = session.sagemaker_client
    failures = []
    steps: list[tuple[Callable[..., Any], dict[str, str]]] = [
        (client.delete_endpoint, {"EndpointName": endpoint}),
        (client.delete_endpoint_config, {"EndpointConfigName": config}),
        *((client.delete_model, {"ModelName": name}) for name in models),
    ]
    for step, parameters in steps:
        try:
            if is_done(step, **parameters) and step == client.delete_endpoint:
                waiting.wait(client, endpoint)
        except (ClientError, BotoCoreError, OSError, errors.ByoiError) as error:
            failures.append(f"{', '.join(parameters.values())}: {error}")
    if failures:
        raise errors.HostingError(
            "not everything could be deleted; call delete() again, or delete by hand: "
            + "; ".join(failures)
        )


def is_done(call: Callable[..., Any], **parameters: str) -> bool:
    """Make a call on something by its name; False where AWS says there is no such thing."""
    try:
        call(**parameters)
    except ClientError as error:
        if waiting.is_absent(error):
            return False
        raise
    return True


def _deploy_local(  # noqa: PLR0913 - keywords, one caller
    image_uri: str,
    model_data: Path | str | None,
    *,
    session: Any,
    role: str,
    instance_type: str,
    environment: Mapping[str, str],
) -> Predictor:
    """Create an endpoint; where that fails, nothing of it stays.

    Arguments and errors are those of `Endpoint.deploy`.
    """
    model = Model(
        image_uri=image_uri,
        model_data=_location(model_data),
        role=role,
        env=dict(environment),
        predictor_cls=Predictor,
        # The SDK would make one of the image's name, with the @ of a digest in it.
        name=plan.derive_name("model", secrets.token_hex()),
        sagemaker_session=session,
    )
    endpoint = plan.derive_name("endpoint", secrets.token_hex())
    try:
        return model.deploy(
            initial_instance_count=1,
            instance_type=instance_type,
            endpoint_name=endpoint,
            wait=False,
        )
    except BaseException:
        # The SDK gives the configuration the endpoint's name.
        delete_resources(session, endpoint, endpoint, [str(model.name)])
        raise


def _location(model_data: Path | str | None) -> str | None:
    """Return the URI that the SDK is given."""
    if model_data is None or (isinstance(model_data, str) and "://" in model_data):
        return model_data
    return f"file://{Path(model_data).absolute()}"


# Forgotten endpoints cost money.
LIFETIME_H = 24.0


def _deploy_on_aws(  # noqa: PLR0913 - keywords, one caller
    image_uri: str,
    model_data: Path | str | None,
    *,
    session: Any,
    role_arn: str | None,
    instance_type: str,
    environment: Mapping[str, str],
    startup_timeout_s: int | None,
    name: str | None,
    lifetime_h: float | None,
    progress: waiting.Progress,
    is_checked: bool,
) -> Predictor:
    """Create or update an endpoint, or leave it where it is as asked for.

    Arguments and errors are those of `Endpoint.deploy`.
    """
    is_here = model_data is not None and "://" not in str(model_data)
    account = _account(session, needs_bucket=is_here)
    until = dt.datetime.now(dt.UTC) + dt.timedelta(hours=lifetime_h) if lifetime_h else None
    plan = make_plan(
        account,
        name or "unnamed",
        image_uri,
        model_data,
        role_arn=role_arn,
        instance_type=instance_type,
        environment=environment,
        startup_timeout_s=startup_timeout_s,
        expires=until,
    )
    if name is None:
        plan = replace(plan, endpoint_name=derive_name("endpoint", plan.config_name))
    if is_checked:
        findings = preflight.check(account, plan, is_uploaded=not is_here)
        for finding in findings:
            progress(preflight.to_text(finding))
        preflight.require(findings)
        progress(price.line(account, plan))
    upload_model_data(account, plan, model_data)
    find_timeout_s = functools.partial(
        startup.find_timeout_s,
        image_uri,
        Path(str(model_data)) if is_here else None,
        environment,
        progress=progress,
    )
    deployment.deploy(account, plan, progress=progress, find_startup_timeout_s=find_timeout_s)
    return Predictor(plan.endpoint_name, sagemaker_session=session)


def _account(session: Any, *, needs_bucket: bool) -> deployment.Account:
    """Return the account of a session; of one made by hand, the one its clients lead to."""
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
        lifetime_h: float | None = LIFETIME_H,
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
            predictor = _deploy_local(
                image_uri,
                data,
                session=session,
                role=role or LOCAL_ROLE,
                instance_type=instance_type,
                environment=environment or {},
            )
        else:
            predictor = _deploy_on_aws(
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
        delete_resources(self._session, self.name, self._config, self._models)

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
            if is_done(describe, **parameters)
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
