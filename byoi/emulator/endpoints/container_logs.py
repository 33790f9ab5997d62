"""Container logs in CloudWatch Logs, under the names that AWS gives them.

Source: DG logging-cloudwatch: group /aws/sagemaker/Endpoints/NAME, stream
VARIANT/INSTANCE-ID.
"""

import contextlib
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.logs.exceptions import ResourceAlreadyExistsException, ResourceNotFoundException
from moto.logs.models import LogsBackend, logs_backends

from byoi.emulator.endpoints.instances import Instance

_INTERVAL_S = 0.5


class ContainerLogs:
    """Copies the log files of instances to CloudWatch Logs, line by line."""

    def __init__(self) -> None:
        """Start to copy in the background, from no instance yet."""
        self._lock = threading.Lock()
        # Log file to backend, group, stream and the number of bytes copied.
        self._watched: dict[Path, tuple[LogsBackend, str, str, int]] = {}
        self._is_closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="container logs", daemon=True)
        self._thread.start()

    def watch(self, region: str, endpoint: str, instance: Instance) -> None:
        """Copy the instance's log from now on."""
        backend = logs_backends[DEFAULT_ACCOUNT_ID][region]
        group, stream = group_name(endpoint), f"{instance.variant}/{instance.id}"
        with contextlib.suppress(ResourceAlreadyExistsException):
            backend.create_log_group(group, {})
        backend.create_log_stream(group, stream)
        with self._lock:
            self._watched[instance.log_file] = (backend, group, stream, 0)

    def release(self, instances: Sequence[Instance]) -> None:
        """Copy the rest of the instances' logs, and stop to watch them."""
        with self._lock:
            for instance in instances:
                if instance.log_file in self._watched:
                    self._copy(instance.log_file, is_last=True)
                    del self._watched[instance.log_file]

    def copy(self) -> None:
        """Copy all complete lines that were written so far."""
        with self._lock:
            for file in self._watched:
                self._copy(file)

    def close(self) -> None:
        """Stop to copy."""
        self._is_closed.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._is_closed.wait(_INTERVAL_S):
            # A log that cannot be read now is tried again; whoever asks for it meets the error.
            with contextlib.suppress(Exception):
                self.copy()

    def _copy(self, file: Path, *, is_last: bool = False) -> None:
        backend, group, stream, position = self._watched[file]
        with file.open("rb") as log:
            log.seek(position)
            new = log.read()
        complete = new if is_last else new[: new.rfind(b"\n") + 1]
        if not complete:
            return
        now_ms = int(time.time() * 1000)
        events = [
            {"timestamp": now_ms, "message": line}
            for line in complete.decode("utf-8", "replace").splitlines()
        ]
        with contextlib.suppress(ResourceNotFoundException):  # the user deleted it
            backend.put_log_events(group, stream, events)
        self._watched[file] = (backend, group, stream, position + len(complete))


def group_name(endpoint: str) -> str:
    """Return the log group of an endpoint."""
    return f"/aws/sagemaker/Endpoints/{endpoint}"
