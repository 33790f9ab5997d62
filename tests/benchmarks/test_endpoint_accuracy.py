import json
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "endpoint_accuracy.py"


class Endpoint(BaseHTTPRequestHandler):
    """Finds a text with "good" in it positive, and fails on "crash"."""

    def do_POST(self):
        assert self.path == "/invocations"
        texts = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["instances"]
        answers = [[0.25, 0.75] if "good" in text else [0.75, 0.25] for text in texts]
        status = 503 if "crash" in texts else 200
        body = json.dumps({"predictions": answers}).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture
def url():
    with ThreadingHTTPServer(("127.0.0.1", 0), Endpoint) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def measured(path, reviews, url, *arguments):
    path.write_text("\n".join(json.dumps({"text": t, "label": y}) for t, y in reviews))
    command = [sys.executable, str(SCRIPT), "--url", url, "--reviews", str(path), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout


def test_accuracy_counts_what_is_right(url, tmp_path):
    reviews = [("good\u0085film", 1), ("bad", 0), ("not good", 0), ("fine", 0)]
    status, printed = measured(tmp_path / "r", reviews, url, "--batch", "3")
    assert status == 0
    assert "reviews answered:   4 of 4\n" in printed
    assert "accuracy:           0.7500\n" in printed
    assert "errors by status:   none\n" in printed


def test_errors_are_counted_by_status_and_are_no_answers(url, tmp_path):
    reviews = [("good", 1), ("crash", 1), ("crash", 0)]
    status, printed = measured(tmp_path / "r", reviews, url)
    assert status == 1
    assert "reviews answered:   1 of 3\n" in printed
    assert "accuracy:           1.0000\n" in printed
    assert "errors by status:   {503: 2}\n" in printed


def test_an_endpoint_that_is_not_there_is_no_success(tmp_path, free_port):
    status, printed = measured(tmp_path / "r", [("good", 1)], f"http://127.0.0.1:{free_port}")
    assert status == 1
    assert "accuracy:           none\n" in printed
    assert "errors by status:   {0: 1}\n" in printed
