"""The keys that are accepted: this start's, and those that its IAM and STS issued."""

import re
import time
import urllib.request

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from byoi.emulator.credentials import Key


def client(aws, service, *key):
    names = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
    return boto3.client(
        service,
        endpoint_url=aws.emulator.url,
        region_name="us-east-1",
        **dict(zip(names, key, strict=False)),
    )


def refusal(aws, *key):
    """The code of the error that a key ends in."""
    with pytest.raises(ClientError) as caught:
        client(aws, "sts", *key).get_caller_identity()
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    return caught.value.response["Error"]["Code"]


def test_a_starts_key_has_aws_form_and_is_never_the_same():
    one, two = Key.random(), Key.random()
    for key in (one, two):
        assert re.fullmatch("AKIA[A-Z2-7]{16}", key.access_key)
        assert re.fullmatch("[A-Za-z0-9]{40}", key.secret)
        assert key.secret not in repr(key)
    assert one.access_key != two.access_key
    assert one.secret != two.secret


def test_the_secret_is_in_no_representation_and_no_log(in_processes):
    emulator = in_processes.emulator
    secret = str(emulator.variables["AWS_SECRET_ACCESS_KEY"])
    in_processes.sagemaker.list_models()
    refusal(in_processes, emulator.variables["AWS_ACCESS_KEY_ID"], "wrong")
    assert secret not in repr(emulator)
    log = emulator.log_file.read_text()
    assert secret not in log
    assert str(emulator.variables["AWS_ACCESS_KEY_ID"]) not in log
    assert secret in emulator.variables_file.read_text()


@pytest.fixture
def user(in_processes):
    iam = in_processes.client("iam")
    iam.create_user(UserName="somebody")
    yield iam
    for key in iam.list_access_keys(UserName="somebody")["AccessKeyMetadata"]:
        iam.delete_access_key(UserName="somebody", AccessKeyId=key["AccessKeyId"])
    iam.delete_user(UserName="somebody")


def test_a_users_key_is_accepted_while_it_is_active(in_processes, user):
    made = user.create_access_key(UserName="somebody")["AccessKey"]
    key = made["AccessKeyId"], made["SecretAccessKey"]
    arn = client(in_processes, "sts", *key).get_caller_identity()["Arn"]
    assert arn.endswith(":user/somebody")
    assert refusal(in_processes, key[0], "wrong") == "SignatureDoesNotMatch"
    assert refusal(in_processes, *key, "a token") == "InvalidClientTokenId"
    where = {"UserName": "somebody", "AccessKeyId": key[0]}
    user.update_access_key(**where, Status="Inactive")
    assert refusal(in_processes, *key) == "InvalidClientTokenId"
    user.update_access_key(**where, Status="Active")
    client(in_processes, "sts", *key).get_caller_identity()
    user.delete_access_key(**where)
    assert refusal(in_processes, *key) == "InvalidClientTokenId"


def test_a_roles_key_is_accepted_with_its_token_alone(in_processes):
    sts = in_processes.client("sts")
    for arn in (in_processes.role, "arn:aws:iam::210987654321:role/of-another-account"):
        made = sts.assume_role(RoleArn=arn, RoleSessionName="session")["Credentials"]
        key = made["AccessKeyId"], made["SecretAccessKey"]
        found = client(in_processes, "sts", *key, made["SessionToken"]).get_caller_identity()
        assert found["Account"] == arn.split(":")[4]
        s3 = client(in_processes, "s3", *key, made["SessionToken"])
        s3.list_buckets()
        assert refusal(in_processes, *key) == "InvalidClientTokenId"
        assert refusal(in_processes, *key, "another") == "InvalidClientTokenId"
        assert refusal(in_processes, key[0], "wrong", made["SessionToken"]) == (
            "SignatureDoesNotMatch"
        )


def test_a_token_in_the_query_counts_as_one_in_a_header(in_processes):
    made = in_processes.client("sts").assume_role(
        RoleArn=in_processes.role, RoleSessionName="session"
    )["Credentials"]
    in_processes.s3.put_object(Bucket=in_processes.bucket, Key="token", Body=b"x")
    for version in ("s3", "s3v4"):
        s3 = boto3.client(
            "s3",
            endpoint_url=in_processes.emulator.url,
            region_name="us-east-1",
            aws_access_key_id=made["AccessKeyId"],
            aws_secret_access_key=made["SecretAccessKey"],
            aws_session_token=made["SessionToken"],
            config=Config(signature_version=version),
        )
        url = s3.generate_presigned_url(
            "get_object", Params={"Bucket": in_processes.bucket, "Key": "token"}
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(url) as answer:
            assert answer.read() == b"x"


def test_a_roles_key_expires(in_processes):
    # AWS gives 15 minutes at least, which boto3 knows and moto does not.
    sts = boto3.client(
        "sts",
        endpoint_url=in_processes.emulator.url,
        region_name="us-east-1",
        aws_access_key_id=in_processes.emulator.variables["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=in_processes.emulator.variables["AWS_SECRET_ACCESS_KEY"],
        config=Config(parameter_validation=False),
    )
    made = sts.assume_role(RoleArn=in_processes.role, RoleSessionName="session", DurationSeconds=1)[
        "Credentials"
    ]
    time.sleep(1.1)
    key = made["AccessKeyId"], made["SecretAccessKey"], made["SessionToken"]
    assert refusal(in_processes, *key) == "ExpiredToken"


@pytest.mark.parametrize("call", ["get_session_token", "get_federation_token"])
def test_keys_that_moto_gives_everybody_are_not_given(in_processes, call):
    parameters = {"Name": "somebody"} if call == "get_federation_token" else {}
    with pytest.raises(ClientError, match="does not emulate"):
        getattr(in_processes.client("sts"), call)(**parameters)
