"""A server that speaks the container contract and answers as it is told."""

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class AnsweringServer(ThreadingHTTPServer):
    """Keeps every request; `answer` is status, content type and body of all responses."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.answer: tuple[int, str, bytes] = (200, "application/json", b"[1]")
        self.delay_s = 0.0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: AnsweringServer

    def do_GET(self) -> None:
        self._respond()

    def do_POST(self) -> None:
        self._respond()

    def log_message(self, *_: object) -> None:
        """Keep the test's output clean."""

    def _respond(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.requests.append((self.path, dict(self.headers), body))
        time.sleep(self.server.delay_s)
        status, content_type, answer = self.server.answer
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(answer)))
        name = "X-Amzn-SageMaker-Custom-Attributes"
        if name in self.headers:
            self.send_header(name, self.headers[name])
        self.end_headers()
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.wfile.write(answer)


@contextlib.contextmanager
def answering() -> Iterator[AnsweringServer]:
    with AnsweringServer() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def json_body(error: str) -> bytes:
    return json.dumps({"error": error}).encode()
