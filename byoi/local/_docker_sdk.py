"""The Docker SDK: connect to an engine, and translate its errors to this project's errors.

Imported at the first request to an engine: loading the SDK takes 0.3 s.
"""

import contextlib
import http.client
import io
import socket
import sys
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import docker
import urllib3
from docker import auth
from docker.errors import APIError, DockerException
from docker.tls import TLSConfig
from docker.utils.proxy import ProxyConfig

from byoi import errors
from byoi.local.docker_config import DockerConfig, EngineAddress

# Every engine since 2016 answers a question for its version in this version of the API.
_FIRST_VERSION = "1.24"
_HEADERS_BYTES = 64 * 1024


def connect(address: EngineAddress, timeout_s: float) -> Any:
    """Return the SDK's `APIClient` for an engine, after asking for its version.

    Args:
        address: The address of the engine.
        timeout_s: Seconds to wait for each answer.
    """
    _probe(address.url, timeout_s)
    with contextlib.closing(_client(address, timeout_s, _FIRST_VERSION)) as client:
        version = client.version(api_version=False).get("ApiVersion")
    if not version:
        raise DockerException("it does not speak the Docker API")
    return _client(address, timeout_s, version)


def _probe(url: str, timeout_s: float) -> None:
    """Test the connection to a Unix socket: after a failure, the SDK would leave a socket open."""
    _, scheme, path = docker.utils.parse_host(url).partition("http+unix://")
    if scheme:
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(timeout_s)
            probe.connect(f"/{path.lstrip('/')}")


def _client(address: EngineAddress, timeout_s: float, version: str) -> Any:
    client = docker.APIClient(
        address.url,
        version=version,
        timeout=timeout_s,
        tls=_tls(address) or False,
        use_ssh_client=True,
    )
    # Ignore proxies and logins in this process's environment: they are not for the engine.
    client.trust_env = False
    # Do not keep connections: each needs a descriptor, and breaks when the engine is restarted.
    client.headers["Connection"] = "close"
    return client


def _tls(address: EngineAddress) -> TLSConfig | None:
    if address.certificates is None:
        return None

    def existing(name: str) -> str | None:
        path = Path(f"{address.certificates}/{name}.pem")
        return str(path) if path.is_file() else None

    certificate, key = existing("cert"), existing("key")
    return TLSConfig(
        client_cert=(certificate, key) if certificate and key else None,
        ca_cert=existing("ca"),
        verify=address.is_verified,
    )


def stored_login(config: DockerConfig, registry: str) -> dict[str, Any] | None:
    """Return the login that `docker login` stored for a registry, None without one.

    Args:
        config: Has the logins, or the names of credential helpers.
        registry: `host:port`; empty for Docker Hub.
    """
    content = config.read()
    if not any(content.get(key) for key in ("auths", "credsStore", "credHelpers")):
        return None
    logins = auth.load_config(config_dict=content, credstore_env=dict(config.environ))
    found: dict[str, Any] | None = logins.resolve_authconfig(registry or None)
    return found


def proxy_variables(proxies: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of a container for the proxies of config.json."""
    return dict(ProxyConfig.from_dict(proxies).get_environment())


def bind_mount(outside: Path, inside: Path, *, is_read_only: bool) -> Any:
    """Return a mount of a directory of this machine into a container."""
    return docker.types.Mount(str(inside), str(outside), type="bind", read_only=is_read_only)


def first_file(chunks: Iterator[bytes], limit_bytes: int) -> bytes | None:
    """Return the beginning of the first file in a tar archive, None if the first entry is no file.

    Args:
        chunks: The archive.
        limit_bytes: More is cut off.
    """
    received = bytearray()
    for chunk in chunks:
        received += chunk
        if len(received) > limit_bytes + 2 * tarfile.BLOCKSIZE:
            break
    with tarfile.open(fileobj=io.BytesIO(received), mode="r:") as archive:
        member = archive.next()
        if member is None or not member.isfile():
            return None
        start = member.offset_data
    return bytes(received[start : start + min(member.size, limit_bytes)])


def first_status(chunks: Iterator[bytes]) -> tuple[int, int, int, bool] | None:
    """Return mode, owner, group and whether it is a directory of the first entry of a tar archive.

    Args:
        chunks: The archive, of which only the beginning is read.
    """
    received = bytearray()
    for chunk in chunks:
        received += chunk
        # Long names and extended attributes have headers of their own before it.
        if len(received) >= _HEADERS_BYTES:
            break
    with (
        contextlib.suppress(tarfile.ReadError),
        tarfile.open(fileobj=io.BytesIO(received), mode="r:") as archive,
    ):
        member = archive.next()
        if member is not None:
            return member.mode & 0o7777, member.uid, member.gid, member.isdir()
    return None


def has_file(chunks: Iterator[bytes], limit_bytes: int) -> bool:
    """Whether the beginning of a tar archive has a file.

    Args:
        chunks: The archive.
        limit_bytes: Size of the beginning.
    """
    received = bytearray()
    for chunk in chunks:
        received += chunk
        if len(received) > limit_bytes:
            break
    # The cut is in the middle of a member, whose header was read: ignore the ReadError.
    with (
        contextlib.suppress(tarfile.ReadError),
        tarfile.open(fileobj=io.BytesIO(received), mode="r:") as archive,
    ):
        return any(member.isfile() for member in archive)
    return False


@contextlib.contextmanager
def translated(url: str, question: str, timeout_s: float) -> Iterator[None]:
    """Raise this project's errors instead of the SDK's.

    Args:
        url: Address of the engine.
        question: The request to the engine, in words.
        timeout_s: The time-out of the request in seconds.

    Raises:
        EngineRefusedError: The engine answered with an error.
        HostingError: The engine did not answer in time.
        MissingProgramError: No engine answers.
    """
    handled_before = sys.exception()
    try:
        yield
    except APIError as error:
        is_absent = error.status_code == http.client.NOT_FOUND
        raise errors.EngineRefusedError(
            str(error.explanation or error), is_absent=is_absent
        ) from error
    # The errors of requests are OSErrors.
    except (DockerException, urllib3.exceptions.HTTPError, OSError) as error:
        cause: BaseException = error
        while cause.__context__ not in {None, handled_before}:
            cause = cause.__context__
        if isinstance(cause, TimeoutError):
            raise errors.HostingError(
                f"the Docker engine at {url} did not answer within {timeout_s:g} s when asked to "
                f"{question}; restart the engine if it hangs"
            ) from error
        reason = getattr(cause, "strerror", None) or cause
        raise errors.MissingProgramError(
            f"docker does not answer ({url}: {reason}); start the Docker engine, or give this "
            "user the right to use it"
        ) from error
