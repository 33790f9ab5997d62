"""A server of a transform job, and what it answers, for the rules of batch transform."""

import json
from http import HTTPStatus
from typing import Any

from byoi import contract
from byoi.conformance import comparing
from byoi.conformance.case import Case
from byoi.conformance.comparing import is_success, usual
from byoi.conformance.server import SENDING_TIMEOUT_S, Answer, Server
from byoi.conformance.verdict import Broken, NotTested

ENVIRONMENT = {"SAGEMAKER_BATCH": "true"}


def as_usual(case: Case, server: Server, named: str) -> Answer:
    """Return the answer of a transform job's server to the usual request.

    Raises:
        Broken: Its status differs from that of an endpoint's server.
    """
    payload, before = usual(case)
    answer = comparing.settled(server, payload)[-1]
    if answer.status != before.status:
        shown = answer.text[:120]
        raise Broken(
            f"with {named} the answer is {answer.shown} instead of {before.shown}: {shown}",
            "answer a request of a transform job as one of an endpoint; the answer or the log has "
            "the cause",
        )
    return answer


def started(case: Case, environment: dict[str, str], named: str) -> Server:
    """Return a healthy server of a transform job.

    Raises:
        Broken: It does not become healthy.
        NotTested: The server of an endpoint does not become healthy either.
    """
    case.server()
    try:
        return case.kept(environment=environment)
    except Broken as broken:
        raise Broken(f"with {named}: {broken.seen}", broken.remedy) from broken


def running(case: Case, environment: dict[str, str], named: str) -> Server:
    """Return a server of a transform job, for rules that are not about its start.

    Raises:
        NotTested: It does not become healthy; BT-01 to BT-03 report the cause.
    """
    try:
        return started(case, environment, named)
    except Broken as broken:
        raise NotTested(f"fix BT-01 or BT-03 first: {broken.seen}") from broken


def execution_parameters(case: Case) -> tuple[dict[str, Any] | None, Answer]:
    """Return the execution parameters of a container, None if it has none; and the answer.

    Raises:
        Broken: The answer is neither a JSON object nor 4xx.
    """
    server = case.server()
    if server.sight.sees_start:
        server = running(case, ENVIRONMENT, "SAGEMAKER_BATCH=true")
    return parameters_of(server)


def parameters_of(server: Server) -> tuple[dict[str, Any] | None, Answer]:
    """Return the execution parameters of a server; result and errors as `execution_parameters`."""
    answer = server.ask("GET", contract.EXECUTION_PARAMETERS_PATH)
    if HTTPStatus.BAD_REQUEST <= answer.status < HTTPStatus.INTERNAL_SERVER_ERROR:
        return None, answer
    remedy = "answer 200 and a JSON object, or 404 without parameters"
    if not is_success(answer):
        raise Broken(f"/execution-parameters gets {answer.shown}", remedy)
    try:
        content = json.loads(answer.body)
    except ValueError:
        content = None
    if not isinstance(content, dict):
        shown = answer.text[:80]
        raise Broken(f"/execution-parameters is not a JSON object: {shown}", remedy)
    return content, answer


def in_chunks(server: Server, mb: int) -> Answer:
    """Return the answer to a large body in chunks.

    Raises:
        Broken: There is no answer.
        NotTested: There is none in time.
    """
    answer = server.invoke(b" " * (mb * 1024 * 1024), "application/json", is_chunked=True)
    if answer.status:
        return answer
    if answer.seconds >= SENDING_TIMEOUT_S:
        raise NotTested(
            f"{mb} MB in chunks are not answered within {answer.seconds:.0f} s, and a transform "
            "job waits for 600 s: read the body in larger pieces, or try a faster machine"
        )
    raise Broken(
        f"with SAGEMAKER_MAX_PAYLOAD_IN_MB=0 a body of {mb} MB in chunks gets {answer.shown}",
        "read the whole body, or answer 413",
    )


def promised_mb(server: Server) -> object:
    """Return MaxPayloadInMB of /execution-parameters, None without one."""
    try:
        content, _ = parameters_of(server)
    except Broken:  # BT-04 reports it
        return None
    return (content or {}).get("MaxPayloadInMB")
