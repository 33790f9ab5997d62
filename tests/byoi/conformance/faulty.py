"""A server that keeps the contract, but for the one fault that the variable `FAULT` names.

Run in the images of the tests, by any Python 3.11 or later, without a package. `FAULT` may have
an argument after a blank.
"""

import http.server
import json
import os
import signal
import socket
import socketserver
import sys
import threading
import time
from pathlib import Path

FAULT, _, ARGUMENT = os.environ.get("FAULT", "").partition(" ")
PORT = int(os.environ.get("SAGEMAKER_BIND_TO_PORT") or 8080)
MODEL_DIR = "/opt/ml/model"
JSON = "application/json"
# Those that a request may name; the first is the default.
ACCEPTED = ("application/json", "*/*", "application/*")


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path == "/ping":
            self.answer_ping()
        else:
            self.answer(404, {"error": "unknown path"})

    def do_POST(self):
        if self.path == "/ping":
            self.answer_ping()
        elif self.path == "/invocations":
            self.invoke()
        else:
            self.answer(404, {"error": "unknown path"})

    def answer_ping(self):
        if FAULT == "slow_ping":
            time.sleep(float(ARGUMENT))
        self.answer(404 if FAULT == "no_ping" else 200, {})

    def invoke(self):
        body = self.body()
        if body is None:
            return
        if FAULT == "no_invocations":
            self.answer(404, {"error": "unknown path"})
            return
        if FAULT == "limit" and len(body) > int(ARGUMENT):
            self.answer(413, {"error": "too large"})
            return
        if FAULT == "write_model":
            Path(f"{MODEL_DIR}/cache").write_text("x")
        if self.headers.get_content_type() != JSON:
            self.answer(415, {"error": "expected JSON"})
            return
        if self.headers.get("Accept", "*/*").split(";")[0] not in ACCEPTED:
            self.answer(406, {"error": "JSON only"})
            return
        try:
            data = json.loads(body)
        except ValueError:
            self.answer(400, {"error": "no JSON"})
            return
        if isinstance(data, dict) and "sleep_s" in data:
            time.sleep(float(data["sleep_s"]))
        attributes = self.headers.get("X-Amzn-SageMaker-Custom-Attributes", "")
        if isinstance(data, dict) and "stream" in data:
            self.stream(int(data["stream"]))
        else:
            self.answer(
                200, {"received": data}, **{"X-Amzn-SageMaker-Custom-Attributes": attributes}
            )

    def body(self):
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            parts = []
            while size := int(self.rfile.readline().partition(b";")[0], 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            while self.rfile.readline().strip():
                pass
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def stream(self, pieces):
        self.send_response(200)
        self.send_header("Content-Type", "application/jsonlines")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for number in range(pieces):
            line = json.dumps({"piece": number}).encode() + b"\n"
            self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
            self.wfile.flush()
            time.sleep(0.2)
        self.wfile.write(b"0\r\n\r\n")

    def answer(self, status, content, **headers):
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", JSON)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, form, *values):
        sys.stdout.write(f"{form % values}\n")
        sys.stdout.flush()


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    # In flight at SIGTERM is answered before the end.
    daemon_threads = False
    allow_reuse_address = True
    request_queue_size = 128


class Server6(Server):
    address_family = socket.AF_INET6


def end(server):
    """Stop taking connections, and let those in flight end."""
    threading.Thread(target=server.shutdown).start()


def main():
    if sys.argv[1:] != ["serve"]:
        sys.exit(f"expected serve, received {sys.argv[1:]}")
    if FAULT == "exits":
        sys.exit(int(ARGUMENT))
    if FAULT == "write_model_at_start":
        Path(f"{MODEL_DIR}/cache").write_text("x")
    if FAULT == "loads":
        kept = bytearray(int(ARGUMENT) << 20)
        kept[::4096] = b"x" * len(kept[::4096])
    if FAULT == "downloads":
        socket.getaddrinfo("models.example.com", 443)
    host = "127.0.0.1" if FAULT == "loopback" else "0.0.0.0"
    port = int(ARGUMENT) if FAULT == "port" else 8080 if FAULT == "fixed_port" else PORT
    server = Server((host, port), Handler)
    if FAULT == "ignores_sigterm":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    else:
        signal.signal(signal.SIGTERM, lambda *_: end(server))
    server.serve_forever()
    server.server_close()


if __name__ == "__main__":
    main()
