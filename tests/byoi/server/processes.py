"""Modules to serve, and a look at the processes of a stack."""

import json
import os
import socket
import subprocess
from contextlib import suppress
from pathlib import Path

from contract_cases import TEXT

from byoi.local.processes import SERVE_COMMAND

ADDER = """
def model_fn(model_dir): return 0.5
def input_fn(input_data, content_type): return [float(n) for n in input_data.split()]
def predict_fn(data, model): return sum(data) + model
def output_fn(prediction, accept): return str(prediction), "text/plain"
"""

FUNCTIONS = """
def input_fn(input_data, content_type): return input_data
def predict_fn(data, model): return data
def output_fn(prediction, accept): return prediction, "text/plain"
"""


def run_to_its_end(**environ):
    """Run `serve` with a nearly empty environment until it ends by itself."""
    return subprocess.run(
        [*SERVE_COMMAND, *environ.pop("arguments", [])],
        env={"PATH": os.environ["PATH"], **coverage_environ()} | environ,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def coverage_environ():
    return {name: value for name, value in os.environ.items() if name.startswith("COVERAGE_")}


def the_line(stderr):
    """Return the one line of stderr, which is JSON."""
    (line,) = stderr.splitlines()
    return json.loads(line)


def processes(stack, children_of, command_of):
    """Return the pids of nginx's master, gunicorn's master and the workers."""
    masters = {("nginx" if "nginx:" in command_of(pid) else "gunicorn"): pid
               for pid in children_of(stack.pid)}  # fmt: skip
    return masters["nginx"], masters["gunicorn"], children_of(masters["gunicorn"])


def alive(pids):
    return [pid for pid in pids if not ended(pid)]


def ended(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return True
    return state == "Z"


def state_dirs(pid):
    return list(Path("/tmp").glob(f"byoi-{pid}-*"))


def connects(port):
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def ignore_the_end(stack):
    with suppress(OSError, ValueError):
        stack.target.send("POST", "/invocations", b"DO:never", TEXT)


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return str(listener.getsockname()[1])
