"""All endpoints of one emulator, and the life of each.

Statuses: Creating, InService, Updating, Failed, Deleting.

Sources: API DescribeEndpoint (EndpointStatus, FailureReason), UpdateEndpoint (the old
instances serve until the new ones are healthy), DeleteEndpoint.
"""

import contextlib
import datetime as dt
import functools
import itertools
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from byoi import contract, errors, terminal
from byoi.emulator.endpoints.container_logs import ContainerLogs
from byoi.emulator.endpoints.instances import Instance, VariantConfig
from byoi.emulator.endpoints.model_source import ModelSource
from byoi.emulator.endpoints.variants import Platform, Variants
from byoi.emulator.runners import Runner

# API DescribeEndpoint.
_REASON_CHARACTERS = 1024


class Endpoint:
    """One endpoint.

    Attributes:
        record: What DescribeEndpoint shows; moto keeps and formats it.
    """

    def __init__(self, record: Any, *, log: Callable[[str], None]) -> None:
        """Take over the record of a new endpoint.

        Args:
            record: Its status is kept up to date by the endpoint.
            log: Takes one line for each change.
        """
        self.record = record
        self._serving: Variants | None = None
        # Including those that are starting or stopping.
        self._all: list[Variants] = []
        self._lock = threading.Lock()
        self._log = log
        self._thread: threading.Thread | None = None

    def create(self, variants: Variants) -> None:
        """Start the first instances in the background."""
        self._set("Creating")
        self._all.append(variants)
        self._run(self._create, variants)

    def update(self, variants: Variants) -> None:
        """Replace all instances in the background."""
        self._set("Updating")
        self._all.append(variants)
        self._run(self._update, variants)

    def scale(self, counts: Mapping[str, int], weights: Mapping[str, float]) -> None:
        """Change numbers of instances, then weights, in the background, as `Variants.scale`."""
        for shown in self.record.production_variants:
            name = shown["VariantName"]
            shown["DesiredInstanceCount"] = counts.get(name, shown["CurrentInstanceCount"])
            shown["DesiredWeight"] = weights.get(name, shown["CurrentWeight"])
        self._set("Updating")
        self._run(self._scale, counts, weights)

    @contextlib.contextmanager
    def choose(self, variant: str | None) -> Iterator[Instance | None]:
        """Lend the instance that answers one request, None if none is in service.

        Args:
            variant: As `Variants.choose`.

        Raises:
            KeyError: There is no such variant.
        """
        with contextlib.ExitStack() as lent:
            # Held until the instance is taken, so that no request gets one that is stopping.
            with self._lock:
                serving = self._serving
                instance = lent.enter_context(serving.choose(variant)) if serving else None
            yield instance

    def delete(self, gone: Callable[[], None]) -> None:
        """Stop all instances in the background, and call `gone` when nothing is left."""
        self._set("Deleting")
        self._run(self._delete, gone)

    def wait(self) -> None:
        """Wait for the work in the background to end."""
        if self._thread is not None:
            self._thread.join()

    def kill(self) -> None:
        """Stop everything immediately."""
        for variants in list(self._all):
            variants.cancel()
        self.wait()
        for variants in list(self._all):
            self._stop(variants, grace_s=0)

    def _run(self, target: Callable[..., None], *arguments: Any) -> None:
        def run() -> None:
            try:
                target(*arguments)
            except Exception as error:  # noqa: BLE001 - else the status would stay for ever
                self._fail(error)

        name = f"endpoint {self.record.endpoint_name}"
        self._thread = threading.Thread(target=run, name=name, daemon=True)
        self._thread.start()

    def _fail(self, error: Exception) -> None:
        """End work in the background that nobody foresaw would end so."""
        self._log("".join(traceback.format_exception(error)).rstrip())
        is_serving = self._serving is not None and self.record.endpoint_status == "Updating"
        self._set("InService" if is_serving else "Failed", _cause(error))

    def _create(self, variants: Variants) -> None:
        if reason := self._start(variants):
            self._set("Failed", reason)
        else:
            self._serve(variants)
            self._set("InService")

    def _update(self, variants: Variants) -> None:
        # If it fails, the old instances never stopped serving.
        reason = self._start(variants)
        if not reason:
            old = self._serve(variants)
            if old is not None:
                self._stop(old)
        self._set("InService", reason)

    def _scale(self, counts: Mapping[str, int], weights: Mapping[str, float]) -> None:
        reason = ""
        if self._serving is not None:
            try:
                self._serving.scale(counts, weights)
            except Exception as error:  # noqa: BLE001 - whatever it was, it did not work
                reason = _cause(error)
            self.record.production_variants = self._serving.summaries()
        self._set("InService", reason)

    def _start(self, variants: Variants) -> str:
        """Start variants, and return why that failed, "" if it did not."""
        try:
            variants.start()
        except Exception as error:  # noqa: BLE001 - whatever it was, it did not start
            reason = _cause(error)
            if not isinstance(error, errors.ByoiError | OSError):
                self._log("".join(traceback.format_exception(error)).rstrip())
            self._stop(variants, grace_s=0)
            return reason
        return ""

    def _stop(self, variants: Variants, grace_s: int = contract.STOP_GRACE_S) -> None:
        try:
            variants.stop(grace_s)
        finally:
            self._all.remove(variants)

    def _serve(self, variants: Variants) -> Variants | None:
        """Let variants serve, and return those that did before."""
        old = self._replace(variants)
        self.record.endpoint_config_name = variants.config
        self.record.production_variants = variants.summaries()
        return old

    def _replace(self, variants: Variants | None) -> Variants | None:
        with self._lock:
            old, self._serving = self._serving, variants
        return old

    def _delete(self, gone: Callable[[], None]) -> None:
        variants = self._replace(None)
        try:
            if variants is not None:
                self._stop(variants)
        finally:
            # Deleted all the same: there is nothing that could be tried again.
            gone()
        self._log(f"endpoint {self.record.endpoint_name}: deleted")

    def _set(self, status: str, reason: str = "") -> None:
        record = self.record
        record.failure_reason = reason[:_REASON_CHARACTERS] or None
        record.endpoint_status = status
        # As moto keeps times: UTC, without a time zone.
        record.last_modified_time = dt.datetime.now(dt.UTC).replace(tzinfo=None)
        said = f"endpoint {record.endpoint_name}: {status}"
        self._log(f"{said}: {reason}" if reason else said)


def _cause(error: Exception) -> str:
    """Return what goes into a FailureReason: one line, safe to print."""
    text = str(error)
    if not isinstance(error, errors.ByoiError | OSError):
        text = f"the emulator failed: {type(error).__name__}{f': {text}' if text else ''}"
    return terminal.one_line(text)


class Endpoints:
    """The endpoints of an emulator, by region and name; moto's backend calls it.

    Args:
        runner: Starts the instances.
        source: Provides their model data.
        logs: Receives their output.
        folder: Holds all their files.
        log: Takes one line for each change.
    """

    def __init__(
        self,
        runner: Runner,
        source: ModelSource,
        logs: ContainerLogs,
        *,
        folder: Path,
        log: Callable[[str], None],
    ) -> None:
        self._runner = runner
        self._source = source
        self._logs = logs
        self._folder = folder
        self._log = log
        self._endpoints: dict[tuple[str, str], Endpoint] = {}
        self._numbers = itertools.count()
        self._lock = threading.Lock()

    def find(self, region: str, name: str) -> Endpoint | None:
        """Return an endpoint, None if there is none of this name."""
        return self._endpoints.get((region, name))

    def create(self, region: str, record: Any, config: str, variants: list[VariantConfig]) -> None:
        """Start to create an endpoint; returns immediately."""
        name = record.endpoint_name
        endpoint = Endpoint(record, log=self._log)
        with self._lock:
            self._endpoints[region, name] = endpoint
        endpoint.create(self._prepare(region, name, config, variants))

    def update(self, region: str, name: str, config: str, variants: list[VariantConfig]) -> None:
        """Start to update an endpoint; returns immediately."""
        self._endpoints[region, name].update(self._prepare(region, name, config, variants))

    def delete(self, region: str, name: str, gone: Callable[[], None]) -> None:
        """Start to delete an endpoint; returns immediately, and calls `gone` at the end."""

        def forget() -> None:
            with self._lock:
                self._endpoints.pop((region, name), None)
            gone()

        self._endpoints[region, name].delete(forget)

    def wait(self, region: str, name: str) -> None:
        """Wait until an endpoint is in a final status or deleted.

        Args:
            region: Its region.
            name: Its name, or as its ARN has it, in lower case.
        """
        with self._lock:
            known = dict(self._endpoints)
        for (place, one), endpoint in known.items():
            if place == region and one.lower() == name.lower():
                endpoint.wait()

    def scale(
        self, region: str, name: str, counts: Mapping[str, int], weights: Mapping[str, float]
    ) -> None:
        """Start to change numbers of instances and weights of variants; returns immediately."""
        self._endpoints[region, name].scale(counts, weights)

    def stop(self) -> None:
        """Stop all endpoints immediately."""
        with self._lock:
            endpoints = list(self._endpoints.values())
            self._endpoints = {}
        if endpoints:
            with ThreadPoolExecutor(len(endpoints)) as pool:
                list(pool.map(Endpoint.kill, endpoints))

    def _prepare(
        self, region: str, name: str, config: str, variants: list[VariantConfig]
    ) -> Variants:
        platform = Platform(
            self._runner,
            stage=self._source.stage,
            watch=functools.partial(self._logs.watch, region, name),
            release=self._logs.release,
            log=lambda line: self._log(f"endpoint {name}: {line}"),
        )
        folder = self._folder / f"instances-{next(self._numbers)}"
        return Variants(config, variants, folder=folder, platform=platform)
