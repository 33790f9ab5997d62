"""Contract 4A: serverless endpoints."""

from http import HTTPStatus

from byoi.conformance.case import Case
from byoi.conformance.rule import Broken, Kind, NotApplicable, rule
from byoi.local.docker import Confinement

_ANY_USER = "12345:12345"
_IMAGE_BYTES = 10 << 30
_READY_S = 180.0
_PAYLOAD_BYTES = 4 << 20


def _require(case: Case) -> None:
    if not case.given.is_serverless:
        raise NotApplicable("it is checked for an instance: --serverless")


@rule(Kind.PLATFORM)
def sv_01(_case: Case) -> str:
    """Memory is 1 to 6 GB, in steps of 1 GB.

    Source: DG serverless-endpoints.
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
        raise Broken(f"{size / 1e9:.1f} GB; the limit is 10 GB", "leave out what does not serve")
    return f"{size / 1e6:.0f} MB"


@rule(Kind.PLATFORM)
def sv_03(_case: Case) -> str:
    """One worker and one copy of the model are recommended.

    Source: DG serverless-endpoints.
    """
    return ""


@rule(Kind.PLATFORM)
def sv_04(_case: Case) -> str:
    """The disk has 5 GB, whatever the memory.

    Source: DG serverless-endpoints.
    """
    return ""


@rule(Kind.ANY)
def sv_05(case: Case) -> str:
    """The server runs as a user without rights.

    Source: DG serverless-endpoints-troubleshooting (writes fail with "Permission denied").
    """
    _require(case)
    case.server()
    confinement = Confinement(memory_bytes=case.given.memory_bytes, user=_ANY_USER)
    try:
        with case.launched(confinement=confinement) as server:
            answer = server.invoke(b"[]", "application/json")
    except Broken as broken:
        raise Broken(
            f"as user {_ANY_USER}: {broken.seen}",
            "make what is written world-writable (RUN chmod o+rwX PATH), and bind no port below "
            "1024",
        ) from broken
    if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR or not answer.status:
        raise Broken(
            f"as user {_ANY_USER} /invocations answers {answer.shown}", "write below /tmp only"
        )
    return f"healthy as user {_ANY_USER}"


@rule(Kind.ANY)
def sv_06(case: Case) -> str:
    """/ping answers 200 within 3 minutes, the download of the model included.

    Source: DG serverless-endpoints-invoke.
    """
    _require(case)
    ready_s = case.server().ready_s or 0.0
    if ready_s > _READY_S:
        raise Broken(f"after {ready_s:.0f} s; the limit is 180 s", "load less, or later")
    return f"{ready_s:.1f} s after the start, without a download"


@rule(Kind.PLATFORM)
def sv_07(_case: Case) -> str:
    """An invocation has 60 s.

    Source: DG serverless-endpoints-invoke.
    """
    return ""


@rule(Kind.ANY)
def sv_08(case: Case) -> str:
    """A body of 4 MB is taken.

    Source: DG serverless-endpoints-invoke.
    """
    _require(case)
    answer = case.server().invoke(b" " * _PAYLOAD_BYTES, "application/json")
    if answer.status in {0, HTTPStatus.REQUEST_ENTITY_TOO_LARGE}:
        raise Broken(f"4 MB are answered with {answer.shown}", "raise the limit of a body")
    return f"4 MB are answered with {answer.status}"


@rule(Kind.PLATFORM)
def sv_09(_case: Case) -> str:
    """Concurrency is at most 200 for an endpoint.

    Source: DG serverless-endpoints.
    """
    return ""


@rule(Kind.PLATFORM)
def sv_10(_case: Case) -> str:
    """No GPU, no VPC, no network isolation, no data capture and no pipelines.

    Source: DG serverless-endpoints.
    """
    return ""


@rule(Kind.PLATFORM)
def sv_11(_case: Case) -> str:
    """While an endpoint starts, its caller may get 429.

    Source: BC ModelNotReadyException.
    """
    return ""
