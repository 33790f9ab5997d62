"""The instances of one endpoint configuration: started together, chosen by weight, then in turn.

Source: API ProductionVariant (InitialVariantWeight: its share of the sum of all).
"""

import contextlib
import itertools
import random
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from byoi_lib import contract, errors
from byoi_lib.emulator.member import Member, Plan
from byoi_lib.emulator.runners import Runner

# Requests that were let in are answered before their instance is stopped.
_DRAIN_S = contract.INVOCATION_TIMEOUT_S + 5


class Fleet:
    """All instances that serve one endpoint configuration.

    Attributes:
        config: Name of the endpoint configuration.
        weights: Variant to share of the requests; may be replaced while it serves.
    """

    def __init__(
        self,
        config: str,
        plans: Sequence[Plan],
        *,
        runner: Runner,
        folder: Path,
        released: Callable[[Sequence[Member]], None],
    ) -> None:
        """Prepare; nothing runs yet.

        Args:
            config: Name of the endpoint configuration.
            plans: Its production variants.
            runner: Starts the instances.
            folder: Of its own, made and removed by it.
            released: Called with the instances that were stopped, before their logs go.
        """
        self.config = config
        self.weights = {plan.variant: plan.weight for plan in plans}
        self._plans = plans
        self._runner = runner
        self._folder = folder
        self._released = released
        self._members: dict[str, list[Member]] = {plan.variant: [] for plan in plans}
        self._turns = {plan.variant: itertools.count() for plan in plans}
        self._in_flight = 0
        self._changed = threading.Condition()
        self._is_stopping = threading.Event()

    def start(
        self, stage: Callable[[Mapping[str, Any], Path], None], watch: Callable[[Member], None]
    ) -> None:
        """Start all instances and wait until each is healthy.

        Args:
            stage: Container definition and directory: puts the model data there.
            watch: Called with each instance before it starts.

        Raises:
            EndpointFailedError: The message names the cause, as a FailureReason.
        """
        self._folder.mkdir(parents=True)
        jobs: list[tuple[Member, Path]] = []
        for number, plan in enumerate(self._plans):
            model_dir = self._folder / f"model-{number}"
            try:
                stage(plan.container, model_dir)
            except errors.ModelDataError as error:
                raise errors.EndpointFailedError(str(error)) from error
            jobs += [(Member(plan, self._folder), model_dir) for _ in range(plan.count)]
        for member, _ in jobs:
            watch(member)
            self._members[member.variant].append(member)
        with ThreadPoolExecutor(len(jobs)) as pool:
            started = [
                pool.submit(member.start, self._runner, model_dir, self._is_stopping)
                for member, model_dir in jobs
            ]
        for future in started:
            future.result()

    @contextlib.contextmanager
    def choose(self, variant: str | None) -> Iterator[Member]:
        """Lend the instance that is to answer one request; it runs until it is given back.

        Args:
            variant: TargetVariant, None for a choice by weight.

        Raises:
            KeyError: There is no such variant.
        """
        with self._changed:
            if variant is None:
                weights = list(self.weights.values())
                # All zero is no choice at all; then each has the same chance.
                shares = weights if any(weights) else None
                variant = random.choices(list(self.weights), shares)[0]  # noqa: S311
            members = self._members[variant]
            member = members[next(self._turns[variant]) % len(members)]
            self._in_flight += 1
        try:
            yield member
        finally:
            with self._changed:
                self._in_flight -= 1
                self._changed.notify_all()

    def summaries(self) -> list[dict[str, Any]]:
        """Return API ProductionVariantSummary of each variant."""
        return [
            {
                "VariantName": plan.variant,
                "DeployedImages": [{"SpecifiedImage": plan.container["Image"]}],
                "CurrentWeight": self.weights[plan.variant],
                "DesiredWeight": self.weights[plan.variant],
                "CurrentInstanceCount": plan.count,
                "DesiredInstanceCount": plan.count,
            }
            for plan in self._plans
        ]

    def stop(self, grace_s: int = contract.STOP_GRACE_S) -> None:
        """Stop and remove everything of it.

        Args:
            grace_s: Seconds from SIGTERM to SIGKILL; 0 waits for no request either.
        """
        self._is_stopping.set()
        if grace_s:
            with self._changed:
                self._changed.wait_for(lambda: not self._in_flight, _DRAIN_S)
        members = [member for members in self._members.values() for member in members]
        if members:
            with ThreadPoolExecutor(len(members)) as pool:
                list(pool.map(lambda member: member.stop(grace_s), members))
        self._released(members)
        shutil.rmtree(self._folder, ignore_errors=True)
