"""All endpoints of one emulator, by region and name."""

import functools
import itertools
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from byoi.emulator.endpoints.container_logs import ContainerLogs
from byoi.emulator.endpoints.endpoints import Endpoint
from byoi.emulator.endpoints.fleet import Fleet
from byoi.emulator.endpoints.instances import Plan
from byoi.emulator.endpoints.model_source import ModelSource
from byoi.emulator.endpoints.variants import Surroundings
from byoi.emulator.runners.runner import Runner


class Fleets:
    """Starts, finds and ends endpoints; what moto's backend calls.

    Args:
        runner: Starts the instances.
        source: Supplies their model data.
        logs: Receives what they write.
        folder: Everything of theirs is below.
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
        """Return an endpoint, None where there is none of this name."""
        return self._endpoints.get((region, name))

    def create(self, region: str, record: Any, config: str, plans: list[Plan]) -> None:
        """Start to create an endpoint; returns at once."""
        name = record.endpoint_name
        endpoint = Endpoint(record, log=self._log)
        with self._lock:
            self._endpoints[region, name] = endpoint
        endpoint.create(self._fleet(region, name, config, plans))

    def update(self, region: str, name: str, config: str, plans: list[Plan]) -> None:
        """Start to update an endpoint; returns at once."""
        self._endpoints[region, name].update(self._fleet(region, name, config, plans))

    def delete(self, region: str, name: str, gone: Callable[[], None]) -> None:
        """Start to delete an endpoint; returns at once, and calls `gone` at the end."""

        def forget() -> None:
            with self._lock:
                self._endpoints.pop((region, name), None)
            gone()

        self._endpoints[region, name].delete(forget)

    def wait(self, region: str, name: str) -> None:
        """Return when nothing goes on with an endpoint, or it is gone."""
        endpoint = self.find(region, name)
        if endpoint is not None:
            endpoint.wait()

    def scale(
        self, region: str, name: str, counts: Mapping[str, int], weights: Mapping[str, float]
    ) -> None:
        """Start to change numbers of instances and weights of variants; returns at once."""
        self._endpoints[region, name].scale(counts, weights)

    def stop(self) -> None:
        """Stop all endpoints at once."""
        with self._lock:
            endpoints = list(self._endpoints.values())
            self._endpoints = {}
        if endpoints:
            with ThreadPoolExecutor(len(endpoints)) as pool:
                list(pool.map(Endpoint.kill, endpoints))

    def _fleet(self, region: str, name: str, config: str, plans: list[Plan]) -> Fleet:
        surroundings = Surroundings(
            self._runner,
            stage=self._source.stage,
            watch=functools.partial(self._logs.watch, region, name),
            release=self._logs.release,
        )
        folder = self._folder / f"fleet-{next(self._numbers)}"
        return Fleet(config, plans, folder=folder, surroundings=surroundings)
