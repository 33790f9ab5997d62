"""gunicorn's settings; every name is checked against gunicorn's own list by a test.

Values come from `Settings`. Source of the reasons: gunicorn 27, config.py and arbiter.py.
"""

import os
from pathlib import Path
from typing import Any

# Loaded before the fork, so that the workers share its memory. No model may be: its
# runtime starts threads, which a fork does not copy.
import byoi.server.app  # noqa: F401
from byoi import contract
from byoi.server.gunicorn_log import JsonLogger
from byoi.server.readiness import Readiness
from byoi.server.settings import Settings
from byoi.server.worker import Worker

_settings = Settings.from_environ(os.environ)
_readiness = Readiness(Path(os.environ["BYOI_STATE_DIR"]))
_behind_nginx = _settings.proxy != "off"

wsgi_app = "byoi.server.wsgi:app"

# A socket file in a folder of our own: no second TCP port, no clash between two stacks.
bind = (
    f"unix:{_readiness.socket}" if _behind_nginx else f"{_settings.bind_address}:{_settings.port}"
)
# Requests beyond workers x threads wait here instead of being refused.
backlog = 2048

workers = _settings.workers
worker_class = Worker
threads = _settings.threads
# Each worker loads its own model after the fork; see wsgi.py.
preload_app = False

# Behind nginx a worker takes a connection only while a thread is free, so none waits
# behind a stuck worker while another idles. Alone, idle kept-alive connections count too.
worker_connections = _settings.threads if _behind_nginx else 1000
# nginx keeps the clients' connections; alone, gunicorn does.
keepalive = 0 if _behind_nginx else 75

# Ends a worker whose loop is silent: stopped, or its interpreter held by native code.
# Later than the worker's own deadline, which spares the requests beside the stuck one.
timeout = int(_settings.invocation_timeout_s) + 5
# The supervisor stops gunicorn when nginx has answered what was in flight.
graceful_timeout = contract.DRAIN_S - 3

# The heartbeat files: a disk can stall, and the root file system may be read-only.
_memory = "/dev/shm"  # noqa: S108 - gunicorn makes unnamed files in it
worker_tmp_dir = _memory if os.access(_memory, os.W_OK) else os.environ["BYOI_STATE_DIR"]
# gunicorn 25.1 and later open a control socket under the home directory by default.
control_socket_disable = True

# nginx is the one that limits; these are above what it lets through.
limit_request_line = 8190
limit_request_fields = 1000
limit_request_field_size = 16384
# The only peer is nginx on the socket file.
forwarded_allow_ips = ""

logger_class = JsonLogger
# Start and stop of workers are no news; errors are.
loglevel = "debug" if _settings.log_level == "DEBUG" else "error"
# nginx writes the access line; alone, gunicorn does.
accesslog = None if _behind_nginx else "-"


def child_exit(_server: Any, worker: Any) -> None:
    """Take a worker that ended out of the count at once."""
    _readiness.forget(worker.pid)
