"""A bucket's policy: its conditions are evaluated, and what cannot be is refused."""

import json
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

TEMPLATE = Path(__file__).parents[3] / "infra" / "execution_role.yaml"
ALL = ["arn:aws:s3:::policed", "arn:aws:s3:::policed/*"]
DENY = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": ALL}
ALLOW = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": ALL[1]}
TLS_ONLY = {**DENY, "Condition": {"Bool": {"aws:SecureTransport": "false"}}}


@pytest.fixture
def s3(in_processes):
    s3 = in_processes.s3
    s3.create_bucket(Bucket="policed")
    s3.put_object(Bucket="policed", Key="a", Body=b"x")
    yield s3
    s3.delete_bucket_policy(Bucket="policed")
    s3.delete_object(Bucket="policed", Key="a")
    s3.delete_bucket(Bucket="policed")


def put(s3, *statements):
    document = {"Version": "2012-10-17", "Statement": list(statements)}
    s3.put_bucket_policy(Bucket="policed", Policy=json.dumps(document))


def reach(s3):
    """How many of three calls about an object are not denied."""
    done = 0
    for call in (
        lambda: s3.get_object(Bucket="policed", Key="a"),
        lambda: s3.head_object(Bucket="policed", Key="a"),
        lambda: s3.put_object(Bucket="policed", Key="a", Body=b"y"),
    ):
        try:
            call()
            done += 1
        except ClientError as error:
            assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 403  # noqa: PT017
    return done


@pytest.mark.parametrize(
    ("statements", "reached"),
    [
        ([TLS_ONLY], 3),
        ([{**TLS_ONLY, "Condition": {"Bool": {"aws:SecureTransport": False}}}], 3),
        ([{**TLS_ONLY, "Condition": {"Bool": {"aws:SecureTransport": "true"}}}], 0),
        ([TLS_ONLY, ALLOW], 3),
        ([DENY], 0),
        ([{**DENY, "Principal": {"AWS": "*"}}], 0),
        ([{**DENY, "Action": "s3:GetObject"}], 1),
        ([{**DENY, "Action": "s3:PutObject"}], 2),
        ([{**DENY, "Resource": "arn:aws:s3:::policed/b*"}], 3),
        ([{**ALLOW, "Principal": {"AWS": "arn:aws:iam::123456789012:root"}}], 3),
    ],
)
def test_what_it_denies_to_everybody_is_denied(s3, statements, reached):
    put(s3, *statements)
    assert reach(s3) == reached
    assert json.loads(s3.get_bucket_policy(Bucket="policed")["Policy"])["Statement"] == statements


@pytest.mark.parametrize(
    ("statement", "what"),
    [
        ({**DENY, "Principal": {"AWS": "arn:aws:iam::123456789012:user/a"}}, "to some"),
        ({"Effect": "Deny", "NotPrincipal": "*", "Action": "*", "Resource": ALL}, "to some"),
        ({**DENY, "Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}}, "IpAddress"),
        ({**DENY, "Condition": {"StringEquals": {"aws:SourceVpce": "vpce-1"}}}, "aws:SourceVpce"),
        ({**DENY, "Condition": {"StringNotEquals": {"s3:x-amz-acl": "a"}}}, "StringNotEquals"),
    ],
)
def test_what_cannot_be_evaluated_is_refused_when_it_is_put(s3, statement, what):
    with pytest.raises(ClientError, match=what) as caught:
        put(s3, statement)
    assert caught.value.response["Error"]["Code"] == "NotEmulated"
    with pytest.raises(ClientError, match="NoSuchBucketPolicy"):
        s3.get_bucket_policy(Bucket="policed")


@pytest.mark.parametrize("text", ["{", "[]", "7", '{"Statement": [{"Action": "s3:*"}]}'])
def test_what_is_no_policy_is_malformed(s3, text):
    with pytest.raises(ClientError) as caught:
        s3.put_bucket_policy(Bucket="policed", Policy=text)
    error = caught.value.response
    assert error["Error"]["Code"] == "MalformedPolicy"
    assert error["ResponseMetadata"]["HTTPStatusCode"] == 400


def test_a_stack_makes_it_and_takes_it_away(in_processes, s3):
    def template(statement):
        properties = {"Bucket": "policed", "PolicyDocument": {"Statement": [statement]}}
        resources = {"Policy": {"Type": "AWS::S3::BucketPolicy", "Properties": properties}}
        return json.dumps(
            {"Resources": resources, "Outputs": {"Bucket": {"Value": {"Ref": "Policy"}}}}
        )

    cloudformation = in_processes.client("cloudformation")
    cloudformation.create_stack(StackName="policy", TemplateBody=template(TLS_ONLY))
    described = cloudformation.describe_stacks(StackName="policy")["Stacks"][0]
    assert described["StackStatus"] == "CREATE_COMPLETE"
    assert described["Outputs"][0]["OutputValue"] == "policed"
    shown = json.loads(s3.get_bucket_policy(Bucket="policed")["Policy"])
    assert shown == {"Statement": [TLS_ONLY]}
    assert reach(s3) == 3
    cloudformation.update_stack(StackName="policy", TemplateBody=template(DENY))
    assert reach(s3) == 0
    # A second one on the same bucket.
    cloudformation.create_stack(StackName="second", TemplateBody=template(TLS_ONLY))
    described = cloudformation.describe_stacks(StackName="second")["Stacks"][0]
    assert described["StackStatus"] == "ROLLBACK_COMPLETE"
    assert reach(s3) == 0
    for name in ("second", "policy"):
        cloudformation.delete_stack(StackName=name)
        cloudformation.get_waiter("stack_delete_complete").wait(StackName=name)
    with pytest.raises(ClientError, match="NoSuchBucketPolicy"):
        s3.get_bucket_policy(Bucket="policed")


def test_the_bucket_of_the_template_keeps_its_policy_and_takes_model_data(in_processes):
    cloudformation, s3 = in_processes.client("cloudformation"), in_processes.s3
    cloudformation.create_stack(
        StackName="byoi-with-bucket",
        TemplateBody=TEMPLATE.read_text(encoding="utf-8"),
        Capabilities=["CAPABILITY_IAM"],
    )
    described = cloudformation.describe_stacks(StackName="byoi-with-bucket")["Stacks"][0]
    assert described["StackStatus"] == "CREATE_COMPLETE"
    bucket = {one["OutputKey"]: one["OutputValue"] for one in described["Outputs"]}["Bucket"]
    s3.put_object(Bucket=bucket, Key="a", Body=b"x")
    assert s3.get_object(Bucket=bucket, Key="a")["Body"].read() == b"x"
    cloudformation.delete_stack(StackName="byoi-with-bucket")
    cloudformation.get_waiter("stack_delete_complete").wait(StackName="byoi-with-bucket")
    (statement,) = json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])["Statement"]
    assert statement["Resource"] == [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    s3.delete_object(Bucket=bucket, Key="a")
    s3.delete_bucket(Bucket=bucket)
