"""AWS as an emulator answers it: clients, and the steps most tests of endpoints share."""

import contextlib
import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
from images import OWN_IMAGE

from byoi import emulator

# What serves the archive with the echoing module, as cheaply as may be.
ECHO = {
    "BYOI_INFERENCE_MODULE": "/opt/ml/model/echo.py",
    "SAGEMAKER_MODEL_SERVER_WORKERS": "1",
}
# Patient with a loaded machine.
PATIENCE_S = 90
_numbers = itertools.count(1)


def trust(service: str) -> dict[str, Any]:
    """A trust policy that lets one service of AWS assume a role."""
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": service},
        "Action": "sts:AssumeRole",
    }
    return {"Version": "2012-10-17", "Statement": statement}


@dataclass
class Aws:
    """AWS as the emulator answers it.

    Attributes:
        emulator: What answers.
    """

    emulator: emulator.RunningEmulator

    def __post_init__(self) -> None:
        variables = self.emulator.variables
        self._made: list[tuple[str, dict[str, str]]] = []
        self.bucket = str(variables["BYOI_BUCKET"])
        self.role = str(variables["BYOI_ROLE_ARN"])
        self.session = boto3.Session(
            aws_access_key_id=variables["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=variables["AWS_SECRET_ACCESS_KEY"],
            region_name=variables["AWS_DEFAULT_REGION"],
        )
        self.sagemaker = self.client("sagemaker")
        self.runtime = self.client("sagemaker-runtime")
        self.logs = self.client("logs")
        self.s3 = self.client("s3")

    def client(self, name: str) -> Any:
        """A client that sends nothing twice and waits longer than the emulator does."""
        config = Config(retries={"total_max_attempts": 1}, read_timeout=PATIENCE_S)
        return self.session.client(name, endpoint_url=self.emulator.url, config=config)

    def sdk_session(self) -> Any:
        """The SDK's own session, made from nothing but these clients."""
        import sagemaker  # seconds, which most tests need not spend

        config = {
            "SchemaVersion": "1.0",
            "SageMaker": {"PythonSDK": {"Modules": {"TelemetryOptOut": True}}},
        }
        return sagemaker.Session(
            boto_session=self.session,
            sagemaker_client=self.sagemaker,
            sagemaker_runtime_client=self.runtime,
            sagemaker_config=config,
            default_bucket=self.bucket,
        )

    def upload(self, archive: Path) -> str:
        """Return the URI of an archive's copy in S3."""
        key = f"{next(_numbers)}/{archive.name}"
        self.s3.upload_file(str(archive), self.bucket, key)
        return f"s3://{self.bucket}/{key}"

    def model(self, data: str | None, **container: Any) -> str:
        """Create a model and return its name."""
        name = f"model-{next(_numbers)}"
        isolated = container.pop("EnableNetworkIsolation", False)
        primary = {"Image": OWN_IMAGE, "Environment": ECHO, **container}
        if data is not None:
            primary["ModelDataUrl"] = data
        self.sagemaker.create_model(
            ModelName=name,
            ExecutionRoleArn=self.role,
            PrimaryContainer=primary,
            EnableNetworkIsolation=isolated,
        )
        self._made.append(("delete_model", {"ModelName": name}))
        return name

    def config(self, *models: str, **variant: Any) -> str:
        """Create a configuration with a variant for each model and return its name."""
        name = f"config-{next(_numbers)}"
        variants = [
            {
                "VariantName": f"variant-{number}",
                "ModelName": model,
                "InitialInstanceCount": 1,
                "InstanceType": "ml.m5.large",
                **variant,
            }
            for number, model in enumerate(models)
        ]
        self.sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=variants)
        self._made.append(("delete_endpoint_config", {"EndpointConfigName": name}))
        return name

    def forget(self) -> None:
        """Delete the models and configurations made here; endpoints serve on without them."""
        while self._made:
            call, parameters = self._made.pop()
            with contextlib.suppress(ClientError):  # the test deleted it
                getattr(self.sagemaker, call)(**parameters)

    @contextlib.contextmanager
    def endpoint(self, config: str) -> Iterator[str]:
        """Create an endpoint, wait until it is in service, and delete it at the end."""
        name = f"endpoint-{next(_numbers)}"
        self.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=config)
        try:
            described = self.settled(name)
            assert described["EndpointStatus"] == "InService", described["FailureReason"]
            yield name
        finally:
            self.settled(name)
            self.sagemaker.delete_endpoint(EndpointName=name)
            self.wait_until_deleted(name)

    def failure_reason(self, config: str) -> str:
        """Create an endpoint that fails, delete it, and return its FailureReason."""
        name = f"endpoint-{next(_numbers)}"
        self.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=config)
        described = self.settled(name)
        self.sagemaker.delete_endpoint(EndpointName=name)
        self.wait_until_deleted(name)
        assert described["EndpointStatus"] == "Failed"
        return str(described["FailureReason"])

    def settled(self, name: str) -> dict[str, Any]:
        """Wait until nothing goes on with an endpoint, and describe it."""
        end_s = time.monotonic() + PATIENCE_S
        while True:
            described = self.sagemaker.describe_endpoint(EndpointName=name)
            if described["EndpointStatus"] in {"InService", "Failed"}:
                return dict(described)
            assert time.monotonic() < end_s, described
            time.sleep(0.05)

    def wait_until_deleted(self, name: str) -> None:
        """Wait until an endpoint is gone."""
        end_s = time.monotonic() + PATIENCE_S
        while name in self.endpoints():
            assert time.monotonic() < end_s
            time.sleep(0.05)

    def endpoints(self) -> list[str]:
        """The names of all endpoints."""
        found = self.sagemaker.list_endpoints(MaxResults=100)["Endpoints"]
        return [one["EndpointName"] for one in found]

    def invoke(self, name: str, body: bytes = b"hello", **parameters: Any) -> Any:
        """Invoke an endpoint."""
        parameters.setdefault("ContentType", "text/plain")
        return self.runtime.invoke_endpoint(EndpointName=name, Body=body, **parameters)


def wait_for(condition: Callable[[], bool], what: str) -> None:
    """Wait until something is so."""
    end_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end_s, what
        time.sleep(0.1)
