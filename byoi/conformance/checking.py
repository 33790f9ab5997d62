"""All rules, and the check of a subject against them."""

import os
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from byoi import errors
from byoi.conformance import (
    asynchronous,
    batch,
    bidirectional,
    data_capture,
    files,
    headers,
    health_check,
    invocations,
    launch,
    multi_model,
    network,
    observability,
    pipelines,
    serverless,
    stopping,
    streaming,
    training,
)
from byoi.conformance.about import About
from byoi.conformance.case import Case
from byoi.conformance.rule import Kind, Rule, rules_of
from byoi.conformance.verdict import Broken, Figure, NotApplicable, NotTested, Verdict

# The parts of the contract, in its order.
_GROUPS = {
    "Image and launch": launch,
    "Ports and network": network,
    "Health check": health_check,
    "Invocations": invocations,
    "Headers": headers,
    "Model artifacts and files": files,
    "Shutdown": stopping,
    "Response streaming": streaming,
    "Bidirectional streaming": bidirectional,
    "Multi-model endpoints": multi_model,
    "Serverless endpoints": serverless,
    "Asynchronous endpoints": asynchronous,
    "Batch transform": batch,
    "Pipelines and components": pipelines,
    "Training": training,
    "Logs and metrics": observability,
    "Data capture": data_capture,
}
# Time limit of a check without --full: seconds, and the time of so many starts of the server. After
# it, remaining rules are not tested.
_ALLOWED_S, _STARTS = 170.0, 6
# Additional seconds if the user gave a slow payload or asked for training.
_SLOW_PAYLOAD_S, _TRAINING_S = 240.0, 900.0
# Text of a missed time limit; and the load per processor above which the machine may be the cause.
_OF_TIME = re.compile(r"the limit is [\d.]+ m?s\b")
_BUSY_FACTOR = 2
# On a busy machine the time limit is longer, at most by this factor.
_LONGEST_FACTOR = 3.0
_PROVED_ELSEWHERE = {
    Kind.OURS: "it cannot be tested from outside; this project's tests prove it for its own image",
    Kind.PLATFORM: "the platform does it",
}


@dataclass(frozen=True)
class Result:
    """The result of one rule.

    Attributes:
        rule: The rule.
        verdict: Whether it holds.
        seen: The observation; or why the rule does not apply, or what is needed to test it.
        remedy: What to change, "" unless the rule is broken.
        seconds: Duration of the test.
    """

    rule: Rule
    verdict: Verdict
    seen: str
    remedy: str = ""
    seconds: float = 0.0


@dataclass(frozen=True)
class Report:
    """The results of all rules.

    Attributes:
        subject: Name of the subject.
        results: Results in the order of the contract.
        log: The end of the shared server's log, "" if it cannot be seen.
        seconds: Duration of the check.
        problem: Why the check could not run or not finish; "" if it finished.
        figures: Times that rules measured.
        about: Details of the check; None if not set.
    """

    subject: str
    results: tuple[Result, ...]
    log: str
    seconds: float
    problem: str = ""
    figures: tuple[Figure, ...] = ()
    about: About | None = None

    def count(self, verdict: Verdict) -> int:
        """Return how many rules got a verdict."""
        return sum(result.verdict is verdict for result in self.results)

    @property
    def failures(self) -> list[Result]:
        """The broken rules."""
        return [result for result in self.results if result.verdict is Verdict.FAIL]

    @property
    def summary(self) -> str:
        """The last line of the check: `n of m rules tested, f failed, u not tested`."""
        if self.problem:
            return f"could not run: {self.problem}"
        failed, untested = self.count(Verdict.FAIL), self.count(Verdict.NOT_TESTED)
        tested = self.count(Verdict.PASS) + failed
        return (
            f"{tested} of {tested + untested} rules tested, {failed} failed, {untested} not tested"
        )


def all_rules() -> list[Rule]:
    """Return the rules in the order of the contract."""
    return [one for group, module in _GROUPS.items() for one in rules_of(group, module)]


def check(
    case: Case, rules: Iterable[Rule], show: Callable[[Result], None] = lambda _: None
) -> Report:
    """Test rules, one after the other.

    Args:
        case: What the rules are tested on; it is closed at the end.
        rules: The rules.
        show: Called with each result immediately.

    Raises:
        MissingProgramError: No container engine answers.
    """
    started_s = time.monotonic()
    results = []
    log = ""
    try:
        for rule in rules:
            late_s = 0.0 if case.given.is_full else _late(case, started_s)
            is_skipped = late_s and not rule.is_quick and _takes_time(case, rule)
            result = _skipped(rule, late_s) if is_skipped else ask(case, rule)
            show(result)
            results.append(result)
        log = case.log()
    finally:
        case.close()
    seconds = time.monotonic() - started_s
    return Report(case.subject.name, tuple(results), log, seconds, figures=tuple(case.figures))


def _late(case: Case, started_s: float) -> float:
    """Return how long the check has taken if that is above its time limit, else 0."""
    allowed_s = _ALLOWED_S + _STARTS * case.ready_s
    if case.given.slow_payload is not None:
        allowed_s += _SLOW_PAYLOAD_S
    if case.given.is_training:
        allowed_s += _TRAINING_S
    load, cpus = _load()
    allowed_s *= min(max(load / cpus, 1.0), _LONGEST_FACTOR)
    taken_s = time.monotonic() - started_s
    return taken_s if taken_s > allowed_s else 0.0


def _takes_time(case: Case, rule: Rule) -> bool:
    """Whether testing a rule takes time, because its result is not known without a test."""
    is_asked = {
        "Training": case.given.is_training,
        "Multi-model endpoints": case.given.is_multi_model,
        "Serverless endpoints": case.given.is_serverless,
    }
    is_told = rule.kind in _PROVED_ELSEWHERE or rule.is_slow
    return not is_told and is_asked.get(rule.group, True)


def _skipped(rule: Rule, taken_s: float) -> Result:
    seen = (
        f"the check has taken {taken_s:.0f} s already: ask for it alone, --only {rule.id}, or for "
        "all with --full"
    )
    return Result(rule, Verdict.NOT_TESTED, seen)


def ask(case: Case, rule: Rule) -> Result:
    """Test one rule.

    Raises:
        MissingProgramError: No container engine answers.
    """
    if rule.kind in _PROVED_ELSEWHERE:
        return Result(rule, Verdict.NOT_APPLICABLE, _PROVED_ELSEWHERE[rule.kind])
    if rule.is_slow and not case.given.is_full:
        return Result(rule, Verdict.NOT_TESTED, "it waits for a time limit of SageMaker: --full")
    started_s = time.monotonic()
    verdict, remedy = Verdict.PASS, ""
    try:
        seen = rule.check(case)
    except Broken as broken:
        verdict, seen, remedy = Verdict.FAIL, broken.seen, broken.remedy
    except NotApplicable as why:
        verdict, seen = Verdict.NOT_APPLICABLE, str(why)
    except NotTested as what:
        verdict, seen = Verdict.NOT_TESTED, str(what)
    except errors.HostingError as error:
        verdict, seen = Verdict.NOT_TESTED, f"the container engine returned an error: {error}"
    except errors.ByoiError:
        raise
    except Exception as error:  # noqa: BLE001 - an error here must not lose the other results
        verdict = Verdict.NOT_TESTED
        seen = f"the check of it failed, please report it: {type(error).__name__}: {error}"
    if verdict is Verdict.FAIL and _OF_TIME.search(seen) and (busy := _busy()):
        seen = f"{seen} ({busy})"
    return Result(rule, verdict, seen, remedy, time.monotonic() - started_s)


def _load() -> tuple[float, int]:
    """Return the average load of the last minute, and the number of CPUs."""
    return os.getloadavg()[0], os.cpu_count() or 1


def _busy() -> str:
    """Return a remark if this machine is overloaded, else ""."""
    load, cpus = _load()
    if load <= _BUSY_FACTOR * cpus:
        return ""
    return f"this machine is busy, load {load:.0f} on {cpus} processors: check it again at rest"
