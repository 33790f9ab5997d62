"""The variants of one endpoint configuration: started together, chosen by weight.

Source: API ProductionVariant (InitialVariantWeight: its share of the sum of all).
"""

import contextlib
import random
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from byoi.emulator.endpoints.instances import Member, Plan
from byoi.emulator.endpoints.variants import Surroundings, Variant


class Fleet:
    """All instances that serve one endpoint configuration.

    Attributes:
        config: Name of the endpoint configuration.
    """

    def __init__(
        self, config: str, plans: Sequence[Plan], *, folder: Path, surroundings: Surroundings
    ) -> None:
        """Prepare; nothing runs yet.

        Args:
            config: Name of the endpoint configuration.
            plans: Its production variants.
            folder: Of its own, made and removed by it.
            surroundings: Start the instances and look after them.
        """
        self.config = config
        self._folder = folder
        self._variants = {
            plan.variant: Variant(plan, folder / str(number), surroundings)
            for number, plan in enumerate(plans)
        }

    def start(self) -> None:
        """Start all instances and wait until each is healthy.

        Raises:
            EndpointFailedError: The message names the cause, as a FailureReason.
        """
        self._each(Variant.start)

    def scale(self, counts: Mapping[str, int], weights: Mapping[str, float]) -> None:
        """Have other numbers of instances, and then other shares of the requests.

        Args:
            counts: Variant to number of instances; those not named stay as they are.
            weights: Variant to weight, likewise.

        Raises:
            EndpointFailedError: A new instance is not healthy.
        """
        self._each(lambda one: one.scale(counts.get(one.plan.variant, one.count)))
        for name, weight in weights.items():
            self._variants[name].weight = weight

    @contextlib.contextmanager
    def choose(self, variant: str | None) -> Iterator[Member]:
        """Lend the instance that is to answer one request; it runs until it is given back.

        Args:
            variant: TargetVariant, None for a choice by weight.

        Raises:
            KeyError: There is no such variant.
        """
        chosen = self._by_weight() if variant is None else self._variants[variant]
        member = chosen.take()
        try:
            yield member
        finally:
            chosen.give_back(member)

    def summaries(self) -> list[dict[str, Any]]:
        """Return API ProductionVariantSummary of each variant."""
        return [
            {
                "VariantName": name,
                "DeployedImages": [{"SpecifiedImage": one.plan.container["Image"]}],
                "CurrentWeight": one.weight,
                "DesiredWeight": one.weight,
                "CurrentInstanceCount": one.count,
                "DesiredInstanceCount": one.count,
            }
            for name, one in self._variants.items()
        ]

    def cancel(self) -> None:
        """Let what goes on in other threads end at once, as `Variant.cancel`."""
        for one in self._variants.values():
            one.cancel()

    def stop(self, grace_s: int) -> None:
        """Stop and remove everything of it.

        Args:
            grace_s: Seconds from SIGTERM to SIGKILL; 0 waits for no request either.
        """
        self._each(lambda one: one.stop(grace_s))
        shutil.rmtree(self._folder, ignore_errors=True)

    def _by_weight(self) -> Variant:
        variants = list(self._variants.values())
        weights = [one.weight for one in variants]
        # All zero is no choice at all; then each has the same chance.
        return random.choices(variants, weights if any(weights) else None)[0]  # noqa: S311

    def _each(self, work: Callable[[Variant], None]) -> None:
        with ThreadPoolExecutor(len(self._variants)) as pool:
            done = [pool.submit(work, one) for one in self._variants.values()]
        for future in done:
            future.result()
