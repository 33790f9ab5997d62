"""A server that keeps the contract, but for the one fault that the variable `FAULT` names.

Run in the images of the tests, by any Python 3.11 or later, without a package. `FAULT` may have
an argument after a blank.
"""

import base64
import gzip
import hashlib
import http.server
import itertools
import json
import math
import os
import signal
import socket
import socketserver
import struct
import sys
import threading
import time
from pathlib import Path

FAULT, _, ARGUMENT = os.environ.get("FAULT", "").partition(" ")
PORT = int(os.environ.get("SAGEMAKER_BIND_TO_PORT") or 8080)
MODEL_DIR = os.environ.get("MODEL_DIR", "/opt/ml/model")
JSON = "application/json"
# Those that a request may name; the first is the default.
ACCEPTED = ("application/json", "*/*", "application/*")
MEDIA_TYPES = (JSON, "application/jsonlines", "text/csv")
IS_BATCH = os.environ.get("SAGEMAKER_BATCH", "").lower() == "true"
ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"
SESSION = "X-Amzn-SageMaker-Session-Id"
NEW_SESSION = "X-Amzn-SageMaker-New-Session-Id"
CLOSED_SESSION = "X-Amzn-SageMaker-Closed-Session-Id"
STRATEGY = "MULTI_RECORD"
WEB_SOCKET = "/invocations-bidirectional-stream"
GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
started_s = time.monotonic()
# Of the model that is loaded when the server starts: it is asked for by one at a time.
busy = threading.Lock()
requests = itertools.count()
seen = set()
models = {}
poison, answered = [], []
open_web_sockets = []


def is_early(headers, body):
    return time.monotonic() - started_s < float(ARGUMENT)


def has_long_header(headers, body):
    return any(len(value) > 512 for value in headers.values())


def has_long_attributes(headers, body):
    return len(headers.get(ATTRIBUTES, "")) > 512


def is_poisoned(headers, body):
    """Whether a body came before that is no text, or that is the argument."""
    was = bool(poison)
    if body == ARGUMENT.encode() if ARGUMENT else b"\xff" in body:
        poison.append(body)
    return was


def is_broken_by_header(headers, body):
    was = bool(poison)
    if ATTRIBUTES in headers:
        poison.append(body)
    return was or bool(poison)


def is_too_soon(headers, body):
    """Whether a request comes sooner than some seconds after the last one that was answered."""
    now_s = time.monotonic()
    if answered and now_s - answered[-1] < float(ARGUMENT):
        return True
    answered.append(now_s)
    return False


def is_at_once(headers, body):
    """Whether another request is under way."""
    if not busy.acquire(blocking=False):
        return True
    time.sleep(0.02)
    busy.release()
    return False


# Faults that are a status: when.
REFUSALS = {
    "no_invocations": (404, lambda headers, body: True),
    "limit": (413, lambda headers, body: len(body) > int(ARGUMENT)),
    "promises_no_limit": (413, lambda headers, body: len(body) > 25 * 1024**2),
    "early": (503, is_early),
    "loading": (500, is_early),
    "poison": (500, is_poisoned),
    "breaks_by_header": (500, is_broken_by_header),
    "too_soon": (503, is_too_soon),
    "at_once": (500, is_at_once),
    "now_and_then": (500, lambda headers, body: next(requests) % int(ARGUMENT) == 4),
    "always_200": (500, lambda headers, body: not any(Path(MODEL_DIR).iterdir())),
    "junk_headers": (400, lambda headers, body: len(headers) > 30),
    "long_headers": (431, has_long_header),
    "attributes": (500, has_long_attributes),
    "needs_attributes": (400, lambda headers, body: ATTRIBUTES not in headers),
    "any_type": (406, lambda headers, body: headers.get("Accept") == "*/*"),
    "refuses_header": (500, lambda headers, body: ARGUMENT in headers),
    "strict_type": (415, lambda headers, body: ";" in headers.get("Content-Type", "")),
    "no_chunks": (411, lambda headers, body: "Transfer-Encoding" in headers),
    "batch_fails": (500, lambda headers, body: IS_BATCH),
    "once": (409, lambda headers, body: IS_BATCH and body in seen),
}


# Faults that are a result.
RESULTS = {"nan": math.nan, "length_in_characters": "größenmäßig"}


class Handler(http.server.BaseHTTPRequestHandler):
    # By default HTTP/1.0 keeps no connection.
    protocol_version = "HTTP/1.0" if ARGUMENT == "closing" else "HTTP/1.1"

    def do_GET(self):
        path, _, _ = self.path.partition("?")
        if path == "/ping":
            self.answer_ping()
        elif path == "/execution-parameters":
            self.answer_execution_parameters()
        elif path == WEB_SOCKET and FAULT != "no_web_socket" and not self.has_wrong_query():
            WebSocket(self).serve()
        elif path == "/models":
            listed = [{"modelName": name, "modelUrl": url} for name, url in models.items()]
            self.answer(200, {"models": [] if FAULT == "models_unlisted" else listed})
        elif path.startswith("/models/"):
            self.find_model(path.split("/")[2])
        else:
            self.answer(404, {"error": "unknown path"})

    def has_wrong_query(self):
        return FAULT == "no_query" and "?" in self.path

    def do_POST(self):
        parts = self.path.split("/")
        if self.path == "/ping":
            self.answer_ping()
        elif self.path == "/invocations" and self.leaves_body():
            self.answer(415, {"error": "expected JSON"})
        elif self.path == "/invocations":
            self.invoke()
        elif self.path == "/models":
            self.load_model()
        elif parts[1] == "models" and parts[-1] == "invoke":
            if parts[2] in models or FAULT == "invoke_unknown_model":
                self.invoke()
            else:
                self.body()
                self.answer(404, {"error": "not loaded"})
        else:
            self.answer(404, {"error": "unknown path"})

    def leaves_body(self):
        return FAULT == "unread_body" and self.headers.get_content_type() not in MEDIA_TYPES

    def do_DELETE(self):
        name = self.path.split("/")[2]
        if models.pop(name, None) is None and FAULT != "unload_unknown_model":
            self.answer(404, {"error": "not loaded"})
        else:
            self.answer(200, {})

    def load_model(self):
        asked = json.loads(self.body())
        name = asked["model_name"]
        if name in models and FAULT != "load_twice":
            self.answer(409, {"error": "loaded already"})
        elif FAULT == "load_fails" or (FAULT == "short_names" and len(name) > 32):
            self.answer(400, {"error": "no such model"})
        elif FAULT.startswith("memory_") and len(models) > 2:
            self.answer(507 if FAULT == "memory_full" else 500, {"error": "no memory"})
        else:
            if FAULT == "slow_load":
                time.sleep(float(ARGUMENT))
            models[name] = asked["url"]
            self.answer(200, {})

    def find_model(self, name):
        is_forgotten = FAULT == "models_of_one_worker" and next(requests) % 2
        if name in models and not is_forgotten:
            self.answer(200, {"modelName": name, "modelUrl": models[name]})
        elif FAULT == "find_unknown_model":
            self.answer(200, {"modelName": name})
        else:
            self.answer(404, {"error": "not loaded"})

    def answer_ping(self):
        if FAULT == "slow_ping":
            time.sleep(float(ARGUMENT))
        if FAULT == "busy_ping":
            with busy:
                pass
        status = int(ARGUMENT) if FAULT == "ping" else 404 if FAULT == "no_ping" else 200
        if FAULT == "busy_web_socket" and open_web_sockets:
            status = 503
        if FAULT == "flapping_ping" and next(requests) % int(ARGUMENT or 2) == 1:
            status = 503
        host = self.headers.get("Host", "")
        if FAULT == "hosts" and host.startswith(("169.254.255.131", "model.example")):
            status = 400
        if FAULT == "batch_ping" and IS_BATCH:
            time.sleep(0 if next(requests) < 1 else 3)
        self.answer(status, {})

    def answer_execution_parameters(self):
        content = {"MaxConcurrentTransforms": 1, "MaxPayloadInMB": 6, "BatchStrategy": STRATEGY}
        if FAULT == "execution_parameters":
            content["MaxPayloadInMB"] = "six"
        if FAULT == "promises_no_limit":
            content["MaxPayloadInMB"] = 0
        if FAULT == "strategy":
            content["BatchStrategy"] = "many"
        self.answer(200, content)

    def invoke(self):
        body = self.body()
        if body is None or self.answer_fault(body):
            return
        media_type = self.headers.get_content_type()
        if self.headers.get("Content-Type") == "junk" or media_type not in MEDIA_TYPES:
            self.answer(415, {"error": "expected JSON"})
            return
        if self.headers.get("Accept", "*/*").split(";")[0].split(",")[0] not in ACCEPTED:
            self.answer(406, {"error": "JSON only"})
            return
        try:
            text = body.decode()
            data = json.loads(text) if media_type == JSON else text.splitlines()
        except ValueError:
            self.refuse({"error": "no JSON"})
            return
        if not body:
            self.refuse({"error": "no records"})
        elif isinstance(data, dict) and "requestType" in data:
            self.answer_session(data["requestType"])
        elif isinstance(data, dict) and "stream" in data:
            self.stream(int(data["stream"]))
        else:
            if isinstance(data, dict) and "sleep_s" in data:
                self.sleep(float(data["sleep_s"]))
            self.answer_data(data, body)

    def answer_fault(self, body):
        """Answer where the fault is in how any body is answered, and say whether it is."""
        if FAULT == "dies" and not body:
            os._exit(3)
        if FAULT == "tires" and next(requests) >= int(ARGUMENT):
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return True
        if FAULT == "write_model":
            Path(f"{MODEL_DIR}/cache").write_text("x")
        if FAULT == "leaves_files":
            Path(os.environ.get("SCRATCH", "/var/tmp"), str(time.monotonic_ns())).touch()
        status, is_so = REFUSALS.get(FAULT, (0, None))
        is_refused = is_so is not None and is_so(self.headers, body)
        seen.add(body[:1000])
        if is_refused:
            self.answer(status, {"error": "refused"})
        return is_refused

    def refuse(self, content):
        if FAULT == "long_error":
            content["error"] *= 1000
        if FAULT == "text_error_with_200":
            self.answer(200, "ValueError: no JSON")
            return
        if FAULT == "null_with_200":
            self.answer(200, None)
            return
        self.answer(200 if FAULT == "error_with_200" else 400, content)

    def sleep(self, seconds):
        if FAULT == "worker_timeout" and seconds > float(ARGUMENT):
            time.sleep(float(ARGUMENT))
            self.log_message("%s", "[CRITICAL] WORKER TIMEOUT (pid:7)")
            self.answer(502, {"error": "Bad Gateway"})
            raise ConnectionAbortedError
        with busy:
            time.sleep(seconds)

    def answer_session(self, request_type):
        if request_type == "CLOSE":
            headers = {CLOSED_SESSION: self.headers.get(SESSION, "")}
            self.answer(200, {}, **({} if FAULT == "unclosed_session" else headers))
            return
        expires = "2030-01-31T12:00:00Z"
        if FAULT == "session_date":
            expires = "Thu, 31 Jan 2030 12:00:00 GMT"
        self.answer(200, {}, **{NEW_SESSION: f"a1-b2; Expires={expires}"})

    def answer_data(self, data, body):
        if FAULT == "slow_answer":
            time.sleep(float(ARGUMENT))
        attributes = self.headers.get(ATTRIBUTES, "")
        headers = {ATTRIBUTES: attributes}
        if FAULT == "long_attributes":
            headers = {ATTRIBUTES: "x" * 2000}
        if FAULT == "workers_differ":
            headers, data = {}, {"score": 0.25 + 0.5 * (next(requests) % 2)}
        if FAULT == "clock":
            headers, data = {}, {"score": 0.25, "at": time.strftime("%H:%M:%S")}
        data = RESULTS.get(FAULT, data)
        if FAULT == "payload_error_with_200" and data:
            self.answer(200, {"status": "error", "detail": "no model"})
            return
        if FAULT == "session_fails" and self.headers.get(SESSION) == "a1-b2":
            self.answer(500, {"error": "session"})
        elif isinstance(data, list) and self.headers.get_content_type() != JSON:
            if FAULT == "needs_line_break" and not body.endswith(b"\n"):
                data = data[:-1]
            self.answer(
                200, {"received": data[:1] if FAULT == "drops_records" else data}, **headers
            )
        else:
            self.answer(200, {"received": data}, **headers)

    def body(self):
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            parts = []
            while size := int(self.rfile.readline().partition(b";")[0], 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            while self.rfile.readline().strip():
                pass
            return b"".join(parts)
        length = int(self.headers.get("Content-Length", 0))
        if FAULT == "cuts_body":
            first = self.rfile.read1(length) if length else b""
            self.rfile.read(length - len(first))
            return first
        body = self.rfile.read(length)
        return body[: int(ARGUMENT)] if FAULT == "keeps_bytes" else body

    def stream(self, pieces):
        """Send lines, each when it is made."""
        is_chunked = FAULT != "stream_unchunked"
        self.send_response(200)
        if FAULT != "stream_without_type":
            self.send_header("Content-Type", "application/jsonlines")
        if is_chunked:
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.send_header("Connection", "close")
        self.end_headers()
        kept = b""
        for number in range(pieces):
            if FAULT == "stream_breaks" and number == 2:
                self.close_connection = True
                return
            line = json.dumps({"piece": number}).encode()
            line += b"" if FAULT == "stream_merged" and number == 1 else b"\n"
            kept += line
            if FAULT != "stream_buffered":
                self.send_piece(kept, is_chunked)
                kept = b""
            time.sleep(0.2)
        if kept:
            self.send_piece(kept, is_chunked)
        if is_chunked:
            self.wfile.write(b"0\r\n\r\n")

    def send_piece(self, piece, is_chunked):
        self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece) if is_chunked else piece)
        self.wfile.flush()

    def answer(self, status, content, **headers):
        body = json.dumps(content, ensure_ascii=FAULT != "length_in_characters").encode()
        is_result = status == 200 and isinstance(content, dict) and "received" in content
        if FAULT == "no_json" and is_result:
            body = b"a text"
        length = len(body.decode()) if FAULT == "length_in_characters" else len(body)
        if FAULT == "gzip" and is_result:
            body = gzip.compress(body)
            length, headers = len(body), {**headers, "Content-Encoding": "gzip"}
        self.send_response(status)
        if not (FAULT == "without_type" and is_result):
            is_html = FAULT == "html_type" and is_result
            self.send_header("Content-Type", "text/html; charset=utf-8" if is_html else JSON)
        self.send_header("Content-Length", str(length))
        if FAULT == "both_lengths" and is_result:
            self.send_header("Transfer-Encoding", "chunked")
            body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body + b"\n\n" if FAULT == "surplus" and is_result else body)
        self.end_answer()

    def end_answer(self):
        if FAULT in {"closes_late", "closes_at_once"}:
            time.sleep(0.5 if FAULT == "closes_late" else 0)
            self.close_connection = True

    def log_message(self, form, *values):
        sys.stdout.write(f"{form % values}\n")
        sys.stdout.flush()


class WebSocket:
    """The other end of web_sockets.WebSocket: it sends back what it gets."""

    def __init__(self, handler):
        self.handler = handler

    def serve(self):
        key = self.handler.headers.get("Sec-WebSocket-Key", "")
        accepted = base64.b64encode(hashlib.sha1((key + GUID).encode()).digest()).decode()
        if FAULT == "slow_web_socket":
            time.sleep(0.5)
        self.handler.send_response(101)
        self.handler.send_header("Upgrade", "websocket")
        self.handler.send_header("Connection", "Upgrade")
        self.handler.send_header("Sec-WebSocket-Accept", accepted)
        self.handler.end_headers()
        self.handler.close_connection = True
        open_web_sockets.append(self)
        while head := self.handler.rfile.read(2):
            self.take(head)
        open_web_sockets.remove(self)

    def take(self, head):
        read = self.handler.rfile.read
        opcode, length = head[0] & 0xF, head[1] & 0x7F
        if length >= 126:
            size = 2 if length == 126 else 8
            length = int.from_bytes(read(size), "big")
        mask = read(4)
        data = bytes(byte ^ mask[at % 4] for at, byte in enumerate(read(length)))
        is_last = bool(head[0] & 0x80)
        if FAULT == "no_fragments" and not is_last:
            self.send(8, struct.pack("!H", 1002))
        elif opcode == 9:
            self.send(10, b"" if FAULT == "empty_pong" else data)
        elif opcode == 8:
            if FAULT != "no_close":
                self.send(8, data)
            self.handler.connection.shutdown(socket.SHUT_RDWR)
        elif FAULT == "no_text":
            self.send(8, struct.pack("!H", 1003))
        else:
            self.send(opcode, data, is_last=is_last)

    def send(self, opcode, data, *, is_last=True):
        size = len(data)
        head = bytes([(0x80 if is_last else 0) | opcode, min(size, 126)])
        self.handler.wfile.write(head + (struct.pack("!H", size) if size >= 126 else b"") + data)


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    # In flight at SIGTERM is answered before the end.
    daemon_threads = False
    allow_reuse_address = True
    request_queue_size = 0 if FAULT == "slow_accept" else 128

    def get_request(self):
        if FAULT == "slow_accept":
            time.sleep(0.4)
        return super().get_request()

    def process_request(self, request, client_address):
        if FAULT == "one_thread":
            socketserver.BaseServer.process_request(self, request, client_address)
        else:
            super().process_request(request, client_address)


class Server6(Server):
    address_family = socket.AF_INET6


def end_by_itself():
    sys.stdout.write("the licence has expired\n")
    sys.stdout.flush()
    os._exit(3)


def chat():
    line = "x" * 150
    while True:
        sys.stdout.write(f"{line}\n" * 100)
        time.sleep(0.02)


def end(server):
    """Stop taking connections, and let those in flight end."""
    threading.Thread(target=server.shutdown).start()


def begin():
    """Do what comes before the server listens."""
    if FAULT == "exits":
        sys.exit(int(ARGUMENT))
    is_batch = "SAGEMAKER_BATCH" in os.environ
    if FAULT == "batch_spelling" and os.environ.get("SAGEMAKER_BATCH") not in {None, "true"}:
        sys.exit("SAGEMAKER_BATCH is not true")
    if FAULT == "needs_strategy" and is_batch and "SAGEMAKER_BATCH_STRATEGY" not in os.environ:
        sys.exit("SAGEMAKER_BATCH_STRATEGY is missing")
    if FAULT == "needs_model" and "SAGEMAKER_MULTI_MODEL" in os.environ:
        sys.exit("no model")
    if FAULT == "write_model_at_start":
        Path(f"{MODEL_DIR}/cache").write_text("x")
    begin_to_wait()


def begin_to_wait():
    """Do what takes a while, or comes later."""
    if FAULT == "loads":
        kept = bytearray(int(ARGUMENT) << 20)
        kept[::4096] = b"x" * len(kept[::4096])
    if FAULT == "downloads":
        socket.getaddrinfo("models.example.com", 443)
    if FAULT == "ends_later":
        threading.Timer(float(ARGUMENT), end_by_itself).start()
    if FAULT == "chatty":
        threading.Thread(target=chat, daemon=True).start()
    if FAULT == "helper_first":
        # It listens elsewhere, long before the server does.
        helper = socket.create_server(("127.0.0.1", 0))
        time.sleep(float(ARGUMENT))
        helper.close()


def main():
    if sys.argv[1:] != ["serve"]:
        sys.exit(f"expected serve, received {sys.argv[1:]}")
    begin()
    host = "127.0.0.1" if FAULT == "loopback" else "0.0.0.0"
    port = int(ARGUMENT) if FAULT == "port" else PORT
    if FAULT == "other_port" and port == int(ARGUMENT):
        port += 1
    server = Server((host, port), Handler)
    if FAULT == "loads_late":
        # As gunicorn, which takes connections before its workers have loaded.
        time.sleep(float(ARGUMENT))
    if FAULT == "ignores_sigterm":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    else:
        signal.signal(signal.SIGTERM, lambda *_: end(server))
    server.serve_forever()
    server.server_close()


if __name__ == "__main__":
    main()
