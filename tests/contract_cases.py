"""SageMaker's container contract as tests, for everything that serves `toys/echo.py`.

A test module makes a class from `AppCases` (any target), `HttpCases` (a real port) or
`NginxCases` (a real port behind nginx) and gives it one fixture:

    class TestTheImage(contract_cases.NginxCases):
        @pytest.fixture(scope="class")
        @classmethod
        def target(cls):
            with ...:
                yield contract_cases.PortTarget("127.0.0.1", port, read_log)

The server under test runs with the variables `ENVIRON`, and with `toys/echo.py` as
BYOI_INFERENCE_MODULE (for an image: the folder `toys` mounted at any path). A class-wide
server is enough, the cases leave it as they found it.
"""

import contextlib
import http.client
import json
import re
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest

from byoi import contract

ECHO = Path(__file__).parent / "toys" / "echo.py"
DEADLINE_S = 12
BODY_TIMEOUT_S = 2
THREADS = 3
WORKERS = 2
ENVIRON = {
    "BYOI_INVOCATION_TIMEOUT_S": str(DEADLINE_S),
    "BYOI_BODY_TIMEOUT_S": str(BODY_TIMEOUT_S),
    "BYOI_THREADS": str(THREADS),
    "SAGEMAKER_MODEL_SERVER_WORKERS": str(WORKERS),
}
ATTRIBUTES = contract.CUSTOM_ATTRIBUTES_HEADER
TEXT = {"Content-Type": "text/plain"}


@dataclass(frozen=True)
class Answer:
    """One response."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class PortTarget:
    """A server behind a TCP port.

    Args:
        read_log: Returns what the server has written to stdout and stderr so far.
    """

    def __init__(self, host: str, port: int, read_log: Callable[[], str]) -> None:
        self.host = host
        self.port = port
        self.read_log = read_log

    def send(self, method, path, body=b"", headers=None, *, timeout_s=60.0):
        connection = http.client.HTTPConnection(self.host, self.port, timeout=timeout_s)
        try:
            connection.request(method, path, body or None, dict(headers or {}))
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        finally:
            connection.close()

    def connect(self):
        return socket.create_connection((self.host, self.port), timeout=30)

    def exchange(self, *pieces: bytes) -> Answer:
        """Send bytes as they are and read one response."""
        with self.connect() as connection:
            for piece in pieces:
                connection.sendall(piece)
            return read_answer(connection)

    def lines(self, request_id: str) -> list[dict[str, Any]]:
        """Return the access lines of a request; they are written just after the response."""
        for _ in range(100):
            found = [
                entry
                for entry in map(as_json, self.read_log().splitlines())
                if entry.get("request_id") == request_id and entry["message"] == "request"
            ]
            if found:
                return found
            time.sleep(0.05)
        return []

    def entries(self) -> list[dict[str, Any]]:
        return [as_json(line) for line in self.read_log().splitlines()]


class ClientTarget:
    """The Flask application in this process."""

    def __init__(self, app) -> None:
        self._app = app

    def send(self, method, path, body=b"", headers=None):
        response = self._app.test_client().open(path, method=method, data=body, headers=headers)
        return Answer(response.status_code, response.headers, response.data)


def as_json(line: str) -> dict[str, Any]:
    """Return a log line as an object; a line that is none is a module's print."""
    return json.loads(line) if line.startswith("{") else {"message": line}


def read_answer(connection: socket.socket) -> Answer:
    response = http.client.HTTPResponse(connection)
    response.begin()
    return Answer(response.status, response.headers, response.read())


def assert_error(answer: Answer, status: int, name: str) -> None:
    assert answer.status == status, answer
    assert answer.headers["Content-Type"] == "application/json"
    error = answer.json
    assert sorted(error) == ["error", "message", "request_id"]
    assert error["error"] == name
    assert error["message"]
    assert answer.headers["X-Request-Id"] == error["request_id"] != ""
    assert len(answer.body) <= contract.ERROR_MESSAGE_CHARACTERS + 2  # a cut ends in "…", 3 bytes
    assert b"Traceback" not in answer.body


class AppCases:
    """What every target answers, a Flask test client too."""

    @pytest.mark.parametrize("method", ["GET", "POST"])
    def test_ping_is_200_and_empty(self, target, method):
        answer = target.send(method, "/ping")
        assert (answer.status, answer.body) == (200, b"")

    def test_ping_answers_head(self, target):
        assert target.send("HEAD", "/ping").status == 200

    def test_an_invocation_gives_the_module_the_raw_headers_and_the_body(self, target):
        headers = {"Content-Type": "Text/Plain; charset=utf-8", "Accept": "a/b;q=0.5, */*"}
        answer = target.send("POST", "/invocations", b"some text", headers)
        assert answer.status == 200
        assert answer.headers["Content-Type"] == "application/json"
        echoed = answer.json
        assert echoed["content_type"] == "Text/Plain; charset=utf-8"
        assert echoed["accept"] == "a/b;q=0.5, */*"
        assert echoed["text"] == "some text"
        assert echoed["type"] == "str"

    def test_absent_headers_are_empty_and_the_default_accept(self, target):
        echoed = target.send("POST", "/invocations", b"x").json
        assert (echoed["content_type"], echoed["accept"]) == ("", "application/json")

    def test_an_empty_body_reaches_the_module(self, target):
        assert target.send("POST", "/invocations", b"", TEXT).json["bytes"] == 0

    @pytest.mark.parametrize("body", [b"DO:body only", b"DO:bytearray"])
    def test_output_fn_may_return_a_body_of_either_kind(self, target, body):
        answer = target.send("POST", "/invocations", body, {"Accept": "application/json"})
        assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")
        assert answer.json["text"] == body.decode()

    def test_custom_attributes_are_those_that_the_module_sets(self, target):
        answer = target.send("POST", "/invocations", b"fine", {ATTRIBUTES: "trace=1; a"})
        assert answer.headers[ATTRIBUTES] == "trace=1; a"
        for body in (b"DO:raise", b"DO:malformed"):
            answer = target.send("POST", "/invocations", body, {ATTRIBUTES: "trace=1; a"})
            assert answer.headers.get(ATTRIBUTES) is None

    def test_no_custom_attributes_no_header(self, target):
        assert target.send("POST", "/invocations", b"x").headers.get(ATTRIBUTES) is None

    def test_a_malformed_body_is_400_with_a_short_message(self, target):
        answer = target.send("POST", "/invocations", b"DO:malformed", TEXT)
        assert_error(answer, 400, "MalformedBody")
        assert answer.json["message"].startswith("received DO:malformed, expected sense")
        assert answer.json["message"].endswith("…")

    def test_an_unknown_content_type_is_415(self, target):
        answer = target.send("POST", "/invocations", b"x", {"Content-Type": "application/unknown"})
        assert_error(answer, 415, "UnsupportedContentType")

    @pytest.mark.parametrize("coding", ["gzip", "BR", "identity, gzip", "klingon"])
    def test_a_compressed_body_is_refused_by_name(self, target, coding):
        answer = target.send("POST", "/invocations", b"x", {**TEXT, "Content-Encoding": coding})
        assert_error(answer, 415, "UnsupportedContentEncoding")
        assert f"Content-Encoding {coding!r}" in answer.json["message"]
        assert answer.headers["Accept-Encoding"] == "identity"

    @pytest.mark.parametrize("coding", ["identity", "", "Identity, identity"])
    def test_an_encoding_that_changes_nothing_is_taken(self, target, coding):
        headers = {**TEXT, "Content-Encoding": coding}
        assert target.send("POST", "/invocations", b"x", headers).status == 200

    def test_an_accept_nobody_satisfies_is_406(self, target):
        answer = target.send("POST", "/invocations", b"x", {"Accept": "application/unknown"})
        assert_error(answer, 406, "NotAcceptable")

    @pytest.mark.parametrize("body", [b"DO:raise", b"DO:model_data", b"DO:exit", b"DO:wrong type"])
    def test_a_failing_module_is_500_without_its_secrets(self, target, body):
        answer = target.send("POST", "/invocations", body, TEXT)
        assert_error(answer, 500, "InternalError")
        assert b"secret" not in answer.body
        assert target.send("POST", "/invocations", b"next", TEXT).status == 200

    @pytest.mark.parametrize(
        "path", ["/", "/pingpong", "/ping/", "/invocations/x", "/metrics",
                 "/execution-parameters", "/models", "/static/x"]
    )  # fmt: skip
    def test_other_paths_are_404(self, target, path):
        answer = target.send("GET", path)
        assert_error(answer, 404, "NotFound")
        assert "/invocations" in answer.json["message"]

    @pytest.mark.parametrize(
        ("method", "path", "allowed"),
        [
            ("GET", "/invocations", "POST"),
            ("PUT", "/invocations", "POST"),
            ("OPTIONS", "/invocations", "POST"),
            ("DELETE", "/ping", "GET, HEAD, POST"),
            ("TRACE", "/ping", "GET, HEAD, POST"),
        ],
    )
    def test_other_methods_are_405_and_tell_which_are_not(self, target, method, path, allowed):
        answer = target.send(method, path)
        assert_error(answer, 405, "MethodNotAllowed")
        assert answer.headers["Allow"] == allowed

    def test_25_mb_are_taken_and_a_byte_more_is_413(self, target):
        body = b"a" * contract.REQUEST_BODY_BYTES
        assert target.send("POST", "/invocations", body, TEXT).json["bytes"] == len(body)
        answer = target.send("POST", "/invocations", body + b"a", TEXT)
        assert_error(answer, 413, "PayloadTooLarge")
        assert str(contract.REQUEST_BODY_BYTES) in answer.json["message"]

    def test_a_query_changes_nothing(self, target):
        assert target.send("GET", "/ping?x=1").status == 200
        assert target.send("POST", "/invocations?x=1", b"x", TEXT).status == 200


HEAD = b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\n"


class HttpCases(AppCases):
    """What every real port does, with nginx or without."""

    @pytest.mark.parametrize(
        "request_bytes",
        [
            b"NONSENSE\r\n\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
            HEAD + b"Content-Length: many\r\n\r\n",
            HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n",
        ],
    )
    def test_what_is_no_http_is_400(self, target, request_bytes):
        assert_error(target.exchange(request_bytes), 400, "BadRequest")

    def test_large_headers_are_431(self, target):
        large = HEAD + b"X-Large: " + b"a" * 40_000 + b"\r\nContent-Length: 1\r\n\r\na"
        assert_error(target.exchange(large), 431, "HeadersTooLarge")
        many = b"".join(b"X-Header-%d: a\r\n" % number for number in range(1500))
        answer = target.exchange(HEAD + many + b"Content-Length: 1\r\n\r\na")
        assert_error(answer, 431, "HeadersTooLarge")

    def test_a_long_request_line_is_414(self, target):
        answer = target.exchange(b"GET /" + b"a" * 40_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n")
        assert_error(answer, 414, "UriTooLong")

    def test_fifty_unknown_headers_are_fine(self, target):
        junk = {f"X-Junk-{number}": "j" * 1000 for number in range(50)}
        assert target.send("POST", "/invocations", b"x", TEXT | junk).status == 200

    def test_any_host_is_fine(self, target):
        for host in ("169.254.255.131:8080", "example.com", "[::1]", "a_b"):
            assert target.send("GET", "/ping", headers={"Host": host}).status == 200

    def test_http_1_0_is_served(self, target):
        answer = target.exchange(b"POST /invocations HTTP/1.0\r\nContent-Length: 2\r\n\r\nhi")
        assert (answer.status, answer.json["text"]) == (200, "hi")

    def test_one_connection_serves_many_requests(self, target):
        connection = http.client.HTTPConnection(target.host, target.port, timeout=30)
        for number in range(5):
            connection.request("POST", "/invocations", f"{number}", TEXT)
            if number == 0:
                first = connection.sock
            response = connection.getresponse()
            assert json.loads(response.read())["text"] == str(number)
            assert connection.sock is first
        connection.close()

    def test_a_body_may_come_in_chunks_of_unknown_number(self, target):
        chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (b"hello ", b"world"))
        request = HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n"
        assert target.exchange(request).json["text"] == "hello world"

    def test_chunks_have_the_same_limit(self, target):
        head = HEAD + b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
        full = b"%x\r\n" % contract.REQUEST_BODY_BYTES + b"a" * contract.REQUEST_BODY_BYTES
        answer = target.exchange(head + full + b"\r\n0\r\n\r\n")
        assert answer.json["bytes"] == contract.REQUEST_BODY_BYTES
        answer = target.exchange(head + full + b"\r\n1\r\na\r\n0\r\n\r\n")
        assert_error(answer, 413, "PayloadTooLarge")

    def test_a_client_may_wait_for_100_continue(self, target):
        with target.connect() as connection:
            connection.sendall(HEAD + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n")
            assert connection.recv(100).startswith(b"HTTP/1.1 100 ")
            connection.sendall(b"hi")
            assert read_answer(connection).json["text"] == "hi"

    @pytest.mark.parametrize(
        "rest", [b"Content-Length: 9\r\n\r\nhalf", b"Transfer-Encoding: chunked\r\n\r\n9\r\nhalf"]
    )
    def test_a_body_that_stops_arriving_is_408(self, target, rest):
        began_s = time.monotonic()
        answer = target.exchange(HEAD + f"{ATTRIBUTES}: mine\r\n".encode() + rest)
        assert answer.headers.get(ATTRIBUTES) is None
        assert_error(answer, 408, "RequestTimeout")
        assert BODY_TIMEOUT_S <= time.monotonic() - began_s < BODY_TIMEOUT_S + 5

    @pytest.mark.parametrize("body", [b"x", b"DO:sleep 0.5"])
    def test_a_client_that_sends_no_more_still_gets_its_answer(self, target, body):
        with target.connect() as connection:
            connection.sendall(HEAD + b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
            connection.shutdown(socket.SHUT_WR)
            answer = read_answer(connection)
        assert (answer.status, answer.json["text"]) == (200, body.decode())
        (line,) = target.lines(answer.headers["X-Request-Id"])
        assert line["status"] == 200

    def test_a_body_that_crawls_is_taken(self, target):
        with target.connect() as connection:
            connection.sendall(HEAD + b"Content-Length: 4\r\n\r\n")
            for byte in (b"s", b"l", b"ow"):
                time.sleep(0.6 * BODY_TIMEOUT_S)
                connection.sendall(byte)
            assert read_answer(connection).json["text"] == "slow"

    def test_each_request_has_one_line_in_the_log(self, target):
        headers = TEXT | {"Accept": "application/json", "User-Agent": 'say "hi"'}
        headers |= {contract.INFERENCE_ID_HEADER: "id-1"}
        answer = target.send("POST", "/invocations?secret=1", b"hello", headers)
        (line,) = target.lines(answer.headers["X-Request-Id"])
        assert line["level"] == "info"
        assert (line["method"], line["path"]) == ("POST", "/invocations")
        assert line["status"] == 200
        assert 0 <= line["duration_s"] < 30
        assert line["request_bytes"] == 5
        assert line["response_bytes"] == len(answer.body)
        assert line["content_type"] == "text/plain"
        assert line["accept"] == "application/json"
        assert line["user_agent"] == 'say "hi"'
        assert line["inference_id"] == "id-1"
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+\d\d:\d\d", line["time"])

    @pytest.mark.parametrize(
        ("request_bytes", "status"),
        [
            (b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", 404),
            (HEAD + b"\r\n", 200),
            (b"NONSENSE\r\n\r\n", 400),
            (HEAD + b"X-Large: " + b"a" * 40_000 + b"\r\n\r\n", 431),
        ],
    )
    def test_so_has_each_error_and_none_has_a_second(self, target, request_bytes, status):
        request_id = target.exchange(request_bytes).headers["X-Request-Id"]
        (line,) = target.lines(request_id)
        assert line["status"] == status
        mentions = [entry for entry in target.entries() if entry.get("request_id") == request_id]
        assert mentions == [line]

    def test_a_good_ping_has_none(self, target):
        target.send("GET", "/ping?mark")
        answer = target.send("POST", "/invocations", b"after", TEXT)
        target.lines(answer.headers["X-Request-Id"])
        pings = [entry for entry in target.entries() if entry.get("path") == "/ping"]
        assert all(entry["status"] != 200 for entry in pings)

    def test_an_unexpected_error_is_logged_once_with_its_traceback(self, target):
        answer = target.send("POST", "/invocations", b"DO:raise", TEXT)
        request_id = answer.json["request_id"]
        (line,) = target.lines(request_id)
        assert line["status"] == 500
        (cause,) = [
            entry
            for entry in target.entries()
            if entry.get("request_id") == request_id and entry["message"] != "request"
        ]
        assert cause["level"] == "error"
        assert "ValueError: the secret cause" in cause["traceback"]

    def test_what_the_module_prints_reaches_the_log_at_once(self, target):
        target.send("POST", "/invocations", b"DO:print", TEXT)
        assert "printed by the module" in target.read_log()

    def test_a_worker_that_dies_is_replaced(self, target):
        try:
            answer = target.send("POST", "/invocations", b"DO:die", TEXT)
        except (ConnectionError, http.client.HTTPException):
            pass  # without nginx nobody is left to answer
        else:
            assert_error(answer, 502, "BadGateway")
        wait_until(lambda: len(pids(target)) == WORKERS)

    def test_requests_run_side_by_side(self, target):
        began_s = time.monotonic()
        assert in_parallel(target, [b"DO:sleep 1"] * WORKERS * THREADS) == {200}
        assert time.monotonic() - began_s < 0.7 * WORKERS * THREADS


class NginxCases(HttpCases):
    """What nginx is there for."""

    @pytest.mark.parametrize(
        ("request_bytes", "status", "name"),
        [
            (HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501, "NotImplemented"),
            (b"GET /ping HTTP/3.0\r\nHost: x\r\n\r\n", 505, "HttpVersionNotSupported"),
            (b"GET /ping HTTP/1.1\r\n\r\n", 400, "BadRequest"),
            *(
                (
                    line + b" HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
                    400,
                    "BadRequest",
                )
                for line in (b"POST /nowhere", b"PUT /invocations", b"DELETE /ping")
            ),
            (
                b"POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n",
                413,
                "PayloadTooLarge",
            ),
            (
                b"GET /ping HTTP/1.1\r\nHost: x\r\nIf-Match: x\r\n\r\n",
                412,
                "PreconditionFailed",
            ),
            (HEAD + b"Expect: a miracle\r\nContent-Length: 2\r\n\r\nhi", 417, "ExpectationFailed"),
        ],
    )
    def test_other_things_nginx_refuses_are_json_too(self, target, request_bytes, status, name):
        assert_error(target.exchange(request_bytes), status, name)

    def test_what_it_may_take_it_takes(self, target):
        assert target.exchange(b"GET /ping HTTP/1.2\r\nHost: x\r\n\r\n").status == 200
        expecting = HEAD + b"Expect: 100-Continue\r\nContent-Length: 2\r\n\r\nhi"
        assert target.exchange(expecting).json["text"] == "hi"

    def test_two_slashes_are_another_path(self, target):
        assert_error(target.send("GET", "//ping"), 404, "NotFound")

    def test_ping_answers_within_2_s_while_every_thread_is_busy_and_more_wait(self, target):
        outcome: list[set[int]] = []
        busy = threading.Thread(
            target=lambda: outcome.append(
                in_parallel(target, [b"DO:sleep 2.5"] * (WORKERS * THREADS + 8))
            )
        )
        busy.start()
        time.sleep(1)
        while busy.is_alive():
            began_s = time.monotonic()
            assert target.send("GET", "/ping", timeout_s=contract.PING_TIMEOUT_S).status == 200
            assert time.monotonic() - began_s < contract.PING_TIMEOUT_S
            time.sleep(0.3)
        busy.join()
        assert outcome == [{200}]  # 14 requests on 6 threads: three rounds, 7.5 s

    def test_slow_clients_hold_no_worker_thread(self, target):
        slow = [target.connect() for _ in range(3 * WORKERS * THREADS)]
        for connection in slow:
            connection.sendall(HEAD + b"Content-Length: 9\r\n\r\nhalf")
        began_s = time.monotonic()
        assert target.send("POST", "/invocations", b"quick", TEXT).status == 200
        assert time.monotonic() - began_s < 0.8 * BODY_TIMEOUT_S
        assert {read_answer(connection).status for connection in slow} == {408}
        for connection in slow:
            connection.close()

    @pytest.mark.parametrize("command", [b"DO:never", b"DO:hold"])
    def test_past_the_deadline_is_504_and_the_stuck_worker_is_replaced(self, target, command):
        before = pids(target)
        headers = TEXT | {ATTRIBUTES: "mine"}
        began_s = time.monotonic()
        answer = target.send("POST", "/invocations", command, headers)
        assert DEADLINE_S <= time.monotonic() - began_s < DEADLINE_S + 3
        assert_error(answer, 504, "DeadlineExceeded")
        assert answer.headers.get(ATTRIBUTES) is None
        assert f"{DEADLINE_S} s" in answer.json["message"]
        assert target.send("GET", "/ping").status == 200  # the other one serves
        wait_until(lambda: len(pids(target)) == WORKERS and pids(target) != before)
        assert [line["status"] for line in target.lines(answer.json["request_id"])] == [504]


def pids(target: PortTarget) -> set[int]:
    """Return the process ids that answer now."""
    found: set[int] = set()

    def ask() -> None:
        # What waits at a worker that ends is lost: it is not among those that answer.
        with contextlib.suppress(ConnectionError):
            answer = target.send("POST", "/invocations", b"DO:sleep 0.05", TEXT)
            if answer.status == HTTPStatus.OK:
                found.add(answer.json["pid"])

    for _ in range(3):
        threads = [threading.Thread(target=ask) for _ in range(WORKERS * 2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return found


def in_parallel(target: PortTarget, bodies: list[bytes]) -> set[int]:
    """Send all at once and return the statuses."""
    statuses: set[int] = set()
    threads = [
        threading.Thread(
            target=lambda body=body: statuses.add(
                target.send("POST", "/invocations", body, TEXT).status
            )
        )
        for body in bodies
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return statuses


def wait_until(happened: Callable[[], bool], timeout_s: float = 30.0) -> None:
    end_s = time.monotonic() + timeout_s
    while not happened():
        assert time.monotonic() < end_s, f"did not happen within {timeout_s} s"
        time.sleep(0.1)
