"""Sessions of the SageMaker SDK: for an AWS account, and for local mode without one."""

import logging
import os
import shutil
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import boto3
import sagemaker
import sagemaker.local
from botocore.config import Config

from byoi import deployment, proxies
from byoi.hosting import missing_bucket, parameters, runtime_client, staging
from byoi.hosting.container import LocalContainer, Place
from byoi.hosting.leftovers import TellingSession
from byoi.hosting.local_client import LocalClient
from byoi.hosting.runtime_client import RuntimeClient
from byoi.local.docker import Engine

# Local mode takes any ARN as it is; a bare name would be looked up at AWS.
LOCAL_ROLE = "arn:aws:iam::111111111111:role/local-mode"
# Enough to load a large model on a busy machine.
STARTUP_TIMEOUT_S = 120


class AwsSession(TellingSession):
    """A `sagemaker.Session` on the clients and the bucket of an account.

    Differences to one made by hand: an invocation is sent once and times out after 70 s; the
    default bucket is BYOI_BUCKET, so that the SDK does not ask STS for the account's number (its
    address of STS cannot be redirected); nothing is reported to the SDK's authors.

    Attributes:
        account: The account.
    """

    def __init__(self, account: deployment.Account) -> None:
        self.account = account
        super().__init__(
            boto_session=account.session,
            sagemaker_client=account.sagemaker,
            sagemaker_runtime_client=account.runtime,
            default_bucket=account.bucket(),
            sagemaker_config=runtime_client.SDK_CONFIG,
        )
        # The SDK makes these two itself, without the account's address.
        self.s3_client = account.client("s3")
        direct = Config(proxies=proxies.of(self.s3_client.meta.endpoint_url))
        self.s3_resource = account.session.resource(
            "s3", endpoint_url=account.endpoint_url, config=direct
        )

    def get_caller_identity_arn(self) -> str:
        """Return the ARN of the execution role, for `sagemaker.get_execution_role(session)`.

        BYOI_ROLE_ARN; else on AWS the role of whoever asks, if it is one; else as
        `Account.role_arn`. The SDK would ask STS, whose address cannot be redirected.

        Raises:
            ConfigurationError: There is none; the message says what to set or to make.
        """
        account = self.account
        is_emulated = proxies.of(account.sagemaker.meta.endpoint_url) is not None
        if is_emulated or account.environ.get("BYOI_ROLE_ARN", "").strip():
            return account.role_arn()
        asking = str(super().get_caller_identity_arn())
        return asking if ":role/" in asking else account.role_arn()


def aws_session(account: deployment.Account | None = None) -> AwsSession:
    """Return a session for AWS, or for the emulator that the environment leads to.

    Args:
        account: By default the one of the environment, see `deployment.connect`.

    Raises:
        ConfigurationError: There is no region, no credentials or no BYOI_BUCKET.
    """
    return AwsSession(deployment.connect() if account is None else account)


class LocalSession(TellingSession, sagemaker.local.LocalSession):  # type: ignore[misc] # the SDK ships no types
    """A `sagemaker.local.LocalSession` that works without AWS and cleans up.

    Pass it to `Model`, `Estimator` and `Transformer` as `sagemaker_session`. Each endpoint gets a
    free port. Containers that still run when the process ends are stopped; those of a killed
    process are removed by the next one.

    Attributes:
        directory: Logs and staged files; gone when the process ends.
    """

    config: Any

    def __init__(
        self,
        boto_session: boto3.Session | None = None,
        *,
        environ: Mapping[str, str] | None = None,
        startup_timeout_s: float = STARTUP_TIMEOUT_S,
        **arguments: Any,
    ) -> None:
        """Make a session; the container engine is not asked yet.

        Args:
            boto_session: Only for model data or inputs in S3; by default one without
                credentials. Its keys never reach a container.
            environ: PATH and variables for the container engine and compose; by default this
                process's.
            startup_timeout_s: Seconds for a container's /ping to turn 200.
            arguments: Others of the SDK's class, for example `default_bucket`.
        """
        # It logs the SDK's steps, with random names in them, and errors that are raised, too.
        logging.getLogger("sagemaker").setLevel(logging.CRITICAL)
        self._has_bucket = bool(arguments.get("default_bucket"))
        config = arguments.pop("sagemaker_config", None)
        used = boto_session or runtime_client.boto_session(runtime_client.LOCAL_REGION)
        # First: the SDK makes clients at once.
        missing_bucket.watch(used, has_credentials=boto_session is not None)
        super().__init__(
            used,
            sagemaker_config=config or runtime_client.SDK_CONFIG,
            **arguments,
        )
        if boto_session is None and config is None:
            self.sagemaker_config: dict[str, Any] = {}
        self.directory = staging.make_session_directory(staging.find_directory())
        engine = Engine(os.environ if environ is None else environ)
        client = LocalClient(self, Place(engine, self.directory, startup_timeout_s))
        self.sagemaker_client = client
        self.sagemaker_runtime_client = RuntimeClient(
            client.find_url,
            boto_session=self.boto_session,
            find_log=client.find_log,
            find_variant=client.find_variant,
        )
        # local_code: training without output_path stays on this machine, too.
        local = {"local_code": True, "container_root": str(self.directory)}
        self.config = {"local": local | ((self.config or {}).get("local") or {})}
        weakref.finalize(self, _clean_up, client.containers, self.directory)

    def wait_for_endpoint(self, endpoint: str, *_: Any, **__: Any) -> dict[str, Any]:
        """Return the endpoint's description at once: `create_endpoint` has waited already.

        The SDK would sleep 30 s first.
        """
        described: dict[str, Any] = self.sagemaker_client.describe_endpoint(endpoint)
        return described

    def wait_for_transform_job(self, job: str, *_: Any, **__: Any) -> dict[str, Any]:
        """Return the job's description at once, for the same reason."""
        described: dict[str, Any] = self.sagemaker_client.describe_transform_job(job)
        return described

    def logs_for_transform_job(self, job_name: str, *_: Any, **__: Any) -> None:
        """Do nothing: the SDK would ask CloudWatch for the log, which is in `directory`."""

    def get_caller_identity_arn(self) -> str:
        """Return `LOCAL_ROLE`, for `sagemaker.get_execution_role(session)`: nobody is asked."""
        return LOCAL_ROLE

    def create_endpoint_config_from_existing(self, *_: Any, **__: Any) -> None:
        """Refuse the first step of an update, before it leaves anything.

        `Predictor.update_endpoint` and `Predictor.enable_data_capture` take it.

        Raises:
            ConfigurationError: Always.
        """
        parameters.refuse_call("UpdateEndpoint")

    def default_bucket(self) -> str:
        """Return the bucket given to the session, else the name of one that nothing may use."""
        return str(super().default_bucket()) if self._has_bucket else missing_bucket.NAME


def _clean_up(containers: dict[str, LocalContainer], directory: Path) -> None:
    for container in containers.values():
        container.stop_serving(grace_s=1)
    shutil.rmtree(directory, ignore_errors=True)
