"""The files of the page that `byoi serve` shows at `/`, and who may ask for them.

All of them are in one folder of the state directory, so that nginx answers while every worker is
busy. The supervisor writes those that are always the same and, from nginx's access log, the last
requests of all workers; a worker that has loaded the model describes it there.

A browser sends requests to this machine for any site that it shows. So a Host that is not this
machine's (DNS rebinding) and the Origin of another site are refused, and what the page shows of a
model or a client cannot run.

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
    # No inline script or style, nothing from elsewhere, no frame of another site around it.
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
# When a process added a request, for the order of those of several.
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

# Of a line of the access log, what the page shows.
_SHOWN = (
    *("time", "request_id", "status", "duration_s"),
    *("content_type", "request_bytes", "response_bytes"),
)


def hosts(settings: Settings) -> list[str]:
    """Return the values of the Host header that mean this server, in lower case."""
    names = dict.fromkeys(("localhost", "127.0.0.1", "[::1]", settings.bind_address))
    ports = ["", ":80"] if settings.port == 80 else [f":{settings.port}"]
    return [f"{name}{port}" for name in names for port in ports]


def origins(settings: Settings) -> list[str]:
    """Return the values of the Origin header that mean the page itself."""
    return [f"http://{host}" for host in hosts(settings)]


def is_foreign(settings: Settings, host: str, origin: str | None) -> bool:
    """Whether a request was sent by, or to, another place than this machine's server.

    Args:
        settings: Address and port.
        host: Value of the Host header, "" without.
        origin: Value of the Origin header, None without: a browser sends it with every request
            that could change something, other programs do not.
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
        """Create the folder with the files that are always the same."""
        self.path.mkdir(mode=0o700)
        for file in _STATIC.iterdir():
            shutil.copyfile(file, self.path / file.name)
        self.write(REQUESTS, "[]")

    def write(self, name: str, text: str) -> None:
        """Replace one file as a whole, so that no reader sees half of it."""
        written = self.path / f"{name}.{os.getpid()}"
        written.write_text(text, encoding="utf-8")
        written.replace(self.path / name)

    def add_requests(self, entries: Sequence[Mapping[str, Any]]) -> None:
        """Put invocations among the last requests, the latest first, whichever process wrote them.

        A full disk costs the page some rows and a warning, and no request its answer.
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
    """The last requests of one process, written to the page's files by a thread of its own.

    One write for all that came since the one before: a write for each request would take more
    time than many a model.

    Args:
        folder: Of the page's files.
    """

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._waiting: deque[Mapping[str, Any]] = deque(maxlen=KEPT_REQUESTS)
        self._has_some = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def add(self, fields: Mapping[str, Any]) -> None:
        """Add one invocation; other paths are left out.

        Args:
            fields: Those of its line in the access log.
        """
        if fields.get("path") != contract.INVOCATIONS_PATH:
            return
        shown = {name: fields.get(name) for name in _SHOWN}
        self._waiting.append({**shown, _ADDED: time.time()})
        self._has_some.set()
        if self._thread is None:
            self._start()

    def _start(self) -> None:
        # Not before the first request: a fork copies no thread.
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
