"""Why nginx in front of a server does not pass on /ping, from its log and its configuration.

Sources: nginx's error log ("connect() failed (111: Connection refused) while connecting to
upstream"), its `return 444` (http_rewrite_module) and `server_name` (http_core_module); what
gunicorn, uvicorn, waitress, Hypercorn and Flask write about their address when they start.
"""

import contextlib
import re
import urllib.parse
from dataclasses import dataclass

from byoi.conformance import log_lines
from byoi.conformance.server import Listener, Server
from byoi.conformance.verdict import Broken, NotTested

# At the end of a log: the part that is searched.
_END_CHARACTERS = 200_000
_UPSTREAM = re.compile(
    r"connect\(\) (?:to (unix:[^\s:]+):? ?)?failed \((\d+): ([^)\n]{1,60})\) while connecting to "
    r'upstream[^\n]{0,400}?upstream: "([^"\n]{1,300})"'
)
_PERMISSION_DENIED = 13
_ANNOUNCED = re.compile(
    r"(?:Listening at: |Uvicorn running on (?:unix socket )?|[Ss]erving on |Running on )"
    r"(?P<address>(?:unix:|https?://|/)\S{1,200})"
)
_WITHOUT_ANSWER = re.compile(r"\"GET /ping HTTP/1\.[01]\" 444 ")
_SERVER_NAMES = re.compile(r"^[^#\n]*\bserver_name\s+([^;\n]+);", re.MULTILINE)
_NAME = re.compile(r"[\w-]+(?:\.[\w-]+)*")
_MOST_NAMES = 4


@dataclass(frozen=True)
class Upstream:
    """An address at which nginx finds nothing.

    Attributes:
        address: `host:port`, or `unix:PATH`.
        errno: The number of the error.
        reason: The text of the error.
    """

    address: str
    errno: int
    reason: str


def lost_upstream(log: str) -> Upstream | None:
    """Return the address at which nginx last found nothing, None if its log names none."""
    last = None
    for found in _UPSTREAM.finditer(log[-_END_CHARACTERS:]):
        last = found
    if last is None:
        return None
    unix, number, reason, url = last.groups()
    return Upstream(unix or _address(url), int(number), reason)


def wrong_upstream(log: str, *, is_late: bool) -> Broken | None:
    """Return the problem that nginx passes requests to an address where nothing will listen.

    An application that still loads will listen there: so it is one that says to listen elsewhere,
    or a socket that nginx may not open.

    Args:
        log: The whole log.
        is_late: Whether it has been so for longer than programs start one after the other.
    """
    upstream = lost_upstream(log)
    if upstream is None:
        return None
    if upstream.errno == _PERMISSION_DENIED:
        return Broken(
            f"nginx may not open {upstream.address}: {upstream.reason}; /ping gets 502",
            "let nginx and the application run as the same user, or give nginx's user the socket",
        )
    addresses = [_address(found["address"]) for found in _ANNOUNCED.finditer(log)]
    if not is_late or not addresses or any(_is_same(one, upstream.address) for one in addresses):
        return None
    return nothing_at(upstream, f"the application says that it listens on {addresses[-1]}")


def nothing_at(upstream: Upstream, instead: str) -> Broken:
    """Return the problem that nginx finds nothing at an address.

    Args:
        upstream: The address.
        instead: Where something listens, in words; "" if unknown.
    """
    shown = f"; {instead}" if instead else ""
    return Broken(
        f"nginx finds nothing at {upstream.address} ({upstream.reason}), so that /ping gets 502"
        f"{shown}",
        "let nginx's proxy_pass or upstream name the address that the application binds to",
    )


def listening(listeners: list[Listener], sockets: list[str]) -> str:
    """Return the addresses on which a server listens, in words; "" without any."""
    shown = sorted({str(one) for one in listeners}) + [f"unix:{path}" for path in sorted(sockets)]
    return f"what listens is {', '.join(shown)}" if shown else ""


def closes_without_answer(log: str) -> bool:
    """Whether nginx closes the connection of /ping on purpose, by `return 444`."""
    return _WITHOUT_ANSWER.search(log[-_END_CHARACTERS:]) is not None


def hosts(server: Server) -> list[str]:
    """Return values of Host that a server may want: this machine's, and nginx's server_name."""
    names = [f"localhost:{server.port}"]
    with contextlib.suppress(NotTested):
        for found in _SERVER_NAMES.findall(server.sight.nginx_configuration()):
            names += [name for name in found.split() if _NAME.fullmatch(name) and name != "_"]
    return list(dict.fromkeys(names))[:_MOST_NAMES]


def last_line(log: str) -> str:
    """Return nginx's last line about an upstream, "" without one."""
    return log_lines.first(_UPSTREAM, log[-_END_CHARACTERS:])


def _address(url: str) -> str:
    """Return `host:port` or `unix:PATH` of what a program writes as its address."""
    if url.startswith("/"):
        return f"unix:{url}"
    if "unix:" in url:
        return f"unix:{url.partition('unix:')[2].partition(':')[0]}"
    parts = urllib.parse.urlsplit(url)
    return parts.netloc or url


def _is_same(one: str, other: str) -> bool:
    if one.startswith("unix:") or other.startswith("unix:"):
        return one == other
    return one.rpartition(":")[2] == other.rpartition(":")[2]
