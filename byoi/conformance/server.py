"""The running server that is checked: send requests to it, and observe it.

A container, processes of this machine and a URL allow different observations; those that are not
possible raise `NotTested`.
"""

import contextlib
import http.client
import ipaddress
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from byoi import contract, proxies
from byoi.conformance.proc import Process
from byoi.conformance.verdict import NotTested

# A little more than the limit of an invocation, 60 s: the server ends it, not the check.
ANSWER_TIMEOUT_S = contract.INVOCATION_TIMEOUT_S + 10.0
# For the whole body of a request; a check must not wait longer for one rule.
SENDING_TIMEOUT_S = 60.0
_PIECE_BYTES = 64 * 1024
_TEXT_BYTES = 2000
_PAGE, _TAG = (
    re.compile(r"\s*<(?:!doctype|html|head|body)\b", re.IGNORECASE),
    re.compile(r"<[^>]*>"),
)
# A longer answer counts as endless.
_LONGEST_ANSWER_BYTES = 256 * 1024 * 1024


@dataclass(frozen=True)
class Answer:
    """The answer of a server to one request.

    Attributes:
        status: HTTP status; 0 without an answer.
        headers: Response headers, names in lower case.
        body: Response body.
        seconds: Seconds from the request to the last byte.
        problem: Why there was no answer, "" if there was one.
        begun: Status of an answer that began and did not end, else 0.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    seconds: float = 0.0
    problem: str = ""
    begun: int = 0

    @property
    def media_type(self) -> str:
        """The Content-Type in lower case, without parameters; "" without one."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def text(self) -> str:
        """The beginning of the body as text; HTML without its tags."""
        text = self.body[:_TEXT_BYTES].decode("utf-8", "replace")
        return " ".join(_TAG.sub(" ", text).split()) if _PAGE.match(text) else text

    @property
    def shown(self) -> str:
        """The status, or why there was none."""
        return str(self.status) if self.status else f"no answer ({self.problem})"


@dataclass(frozen=True)
class Listener:
    """A listening TCP socket.

    Attributes:
        address: Its address in the kernel's form, such as `0.0.0.0` or `::`.
        port: Its port.
    """

    address: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """Whether it can be reached only from its own machine."""
        return self._ip.is_loopback

    @property
    def is_ipv6(self) -> bool:
        """Whether it has an IPv6 address; on Linux it then accepts IPv4, too, by default."""
        return self._ip.version == 6

    @property
    def _ip(self) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
        address = ipaddress.ip_address(self.address)
        # Java uses IPv6 sockets even if they are bound to 127.0.0.1.
        return getattr(address, "ipv4_mapped", None) or address

    def __str__(self) -> str:
        address = str(self._ip)
        return f"[{address}]:{self.port}" if ":" in address else f"{address}:{self.port}"


@dataclass(frozen=True)
class End:
    """How a server ended after SIGTERM.

    Attributes:
        seconds: Seconds until it had ended.
        exit_code: Its exit status; 137 after SIGKILL.
    """

    seconds: float
    exit_code: int


class Sight(Protocol):
    """Observations of a server, in addition to its answers.

    Attributes:
        sees_start: Whether the check itself started the server.
    """

    sees_start: bool

    def log(self) -> str:
        """Return its whole log."""
        ...

    def listeners(self) -> list[Listener]:
        """Return the listening sockets of its network namespace."""
        ...

    def unix_sockets(self) -> list[str]:
        """Return the paths of the Unix sockets on which its processes listen."""
        ...

    def nginx_configuration(self) -> str:
        """Return the configuration of its nginx, "" without one."""
        ...

    def changes(self) -> list[str]:
        """Return the paths that it created, changed or deleted outside of mounts."""
        ...

    def children(self) -> list[Process]:
        """Return the running children of its first process."""
        ...

    def kill(self, process: Process) -> None:
        """Send SIGKILL to one of its processes."""
        ...

    def terminate(self, grace_s: int) -> None:
        """Send SIGTERM, and SIGKILL if it has not ended `grace_s` seconds later."""
        ...

    def exit_code(self) -> int | None:
        """Return its exit status, None while it runs."""
        ...

    def is_out_of_memory(self) -> bool:
        """Whether the kernel killed one of its processes because of its memory limit."""
        ...

    def handles(self, number: int) -> bool:
        """Whether its first process has a handler for a signal."""
        ...


class Unseen:
    """A server of which only the URL is known."""

    sees_start = False

    def log(self) -> str:
        """Raise: not possible with a URL."""
        raise NotTested("give an image instead of a URL")

    def listeners(self) -> list[Listener]:
        """Raise: not possible with a URL."""
        raise NotTested("give an image instead of a URL")

    def unix_sockets(self) -> list[str]:
        """Raise: not possible with a URL."""
        raise NotTested("give an image instead of a URL")

    def nginx_configuration(self) -> str:
        """Raise: not possible with a URL."""
        raise NotTested("give an image instead of a URL")

    def changes(self) -> list[str]:
        """Raise: not possible with a URL."""
        raise NotTested("give an image instead of a URL")

    def children(self) -> list[Process]:
        """Raise: not possible with a URL."""
        raise NotTested("give an image instead of a URL")

    def kill(self, process: Process) -> None:  # noqa: ARG002 - a Sight's
        """Raise: not possible with a URL."""
        raise NotTested("give an image instead of a URL")

    def terminate(self, grace_s: int) -> None:  # noqa: ARG002 - a Sight's
        """Raise: not possible with a URL."""
        raise NotTested("give an image instead of a URL")

    def exit_code(self) -> int | None:
        """Return None: the server is assumed to run."""
        return None

    def is_out_of_memory(self) -> bool:
        """Raise: not possible with a URL."""
        raise NotTested("give an image instead of a URL")

    def handles(self, number: int) -> bool:  # noqa: ARG002 - a Sight's
        """Raise: not possible with a URL."""
        raise NotTested("give an image instead of a URL")


class Server:
    """A server that the check started, or that has a given URL.

    Attributes:
        url: `http://host:port`.
        host: Host of the URL.
        port: Port of the URL.
        sight: Observes the server.
        ready_s: Seconds from its start to the first /ping with 200; None if unknown.
    """

    def __init__(self, host: str, port: int, sight: Sight) -> None:
        """Store the address; nothing is sent yet."""
        self.host = host
        self.port = port
        self.url = f"http://{host}:{port}"
        self.sight = sight
        self.ready_s: float | None = None

    def ask(  # noqa: PLR0913 - keywords of one request
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        timeout_s: float = ANSWER_TIMEOUT_S,
        is_chunked: bool = False,
    ) -> Answer:
        """Send one request, and read the answer even if the server does not read the whole body.

        A server that refuses a body may answer and close the connection immediately. The rest of
        the body then cannot be sent, but the answer can still be read.

        Args:
            method: HTTP method.
            path: Path of the URL.
            body: Request body.
            headers: Request headers.
            timeout_s: Seconds for each step of the exchange, and for the whole answer.
            is_chunked: Whether to send the body in chunks, without a Content-Length.

        Returns:
            The answer; after an error of the connection, with status 0.
        """
        started_s = time.monotonic()
        begun = 0
        connection = http.client.HTTPConnection(self.host, self.port, timeout=timeout_s)
        all_headers = dict(headers or {})
        if body is not None and not is_chunked:
            all_headers["Content-Length"] = str(len(body))
        with contextlib.closing(connection):
            try:
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    # Pieces without a Content-Length are sent in chunks.
                    pieces = None if body is None else _pieces(body, timeout_s)
                    connection.request(method, path, pieces, all_headers)
                response = connection.getresponse()
                begun = response.status
                content = read_body(response, timeout_s)
            except http.client.IncompleteRead as error:
                return Answer(
                    0,
                    seconds=time.monotonic() - started_s,
                    problem=f"status {response.status}, and a body that is not complete: {error}",
                    begun=begun,
                )
            # ValueError: chunks whose size is not a number.
            except (OSError, http.client.HTTPException, ValueError) as error:
                seconds = time.monotonic() - started_s
                return Answer(0, seconds=seconds, problem=reason_of(error), begun=begun)
        found = proxies.header_names(response)
        return Answer(response.status, found, content, seconds=time.monotonic() - started_s)

    def ping(self, *, timeout_s: float = ANSWER_TIMEOUT_S) -> Answer:
        """Send GET /ping, with a longer timeout than the platform's."""
        return self.ask("GET", contract.PING_PATH, timeout_s=timeout_s)

    def invoke(
        self,
        body: bytes,
        content_type: str,
        headers: Mapping[str, str] | None = None,
        *,
        timeout_s: float = ANSWER_TIMEOUT_S,
        is_chunked: bool = False,
    ) -> Answer:
        """Send POST /invocations; arguments and result as for `ask`."""
        return self.ask(
            "POST",
            contract.INVOCATIONS_PATH,
            body,
            {"Content-Type": content_type, **(headers or {})},
            timeout_s=timeout_s,
            is_chunked=is_chunked,
        )

    @contextlib.contextmanager
    def opened(
        self, body: bytes, content_type: str, *, timeout_s: float = ANSWER_TIMEOUT_S
    ) -> Iterator[http.client.HTTPResponse]:
        """Send POST /invocations and yield the response before its body is read.

        Raises:
            OSError: Nothing answers.
            HTTPException: The answer is not HTTP.
        """
        with proxies.opened(
            "POST",
            self.url + contract.INVOCATIONS_PATH,
            timeout_s=timeout_s,
            body=body,
            headers={"Content-Type": content_type},
        ) as response:
            yield response

    def stop(self, grace_s: int = contract.STOP_GRACE_S) -> End:
        """Stop it as the platform does, and return how it ended."""
        started_s = time.monotonic()
        self.sight.terminate(grace_s)
        code = self.sight.exit_code()
        return End(time.monotonic() - started_s, code if code is not None else -1)


def reason_of(error: Exception) -> str:
    """Return why an exchange failed, in words."""
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def read_body(response: http.client.HTTPResponse, timeout_s: float) -> bytes:
    """Return the body like `HTTPResponse.read`, with limits of time and size.

    Args:
        response: A response whose head has been read.
        timeout_s: Seconds for the whole body.

    Raises:
        OSError: The body is not complete in time, or exceeds the maximum size.
        HTTPException: The connection ended before the body did.
    """
    until_s = time.monotonic() + timeout_s
    body = bytearray()
    while piece := response.read1(_PIECE_BYTES):
        body += piece
        if len(body) > _LONGEST_ANSWER_BYTES:
            raise OSError(f"the answer does not end: {len(body)} B, status {response.status}")
        if time.monotonic() > until_s:
            raise TimeoutError(
                f"the answer was not complete within {timeout_s:g} s: {len(body)} B, status "
                f"{response.status}"
            )
    # `read1` does not report that a response with a Content-Length ended too soon.
    if response.length:
        raise http.client.IncompleteRead(bytes(body), response.length)
    return bytes(body)


def _pieces(body: bytes, timeout_s: float) -> Iterator[bytes]:
    """Yield a body in pieces.

    Raises:
        TimeoutError: The server takes too long to read it.
    """
    until_s = time.monotonic() + min(timeout_s, SENDING_TIMEOUT_S)
    for start in range(0, len(body), _PIECE_BYTES):
        if time.monotonic() > until_s:
            raise TimeoutError(f"only {start:,} of {len(body):,} B were read within the time limit")
        yield body[start : start + _PIECE_BYTES]
