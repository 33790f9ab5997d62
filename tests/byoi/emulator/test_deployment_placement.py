"""Deploying files below a prefix, and where an endpoint runs: what acts here, and what is shown."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from deployed import TOYS, ask, left_as_found, plan
from emulated_aws import Aws

from byoi import deployment, errors
from byoi.deployment import preflight
from byoi.deployment.placement import Placement

PLACEMENT = Placement(
    subnets=["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"],
    security_groups=["sg-01234567"],
    volume_gb=20,
    kms_key="alias/mine",
    download_timeout_s=60,
)


@pytest.fixture
def account(in_processes: Aws) -> Iterator[deployment.Account]:
    with left_as_found(in_processes) as found:
        yield found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The echoing model, not packed."""
    path = tmp_path / "model"
    path.mkdir()
    shutil.copy(TOYS / "echo.py", path)
    return path


def test_files_are_served_as_they_are_and_the_rest_is_shown(
    account: deployment.Account, folder: Path
) -> None:
    wanted = plan(account, folder, "placed", placement=PLACEMENT)
    findings = preflight.check(account, wanted)
    preflight.require(findings)
    lines = "\n".join(map(str, findings))
    assert "ok: model data s3://" in lines
    assert "1 files," in lines
    assert "not checked: the emulator does not support DescribeSubnets" in lines
    assert "not checked: the emulator does not support DescribeKey" in lines
    deployment.deploy(account, wanted)
    assert ask(account, "placed") == "hello"
    model = account.sagemaker.describe_model(ModelName=wanted.model_name)
    assert model["VpcConfig"] == wanted.model_request()["VpcConfig"]
    assert model["PrimaryContainer"]["ModelDataSource"] == {
        "S3DataSource": {
            "S3Uri": wanted.model_data_url,
            "S3DataType": "S3Prefix",
            "CompressionType": "None",
        }
    }
    config = account.sagemaker.describe_endpoint_config(EndpointConfigName=wanted.config_name)
    (variant,) = config["ProductionVariants"]
    assert config["KmsKeyId"] == "alias/mine"
    assert (variant["VolumeSizeInGB"], variant["ModelDataDownloadTimeoutInSeconds"]) == (20, 60)


@pytest.mark.parametrize(
    ("url", "changes", "said"),
    [
        ("s3://{bucket}/byoi/absent/", {}, "no object is under this prefix; upload the files"),
        (None, {"has_network": False}, "EnableNetworkIsolation needs a container engine"),
    ],
)
def test_what_cannot_be_is_failed_with_its_reason(
    account: deployment.Account, url: str | None, changes: dict[str, bool], said: str
) -> None:
    wanted = deployment.Plan(
        "placed",
        "byoi:latest",
        url and url.format(bucket=account.bucket()),
        account.role_arn(),
        placement=Placement(**changes),
    )
    with pytest.raises(errors.EndpointFailedError, match=said):
        deployment.deploy(account, wanted)


def test_a_volume_beside_a_local_disk_is_refused_as_aws_does(in_processes: Aws) -> None:
    model = in_processes.model(None)
    with pytest.raises(in_processes.sagemaker.exceptions.ClientError) as caught:
        in_processes.config(model, InstanceType="ml.g4dn.xlarge", VolumeSizeInGB=20)
    assert "VolumeSize parameter is not allowed for the selected Instance type ml.g4dn" in str(
        caught.value
    )
