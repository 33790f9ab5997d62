"""Proxies are for the internet: what is on this machine is asked directly.

The variables http_proxy, https_proxy and all_proxy, in capitals too, send boto3, requests and
urllib to a proxy, also for 127.0.0.1 unless no_proxy names it; the proxy then asks its own
machine. No part of this project leaves that to the environment: plain HTTP to a container, to a
registry of this machine or to its emulator goes through `exchange`, and whoever has a client of a
library gives it what `of` returns.

Source: urllib.request.getproxies and proxy_bypass, which requests and botocore follow.
"""

import contextlib
import http.client
import urllib.parse
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from byoi import names


@dataclass(frozen=True)
class Answer:
    """What a server answered.

    Attributes:
        status: HTTP status.
        headers: Response headers, names in lower case.
        body: Response body.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes


def of(url: str) -> dict[str, str] | None:
    """Return the proxies for a URL as botocore's Config takes them.

    Args:
        url: `scheme://host:port`, whatever follows.

    Returns:
        None for those of the environment; for a URL of this machine none: an empty dictionary.
    """
    return {} if names.is_this_machine(urllib.parse.urlsplit(url).netloc) else None


def exchange(
    method: str,
    url: str,
    *,
    timeout_s: float,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """Send one request, through no proxy, and return whatever is answered.

    Args:
        method: HTTP method.
        url: `http://host:port/path`.
        timeout_s: Seconds for each step of the exchange.
        body: Request body.
        headers: Request headers.

    Raises:
        OSError: Nothing answers, or not in time.
        HTTPException: The answer is not HTTP.
        ValueError: It is not a URL of HTTP with a host.
    """
    with opened(method, url, timeout_s=timeout_s, body=body, headers=headers) as response:
        return Answer(response.status, header_names(response), response.read())


@contextlib.contextmanager
def opened(
    method: str,
    url: str,
    *,
    timeout_s: float,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> Iterator[http.client.HTTPResponse]:
    """Send one request, through no proxy, and supply the answer before its body is read.

    Arguments and errors as in `exchange`.
    """
    parts = urllib.parse.urlsplit(url)
    if parts.scheme != "http" or not parts.hostname:
        raise ValueError(f"expected http://host:port, received {url!r}")
    # http.client knows no proxies.
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout_s)
    with contextlib.closing(connection):
        connection.request(method, parts.path or "/", body, dict(headers or {}))
        with connection.getresponse() as response:
            yield response


def header_names(response: http.client.HTTPResponse) -> dict[str, str]:
    """Return the headers of an answer by their names in lower case."""
    return {name.lower(): value for name, value in response.getheaders()}
