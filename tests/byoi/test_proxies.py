"""Whoever asks this machine asks it directly, whatever proxies the environment names."""

import socket
from collections.abc import Iterator

import boto3
import pytest
from answering_server import AnsweringServer, answering

from byoi import deployment, invocation, proxies, registry
from byoi.hosting import jobs
from byoi.local import health

VARIABLES = ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")


@pytest.fixture
def server() -> Iterator[AnsweringServer]:
    with answering() as server:
        yield server


@pytest.fixture(params=[None, "internal.example"], ids=["no_proxy unset", "no_proxy elsewhere"])
def proxy(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[AnsweringServer]:
    """A proxy that every variable names; it records what it is asked, and refuses it."""
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        if request.param:
            monkeypatch.setenv(name, request.param)
    with answering() as proxy:
        proxy.answer = (502, "text/plain", b"a proxy")
        for name in VARIABLES:
            monkeypatch.setenv(name, proxy.url)
        yield proxy


def test_nothing_of_this_machine_reaches_the_proxy(proxy: AnsweringServer, server: AnsweringServer):
    assert health.ping(server.url) == "200"
    assert invocation.post(server.url, b"", {}).status == 200
    server.answer = (200, "application/json", b"{}")
    assert jobs._execution_parameters(server.url, {}) == {}
    assert registry._exchange("GET", f"{server.url}/v2/", {}).status == 200
    assert len(server.requests) == 4
    assert proxy.requests == []


def test_an_account_on_this_machine_is_asked_directly(
    proxy: AnsweringServer, server: AnsweringServer, monkeypatch: pytest.MonkeyPatch
):
    server.answer = (200, "application/x-amz-json-1.1", b'{"Models": []}')
    session = boto3.Session("testing", "testing", region_name="us-east-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
    # By a variable, and by an argument.
    for account in (
        deployment.Account(session),
        deployment.Account(session, endpoint_url=server.url),
    ):
        assert account.sagemaker.list_models()["Models"] == []
    assert len(server.requests) == 2
    assert proxy.requests == []


def test_the_internet_goes_through_the_proxy(proxy: AnsweringServer):
    assert proxies.of("http://images.example:5000") is None
    assert registry._exchange("GET", "http://images.invalid/v2/", {}).status == 502
    assert len(proxy.requests) == 1


@pytest.mark.parametrize("host", ["127.0.0.1:9", "localhost", "[::1]:80", "127.1.2.3"])
def test_this_machine_has_no_proxies(host: str):
    assert proxies.of(f"http://{host}/path") == {}


@pytest.mark.parametrize("url", ["https://localhost", "localhost:80", "http://"])
def test_only_plain_http_is_exchanged(url: str):
    with pytest.raises(ValueError, match="expected http://host:port"):
        proxies.exchange("GET", url, timeout_s=1)


def test_nothing_there_is_an_os_error():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(OSError, match="refused"):
            proxies.exchange("GET", f"http://127.0.0.1:{taken.getsockname()[1]}", timeout_s=1)
