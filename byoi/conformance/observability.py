"""Contract 8A: logs and metrics."""

import contextlib
import re
from http import HTTPStatus

from byoi.conformance import kept, stopping
from byoi.conformance.case import Case
from byoi.conformance.rule import Kind, rule
from byoi.conformance.server import Answer
from byoi.conformance.verdict import Broken, NotApplicable, NotTested

_METRICS = "/metrics"
# This project's own limit: the collector asks at least every 60 s; its timeout is not documented.
_METRICS_S = 5.0
_SCRAPES = 8
_LOG_FILE = re.compile(r"(?:/var/log/.*|.*\.log)$")
_OF_REQUESTS = re.compile(r"/ping|/invocations")
# A line of Prometheus' text format: name, labels in braces, value.
_SAMPLE = re.compile(r"([A-Za-z_:][\w:]*(?:\{.*\})?)\s+([-+\w.]+)(?:\s+-?\d+)?")


@rule(Kind.ANY)
def ob_01(case: Case) -> str:
    """The log is written to stdout and stderr, line by line.

    Source: DG logging-cloudwatch.
    """
    found = stopping.stopped(case)
    if found.log_before.strip():
        return f"{len(found.log_before.splitlines())} lines on stdout and stderr"
    if _OF_REQUESTS.search(found.log_after):
        raise Broken(
            "the log stays in a buffer: nothing on stdout and stderr until the server ended",
            "run Python with PYTHONUNBUFFERED=1, or flush after each line",
        )
    files = [path for path in case.server().sight.changes() if _LOG_FILE.fullmatch(path)]
    if files:
        raise Broken(
            f"nothing on stdout and stderr; the log is in {', '.join(files[:3])}",
            "write it to /dev/stdout and /dev/stderr: CloudWatch gets no files",
        )
    return "it writes no log, and no log file"


@rule(Kind.PLATFORM)
def ob_02(case: Case) -> str:  # noqa: ARG001 - no image can break it
    """An endpoint's log is in /aws/sagemaker/Endpoints/NAME.

    Source: DG logging-cloudwatch.
    """
    return ""


@rule(Kind.PLATFORM)
def ob_03(case: Case) -> str:  # noqa: ARG001 - no image can break it
    """A job's log is in /aws/sagemaker/TransformJobs or /aws/sagemaker/TrainingJobs.

    Source: DG logging-cloudwatch.
    """
    return ""


@rule(Kind.OURS)
def ob_04(case: Case) -> str:  # noqa: ARG001 - the content of each level is the server's choice
    """SAGEMAKER_CONTAINER_LOG_LEVEL sets the level of the log.

    Proved by tests/byoi/server/test_settings.py and test_logs.py.

    Source: sagemaker-inference-toolkit, parameters.py; model-hosting-container-standards,
    logging_config.py.
    """
    return ""


@rule(Kind.ANY)
def ob_05(case: Case) -> str:
    """GET /metrics is answered at once: with Prometheus' text format, or with 404.

    The platform asks for it every 60 s, by default since June 2026.

    Source: DG monitoring-detailed-observability-getting-started; BC MetricsConfig.
    """
    answer = case.server().ask("GET", _METRICS)
    remedy = "answer GET /metrics with Prometheus' text format, or with 404, without the model"
    if not answer.status or answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise Broken(f"GET /metrics gets {answer.shown}", remedy)
    if answer.seconds > _METRICS_S:
        raise Broken(f"GET /metrics takes {answer.seconds:.1f} s", remedy)
    if answer.status == HTTPStatus.OK and (wrong := _first_wrong(answer)):
        raise Broken(f"GET /metrics answers 200 with {wrong[:80]!r}", remedy)
    return f"GET /metrics answers {answer.status} in {answer.seconds * 1000:.0f} ms"


@rule(Kind.PLATFORM)
def ob_06(case: Case) -> str:  # noqa: ARG001 - no image can break it
    """Another path than /metrics is named in MetricsEndpointPath; the port is 8080.

    Source: BC MetricsEndpoint.
    """
    return ""


@rule(Kind.ANY)
def ob_07(case: Case) -> str:
    """The metrics are those of all workers: no counter falls from one scrape to the next.

    Source: follows from OB-05.
    """
    server = case.server()
    highest: dict[str, float] = {}
    for _ in range(_SCRAPES):
        answer = server.ask("GET", _METRICS)
        if answer.status != HTTPStatus.OK or _first_wrong(answer):
            raise NotApplicable(f"it has no metrics: GET /metrics gets {answer.shown}")
        if answer.seconds > _METRICS_S:
            raise NotTested(f"fix OB-05 first: GET /metrics takes {answer.seconds:.1f} s")
        for name, value in _counters(answer).items():
            if value < highest.get(name, value):
                raise Broken(
                    f"{name} falls from {highest[name]:g} to {value:g}: each worker has metrics of "
                    "its own",
                    "collect them over all workers: prometheus_client's multiprocess mode, with "
                    "PROMETHEUS_MULTIPROC_DIR below /tmp",
                )
            highest[name] = value
    if not highest:
        raise NotApplicable("its metrics have no counter, whose name ends in _total")
    return f"{len(highest)} counters, none falls over {_SCRAPES} scrapes"


def _lines(answer: Answer) -> list[str]:
    lines = answer.body.decode("utf-8", "replace").splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def _first_wrong(answer: Answer) -> str:
    """Return the first line that is not in Prometheus' text format, "" without one."""
    return next((line for line in _lines(answer) if not _SAMPLE.match(line)), "")


def _counters(answer: Answer) -> dict[str, float]:
    found = {}
    for line in _lines(answer):
        sample = _SAMPLE.match(line)
        if sample and sample[1].partition("{")[0].endswith("_total"):
            with contextlib.suppress(ValueError):
                found[sample[1]] = float(sample[2])
    return found


@rule(Kind.ANY)
def ob_08(case: Case) -> str:
    """The platform counts as errors of the model what is not HTTP, and connections that break.

    Seen from outside: requests over one connection are answered as over several, and each answer
    ends where its headers say. A connection that the server closes at once after an answer breaks
    no request; one that it closes a moment later does: a POST is not sent again.

    Source: DG monitoring-cloudwatch, InvocationModelErrors; RFC 9112.
    """
    return kept.used(case)


@rule(Kind.PLATFORM)
def ob_09(case: Case) -> str:  # noqa: ARG001 - no image can break it
    """The platform measures processors, memory, disk and GPUs.

    Source: DG monitoring-cloudwatch.
    """
    return ""


@rule(Kind.PLATFORM)
def ob_10(case: Case) -> str:  # noqa: ARG001 - no image can break it
    """EnableEnhancedMetrics adds the instance and the container.

    Source: DG monitoring-cloudwatch-enhanced-metrics.
    """
    return ""


@rule(Kind.PLATFORM)
def ob_11(case: Case) -> str:  # noqa: ARG001 - no image can break it
    """Crash dumps go to CoreDumpConfig.DestinationS3Uri.

    Source: BC ProductionVariantCoreDumpConfig.
    """
    return ""
