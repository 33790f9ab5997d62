import contextlib
import http.server
import json
import shutil
import subprocess
import sys
import threading
import time

import pytest
import serving_contenders
import targets
from load_generator import Demand
from serving import FIXTURE, GRAPH
from targets import Row, Target

from byoi_lib import inference


@pytest.mark.parametrize(
    ("target", "measured", "verdict"),
    [
        (Target("≥", 0.8), 0.8, "yes"),
        (Target("≥", 0.8), 0.79, "**no**"),
        (Target("≤", 0.6, 0.4), 0.6, "yes"),
        (Target("≤", 0.6, 0.4), 0.4, "yes, the aim as well"),
        (Target("≤", 0.6, 0.4), 0.61, "**no**"),
        (Target("<", 0.5), 0.5, "**no**"),
        (Target("<", 0.5), 0.49, "yes"),
        (Target("<", 0.5), float("inf"), "**no**"),
        (Target(), 0.02, "-"),
    ],
)
def test_whether_a_target_is_reached_is_computed(target, measured, verdict):
    assert target.verdict(measured) == verdict


def test_a_line_has_what_was_promised_and_what_was_measured():
    row = targets.median_row("start, s", Target("≤", 0.6, 0.4), [0.5, 0.3, 0.9])
    assert row.line() == "| start, s | ≤ 0.60 | ≤ 0.40 | 0.50 | 0.30 to 0.90 | yes |"


def test_the_worst_round_decides_where_none_may_fail():
    row = targets.worst_row("errors", Target("≤", 0, digits=0), [0, 3, 0])
    assert row.line() == "| errors | ≤ 0 | - | 3 | 0 to 3 | **no** |"


def test_a_ratio_is_of_the_medians():
    row = targets.ratio_row("ratio", Target("≥", 0.8), [90, 80, 70], [100, 100, 50])
    assert row.line() == "| ratio | ≥ 0.80 | - | 0.80 | 0.80 to 1.40 | yes |"


def test_what_was_not_measured_is_not_reached_and_says_why():
    row = Row("start, s", Target("≤", 0.6), reason="there is no docker here")
    line = row.line()
    assert "| not measured: there is no docker here | - | - |" in line
    head, rule, body = targets.table([row])
    assert head.count("|") == rule.count("|") == body.count("|")


def test_an_image_that_is_not_there_is_a_reason():
    assert targets.why_no_image("byoi-no-such-image:none")


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers requests; /ping answers what is set, after a time that is set."""

    protocol_version = "HTTP/1.1"
    ping = (200, 0.0)

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.answer(200)

    def do_GET(self):
        status, wait_s = self.ping
        time.sleep(wait_s)
        self.answer(status)

    def answer(self, status):
        self.send_response(status)
        self.send_header("Content-Length", "2")
        self.end_headers()
        # The generator may have left at its end.
        with contextlib.suppress(OSError):
            self.wfile.write(b"{}")

    def log_message(self, *arguments):
        pass


@pytest.fixture
def port():
    class Server(http.server.ThreadingHTTPServer):
        def handle_error(self, request, client_address):
            """The generator may close a connection in the middle of an answer."""

    with Server(("127.0.0.1", 0), Handler) as found:
        thread = threading.Thread(target=found.serve_forever, args=(0.01,))
        thread.start()
        yield found.server_port
        found.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("ping", "least_s", "most_s"),
    [((200, 0.0), 0.0, 0.5), ((200, 0.2), 0.2, 5.0), ((503, 0.0), float("inf"), float("inf"))],
)
def test_the_slowest_ping_during_a_load_is_found(port, ping, least_s, most_s):
    Handler.ping = ping
    demand = Demand(f"http://127.0.0.1:{port}/invocations", [b"[]"], 2, 1.0)
    found, times_s = targets.load_with_pings(port, demand)
    assert found.requests > 0
    assert len(times_s) > 2
    assert least_s <= max(times_s) <= most_s


@pytest.fixture
def process():
    """Run `in_process.py` with the packages of the tests."""
    file = serving_contenders.PEERS / "byoi" / "in_process.py"
    with subprocess.Popen(
        [sys.executable, file], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as found:
        yield found
        found.communicate()


def test_a_short_review_takes_less_than_a_long_one_in_process(process):
    bodies = [json.dumps(["a fine film"]), json.dumps(["a fine film with a good story " * 100])]
    job = {"model": str(GRAPH), "bodies": bodies, "calls": 20, "rounds": 3}
    targets.tell(process, json.dumps(job))
    found_ms = json.loads(targets.hear(process))
    assert [len(one) for one in found_ms] == [2, 2, 2]
    assert min(short for short, _ in found_ms) < min(wide for _, wide in found_ms)


def test_requests_are_counted_from_the_word_go_on(process):
    job = {"model": str(GRAPH), "bodies": [json.dumps(["a fine film"])], "duration_s": 0.2}
    targets.tell(process, json.dumps(job))
    assert targets.hear(process) == "ready\n"
    targets.tell(process, "go")
    assert 100 < json.loads(targets.hear(process)) < 100_000


def test_a_process_that_ends_is_no_measurement(process):
    targets.tell(process, json.dumps({"model": str(FIXTURE / "nowhere"), "bodies": []}))
    with pytest.raises(RuntimeError, match="ended with status 1"):
        targets.hear(process)


def test_the_wide_review_fills_the_width():
    model = inference.model_fn(GRAPH)
    _, wide = targets.short_and_wide_bodies()
    data = inference.input_fn(wide, "application/json")
    (ids,) = inference._rows(data, model)
    assert len(ids) == model.max_length


def test_the_rows_of_the_start_are_measured_with_programs_that_are_there():
    assert shutil.which("byoi", path=str(targets.PROGRAMS))
