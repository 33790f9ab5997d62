"""The SDK's session for local mode, without what needs an account."""

import os
import subprocess
import sys
from pathlib import Path

import boto3
import pytest
import sagemaker.local
from sagemaker.async_inference import AsyncInferenceConfig
from sagemaker.model import Model
from sagemaker.serverless import ServerlessInferenceConfig
from sagemaker.telemetry.constants import Region

from byoi import errors, hosting
from byoi.hosting import staging


def model(session: hosting.LocalSession, **settings) -> Model:
    return Model("byoi-none:1", role=hosting.LOCAL_ROLE, sagemaker_session=session, **settings)


def test_is_the_sdks_own_and_needs_no_argument():
    session = hosting.LocalSession()
    assert isinstance(session, sagemaker.local.LocalSession)
    assert session.boto_session.get_credentials() is None
    assert session.config["local"]["local_code"] is True
    assert not staging.is_restricted(session.directory)


def test_uses_credentials_that_are_given_to_it():
    given = boto3.Session("testing", "testing", region_name="eu-west-1")
    session = hosting.LocalSession(given, default_bucket="mine")
    assert session.boto_session is given
    assert session.boto_region_name == "eu-west-1"


def test_telemetry_is_off_with_and_without_a_region():
    # test_jobs.py listens to what is sent from the region that is none.
    assert hosting.LocalSession().boto_region_name not in set(Region)
    given = hosting.LocalSession(boto3.Session(region_name="eu-west-1"))
    assert given.sagemaker_config["SageMaker"]["PythonSDK"]["Modules"]["TelemetryOptOut"] is True


def test_serverless_has_no_local_mode_and_says_so(session: hosting.LocalSession):
    with pytest.raises(errors.ConfigurationError, match="has no ServerlessConfig"):
        model(session).deploy(serverless_inference_config=ServerlessInferenceConfig())


def test_asynchronous_inference_has_no_local_mode_and_says_so(session: hosting.LocalSession):
    with pytest.raises(errors.ConfigurationError, match="asynchronous inference has no local"):
        model(session).deploy(1, "local", async_inference_config=AsyncInferenceConfig())
    config = AsyncInferenceConfig("s3://bucket/out", failure_path="s3://bucket/failed")
    with pytest.raises(errors.ConfigurationError, match="has no AsyncInferenceConfig"):
        model(session).deploy(1, "local", async_inference_config=config)


def test_several_instances_have_no_local_mode(session: hosting.LocalSession):
    with pytest.raises(errors.ConfigurationError, match="more than one variant or instance"):
        model(session).deploy(2, "local")


def test_a_batch_transform_without_output_path_is_refused(session: hosting.LocalSession):
    made = model(session)
    with pytest.raises(errors.ConfigurationError, match="output_path='file:///absolute/path'"):
        made.transformer(1, "local").transform("file:///in", content_type="text/csv")


def test_a_bucket_that_is_given_is_used(moto_aws: str):
    boto3.client("s3").create_bucket(Bucket="mine")
    session = hosting.LocalSession(boto3.Session(), default_bucket="mine")
    assert session.default_bucket() == "mine"


@pytest.mark.needs("docker", "compose")
def test_a_missing_image_is_an_error_within_seconds(session: hosting.LocalSession):
    for name in ("byoi-none:1", "123456789012.dkr.ecr.us-east-1.amazonaws.com/none:1"):
        with pytest.raises(errors.HostingError, match=f"needs the image '{name}'"):
            hosting.Endpoint.deploy(name, None, session=session)


def test_nothing_is_printed_and_nothing_stays_in_the_temporary_directory(tmp_path: Path):
    code = "from byoi import hosting; session = hosting.LocalSession(); session.directory"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert (done.stdout, done.stderr) == ("", "")
    assert list(tmp_path.iterdir()) == []
