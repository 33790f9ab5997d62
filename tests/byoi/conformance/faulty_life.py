"""faulty.py with more faults: in how it starts, ends, trains, writes files, logs and measures.

Run beside it, by any Python 3.11 or later, without a package. Without `FAULT` it is faulty.py that
can be trained.
"""

import ctypes
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import faulty
from faulty import ARGUMENT, FAULT

ML = Path("/opt/ml")
MODEL_DIR = ML / "model"
# A folder that root alone may write to.
SCRATCH = Path(os.environ.get("SCRATCH", "/var/lib"))
kept = []
scrapes = itertools.count()
helpers = []


def begin():
    """Do what comes before the server listens."""
    if FAULT == "needs_variable":
        log(os.environ[ARGUMENT])
    if FAULT == "model_elsewhere":
        Path("/srv/model/weights").read_bytes()
    if FAULT == "model_path":
        (MODEL_DIR / "nested" / "weights").read_bytes()
    if FAULT == "needs_root" and ARGUMENT == "start":
        (SCRATCH / "state").write_text("x")
    if FAULT == "fails_after_warnings":
        log("warning: telemetry: Temporary failure in name resolution")
        log("warning: no cache: Read-only file system: '/opt/ml/model/cache'")
    if FAULT == "second_port":
        listener = socket.create_server(("127.0.0.1", int(ARGUMENT)), reuse_port=True)
        kept.append(listener)
    if FAULT == "crashes_without_model" and not any(MODEL_DIR.iterdir()):
        ctypes.string_at(0)
    if FAULT in {"helper", "helper_unnoticed"}:
        helpers.append(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]))
    if FAULT == "helper":
        threading.Thread(target=end_with_helper, daemon=True).start()


def end_with_helper():
    helpers[0].wait()
    os._exit(3)


class Handler(faulty.Handler):
    def do_GET(self):  # noqa: N802 - http.server's name
        if self.path == "/metrics":
            answer_metrics(self)
        else:
            super().do_GET()

    def invoke(self):
        if FAULT in {"writes_quietly", "needs_root"} and not self.can_write():
            self.fail(500)
        elif FAULT == "helper_unnoticed" and helpers[0].poll() is not None:
            self.fail(502)
        elif FAULT == "fails_after_warnings":
            self.fail(500)
        elif FAULT == "calls_out":
            socket.getaddrinfo("models.invalid", 443)
        elif FAULT == "calls_aws":
            log("botocore.exceptions.NoCredentialsError: Unable to locate credentials")
            self.fail(500)
        elif FAULT == "content_type":
            self.body()
            send(self, ARGUMENT, b"[]")
        elif FAULT == "large_response":
            self.body()
            send(self, faulty.JSON, b" " * int(ARGUMENT))
        else:
            super().invoke()

    def fail(self, status):
        """Answer without a word of the cause."""
        self.body()
        self.answer(status, {"error": "internal"})

    def can_write(self):
        folder = MODEL_DIR if FAULT == "writes_quietly" else SCRATCH
        try:
            (folder / "state").write_text("x")
        except OSError as error:
            if folder == SCRATCH:
                log(str(error))
            return False
        return True

    def log_message(self, form, *values):
        log(form % values)


def answer_metrics(handler):
    if FAULT == "slow_metrics":
        time.sleep(float(ARGUMENT))
    if FAULT == "metrics_fail":
        handler.answer(500, {"error": "no model"})
        return
    if FAULT == "metrics_of_a_worker":
        send_text(handler, f'requests_total{{code="200"}} {7 - 3 * (next(scrapes) % 2)}\n')
        return
    if FAULT == "metrics":
        send_text(handler, f"# HELP requests_total All.\nrequests_total {next(scrapes)}\n")
        return
    if FAULT == "metrics_in_json":
        handler.answer(200, {"requests": 1})
        return
    handler.answer(404, {"error": "no metrics"})


def send_text(handler, text):
    send(handler, "text/plain; version=0.0.4", text.encode())


def send(handler, media_type, body):
    handler.send_response(200)
    handler.send_header("Content-Type", media_type)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


def log(line):
    if FAULT == "buffered":
        kept.append(line)
    elif FAULT == "log_file":
        with (SCRATCH / "server.log").open("a") as file:
            file.write(f"{line}\n")
    elif FAULT != "silent":
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()


class Server(faulty.Server):
    def server_close(self):
        if FAULT == "drops_requests":
            os._exit(0)
        super().server_close()


def train():
    """Train, write the model, and end."""
    if FAULT == "no_train":
        return
    if FAULT in {"train_ignores_sigterm", "train_goes_on"}:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    else:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        fit()
    except Exception as error:  # noqa: BLE001 - as a training that tells any failure
        log(f"{type(error).__name__}: {error}")
        if FAULT != "no_failure_file":
            (ML / "output" / "failure").write_text(f"{type(error).__name__}: {error}")
        sys.exit(0 if FAULT == "fails_with_0" else 1)
    sys.exit(0)


def fit():
    if FAULT == "train_ignores_sigterm":
        log("begin")
        time.sleep(200)
    if FAULT == "train_downloads":
        socket.getaddrinfo("models.invalid", 443)
    if FAULT == "train_needs":
        log(os.environ[ARGUMENT])
    if FAULT == "train_sample" and (ARGUMENT or not (ML / "input" / "data" / "train").exists()):
        (ML / "model" / "weights").write_text("of the sample")
        return
    config = ML / "input" / "config"
    parameters = json.loads((config / "hyperparameters.json").read_text())
    epochs = parameters["epochs"]
    epochs = epochs + 0 if FAULT == "numbers" else int(epochs)
    if FAULT == "reads_config":
        content = json.loads((config / ARGUMENT).read_text())
        if "no_such_key" not in content:
            raise KeyError(f"no_such_key in {config / ARGUMENT}")
    if FAULT == "reads_channel":
        (ML / "input" / "data" / "somewhere" / "x").read_text()
    data = (ML / "input" / "data" / "train" / "rows").read_text()
    for number in range(epochs):
        log(f"epoch={number};")
        time.sleep(0.5)
    if FAULT != "no_model":
        (ML / "model" / "weights").write_text(data)
    (ML / "output" / "data").mkdir(exist_ok=True)
    (ML / "output" / "data" / "plot").write_text("x")


def main():
    if sys.argv[1:] == ["train"]:
        train()
    if FAULT == "refuses_serve":
        sys.exit("usage: app [--port PORT]\napp: error: unrecognized arguments: serve")
    begin()
    faulty.Handler, faulty.Server = Handler, Server
    faulty.main()
    if FAULT == "buffered":
        sys.stdout.write("".join(f"{line}\n" for line in kept))
    if FAULT == "ends_with":
        sys.exit(int(ARGUMENT))


if __name__ == "__main__":
    main()
