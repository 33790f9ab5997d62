"""Requests as they go over the wire, signed by botocore or by nobody."""

import contextlib
import http.client
import urllib.parse
from dataclasses import dataclass
from typing import Any

from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest

PATIENCE_S = 60


@dataclass(frozen=True)
class Answer:
    """What came back.

    Attributes:
        status: HTTP status.
        headers: By their names in lower case.
        text: The body.
    """

    status: int
    headers: dict[str, str]
    text: str


def send(
    url: str, method: str, target: str, headers: dict[str, str] | None = None, body: bytes = b""
) -> Answer:
    """Send a request as it stands, with no header more than HTTP needs."""
    address = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=PATIENCE_S)
    with contextlib.closing(connection):
        headers = dict(headers or {})
        host = {name.lower() for name in headers} >= {"host"}
        connection.putrequest(method, target, skip_host=host, skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name, value)
        if body and "Transfer-Encoding" not in headers:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        answer = connection.getresponse()
        found = {name.lower(): value for name, value in answer.getheaders()}
        return Answer(answer.status, found, answer.read().decode("utf-8", "replace"))


def signed(
    aws: Any,
    method: str,
    target: str,
    headers: dict[str, str] | None = None,
    body: bytes = b"",
    *,
    service: str = "s3",
    **context: Any,
) -> dict[str, str]:
    """The headers of a request that boto3's own signer signed."""
    request = AWSRequest(method, f"{aws.emulator.url}{target}", dict(headers or {}), body)
    request.context.update(context)
    signer = S3SigV4Auth if service == "s3" else SigV4Auth
    signer(aws.session.get_credentials(), service, "us-east-1").add_auth(request)
    return dict(request.headers.items())
