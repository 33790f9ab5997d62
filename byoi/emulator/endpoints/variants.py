"""The instances of one production variant: started together, asked in turn, more or fewer later."""

import collections
import shutil
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from byoi import contract, errors
from byoi.emulator.endpoints.instances import Member, Plan
from byoi.emulator.runners.runner import Runner

# Requests that were let in are answered before their instance is stopped.
_DRAIN_S = contract.INVOCATION_TIMEOUT_S + 5


@dataclass(frozen=True)
class Surroundings:
    """What instances need of the emulator.

    Attributes:
        runner: Starts them.
        stage: Container definition and directory: puts the model data there.
        watch: Called with each instance before it starts.
        release: Called with instances that were stopped, before their logs go.
    """

    runner: Runner
    stage: Callable[[Mapping[str, Any], Path], None]
    watch: Callable[[Member], None]
    release: Callable[[Sequence[Member]], None]


class Variant:
    """One production variant.

    Attributes:
        plan: What it shall run.
        weight: Its share of the requests, relative to the other variants'.
    """

    def __init__(self, plan: Plan, folder: Path, surroundings: Surroundings) -> None:
        """Prepare; nothing runs yet.

        Args:
            plan: What it shall run.
            folder: Of its own, made and removed by it.
            surroundings: Start the instances and look after them.
        """
        self.plan = plan
        self.weight = plan.weight
        self._folder = folder
        self._surroundings = surroundings
        self._members: list[Member] = []
        self._turn = 0
        self._in_flight: collections.Counter[Member] = collections.Counter()
        self._changed = threading.Condition()
        self._is_cancelled = threading.Event()

    @property
    def count(self) -> int:
        """Instances that answer."""
        return len(self._members)

    def start(self) -> None:
        """Get the model data and start all instances.

        Raises:
            EndpointFailedError: The message names the cause, as a FailureReason.
        """
        self._folder.mkdir(parents=True)
        try:
            self._surroundings.stage(self.plan.container, self._model_dir)
        except errors.ModelDataError as error:
            raise errors.EndpointFailedError(str(error)) from error
        self._add(self.plan.count)

    def scale(self, count: int) -> None:
        """Have `count` instances: new ones answer once they are healthy, the last ones go.

        Raises:
            EndpointFailedError: A new one is not healthy; then none of them stays.
        """
        if count > self.count:
            self._add(count - self.count)
        else:
            with self._changed:
                leaving, self._members = self._members[count:], self._members[:count]
            self._end(leaving, contract.STOP_GRACE_S)

    def take(self) -> Member:
        """Lend the instance whose turn it is; it runs until it is given back."""
        with self._changed:
            member = self._members[self._turn % len(self._members)]
            self._turn += 1
            self._in_flight[member] += 1
        return member

    def give_back(self, member: Member) -> None:
        """Take an instance back."""
        with self._changed:
            self._in_flight[member] -= 1
            self._changed.notify_all()

    def cancel(self) -> None:
        """Let what goes on in other threads end at once: a start fails, a stop waits no more."""
        self._is_cancelled.set()
        with self._changed:
            self._changed.notify_all()

    def stop(self, grace_s: int) -> None:
        """Stop and remove everything of it.

        Args:
            grace_s: Seconds from SIGTERM to SIGKILL; 0 waits for no request either.
        """
        with self._changed:
            leaving, self._members = self._members, []
        self._end(leaving, grace_s)
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def _model_dir(self) -> Path:
        return self._folder / "model"

    def _add(self, count: int) -> None:
        new = [Member(self.plan, self._folder) for _ in range(count)]
        try:
            for member in new:
                self._surroundings.watch(member)
            with ThreadPoolExecutor(count) as pool:
                started = [pool.submit(self._start, member) for member in new]
            for future in started:
                future.result()
        except BaseException:
            self._end(new, 0)
            raise
        with self._changed:
            self._members = [*self._members, *new]

    def _start(self, member: Member) -> None:
        member.start(self._surroundings.runner, self._model_dir, self._is_cancelled)

    def _end(self, members: Sequence[Member], grace_s: int) -> None:
        if not members:
            return
        if grace_s:
            with self._changed:
                self._changed.wait_for(lambda: self._may_end(members), _DRAIN_S)
        with ThreadPoolExecutor(len(members)) as pool:
            list(pool.map(lambda member: member.stop(grace_s), members))
        self._surroundings.release(members)

    def _may_end(self, members: Sequence[Member]) -> bool:
        is_busy = any(self._in_flight[member] for member in members)
        return self._is_cancelled.is_set() or not is_busy
