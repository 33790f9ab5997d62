"""Try the image on this machine before an endpoint is made of it: the quick rules of `byoi check`.

An endpoint that would fail its health check takes AWS minutes to fail; one whose container
answers 404, or refuses a body of 2 MB, is in service and wrong.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from byoi import conformance, errors
from byoi.conformance import causes, instance_memory, subjects
from byoi.deployment.finding import Finding
from byoi.deployment.plan import Plan
from byoi.local.docker import Engine

# Broken, they lose requests when the endpoint is changed or deleted, and it serves all the same.
_WARNED_OF = {"RT-67"}


def check(
    plan: Plan,
    archive: Path | None,
    *,
    payload: conformance.Payload | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Iterator[Finding]:
    """Yield what the image does on this machine; nothing but a remark where it is not here.

    Args:
        plan: Names the image, its variables and the instance type.
        archive: Model data of this machine, packed or not; None: what is baked into the image,
            or in S3.
        payload: A request that the model answers, where one is known.
        environ: Leads to the container engine.
    """
    what = f"container {plan.image_uri}"
    engine = Engine(environ)
    if not engine.has_image(plan.image_uri):
        yield Finding(f"{what} was not tried", None, "the image is not on this machine")
        return
    if archive is None and plan.model_data_url:
        yield Finding(f"{what} was not tried", None, "its model data is not on this machine")
        return
    try:
        with subjects.unpacked(archive) as model:
            given = conformance.Given(
                payload=payload,
                memory_bytes=_memory_bytes(plan.instance_type),
                environment=plan.environment,
            )
            case = conformance.Case(conformance.ImageSubject(engine, plan.image_uri, model), given)
            quick = [rule for rule in conformance.all_rules() if rule.is_quick]
            report = conformance.check(case, quick)
    except errors.HostingError as error:
        yield Finding(f"{what} was not tried", None, str(error))
        return
    yield from _findings(report, what, has_network=plan.placement.has_network)


def _findings(report: conformance.Report, what: str, *, has_network: bool) -> Iterator[Finding]:
    for result in report.failures:
        # The check has no network, and an endpoint has one unless it is deployed without.
        is_offline = causes.NO_NETWORK in result.seen
        works = result.rule.id in _WARNED_OF or (is_offline and has_network)
        is_ok = None if works else False
        yield Finding(f"{what}: {result.seen} ({result.rule.id})", is_ok, result.remedy)
    if not report.failures:
        yield Finding(f"{what}: {report.summary}", True)


def _memory_bytes(instance_type: str) -> int:
    """Return the memory of an instance; 0, no limit, where it is not known."""
    try:
        return instance_memory.of(instance_type)
    except errors.ConfigurationError:
        return 0
