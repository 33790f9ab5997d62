"""What the tests of several modules of a deployment use."""

from typing import Any

import boto3
import pytest


@pytest.fixture
def s3(moto_aws: str) -> Any:
    client = boto3.client("s3")
    client.create_bucket(Bucket="mine")
    return client
