"""The files of the page that `byoi serve` shows at `/`, and the check of Host and Origin.

All files are in one folder of the state directory, so that nginx can serve them while every worker
is busy. The supervisor writes the static files and, from nginx's access log, the last requests of
all workers; a worker that has loaded the model writes its description.

Any web site can make a browser send requests to this machine. So requests with a Host that is not
this machine (DNS rebinding) or with the Origin of another site are refused, and texts of a model or
a client cannot run as scripts in the page.

Sources: Fetch standard (Origin, Cross-Origin-Resource-Policy); Content Security Policy level 3.
"""

import fcntl
import json
import os
import shutil
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from byoi import contract
from byoi.server.logs import say
from byoi.server.settings import Settings

METHODS = ("GET", "HEAD")
HEADERS = {
    # No inline script or style, nothing from other sites, no frame in another site.
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    # The files change while the page is open.
    "Cache-Control": "no-store",
}
MODEL = "model.json"
OPENAPI = "openapi.json"
REQUESTS = "requests.json"
KEPT_REQUESTS = 50
_BETWEEN_WRITES_S = 0.2
# Time when a process added a request, to sort the requests of several processes.
_ADDED = "added_s"
_STATIC = Path(__file__).with_name("static")
_JSON = "application/json"


class File(NamedTuple):
    """A file of the page: its name in the folder, and its media type."""

    name: str
    media_type: str


FILES = {
    "/": File("index.html", "text/html; charset=utf-8"),
    "/page/page.css": File("page.css", "text/css; charset=utf-8"),
    "/page/icon.svg": File("icon.svg", "image/svg+xml"),
    "/page/page.js": File("page.js", "text/javascript; charset=utf-8"),
    f"/page/{MODEL}": File(MODEL, _JSON),
    f"/page/{REQUESTS}": File(REQUESTS, _JSON),
    f"/{OPENAPI}": File(OPENAPI, _JSON),
}
"""By path."""

# Fields of an access log line that the page shows.
_SHOWN = (
    *("time", "request_id", "status", "duration_s"),
    *("content_type", "request_bytes", "response_bytes"),
)


def hosts(settings: Settings) -> list[str]:
    """Return the values of the Host header that are accepted, in lower case."""
    names = dict.fromkeys(("localhost", "127.0.0.1", "[::1]", settings.bind_address))
    ports = ["", ":80"] if settings.port == 80 else [f":{settings.port}"]
    return [f"{name}{port}" for name in names for port in ports]


def origins(settings: Settings) -> list[str]:
    """Return the values of the Origin header that the page itself sends."""
    return [f"http://{host}" for host in hosts(settings)]


def is_foreign(settings: Settings, host: str, origin: str | None) -> bool:
    """Whether a request has a Host that is not this server, or the Origin of another site.

    Args:
        settings: Address and port.
        host: Value of the Host header, "" without it.
        origin: Value of the Origin header, None without it. Browsers send it with each request that
            could change something; other programs do not.
    """
    if host.lower() not in hosts(settings):
        return True
    return origin is not None and origin.lower() not in origins(settings)


class Folder:
    """The folder of the page's files; safe to write from several processes.

    Args:
        state_dir: The server's private directory.

    Attributes:
        path: The folder.
    """

    def __init__(self, state_dir: Path) -> None:
        self.path = state_dir / "page"

    def prepare(self) -> None:
        """Create the folder with the static files."""
        self.path.mkdir(mode=0o700)
        for file in _STATIC.iterdir():
            shutil.copyfile(file, self.path / file.name)
        self.write(REQUESTS, "[]")

    def write(self, name: str, text: str) -> None:
        """Replace one file in one step, so that a reader never sees a part of it."""
        written = self.path / f"{name}.{os.getpid()}"
        written.write_text(text, encoding="utf-8")
        written.replace(self.path / name)

    def add_requests(self, entries: Sequence[Mapping[str, Any]]) -> None:
        """Add invocations of any process to the last requests, latest first.

        On a full disk the page lacks some rows and a warning is logged; requests are answered.
        """
        try:
            with (self.path / "requests.lock").open("wb") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                earlier = json.loads((self.path / REQUESTS).read_bytes())
                latest = sorted([*entries, *earlier], key=lambda one: -one[_ADDED])
                self.write(REQUESTS, json.dumps(latest[:KEPT_REQUESTS]))
        except OSError as error:
            say("warning", f"the page lacks requests: {error}")


class LastRequests:
    """The last requests of one process, written to the page's files by a separate thread.

    Requests since the last write share one write: a write for each would take longer than many
    models need.

    Args:
        folder: The folder of the page's files.
    """

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._waiting: deque[Mapping[str, Any]] = deque(maxlen=KEPT_REQUESTS)
        self._has_some = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def add(self, fields: Mapping[str, Any]) -> None:
        """Add one invocation; requests of other paths are ignored.

        Args:
            fields: The fields of its access log line.
        """
        if fields.get("path") != contract.INVOCATIONS_PATH:
            return
        shown = {name: fields.get(name) for name in _SHOWN}
        self._waiting.append({**shown, _ADDED: time.time()})
        self._has_some.set()
        if self._thread is None:
            self._start()

    def _start(self) -> None:
        # Started at the first request, after the fork, which does not copy threads.
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._write, daemon=True)
                self._thread.start()

    def _write(self) -> None:
        while self._has_some.wait():
            self._has_some.clear()
            entries = [self._waiting.popleft() for _ in range(len(self._waiting))]
            self._folder.add_requests(entries)
            time.sleep(_BETWEEN_WRITES_S)
