"""What an emulator records of the calls it answers."""

import json
import os

import pytest
from botocore.exceptions import ClientError
from emulated_aws import Aws

from byoi import emulator


def test_each_call_is_a_line_with_what_it_asked_for(tmp_path) -> None:
    file = tmp_path / "calls.jsonl"
    with emulator.running(runner="processes", environ=dict(os.environ), calls_file=file) as running:
        aws = Aws(running)
        aws.sagemaker.list_endpoints(NameContains="byoi")
        aws.client("iam").get_role(RoleName="byoi-execution-role")
        aws.s3.put_object(Bucket=aws.bucket, Key="byoi/a", Body=b"secret")
        with pytest.raises(ClientError):
            aws.client("pricing").get_products(ServiceCode="AmazonSageMaker")
    text = file.read_text()
    calls = [json.loads(line) for line in text.splitlines()]
    assert [(one["service"], one["action"], one["status"]) for one in calls] == [
        ("sagemaker", "ListEndpoints", 200),
        ("iam", "GetRole", 200),
        ("s3", "PUT /byoi-emulator/byoi/a", 200),
        ("pricing", "GetProducts", 501),
    ]
    assert calls[0]["parameters"]["NameContains"] == "byoi"
    assert calls[1]["parameters"]["RoleName"] == "byoi-execution-role"
    assert {one["key"] for one in calls} == {running.variables["AWS_ACCESS_KEY_ID"]}
    assert "secret" not in text
