"""No foreign page, no host's name that DNS gave, and none of moto's headers for pages."""

import boto3
import pytest
import raw_requests
from botocore.config import Config


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1", 200),
        ("127.0.0.1:80", 200),
        ("localhost:5556", 200),
        ("LOCALHOST", 200),
        ("[::1]:5556", 200),
        ("evil.test", 403),
        ("evil.test:5556", 403),
        ("127.0.0.1.evil.test", 403),
        ("localhost.evil.test", 403),
        ("bucket.localhost", 403),
        ("127.0.0.1:evil.test", 403),
        ("127.0.0.1@evil.test", 403),
        ("127.0.0.2", 403),
        ("", 403),
        ("s3.amazonaws.com", 403),
    ],
)
def test_the_host_is_this_machine(in_processes, host, status):
    bucket = f"/{in_processes.bucket}"
    headers = raw_requests.signed(in_processes, "GET", bucket, {"Host": host})
    answer = raw_requests.send(in_processes.emulator.url, "GET", bucket, headers)
    assert answer.status == status, answer.text
    if status == 403:
        assert "the Host header is" in answer.text
        # Also where nothing else is judged.
        for path in ("/_byoi/alive", "/restapis/any/any/_user_request_/any"):
            answer = raw_requests.send(in_processes.emulator.url, "GET", path, {"Host": host})
            assert answer.status == 403


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "none"}, 200),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "made-up"}, 403),
        ({"Origin": "http://evil.test"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://127.0.0.1:1"}, 403),
        ({"Origin": ""}, 403),
        ({"Origin": "SELF"}, 200),
    ],
)
def test_a_page_of_another_origin_is_refused_even_with_a_signature(in_processes, headers, status):
    url, bucket = in_processes.emulator.url, f"/{in_processes.bucket}"
    headers = {name: url if value == "SELF" else value for name, value in headers.items()}
    signed = {**raw_requests.signed(in_processes, "GET", bucket), **headers}
    answer = raw_requests.send(url, "GET", bucket, signed)
    assert answer.status == status, answer.text
    if status == 403:
        assert "a web page of another origin" in answer.text
        assert raw_requests.send(url, "GET", "/_byoi/alive", headers).status == 403


def test_a_preflight_is_refused(in_processes):
    headers = {"Access-Control-Request-Method": "PUT"}
    url, bucket = in_processes.emulator.url, f"/{in_processes.bucket}"
    for sent in (headers, raw_requests.signed(in_processes, "OPTIONS", bucket, headers)):
        answer = raw_requests.send(url, "OPTIONS", bucket, sent)
        assert answer.status == 403
        assert not [name for name in answer.headers if name.startswith("access-control")]


def test_no_answer_lets_a_page_read_it(in_processes):
    rule = {"AllowedMethods": ["GET"], "AllowedOrigins": ["*"]}
    bucket, url = in_processes.bucket, in_processes.emulator.url
    in_processes.s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": [rule]})
    try:
        for target, service in ((f"/{bucket}", "s3"), ("/none", "s3"), ("/restapis", "apigateway")):
            headers = raw_requests.signed(
                in_processes, "GET", target, {"Origin": url}, service=service
            )
            answer = raw_requests.send(url, "GET", target, headers)
            assert answer.status in {200, 404}
            assert not [name for name in answer.headers if name.startswith("access-control")]
    finally:
        in_processes.s3.delete_bucket_cors(Bucket=bucket)


@pytest.mark.parametrize(
    ("method", "status"), [("GET", 204), ("HEAD", 204), ("POST", 405), ("PUT", 405)]
)
def test_liveness_needs_no_signature_and_answers_nothing_else(in_processes, method, status):
    url = in_processes.emulator.url
    answer = raw_requests.send(url, method, "/_byoi/alive", body=b"x" * (method == "PUT"))
    assert (answer.status, answer.text) == (status, "")
    assert raw_requests.send(url, "GET", "/_byoi/alive/more").status == 403
    assert raw_requests.send(url, "GET", "/_byoi").status == 403


@pytest.mark.parametrize(
    "target",
    ["/moto-api", "/moto-api/reset", "/moto%2Dapi/reset", "/moto-api/data.json", "/favicon.ico",
     "/latest/meta-data/iam/security-credentials/", "/latest/api/token"],
)  # fmt: skip
def test_motos_own_api_is_out_of_reach(in_processes, target):
    url = in_processes.emulator.url
    for method in ("GET", "POST", "PUT"):
        assert raw_requests.send(url, method, target).status == 403
        headers = raw_requests.signed(in_processes, method, target)
        answer = raw_requests.send(url, method, target, headers)
        assert (answer.status, "NotEmulated" in answer.text) == (501, True)


def test_a_bucket_in_the_hosts_name_is_refused_by_name(in_processes):
    credentials = in_processes.session.get_credentials()
    s3 = boto3.client(
        "s3",
        endpoint_url=in_processes.emulator.url.replace("127.0.0.1", "localhost"),
        region_name="us-east-1",
        aws_access_key_id=credentials.access_key,
        aws_secret_access_key=credentials.secret_key,
        config=Config(s3={"addressing_style": "path"}),
    )
    s3.list_objects_v2(Bucket=in_processes.bucket)
    host = f"{in_processes.bucket}.localhost:5556"
    answer = raw_requests.send(in_processes.emulator.url, "GET", "/", {"Host": host})
    assert "S3 by path, not by a bucket's host name" in answer.text
