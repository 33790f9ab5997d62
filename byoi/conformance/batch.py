"""Contract 4C: batch transform."""

import json
from http import HTTPStatus
from typing import Any

from byoi import contract
from byoi.conformance import comparing, slow
from byoi.conformance.case import Case, Payload
from byoi.conformance.comparing import is_success, usual
from byoi.conformance.rule import Broken, Kind, NotApplicable, NotTested, rule
from byoi.conformance.server import ANSWER_TIMEOUT_S, Answer, Server

EXECUTION_PARAMETERS_PATH = "/execution-parameters"

_BATCH = {"SAGEMAKER_BATCH": "true"}
# The value in the SDK's local mode.
_LOCAL_BATCH = {"SAGEMAKER_BATCH": "True"}
_ALL_SET = {
    **_BATCH,
    "SAGEMAKER_MAX_PAYLOAD_IN_MB": "6",
    "SAGEMAKER_BATCH_STRATEGY": "MULTI_RECORD",
    "SAGEMAKER_MAX_CONCURRENT_TRANSFORMS": "1",
}
_UNLIMITED = {**_BATCH, "SAGEMAKER_MAX_PAYLOAD_IN_MB": "0"}
_LARGEST_MB = 100
_LINES = {
    "text/csv",
    "application/jsonlines",
    "application/x-jsonlines",
    "application/x-ndjson",
    "application/json-lines",
}
# The guide has the first two, the API and the SDK's local mode the others.
_STRATEGIES = {"MULTI_RECORD", "SINGLE_RECORD", "MultiRecord", "SingleRecord"}
_NO_RECORDS = (
    "give a payload of several records: --payload FILE of text/csv or application/jsonlines"
)


def _as_usual(case: Case, server: Server, named: str) -> Answer:
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


def _started(case: Case, environment: dict[str, str], named: str) -> Server:
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


def _running(case: Case, environment: dict[str, str], named: str) -> Server:
    """Return a server of a transform job, for rules that are not about its start.

    Raises:
        NotTested: It does not become healthy; BT-01 to BT-03 report the cause.
    """
    try:
        return _started(case, environment, named)
    except Broken as broken:
        raise NotTested(f"fix BT-01 or BT-03 first: {broken.seen}") from broken


@rule(Kind.ANY)
def bt_01(case: Case) -> str:
    """In a transform job the container is started and asked as that of an endpoint.

    Source: DG your-algorithms-batch-code.
    """
    server = _started(case, _BATCH, "SAGEMAKER_BATCH=true")
    ping = server.ping()
    if ping.status != HTTPStatus.OK or ping.seconds > contract.PING_TIMEOUT_S:
        raise Broken(
            f"with SAGEMAKER_BATCH=true /ping gets {ping.shown} after {ping.seconds:.1f} s; the "
            f"limit is {contract.PING_TIMEOUT_S} s",
            "answer /ping as for an endpoint",
        )
    answer = _as_usual(case, server, "SAGEMAKER_BATCH=true")
    return f"/ping {ping.status}, /invocations {answer.status}"


@rule(Kind.ANY)
def bt_02(case: Case) -> str:
    """SAGEMAKER_BATCH is `true`, and `True` in the SDK's local mode: either is understood.

    Source: DG your-algorithms-batch-code.
    """
    server = _started(case, _LOCAL_BATCH, "SAGEMAKER_BATCH=True")
    answer = _as_usual(case, server, "SAGEMAKER_BATCH=True")
    return f"with SAGEMAKER_BATCH=True /invocations answers {answer.status}"


@rule(Kind.ANY)
def bt_03(case: Case) -> str:
    """The job's strategy, concurrency and payload limit are variables only where they were given.

    Seen from outside: the container answers with them and without.

    Source: DG your-algorithms-batch-code.
    """
    named = "all variables of a transform job"
    server = _started(case, _ALL_SET, named)
    with_all = _as_usual(case, server, named)
    server = _started(case, _BATCH, "SAGEMAKER_BATCH alone")
    without = _as_usual(case, server, "SAGEMAKER_BATCH alone")
    return f"{with_all.status} with them, {without.status} without"


@rule(Kind.ANY)
def bt_04(case: Case) -> str:
    """GET /execution-parameters, which may be missing, answers 200 and a JSON object.

    Source: DG your-algorithms-batch-code.
    """
    content, answer = _execution_parameters(case)
    if content is None:
        return f"{answer.status}: there are none, which is fine"
    for name, least in (("MaxConcurrentTransforms", 1), ("MaxPayloadInMB", 0)):
        value = content.get(name, least)
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise Broken(
                f"/execution-parameters has {name} {value!r}",
                f"give {name} a whole number of {least} or more, or leave it out",
            )
    product = content.get("MaxConcurrentTransforms", 1) * content.get("MaxPayloadInMB", 6)
    if product > _LARGEST_MB:
        raise Broken(
            f"/execution-parameters: MaxConcurrentTransforms times MaxPayloadInMB is {product}; "
            f"the limit is {_LARGEST_MB}",
            "lower one of them",
        )
    return f"200: {json.dumps(content)[:120]}"


def _execution_parameters(case: Case) -> tuple[dict[str, Any] | None, Answer]:
    """Return the execution parameters of a container, None if it has none; and the answer.

    Raises:
        Broken: The answer is neither a JSON object nor 4xx.
    """
    server = _running(case, _BATCH, "SAGEMAKER_BATCH=true")
    answer = server.ask("GET", EXECUTION_PARAMETERS_PATH)
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


@rule(Kind.ANY)
def bt_05(case: Case) -> str:
    """BatchStrategy is one of MULTI_RECORD, SINGLE_RECORD, MultiRecord and SingleRecord.

    The guide has the first two, the API and the SDK's local mode the others: each is taken.

    Source: DG your-algorithms-batch-code; BC CreateTransformJobRequest.
    """
    try:
        content, _ = _execution_parameters(case)
    except Broken as broken:
        raise NotTested("fix BT-04 first") from broken
    if content is None or "BatchStrategy" not in content:
        raise NotApplicable("/execution-parameters has no BatchStrategy, which is safest")
    strategy = content["BatchStrategy"]
    if strategy not in _STRATEGIES:
        raise Broken(
            f"/execution-parameters has BatchStrategy {strategy!r}",
            f"expected one of {', '.join(sorted(_STRATEGIES))}; or leave it out",
        )
    return str(strategy)


@rule(Kind.PLATFORM)
def bt_06(case: Case) -> str:  # noqa: ARG001 - no image can break it
    """What CreateTransformJob says goes before /execution-parameters, and that before defaults.

    Source: DG your-algorithms-batch-code.
    """
    return ""


@rule(Kind.ANY)
def bt_07(case: Case) -> str:
    """A body without a Content-Length, in chunks, is taken; without a limit 100 MB are.

    Source: BC CreateTransformJobRequest, MaxPayloadInMB: 0 is none, and sent in chunks.
    """
    named = "SAGEMAKER_MAX_PAYLOAD_IN_MB=0"
    server = _running(case, _UNLIMITED, named)
    payload, before = usual(case)
    answer = server.invoke(payload.body, payload.content_type, is_chunked=True)
    if answer.status != before.status:
        raise Broken(
            f"in chunks, without a Content-Length, the answer is {answer.shown} instead of "
            f"{before.shown}",
            "read a body with Transfer-Encoding: chunked: behind nginx with proxy_http_version "
            "1.1, in Flask with wsgi.input_terminated",
        )
    large = b" " * (_LARGEST_MB * 1024 * 1024)
    answer = server.invoke(large, "application/json", is_chunked=True)
    if not answer.status and answer.seconds >= ANSWER_TIMEOUT_S:
        raise NotTested(
            f"{_LARGEST_MB} MB in chunks are not answered within {answer.seconds:.0f} s, and a "
            "transform waits for 600 s: try a machine that is faster"
        )
    if not answer.status or answer.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        raise Broken(
            f"with {named} a body of {_LARGEST_MB} MB in chunks gets {answer.shown}",
            "in a transform job accept bodies up to SAGEMAKER_MAX_PAYLOAD_IN_MB; 0 is no limit",
        )
    return f"in chunks {before.status} as with a Content-Length; {_LARGEST_MB} MB {answer.status}"


@rule(Kind.PAYLOAD, is_slow=True)
def bt_08(case: Case) -> str:
    """In a transform job an invocation may take 600 s, and up to 3600 s where the job says so.

    Source: BC ModelClientConfig.
    """
    payload = case.slow_payload()
    server = _running(case, _BATCH, "SAGEMAKER_BATCH=true")
    answer = server.invoke(payload.body, payload.content_type, timeout_s=610)
    if problem := slow.killed(slow.SlowRun(answer, slow.log_of(server))):
        raise problem
    if not is_success(answer):
        raise Broken(
            f"the slow payload gets {answer.shown} after {answer.seconds:.1f} s",
            "under SAGEMAKER_BATCH raise the time-outs of the server to 600 s or more",
        )
    return f"{answer.status} after {answer.seconds:.1f} s; the limit is 600 s"


@rule(Kind.ANY)
def bt_09(case: Case) -> str:
    """A request that is sent again is answered again.

    Source: follows from BC ModelClientConfig, InvocationsMaxRetries.
    """
    server = _running(case, _BATCH, "SAGEMAKER_BATCH=true")
    first, again = (
        _as_usual(case, server, named)
        for named in ("SAGEMAKER_BATCH=true", "a request that was sent before")
    )
    return f"{first.status}, then {again.status}"


def _records(case: Case) -> Payload:
    payload = case.payload()
    if payload.content_type.partition(";")[0].strip().lower() not in _LINES:
        raise NotTested(_NO_RECORDS)
    return payload


@rule(Kind.PAYLOAD)
def bt_10(case: Case) -> str:
    """Each record has one record in the response, in the same order.

    Seen from outside: the payload's records twice have twice as many records in the response.

    Source: DG batch-transform; BC TransformOutput.
    """
    payload = _records(case)
    server = _running(case, _BATCH, "SAGEMAKER_BATCH=true")
    once = _as_usual(case, server, "SAGEMAKER_BATCH=true")
    body = payload.body.rstrip(b"\r\n")
    twice = server.invoke(body + b"\n" + body + b"\n", payload.content_type)
    if not is_success(once) or not is_success(twice):
        raise NotTested(f"{_NO_RECORDS}; this one, twice in a body, gets {twice.shown}")
    sent = len(body.splitlines())
    one, two = _record_list(once), _record_list(twice)
    if one is None or two is None:
        raise NotTested(f"the response of {once.headers.get('content-type')} has no records")
    if "csv" in payload.content_type and abs(len(one) - sent) == 1:
        raise NotTested(f"{sent} lines have {len(one)} records: give a payload without a header")
    if len(one) != sent or len(two) != 2 * sent:
        raise Broken(
            f"{sent} records have {len(one)} in the response, and {2 * sent} have {len(two)}",
            "answer each record with one record, in the same order: also those that are wrong",
        )
    if not all(comparing.are_alike(*pair) for pair in zip(two, one + one, strict=True)):
        raise NotTested("the same record has other answers, as at random: the order is not seen")
    return f"{sent} records have {len(one)}, {2 * sent} have {len(two)}, in their order"


def _record_list(answer: Answer) -> list[bytes] | None:
    """Return the records of a response, None if its format is not known."""
    media_type = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type in _LINES | {"text/plain"}:
        return answer.body.strip(b"\r\n").splitlines()
    try:
        content = json.loads(answer.body)
    except ValueError:
        return None
    if isinstance(content, dict):
        lists = [value for value in content.values() if isinstance(value, list)]
        content = lists[0] if len(lists) == 1 else None
    if not isinstance(content, list):
        return None
    return [json.dumps(record).encode() for record in content]


@rule(Kind.PAYLOAD)
def bt_11(case: Case) -> str:
    """The last record may lack its line break.

    Source: DG batch-transform.
    """
    payload = _records(case)
    server = _running(case, _BATCH, "SAGEMAKER_BATCH=true")
    body = payload.body.rstrip(b"\r\n")
    ended = server.invoke(body + b"\n", payload.content_type)
    open_ = server.invoke(body, payload.content_type)
    if ended.status != open_.status:
        raise Broken(
            f"with a line break at the end the answer is {ended.shown}, without {open_.shown}",
            "split a body at its line breaks, and treat text after the last one as a record",
        )
    one, other = _record_list(ended), _record_list(open_)
    if one is not None and other is not None and len(one) != len(other):
        raise Broken(
            f"with a line break at the end there are {len(one)} records, without {len(other)}",
            "split a body at its line breaks, and treat text after the last one as a record",
        )
    return f"{ended.status} with a line break at the end, {open_.status} without"


@rule(Kind.PLATFORM)
def bt_12(case: Case) -> str:  # noqa: ARG001 - no image can break it
    """Where a request of a file is answered with an error, the file has no result.

    Source: DG batch-transform-errors.
    """
    return ""


@rule(Kind.PLATFORM)
def bt_13(case: Case) -> str:  # noqa: ARG001 - no image can break it
    """The platform splits a file into records, and decompresses it.

    Source: BC TransformInput.
    """
    return ""


@rule(Kind.PLATFORM)
def bt_14(case: Case) -> str:  # noqa: ARG001 - no image can break it
    """A transform job has 16 variables of the user's at most.

    Source: BC.
    """
    return ""
