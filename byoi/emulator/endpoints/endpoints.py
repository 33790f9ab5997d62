"""Endpoints and what becomes of them: Creating, InService, Updating, Failed, Deleting.

Sources: API DescribeEndpoint (EndpointStatus, FailureReason), UpdateEndpoint (the old
instances serve until the new ones are healthy), DeleteEndpoint.
"""

import contextlib
import datetime as dt
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from byoi import contract, errors
from byoi.emulator.endpoints.fleet import Fleet
from byoi.emulator.endpoints.instances import Member

# API DescribeEndpoint.
_REASON_CHARACTERS = 1024


class Endpoint:
    """One endpoint.

    Attributes:
        record: What DescribeEndpoint shows of it; moto keeps and formats it.
    """

    def __init__(self, record: Any, *, log: Callable[[str], None]) -> None:
        """Take over a new endpoint's record.

        Args:
            record: Its status is kept up to date here.
            log: Takes one line for each change.
        """
        self.record = record
        self._fleet: Fleet | None = None
        # With those that start or leave.
        self._fleets: list[Fleet] = []
        self._lock = threading.Lock()
        self._log = log
        self._thread: threading.Thread | None = None

    def create(self, fleet: Fleet) -> None:
        """Start the first instances in the background."""
        self._set("Creating")
        self._fleets.append(fleet)
        self._run(self._create, fleet)

    def update(self, fleet: Fleet) -> None:
        """Put new instances in the old ones' place, in the background."""
        self._set("Updating")
        self._fleets.append(fleet)
        self._run(self._update, fleet)

    def scale(self, counts: Mapping[str, int], weights: Mapping[str, float]) -> None:
        """Change numbers of instances, then weights, in the background, as `Fleet.scale`."""
        for shown in self.record.production_variants:
            name = shown["VariantName"]
            shown["DesiredInstanceCount"] = counts.get(name, shown["CurrentInstanceCount"])
            shown["DesiredWeight"] = weights.get(name, shown["CurrentWeight"])
        self._set("Updating")
        self._run(self._scale, counts, weights)

    @contextlib.contextmanager
    def choose(self, variant: str | None) -> Iterator[Member | None]:
        """Lend the instance that is to answer one request, None where none serves.

        Args:
            variant: As `Fleet.choose`.

        Raises:
            KeyError: There is no such variant.
        """
        with contextlib.ExitStack() as lent:
            # Held until the instance is taken: no request may find a fleet that is leaving.
            with self._lock:
                member = lent.enter_context(self._fleet.choose(variant)) if self._fleet else None
            yield member

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
        for fleet in list(self._fleets):
            fleet.cancel()
        self.wait()
        for fleet in list(self._fleets):
            self._end(fleet, grace_s=0)

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
            old = self._serve(fleet)
            if old is not None:
                self._end(old)
        self._set("InService", reason)

    def _scale(self, counts: Mapping[str, int], weights: Mapping[str, float]) -> None:
        reason = ""
        if self._fleet is not None:
            try:
                self._fleet.scale(counts, weights)
            except (errors.ByoiError, OSError) as error:
                reason = str(error)
            self.record.production_variants = self._fleet.summaries()
        self._set("InService", reason)

    def _start(self, fleet: Fleet) -> str:
        try:
            fleet.start()
        except (errors.ByoiError, OSError) as error:
            self._end(fleet, grace_s=0)
            return str(error)
        return ""

    def _end(self, fleet: Fleet, grace_s: int = contract.STOP_GRACE_S) -> None:
        fleet.stop(grace_s)
        self._fleets.remove(fleet)

    def _serve(self, fleet: Fleet) -> Fleet | None:
        """Let a fleet answer, and return the one that did before."""
        old = self._replace(fleet)
        self.record.endpoint_config_name = fleet.config
        self.record.production_variants = fleet.summaries()
        return old

    def _replace(self, fleet: Fleet | None) -> Fleet | None:
        with self._lock:
            old, self._fleet = self._fleet, fleet
        return old

    def _delete(self, gone: Callable[[], None]) -> None:
        fleet = self._replace(None)
        if fleet is not None:
            self._end(fleet)
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
