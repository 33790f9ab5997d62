"""Contract 4A: serverless endpoints."""

import re
import stat
from pathlib import Path

from byoi.conformance import bodies, comparing, log_lines, probing
from byoi.conformance.case import Case
from byoi.conformance.rule import Kind, rule
from byoi.conformance.verdict import Broken, NotApplicable, NotTested
from byoi.local.docker import Confinement

_USER = "12345:12345"
_IMAGE_BYTES = 10 * 1024**3
_GB = 1e9
_PAYLOAD_BYTES = 4 * 1024 * 1024
_START_S = 180.0
_INVOCATION_S = 60.0
_DENIED = re.compile(r"Permission denied|Errno 13|EACCES|Operation not permitted", re.IGNORECASE)


def _require(case: Case) -> None:
    if not case.given.is_serverless:
        raise NotApplicable("--serverless asks for it")


@rule(Kind.PLATFORM)
def sv_01(case: Case) -> str:  # noqa: ARG001 - no image can break it
    """The memory is one of 1024 to 6144 MB.

    Source: DG serverless-endpoints; BC ProductionVariantServerlessConfig.
    """
    return ""


@rule(Kind.ANY)
def sv_02(case: Case) -> str:
    """The image has at most 10 GB.

    Source: DG serverless-endpoints.
    """
    _require(case)
    size = int(case.subject.described().get("Size") or 0)
    if size > _IMAGE_BYTES:
        raise Broken(
            f"the image has {size / _GB:.1f} GB; the limit is 10 GB",
            "leave out what serving does not need, or take an instance",
        )
    return f"{size / _GB:.2f} GB; the limit is 10 GB"


@rule(Kind.OURS)
def sv_03(case: Case) -> str:  # noqa: ARG001 - workers cannot be counted from outside
    """The number of workers can be set: one, with one copy of the model, is recommended.

    Proved by tests/byoi/server/test_settings.py and test_capacity.py.

    Source: DG serverless-endpoints.
    """
    return ""


@rule(Kind.PLATFORM)
def sv_04(case: Case) -> str:  # noqa: ARG001 - no image can break it
    """There are 5 GB of disk.

    Source: DG serverless-endpoints.
    """
    return ""


@rule(Kind.ANY)
def sv_05(case: Case) -> str:
    """The server works as a user without permissions of its own.

    Source: DG serverless-endpoints-troubleshooting ("Permission denied").
    """
    _require(case)
    probing.usual(case)
    if case.subject.model and (closed := _first_closed(case.subject.model)):
        raise NotTested(f"make the model data readable for all, {closed} too: chmod -R o+rX")
    confinement = Confinement(memory_bytes=case.given.memory_bytes, user=_USER)
    log = ""
    try:
        with case.launched(confinement=confinement) as server:
            worse = probing.first_worse(case, server)
            if worse is None:
                return f"it serves as user {_USER}"
            probing.wait_for_log(server, _DENIED.search)
            log = probing.log_of(server)
            seen = f"a request gets {worse.shown}: {log_lines.last(log)}"
    except Broken as broken:
        seen = broken.seen
    denied = log_lines.first(_DENIED, f"{log}\n{seen}")
    raise Broken(
        f"as user {_USER}: {denied[:300] or seen}",
        "write below /tmp, or make the path writable for all: RUN chmod -R o+rwX PATH",
    )


def _first_closed(folder: Path) -> Path | None:
    """Return a file or folder that is not readable for all users, None without one."""
    for one in (folder, *folder.rglob("*")):
        mode = one.stat().st_mode
        if not mode & stat.S_IROTH or (one.is_dir() and not mode & stat.S_IXOTH):
            return one
    return None


@rule(Kind.ANY)
def sv_06(case: Case) -> str:
    """/ping answers 200 within 3 minutes, which the download of the model is a part of.

    Source: DG serverless-endpoints-invoke.
    """
    _require(case)
    ready_s = case.server().ready_s
    if ready_s is None or case.subject.start_limit_s < _PLAUSIBLE_S:
        raise NotTested("give an image: of a server that runs already the start is not seen")
    if ready_s > _START_S:
        raise Broken(
            f"healthy {ready_s:.0f} s after the start; the limit is 180 s",
            "load less at the start: a smaller model, fewer workers, no warm-up",
        )
    return f"healthy {ready_s:.1f} s after the start; the limit is 180 s"


# With a longer start limit than this, the subject is started by the check itself.
_PLAUSIBLE_S = 10.0


@rule(Kind.PAYLOAD)
def sv_07(case: Case) -> str:
    """An invocation takes at most 60 s.

    Source: DG serverless-endpoints-invoke.
    """
    _require(case)
    case.payload()
    seconds = comparing.usual(case)[1].seconds
    if seconds > _INVOCATION_S:
        raise Broken(
            f"the payload takes {seconds:.0f} s; the limit is 60 s",
            "make the model faster, or the request smaller; asynchronous endpoints have an hour",
        )
    return f"{seconds:.2f} s; the limit is 60 s"


@rule(Kind.ANY)
def sv_08(case: Case) -> str:
    """A request of 4 MB is taken, and a response has at most 4 MB.

    Source: DG serverless-endpoints-invoke.
    """
    _require(case)
    shown = bodies.taken(case, _PAYLOAD_BYTES)
    if case.given.payload is None:
        return shown
    response = case.server().invoke(case.given.payload.body, case.given.payload.content_type)
    length = len(response.body)
    if length > _PAYLOAD_BYTES:
        raise Broken(
            f"the response has {length} B; the limit is 4 MB, {_PAYLOAD_BYTES} B",
            "answer less, or ask for fewer records at a time",
        )
    return f"{shown}; the response has {length} B"


@rule(Kind.PLATFORM)
def sv_09(case: Case) -> str:  # noqa: ARG001 - no image can break it
    """An endpoint has at most 200 concurrent invocations.

    Source: DG serverless-endpoints-invoke; BC ProductionVariantServerlessConfig.
    """
    return ""


@rule(Kind.PLATFORM)
def sv_10(case: Case) -> str:  # noqa: ARG001 - no image can break it
    """GPUs, VPCs, multi-model endpoints, data capture and pipelines are not for serverless.

    Source: DG serverless-endpoints.
    """
    return ""


@rule(Kind.PLATFORM)
def sv_11(case: Case) -> str:  # noqa: ARG001 - no image can break it
    """While it starts, a caller may get 429 ModelNotReadyException.

    Source: BC ModelNotReadyException.
    """
    return ""
