"""A form that uploads to S3 does what its policy, which is signed, allows."""

import base64
import json
import uuid

import boto3
import pytest
import raw_requests
from botocore.config import Config


@pytest.fixture(params=["s3", "s3v4"])
def s3(request, in_processes):
    credentials = in_processes.session.get_credentials()
    return boto3.client(
        "s3",
        endpoint_url=in_processes.emulator.url,
        region_name="us-east-1",
        aws_access_key_id=credentials.access_key,
        aws_secret_access_key=credentials.secret_key,
        config=Config(signature_version=request.param),
    )


def form(fields, file=b"content", *, behind=(), name="file"):
    """A form's body: fields, a file, and what comes behind it."""
    parts = [(f'name="{key}"', str(value).encode()) for key, value in fields.items()]
    parts.append((f'name="{name}"; filename="a.txt"', file))
    parts += [(f'name="{key}"', value.encode()) for key, value in behind]
    body = b"".join(
        f"--edge\r\nContent-Disposition: form-data; {head}\r\n\r\n".encode() + value + b"\r\n"
        for head, value in parts
    )
    return body + b"--edge--\r\n"


def post(aws, body, target=None, **headers):
    headers = {"Content-Type": "multipart/form-data; boundary=edge", **headers}
    target = target or f"/{aws.bucket}"
    return raw_requests.send(aws.emulator.url, "POST", target, headers, body)


def stored(aws, key):
    found = aws.s3.list_objects_v2(Bucket=aws.bucket, Prefix=key).get("Contents", ())
    return [one["Key"] for one in found]


def signed(aws, s3, key, fields=None, conditions=(), **options):
    return s3.generate_presigned_post(
        aws.bucket, key, Fields=fields, Conditions=list(conditions) or None, **options
    )["fields"]


def test_boto3s_form_uploads(in_processes, s3):
    key = f"form/{uuid.uuid4()} ü.txt"
    fields = signed(in_processes, s3, key)
    assert post(in_processes, form(fields)).status == 204
    got = in_processes.s3.get_object(Bucket=in_processes.bucket, Key=key)
    assert got["Body"].read() == b"content"


def test_what_the_policy_allows_and_no_more(in_processes, s3):
    aws, start = in_processes, f"form/{uuid.uuid4()}/"
    conditions = [
        ["starts-with", "$key", start],
        ["starts-with", "$Content-Type", "text/"],
        ["eq", "$acl", "private"],
        {"x-amz-meta-a": "b"},
        ["content-length-range", 2, 10],
    ]
    fields = {"Content-Type": "text/plain", "acl": "private", "x-amz-meta-a": "b"}
    fields = signed(aws, s3, f"{start}${{filename}}", fields, conditions)
    assert post(aws, form(fields)).status == 204
    assert stored(aws, start) == [f"{start}a.txt"]
    for wrong in (
        {**fields, "key": "elsewhere"},
        {**fields, "Content-Type": "image/png"},
        {**fields, "acl": "public-read"},
        {**fields, "x-amz-meta-a": "c"},
        {**fields, "x-amz-meta-other": "in no condition"},
        {name: value for name, value in fields.items() if name != "acl"},
        {name: value for name, value in fields.items() if name != "policy"},
    ):
        answer = post(aws, form(wrong))
        assert answer.status == 403, wrong
    for size in (1, 11):
        answer = post(aws, form(fields, b"x" * size))
        assert (answer.status, f"the file has {size} bytes" in answer.text) == (403, True)
    assert post(aws, form({**fields, "x-ignore-this": "any"}, b"12")).status == 204
    assert stored(aws, start) == [f"{start}a.txt"]


def test_a_form_is_for_one_bucket(in_processes, s3):
    fields = signed(in_processes, s3, "form/bucket")
    in_processes.s3.create_bucket(Bucket="another")
    try:
        answer = post(in_processes, form(fields), "/another")
        assert (answer.status, "the field 'bucket'" in answer.text) == (403, True)
    finally:
        in_processes.s3.delete_bucket(Bucket="another")


def test_nothing_passes_beside_the_policy(in_processes, s3):
    aws, key = in_processes, f"form/{uuid.uuid4()}"
    fields = signed(aws, s3, key)
    elsewhere = form(fields, behind=[("key", "elsewhere")])
    assert "fields behind the file" in post(aws, elsewhere).text
    twice = form(fields).replace(b"--edge", b'--edge\r\nContent-Disposition: form-data; name="key"'
                                 b"\r\n\r\nelsewhere\r\n--edge", 1)  # fmt: skip
    assert "comes twice" in post(aws, twice).text
    assert post(aws, form(fields), f"/{aws.bucket}?key=elsewhere").status == 403
    assert post(aws, form(fields), f"/{aws.bucket}/below").status == 403
    assert post(aws, form(fields, name="other")).status == 403
    assert post(aws, form(fields)[:-30]).status == 403
    assert post(aws, b"").status == 403
    assert post(aws, form({"filler": "x" * 100_000, **fields})).status == 403
    assert stored(aws, key) == stored(aws, "elsewhere") == []


def test_a_policy_expires(in_processes, s3):
    fields = signed(in_processes, s3, "form/late", ExpiresIn=-1)
    answer = post(in_processes, form(fields))
    assert (answer.status, "Policy expired" in answer.text) == (403, True)


def test_a_policy_is_the_one_that_was_signed(in_processes, s3):
    fields = signed(in_processes, s3, "form/signed")
    policy = json.loads(base64.b64decode(fields["policy"]))
    policy["conditions"] = []
    other = base64.b64encode(json.dumps(policy).encode()).decode()
    answer = post(in_processes, form({**fields, "policy": other}))
    assert (answer.status, "SignatureDoesNotMatch" in answer.text) == (403, True)
    known = {
        name: "AKIAIOSFODNN7EXAMPLE" if name == "AWSAccessKeyId" else value
        for name, value in fields.items()
    }
    if "AWSAccessKeyId" in fields:
        assert "InvalidAccessKeyId" in post(in_processes, form(known)).text


def test_a_condition_that_cannot_be_checked_is_refused_by_name(in_processes, s3):
    fields = signed(in_processes, s3, "form/odd", None, [["ends-with", "$key", "odd"]])
    answer = post(in_processes, form(fields))
    assert (answer.status, "'ends-with'" in answer.text) == (403, True)


def test_another_algorithm_is_refused_by_name(in_processes):
    fields = {"key": "a", "policy": "e30=", "x-amz-algorithm": "AWS4-ECDSA-P256-SHA256"}
    answer = post(in_processes, form(fields))
    assert (answer.status, "AWS4-ECDSA-P256-SHA256" in answer.text) == (403, True)
