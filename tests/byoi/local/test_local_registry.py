"""A registry of one's own: starts, answers, and leaves nothing."""

import socket
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from byoi import errors
from byoi.local.registry import LocalRegistry


@pytest.mark.needs("docker-registry")
def test_it_answers_until_it_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with LocalRegistry() as registry:
        catalogue = f"http://{registry.address}/v2/_catalog"
        assert urllib.request.urlopen(catalogue, timeout=5).read().strip() == b'{"repositories":[]}'
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(f"http://{registry.address}/v2/", timeout=2)
    assert list(tmp_path.iterdir()) == []
    registry.stop()


@pytest.mark.needs("docker-registry")
def test_it_asks_for_a_login_where_it_has_users() -> None:
    with LocalRegistry(htpasswd="someone:$2y$05$unused") as registry:
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"http://{registry.address}/v2/", timeout=5)
        assert refused.value.code == 401
        refused.value.close()


@pytest.mark.needs("docker-registry")
def test_a_taken_port_is_said_at_once() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        with pytest.raises(errors.ConfigurationError, match=f"{port}; choose another port"):
            LocalRegistry(port=port)


def test_without_the_program_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(errors.MissingProgramError, match="docker-registry"):
        LocalRegistry()
