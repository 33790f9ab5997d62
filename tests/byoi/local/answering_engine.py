"""A container engine that speaks a few calls of Docker's API, on a socket of its own."""

import contextlib
import json
import re
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

VERSION = {"ApiVersion": "1.41", "Version": "20.10.24"}


class AnsweringEngine(ThreadingHTTPServer):
    """Answers each path with its JSON value; 404 for any other, as an engine does.

    Attributes:
        answers: Path without the API's version to value.
        requests: Paths of all requests.
        delay_s: Seconds before each answer.
    """

    daemon_threads = True

    def __init__(self, address: Path | str, certificate: Path | None = None) -> None:
        self.answers: dict[str, Any] = {"/version": VERSION}
        self.requests: list[str] = []
        self.delay_s = 0.0
        self.is_on_path = isinstance(address, Path)
        self.address_family = socket.AF_UNIX if self.is_on_path else socket.AF_INET
        super().__init__(str(address) if self.is_on_path else (address, 0), _Handler)
        if certificate is not None:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
            self.socket = context.wrap_socket(self.socket, server_side=True)

    def server_bind(self) -> None:
        # HTTPServer would look for a host name and a port, which a path has not.
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()

    @property
    def url(self) -> str:
        if self.is_on_path:
            return f"unix://{self.server_address}"
        return f"tcp://{self.server_address[0]}:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: AnsweringEngine

    def do_GET(self) -> None:
        path = re.sub(r"^/v[\d.]+", "", self.path).partition("?")[0]
        self.server.requests.append(path)
        time.sleep(self.server.delay_s)
        is_known = path in self.server.answers
        content = self.server.answers.get(path, {"message": f"page not found: {path}"})
        body = json.dumps(content).encode()
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.send_response(200 if is_known else 404)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    def address_string(self) -> str:
        return "a client"

    def log_message(self, *_: object) -> None:
        """Keep the test's output clean."""


@contextlib.contextmanager
def answering_engine(
    address: Path | str, certificate: Path | None = None
) -> Iterator[AnsweringEngine]:
    """Run an engine at the path of a socket, or on a free port of an IP address."""
    with AnsweringEngine(address, certificate) as engine:
        thread = threading.Thread(target=engine.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield engine
        engine.shutdown()
        thread.join()
