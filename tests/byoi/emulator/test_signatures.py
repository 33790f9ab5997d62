"""Each form of a signature is taken where it is valid, and refused where it is not."""

import datetime as dt
import time
import urllib.error
import urllib.parse
import urllib.request

import boto3
import pytest
import raw_requests
from botocore import UNSIGNED
from botocore.auth import HmacV1Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

# Escapes, and what S3 leaves as it is and other services do not.
KEYS = [
    *("plain", "with space", "a+b", "100%", "%41", "ü/é ñ", "a//b", "../x", "a/../b", "/first"),
    *("~t*()'!", "q?x=1#f", "a;b=c", "a&b", "日本"),
]
LIST = ("GET", "/", {"X-Amz-Target": "SageMaker.ListModels"})


def client(aws, service="s3", **config):
    credentials = aws.session.get_credentials()
    return boto3.client(
        service,
        endpoint_url=aws.emulator.url,
        region_name="us-east-1",
        aws_access_key_id=credentials.access_key,
        aws_secret_access_key=credentials.secret_key,
        config=Config(retries={"total_max_attempts": 1}, **config),
    )


def fetch(url, **request):
    """Status and body of a URL, by a client that knows nothing of AWS."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(urllib.request.Request(url, **request), timeout=60) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


@pytest.mark.parametrize("version", ["s3", "s3v4"])
@pytest.mark.parametrize("key", KEYS)
def test_every_key_of_s3_can_be_signed_in_a_header_and_in_the_query(in_processes, key, version):
    s3 = client(in_processes, signature_version=version)
    where = {"Bucket": in_processes.bucket, "Key": key}
    s3.put_object(**where, Body=b"one", Metadata={"my_key": "a  b", "other": "c"})
    got = s3.get_object(**where)
    assert got["Body"].read() == b"one"
    assert s3.head_object(**where)["Metadata"].keys() == {"my_key", "other"}
    assert fetch(s3.generate_presigned_url("get_object", Params=where)) == (200, b"one")
    url = s3.generate_presigned_url("put_object", Params={**where, "ContentType": "text/plain"})
    headers = {"Content-Type": "text/plain"}
    assert fetch(url, data=b"two", method="PUT", headers=headers)[0] == 200
    headers = {"Content-Type": "text/html"}
    assert fetch(url, data=b"no", method="PUT", headers=headers)[0] == 403
    assert s3.get_object(**where)["Body"].read() == b"two"
    # Another method, another key, another parameter.
    url = s3.generate_presigned_url("get_object", Params=where)
    assert fetch(url, method="DELETE")[0] == 403
    path = urllib.parse.urlsplit(url).path
    assert fetch(url.replace(path, f"{path}x", 1))[0] == 403
    assert fetch(f"{url}&versionId=1")[0] == 403
    s3.delete_object(**where)


@pytest.mark.parametrize("slashes", range(5))
def test_a_signature_of_version_2_may_hold_any_number_of_slashes(in_processes, slashes):
    """Its value is base64; moto takes one with four slashes for a scope of version 4."""
    in_processes.s3.put_object(Bucket=in_processes.bucket, Key="slashes", Body=b"x")
    key = in_processes.session.get_credentials()
    url = f"{in_processes.emulator.url}/{in_processes.bucket}/slashes"
    for number in range(100_000):
        request = AWSRequest("GET", url, headers={"x-amz-meta-try": str(number)})
        request.auth_path = urllib.parse.urlsplit(url).path
        HmacV1Auth(Credentials(key.access_key, key.secret_key)).add_auth(request)
        if request.headers["Authorization"].count("/") == slashes:
            break
    else:
        pytest.fail(f"no signature with {slashes} slashes was found")
    assert fetch(url, headers=dict(request.headers)) == (200, b"x")


def test_presigned_urls_are_of_version_2_by_default(in_processes):
    url = client(in_processes).generate_presigned_url(
        "get_object", Params={"Bucket": "any", "Key": "any"}
    )
    assert "AWSAccessKeyId=" in url


def test_another_service_is_signed_in_the_query_too(in_processes):
    sts = client(in_processes, "sts")
    for method in ("GET", "POST"):
        url = sts.generate_presigned_url("get_caller_identity", HttpMethod=method)
        status, body = fetch(url, method=method)
        assert (status, b"GetCallerIdentityResult" in body) == (200, True), body
    assert fetch(url.replace("GetCallerIdentity", "GetAccessKeyInfo"), method="POST")[0] == 403


@pytest.mark.parametrize(
    "target",
    [
        "/restapis/../restapis//none",
        "/restapis/a%20b",
        "/restapis/a%2Fb",
        "/restapis?limit=1&a=b%20c",
    ],
)
def test_a_path_that_is_not_s3s_is_normalized_and_escaped_twice(in_processes, target):
    headers = raw_requests.signed(in_processes, "GET", target, service="apigateway")
    answer = raw_requests.send(in_processes.emulator.url, "GET", target, headers)
    assert answer.status != 403, answer.text
    answer = raw_requests.send(in_processes.emulator.url, "GET", f"{target}x", headers)
    assert answer.status == 403


@pytest.mark.parametrize("version", ["s3", "s3v4"])
def test_a_url_is_valid_until_it_expires(in_processes, version):
    s3 = client(in_processes, signature_version=version)
    in_processes.s3.put_object(Bucket=in_processes.bucket, Key="short", Body=b"x")
    where = {"Bucket": in_processes.bucket, "Key": "short"}
    url = s3.generate_presigned_url("get_object", Params=where, ExpiresIn=1)
    assert fetch(url)[0] == 200
    time.sleep(2.1)
    status, body = fetch(url)
    assert status == 403
    assert b"Request has expired" in body


@pytest.mark.parametrize("expires", ["0", "-1", "604801", "x", ""])
def test_a_url_is_valid_for_a_week_at_most(in_processes, expires):
    request = AWSRequest("GET", f"{in_processes.emulator.url}/bucket/key")
    SigV4QueryAuth(in_processes.session.get_credentials(), "s3", "us-east-1", expires).add_auth(
        request
    )
    status, body = fetch(request.url)
    assert status == 403
    assert b"X-Amz-Expires" in body


@pytest.mark.parametrize(("minutes", "status"), [(-14, 200), (14, 200), (-16, 403), (16, 403)])
def test_a_clock_may_differ_by_15_minutes(in_processes, minutes, status):
    now = dt.datetime.now(dt.UTC) + dt.timedelta(minutes=minutes)
    answer = raw_requests.send(
        in_processes.emulator.url, *LIST[:2], signed_at(in_processes, f"{now:%Y%m%dT%H%M%SZ}")
    )
    assert answer.status == status, answer.text
    if status == 403:
        assert "before or after this machine's time" in answer.text


def signed_at(aws, timestamp, scope_date=None):
    """Headers of ListModels, signed with a clock of its own."""
    from botocore.auth import SigV4Auth

    headers = {**LIST[2], "X-Amz-Date": timestamp, "Content-Type": "application/x-amz-json-1.1"}
    request = AWSRequest("GET", f"{aws.emulator.url}/", headers)
    request.context["timestamp"] = (scope_date or timestamp[:8]) + timestamp[8:]
    signer = SigV4Auth(aws.session.get_credentials(), "sagemaker", "us-east-1")
    text = signer.string_to_sign(request, signer.canonical_request(request))
    signer._inject_signature_to_request(request, signer.signature(text, request))
    return dict(request.headers.items())


def test_the_scopes_day_is_the_signatures(in_processes):
    now = dt.datetime.now(dt.UTC)
    headers = signed_at(in_processes, f"{now:%Y%m%dT%H%M%SZ}", "20200101")
    answer = raw_requests.send(in_processes.emulator.url, *LIST[:2], headers)
    assert (answer.status, "that of its scope" in answer.text) == (403, True)


def test_a_date_header_stands_in_for_amazons(in_processes):
    headers = raw_requests.signed(
        in_processes, "GET", f"/{in_processes.bucket}", {"Date": "now", "x-amz-meta": "a"}
    )
    assert "X-Amz-Date" not in headers
    answer = raw_requests.send(in_processes.emulator.url, "GET", f"/{in_processes.bucket}", headers)
    assert answer.status == 200, answer.text


def test_version_2_in_a_header_with_amazons_date(in_processes):
    found = in_processes.session.get_credentials()
    signer = HmacV1Auth(Credentials(found.access_key, found.secret_key))
    date = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime())
    text = f"GET\n\n\n\nx-amz-date:{date}\n/{in_processes.bucket}"
    headers = {
        "x-amz-date": date,
        "Authorization": f"AWS {found.access_key}:{signer.sign_string(text)}",
    }
    target = f"/{in_processes.bucket}"
    assert raw_requests.send(in_processes.emulator.url, "GET", target, headers).status == 200
    old = {**headers, "x-amz-date": date.replace("20", "19")}
    assert raw_requests.send(in_processes.emulator.url, "GET", target, old).status == 403


@pytest.mark.parametrize(
    ("target", "headers", "what"),
    [
        ("/", {}, "received no signature"),
        ("/", {"Authorization": "AWS4-ECDSA-P256-SHA256 Credential=a"}, "(SigV4a)"),
        ("/", {"Authorization": "Bearer abc"}, "of the scheme Bearer"),
        ("/", {"Authorization": "Basic YTpi"}, "of the scheme Basic"),
        ("/", {"Authorization": "<script>"}, "no name that can be shown"),
        ("/", {"X-Amzn-Authorization": "AWS3-HTTPS AWSAccessKeyId=a"}, "signature version 3"),
        ("/?AWSAccessKeyId=a&SignatureVersion=2&Signature=b", {}, "version 2 of the query"),
        ("/b/k?X-Amz-Algorithm=AWS4-ECDSA-P256-SHA256", {}, "AWS4-ECDSA-P256-SHA256"),
        ("/b/k?X-Amz-Signature=abc", {}, "a query with the algorithm"),
        ("/b/k?AWSAccessKeyId=a&Signature=b&Expires=1", {}, "is not known here"),
        ("/", {"Authorization": "AWS4-HMAC-SHA256 Credential=a"}, "lacks one of Credential"),
        ("/?X-Amz-Algorithm=x", {"Authorization": "AWS a:b"}, "both hold a signature"),
        (
            "/",
            {"Authorization": "AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=a, Signature=b"},
            "has another form than KEY/DATE/REGION/SERVICE/aws4_request",
        ),
    ],
)
def test_what_cannot_be_checked_is_refused_by_name(in_processes, target, headers, what):
    answer = raw_requests.send(in_processes.emulator.url, "GET", target, headers)
    assert answer.status == 403
    assert what in answer.text.replace("&lt;", "<")


def test_all_that_matters_must_be_signed(in_processes):
    url, bucket = in_processes.emulator.url, in_processes.bucket
    headers = raw_requests.signed(in_processes, "PUT", f"/{bucket}/acl", body=b"x")
    headers["x-amz-acl"] = "public-read"
    answer = raw_requests.send(url, "PUT", f"/{bucket}/acl", headers, b"x")
    assert (answer.status, "the header x-amz-acl is not signed" in answer.text) == (403, True)
    headers = raw_requests.signed(in_processes, "GET", f"/{bucket}")
    headers["Authorization"] = headers["Authorization"].replace("host;", "")
    answer = raw_requests.send(url, "GET", f"/{bucket}", headers)
    assert (answer.status, "the Host header is not signed" in answer.text) == (403, True)
    headers = raw_requests.signed(in_processes, "GET", f"/{bucket}", {"x-custom": "a"})
    del headers["x-custom"]
    answer = raw_requests.send(url, "GET", f"/{bucket}", headers)
    assert (answer.status, "signed that did not come" in answer.text) == (403, True)


def test_a_header_beyond_ascii_is_signed_as_utf_8(in_processes):
    target = f"/{in_processes.bucket}/metadata"
    value = "schön"
    headers = raw_requests.signed(in_processes, "PUT", target, {"x-amz-meta-a": value}, b"x")
    headers["x-amz-meta-a"] = value.encode().decode("latin-1")
    answer = raw_requests.send(in_processes.emulator.url, "PUT", target, headers, b"x")
    assert answer.status == 200, answer.text


@pytest.mark.parametrize("service", ["s3", "sagemaker", "sts", "sagemaker-runtime", "apigateway"])
def test_an_unsigned_call_is_refused_in_the_form_of_its_service(in_processes, service):
    unsigned = client(in_processes, service, signature_version=UNSIGNED)
    call, parameters, code = {
        "s3": ("list_buckets", {}, "AccessDenied"),
        "sagemaker": ("list_models", {}, "MissingAuthenticationTokenException"),
        "sts": ("get_caller_identity", {}, "MissingAuthenticationToken"),
        "sagemaker-runtime": (
            "invoke_endpoint",
            {"EndpointName": "any", "Body": b"x", "ContentType": "text/plain"},
            "MissingAuthenticationTokenException",
        ),
        "apigateway": ("get_rest_apis", {}, "MissingAuthenticationTokenException"),
    }[service]
    with pytest.raises(ClientError) as caught:
        getattr(unsigned, call)(**parameters)
    error = caught.value.response
    assert error["ResponseMetadata"]["HTTPStatusCode"] == 403
    assert error["Error"]["Code"] == code
    assert "received no signature" in error["Error"]["Message"]


def test_calls_that_sdks_never_sign_are_refused(in_processes):
    sts = client(in_processes, "sts")
    with pytest.raises(ClientError, match="received no signature"):
        sts.assume_role_with_web_identity(
            RoleArn=in_processes.role, RoleSessionName="session", WebIdentityToken="a" * 20
        )


@pytest.mark.parametrize(
    ("service", "call", "code"),
    [
        ("s3", "list_buckets", "SignatureDoesNotMatch"),
        ("sagemaker", "list_models", "InvalidSignatureException"),
        ("sts", "get_caller_identity", "SignatureDoesNotMatch"),
    ],
)
def test_another_secret_is_refused_and_the_way_in_is_named(in_processes, service, call, code):
    key = in_processes.session.get_credentials().access_key
    wrong = boto3.client(
        service,
        endpoint_url=in_processes.emulator.url,
        region_name="us-east-1",
        aws_access_key_id=key,
        aws_secret_access_key="wrong",
    )
    with pytest.raises(ClientError) as caught:
        getattr(wrong, call)()
    error = caught.value.response["Error"]
    assert error["Code"] == code
    file = in_processes.emulator.variables_file
    assert "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY" in error["Message"]
    assert f". {file}" in error["Message"]
    assert key not in error["Message"]
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("target", ["http://127.0.0.1/", "/a#b", "*"])
def test_a_request_line_that_holds_no_plain_path_is_refused(in_processes, target):
    headers = raw_requests.signed(in_processes, "GET", "/a")
    answer = raw_requests.send(in_processes.emulator.url, "GET", target, headers)
    assert answer.status == 403
