"""Endpoints and what becomes of them: Creating, InService, Updating, Failed, Deleting.

Sources: API DescribeEndpoint (EndpointStatus, FailureReason), UpdateEndpoint (the old
instances serve until the new ones are healthy), DeleteEndpoint.
"""

import datetime as dt
import threading
from collections.abc import Callable
from typing import Any

from byoi_lib import errors
from byoi_lib.emulator.fleet import Fleet

# API DescribeEndpoint.
_REASON_CHARACTERS = 1024


class Endpoint:
    """One endpoint.

    Attributes:
        record: What DescribeEndpoint shows of it; moto keeps and formats it.
        fleet: The instances that answer now, None where none do.
    """

    def __init__(
        self, record: Any, *, begin: Callable[[Fleet], None], log: Callable[[str], None]
    ) -> None:
        """Take over a new endpoint's record.

        Args:
            record: Its status is kept up to date here.
            begin: Starts a fleet; EndpointFailedError where that fails.
            log: Takes one line for each change.
        """
        self.record = record
        self.fleet: Fleet | None = None
        self._begin = begin
        self._log = log
        self._starting: Fleet | None = None
        self._thread: threading.Thread | None = None

    def create(self, fleet: Fleet) -> None:
        """Start the first instances in the background."""
        self._set("Creating")
        self._run(self._create, fleet)

    def update(self, fleet: Fleet) -> None:
        """Put new instances in the old ones' place, in the background."""
        self._set("Updating")
        self._run(self._update, fleet)

    def delete(self, gone: Callable[[], None]) -> None:
        """Stop all instances in the background, and call `gone` when nothing is left."""
        self._set("Deleting")
        self._run(self._delete, gone)

    def wait(self) -> None:
        """Wait for the end of what goes on in the background."""
        if self._thread is not None:
            self._thread.join()

    def kill(self) -> None:
        """Stop everything at once."""
        for fleet in (self._starting, self.fleet):
            if fleet is not None:
                fleet.stop(grace_s=0)
        self.wait()

    def _run(self, target: Callable[..., None], *arguments: Any) -> None:
        name = f"endpoint {self.record.endpoint_name}"
        self._thread = threading.Thread(target=target, args=arguments, name=name, daemon=True)
        self._thread.start()

    def _create(self, fleet: Fleet) -> None:
        if reason := self._start(fleet):
            self._set("Failed", reason)
        else:
            self._serve(fleet)
            self._set("InService")

    def _update(self, fleet: Fleet) -> None:
        # Where it fails, the old instances never stopped serving.
        reason = self._start(fleet)
        if not reason:
            old = self.fleet
            self._serve(fleet)
            if old is not None:
                old.stop()
        self._set("InService", reason)

    def _start(self, fleet: Fleet) -> str:
        self._starting = fleet
        try:
            self._begin(fleet)
        except errors.ByoiError as error:
            fleet.stop(grace_s=0)
            return str(error)
        finally:
            self._starting = None
        return ""

    def _serve(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self.record.endpoint_config_name = fleet.config
        self.record.production_variants = fleet.summaries()

    def _delete(self, gone: Callable[[], None]) -> None:
        if self.fleet is not None:
            self.fleet.stop()
        gone()
        self._log(f"endpoint {self.record.endpoint_name}: deleted")

    def _set(self, status: str, reason: str = "") -> None:
        record = self.record
        record.failure_reason = reason[:_REASON_CHARACTERS] or None
        record.endpoint_status = status
        # As moto keeps times: UTC, and not said so.
        record.last_modified_time = dt.datetime.now(dt.UTC).replace(tzinfo=None)
        said = f"endpoint {record.endpoint_name}: {status}"
        self._log(f"{said}: {reason}" if reason else said)
