"""Production variants of an endpoint configuration, and the instances that serve them.

Sources: API ProductionVariant (InitialVariantWeight: its share of the sum of all weights),
UpdateEndpointWeightsAndCapacities.
"""

import collections
import contextlib
import random
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from byoi import contract, errors
from byoi.emulator.endpoints.instances import Instance, VariantConfig
from byoi.emulator.runners import Runner

# Accepted requests are answered before their instance is stopped.
_DRAIN_S = contract.INVOCATION_TIMEOUT_S + 5


@dataclass(frozen=True)
class Platform:
    """What the emulator provides to the instances of one endpoint.

    Attributes:
        runner: Starts instances.
        stage: Puts the model data of a container definition into a directory, in some seconds.
        watch: Called with each instance before it starts.
        release: Called with stopped instances before their logs are deleted.
        log: Takes one line for each instance whose end was not in order.
    """

    runner: Runner
    stage: Callable[[Mapping[str, Any], Path, float | None], None]
    watch: Callable[[Instance], None]
    release: Callable[[Sequence[Instance]], None]
    log: Callable[[str], None]


class Variant:
    """The instances of one production variant.

    Attributes:
        config: The variant as it was configured.
        weight: Share of the requests, relative to the other variants'.
    """

    def __init__(self, config: VariantConfig, folder: Path, platform: Platform) -> None:
        """Prepare a variant without starting instances.

        Args:
            config: The variant as it was configured.
            folder: Created and removed by the variant.
            platform: Starts and watches the instances.
        """
        self.config = config
        self.weight = config.weight
        self._folder = folder
        self._platform = platform
        self._instances: list[Instance] = []
        self._turn = 0
        self._in_flight: collections.Counter[Instance] = collections.Counter()
        self._changed = threading.Condition()
        self._is_cancelled = threading.Event()

    @property
    def count(self) -> int:
        """Number of instances in service."""
        return len(self._instances)

    def start(self) -> None:
        """Stage the model data and start all instances.

        Raises:
            EndpointFailedError: The message names the cause, as a FailureReason.
        """
        self._folder.mkdir(parents=True)
        try:
            self._platform.stage(
                self.config.container, self._model_dir, self.config.download_timeout_s
            )
        except errors.ModelDataError as error:
            raise errors.EndpointFailedError(str(error)) from error
        self._add(self.config.count)

    def scale(self, count: int) -> None:
        """Change the number of instances: healthy new ones are added, or the last ones stopped.

        Raises:
            EndpointFailedError: A new instance is not healthy; then all new ones are removed.
        """
        if count > self.count:
            self._add(count - self.count)
        else:
            with self._changed:
                leaving, self._instances = self._instances[count:], self._instances[:count]
            self._stop(leaving, contract.STOP_GRACE_S)

    def take(self) -> Instance:
        """Return the instance whose turn it is; it runs until it is given back."""
        with self._changed:
            instance = self._instances[self._turn % len(self._instances)]
            self._turn += 1
            self._in_flight[instance] += 1
        return instance

    def give_back(self, instance: Instance) -> None:
        """Give back an instance after a request."""
        with self._changed:
            self._in_flight[instance] -= 1
            self._changed.notify_all()

    def cancel(self) -> None:
        """End work in other threads immediately: a start fails, a stop waits no longer."""
        self._is_cancelled.set()
        with self._changed:
            self._changed.notify_all()

    def stop(self, grace_s: int) -> None:
        """Stop and remove all instances and files.

        Args:
            grace_s: Seconds from SIGTERM to SIGKILL; 0 does not wait for requests in flight.
        """
        with self._changed:
            leaving, self._instances = self._instances, []
        self._stop(leaving, grace_s)
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def _model_dir(self) -> Path:
        return self._folder / "model"

    def _add(self, count: int) -> None:
        new = [Instance(self.config, self._folder) for _ in range(count)]
        try:
            for instance in new:
                self._platform.watch(instance)
            with ThreadPoolExecutor(count) as pool:
                started = [pool.submit(self._start, instance) for instance in new]
            for future in started:
                future.result()
        except BaseException:
            self._stop(new, 0)
            raise
        with self._changed:
            self._instances = [*self._instances, *new]

    def _start(self, instance: Instance) -> None:
        instance.start(self._platform.runner, self._model_dir, self._is_cancelled)

    def _stop(self, instances: Sequence[Instance], grace_s: int) -> None:
        if not instances:
            return
        if grace_s:
            with self._changed:
                self._changed.wait_for(lambda: self._is_drained(instances), _DRAIN_S)
        with ThreadPoolExecutor(len(instances)) as pool:
            problems = list(pool.map(lambda instance: instance.stop(grace_s), instances))
        for instance, problem in zip(instances, problems, strict=True):
            if problem:
                self._platform.log(f"{instance.variant}/{instance.id}: {problem}")
        self._platform.release(instances)

    def _is_drained(self, instances: Sequence[Instance]) -> bool:
        is_busy = any(self._in_flight[instance] for instance in instances)
        return self._is_cancelled.is_set() or not is_busy


class Variants:
    """All production variants of one endpoint configuration.

    Attributes:
        config: Name of the endpoint configuration.
    """

    def __init__(
        self, config: str, variants: Sequence[VariantConfig], *, folder: Path, platform: Platform
    ) -> None:
        """Prepare the variants without starting instances.

        Args:
            config: Name of the endpoint configuration.
            variants: Its production variants.
            folder: Created and removed by the variants.
            platform: Starts and watches the instances.
        """
        self.config = config
        self._folder = folder
        self._variants = {
            one.name: Variant(one, folder / str(number), platform)
            for number, one in enumerate(variants)
        }

    def start(self) -> None:
        """Start all instances and wait until each is healthy.

        Raises:
            EndpointFailedError: The message names the cause, as a FailureReason.
        """
        self._each(Variant.start)

    def scale(self, counts: Mapping[str, int], weights: Mapping[str, float]) -> None:
        """Change numbers of instances, then shares of the requests.

        Args:
            counts: Variant to number of instances; others keep theirs.
            weights: Variant to weight; others keep theirs.

        Raises:
            EndpointFailedError: A new instance is not healthy.
        """
        self._each(lambda one: one.scale(counts.get(one.config.name, one.count)))
        for name, weight in weights.items():
            self._variants[name].weight = weight

    @contextlib.contextmanager
    def choose(self, variant: str | None) -> Iterator[Instance]:
        """Lend the instance that answers one request; it runs until it is given back.

        Args:
            variant: TargetVariant, None for a choice by weight.

        Raises:
            KeyError: There is no such variant.
        """
        chosen = self._by_weight() if variant is None else self._variants[variant]
        instance = chosen.take()
        try:
            yield instance
        finally:
            chosen.give_back(instance)

    def summaries(self) -> list[dict[str, Any]]:
        """Return API ProductionVariantSummary of each variant."""
        return [
            {
                "VariantName": name,
                "DeployedImages": [{"SpecifiedImage": one.config.container["Image"]}],
                "CurrentWeight": one.weight,
                "DesiredWeight": one.weight,
                "CurrentInstanceCount": one.count,
                "DesiredInstanceCount": one.count,
            }
            for name, one in self._variants.items()
        ]

    def cancel(self) -> None:
        """End work in other threads immediately, as `Variant.cancel`."""
        for one in self._variants.values():
            one.cancel()

    def stop(self, grace_s: int) -> None:
        """Stop and remove all instances and files, as `Variant.stop`."""
        self._each(lambda one: one.stop(grace_s))
        shutil.rmtree(self._folder, ignore_errors=True)

    def _by_weight(self) -> Variant:
        variants = list(self._variants.values())
        weights = [one.weight for one in variants]
        # If all weights are zero, each variant has the same chance.
        return random.choices(variants, weights if any(weights) else None)[0]  # noqa: S311

    def _each(self, work: Callable[[Variant], None]) -> None:
        with ThreadPoolExecutor(len(self._variants)) as pool:
            done = [pool.submit(work, one) for one in self._variants.values()]
        for future in done:
            future.result()
