"""The body of a signed request is what its signature says, also in chunks."""

import base64
import hashlib
import hmac
import socket
import urllib.parse
import zlib

import boto3
import pytest
import raw_requests
from botocore.config import Config
from emulated_aws import Aws

from byoi.emulator.signatures import Scope, signing_key

DATA = [b"a" * 70_000, b"b" * 8_192, b"c"]
WHOLE = b"".join(DATA)
LENGTH = {"x-amz-decoded-content-length": str(len(WHOLE)), "content-encoding": "aws-chunked"}
EMPTY = hashlib.sha256(b"").hexdigest()
CRC32 = base64.b64encode(zlib.crc32(WHOLE).to_bytes(4, "big")).decode()


def put(aws: Aws, body: bytes, headers: dict[str, str]) -> raw_requests.Answer:
    return raw_requests.send(aws.emulator.url, "PUT", target(aws), headers, body)


def target(aws: Aws) -> str:
    return f"/{aws.bucket}/payload"


def stored(aws: Aws) -> bytes:
    return bytes(aws.s3.get_object(Bucket=aws.bucket, Key="payload")["Body"].read())


def signed_as(aws: Aws, content: str, headers: dict[str, str]) -> dict[str, str]:
    """Headers that say of the body what `content` says."""
    from botocore.auth import S3SigV4Auth
    from botocore.awsrequest import AWSRequest

    class Signer(S3SigV4Auth):
        def payload(self, request):
            return content

    request = AWSRequest("PUT", f"{aws.emulator.url}{target(aws)}", headers)
    Signer(aws.session.get_credentials(), "s3", "us-east-1").add_auth(request)
    return dict(request.headers.items())


class Chunks:
    """A body in chunks, each signed over the one before."""

    def __init__(self, aws: Aws, headers: dict[str, str]) -> None:
        credential, _, self.previous = (
            part.split("=")[1] for part in headers["Authorization"].split(", ")
        )
        key, self.scope = credential.split("/", 1)
        self.date = headers["X-Amz-Date"]
        scope = Scope(key, *self.scope.split("/")[:3])
        self.key = signing_key(aws.session.get_credentials().secret_key, scope)

    def sign(self, kind: str, *digests: str) -> str:
        lines = [f"AWS4-HMAC-SHA256-{kind}", self.date, self.scope, self.previous, *digests]
        self.previous = hmac.digest(self.key, "\n".join(lines).encode(), "sha256").hex()
        return self.previous

    def body(self, trailer: str = "") -> bytes:
        parts = []
        for data in [*DATA, b""]:
            signature = self.sign("PAYLOAD", EMPTY, hashlib.sha256(data).hexdigest())
            parts.append(f"{len(data):x};chunk-signature={signature}\r\n".encode())
            parts.append(data + b"\r\n" if data or not trailer else b"")
        if trailer:
            signature = self.sign("TRAILER", hashlib.sha256(f"{trailer}\n".encode()).hexdigest())
            parts.append(f"{trailer}\r\nx-amz-trailer-signature:{signature}\r\n\r\n".encode())
        return b"".join(parts)


def test_a_whole_body_is_the_one_that_was_signed(in_processes):
    headers = raw_requests.signed(in_processes, "PUT", target(in_processes), body=b"right")
    assert put(in_processes, b"right", headers).status == 200
    answer = put(in_processes, b"wrong", headers)
    assert answer.status == 403
    assert "XAmzContentSHA256Mismatch" in answer.text
    assert stored(in_processes) == b"right"


def test_the_body_of_another_service_is_a_part_of_what_is_signed(in_processes):
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    body = b"Action=GetCallerIdentity&Version=2011-06-15"
    signed = raw_requests.signed(in_processes, "POST", "/", headers, body, service="sts")
    url = in_processes.emulator.url
    assert raw_requests.send(url, "POST", "/", signed, body).status == 200
    other = body.replace(b"GetCallerIdentity", b"GetAccessKeyInfo")
    answer = raw_requests.send(url, "POST", "/", signed, other)
    assert (answer.status, "SignatureDoesNotMatch" in answer.text) == (403, True)


def test_s3_takes_a_body_that_is_not_signed_and_nobody_else_does(in_processes):
    headers = signed_as(in_processes, "UNSIGNED-PAYLOAD", {})
    assert put(in_processes, b"any", headers).status == 200
    assert stored(in_processes) == b"any"
    signed = raw_requests.signed(
        in_processes,
        "POST",
        "/",
        {"Content-Type": "application/x-www-form-urlencoded"},
        b"Action=GetCallerIdentity&Version=2011-06-15",
        service="sts",
        payload_signing_enabled=False,
    )
    body = b"Action=GetCallerIdentity&Version=2011-06-15"
    answer = raw_requests.send(in_processes.emulator.url, "POST", "/", signed, body)
    assert (answer.status, "UNSIGNED-PAYLOAD" in answer.text) == (403, True)


@pytest.mark.parametrize("content", ["STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD", "anything"])
def test_a_body_that_cannot_be_checked_is_refused_by_name(in_processes, content):
    answer = put(in_processes, b"any", signed_as(in_processes, content, {}))
    assert (answer.status, content in answer.text) == (403, True)


def test_signed_chunks_are_checked_one_by_one(in_processes):
    content = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
    headers = signed_as(in_processes, content, LENGTH)
    body = Chunks(in_processes, headers).body()
    assert put(in_processes, body, headers).status == 200
    assert stored(in_processes) == WHOLE
    for wrong in (
        body.replace(b"bbbb", b"bbbc", 1),
        body.replace(b"\r\nc\r\n", b"\r\nd\r\n", 1),
        body[:-20],
        b"",
        b"no chunks at all",
    ):
        assert put(in_processes, wrong, headers).status == 403
    shorter = {**LENGTH, "x-amz-decoded-content-length": "1"}
    headers = signed_as(in_processes, content, shorter)
    assert put(in_processes, Chunks(in_processes, headers).body(), headers).status == 403
    assert stored(in_processes) == WHOLE


def test_a_signed_trailer_is_checked_with_its_checksum(in_processes):
    headers = {**LENGTH, "x-amz-trailer": "x-amz-checksum-crc32"}
    headers = signed_as(in_processes, "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", headers)
    body = Chunks(in_processes, headers).body(f"x-amz-checksum-crc32:{CRC32}")
    assert put(in_processes, body, headers).status == 200
    assert stored(in_processes) == WHOLE
    wrong = body.replace(CRC32.encode(), b"AAAAAA==")
    assert put(in_processes, wrong, headers).status == 403
    other = Chunks(in_processes, headers).body("x-amz-checksum-crc32:AAAAAA==")
    answer = put(in_processes, other, headers)
    assert (answer.status, "another x-amz-checksum-crc32" in answer.text) == (403, True)


def test_chunks_without_signatures_end_in_a_checksum(in_processes):
    headers = {**LENGTH, "x-amz-trailer": "x-amz-checksum-crc32"}
    headers = signed_as(in_processes, "STREAMING-UNSIGNED-PAYLOAD-TRAILER", headers)
    body = b"%x\r\n%s\r\n0\r\nx-amz-checksum-crc32:%s\r\n\r\n"
    right = body % (len(WHOLE), WHOLE, CRC32.encode())
    assert put(in_processes, right, headers).status == 200
    assert stored(in_processes) == WHOLE
    wrong = body % (len(WHOLE), WHOLE, b"AAAAAA==")
    assert put(in_processes, wrong, headers).status == 403


@pytest.mark.parametrize("algorithm", ["CRC32", "SHA1", "SHA256"])
def test_boto3s_uploads_with_checksums_pass(in_processes, algorithm, tmp_path):
    import io

    where = {"Bucket": in_processes.bucket, "Key": "payload"}
    credentials = in_processes.session.get_credentials()
    s3 = boto3.client(
        "s3",
        endpoint_url=in_processes.emulator.url,
        region_name="us-east-1",
        aws_access_key_id=credentials.access_key,
        aws_secret_access_key=credentials.secret_key,
        config=Config(request_checksum_calculation="when_supported"),
    )
    s3.put_object(**where, Body=io.BytesIO(WHOLE), ChecksumAlgorithm=algorithm)
    assert stored(in_processes) == WHOLE
    (tmp_path / "large").write_bytes(WHOLE * 150)  # several parts
    s3.upload_file(
        str(tmp_path / "large"), *where.values(), ExtraArgs={"ChecksumAlgorithm": algorithm}
    )
    assert stored(in_processes) == WHOLE * 150


def test_a_body_is_asked_for_when_its_request_is_let_in(in_processes):
    address = urllib.parse.urlsplit(in_processes.emulator.url)
    headers = raw_requests.signed(in_processes, "PUT", target(in_processes), body=b"asked for")

    def first_line(headers: dict[str, str]) -> bytes:
        lines = [f"PUT {target(in_processes)} HTTP/1.1", f"Host: {address.netloc}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        lines += ["Content-Length: 9", "Expect: 100-continue", "", ""]
        with socket.create_connection((address.hostname, address.port), 10) as connection:
            connection.sendall("\r\n".join(lines).encode())
            answer = connection.makefile("rb")
            first = answer.readline()
            if b"100" in first:
                assert answer.readline() == b"\r\n"
                connection.sendall(b"asked for")
                assert b" 200 " in answer.readline()
            return first

    assert first_line(headers) == b"HTTP/1.1 100 Continue\r\n"
    assert b" 403 " in first_line({})
    assert b" 403 " in first_line({**headers, "X-Amz-Date": "20200101T000000Z"})


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer x"}])
def test_a_refused_requests_body_is_not_read(in_processes, headers):
    address = urllib.parse.urlsplit(in_processes.emulator.url)
    with socket.create_connection((address.hostname, address.port), 10) as connection:
        lines = [f"PUT {target(in_processes)} HTTP/1.1", f"Host: {address.netloc}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        # A terabyte, of which nothing comes.
        lines += ["Content-Length: 1000000000000", "", ""]
        connection.sendall("\r\n".join(lines).encode())
        assert b" 403 " in connection.makefile("rb").readline()
