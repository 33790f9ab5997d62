"""gunicorn's settings; every name is checked against gunicorn's own list by a test.

Values come from `Settings`. Source of the reasons: gunicorn 27, config.py and arbiter.py.
"""

import os
from pathlib import Path
from typing import Any

# Imported before the fork, so that the workers share its memory. A model must not be loaded here:
# its runtime starts threads, which a fork does not copy.
import byoi.server.app  # noqa: F401
from byoi import contract
from byoi.server.gunicorn_log import JsonLogger
from byoi.server.readiness import Readiness
from byoi.server.settings import Settings
from byoi.server.sharing import Sharing
from byoi.server.worker import Worker

_settings = Settings.from_environ(os.environ)
_readiness = Readiness(Path(os.environ["BYOI_STATE_DIR"]))
_behind_nginx = _settings.proxy != "off"

wsgi_app = "byoi.server.wsgi:app"

# Behind nginx, a socket file in the state directory: no second TCP port, no conflict between two
# servers.
bind = (
    f"unix:{_readiness.socket}" if _behind_nginx else f"{_settings.bind_address}:{_settings.port}"
)
# Requests that no worker has accepted yet wait here instead of being refused.
backlog = 2048

# The supervisor has chosen the number.
workers = max(1, _settings.workers)
worker_class = Worker
# Made in the master, so that all workers inherit it.
Worker.sharing = Sharing(workers, is_addressed=not _behind_nginx)
# Each worker loads its own model after the fork; see wsgi.py.
preload_app = False

# gunicorn kills a worker without heartbeat: stopped, or its interpreter blocked by native code.
# Later than the worker's own deadline, at which the other requests of the worker can still finish.
timeout = int(_settings.invocation_timeout_s) + 5
# Used without nginx. Behind nginx, the supervisor stops gunicorn after the requests in flight.
graceful_timeout = contract.DRAIN_S

# Heartbeat files in memory: a disk can stall, and the root file system may be read-only.
_memory = "/dev/shm"  # noqa: S108 - gunicorn creates unnamed files in it
worker_tmp_dir = _memory if os.access(_memory, os.W_OK) else os.environ["BYOI_STATE_DIR"]
# gunicorn 25.1 and later open a control socket under the home directory by default.
control_socket_disable = True

# The only peer is nginx, on the socket file.
forwarded_allow_ips = ""

logger_class = JsonLogger
# Errors only, not the start and stop of workers.
loglevel = "debug" if _settings.log_level == "DEBUG" else "error"
# nginx writes the access log; without it, gunicorn does.
accesslog = None if _behind_nginx else "-"


def child_exit(_server: Any, worker: Any) -> None:
    """Stop counting an exited worker immediately."""
    _readiness.forget(worker.pid)
