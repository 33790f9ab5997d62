"""Contract 4C: batch transform."""

import json
from http import HTTPStatus

from byoi import contract
from byoi.conformance import comparing, payload_formats, probing, slow, transform_jobs
from byoi.conformance.case import Case, Payload
from byoi.conformance.comparing import is_success, usual
from byoi.conformance.rule import Kind, rule
from byoi.conformance.server import Answer
from byoi.conformance.verdict import Broken, NotApplicable, NotTested

# The value in the SDK's local mode.
_LOCAL_BATCH = {"SAGEMAKER_BATCH": "True"}
_ALL_SET = {
    **transform_jobs.ENVIRONMENT,
    "SAGEMAKER_MAX_PAYLOAD_IN_MB": "6",
    "SAGEMAKER_BATCH_STRATEGY": "MULTI_RECORD",
    "SAGEMAKER_MAX_CONCURRENT_TRANSFORMS": "1",
}
_UNLIMITED = {**transform_jobs.ENVIRONMENT, "SAGEMAKER_MAX_PAYLOAD_IN_MB": "0"}
_LARGEST_MB = 100
# The limit of an endpoint.
_USUAL_MB = 25
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


@rule(Kind.ANY)
def bt_01(case: Case) -> str:
    """In a transform job the container is started and asked as that of an endpoint.

    Source: DG your-algorithms-batch-code.
    """
    server = transform_jobs.started(case, transform_jobs.ENVIRONMENT, "SAGEMAKER_BATCH=true")
    ping = server.ping()
    if ping.status != HTTPStatus.OK or ping.seconds > contract.PING_TIMEOUT_S:
        raise Broken(
            f"with SAGEMAKER_BATCH=true /ping gets {ping.shown} after {ping.seconds:.1f} s; the "
            f"limit is {contract.PING_TIMEOUT_S} s",
            "answer /ping as for an endpoint",
        )
    answer = transform_jobs.as_usual(case, server, "SAGEMAKER_BATCH=true")
    return f"/ping {ping.status}, /invocations {answer.status}"


@rule(Kind.ANY)
def bt_02(case: Case) -> str:
    """SAGEMAKER_BATCH is `true`, and `True` in the SDK's local mode: either is understood.

    Source: DG your-algorithms-batch-code.
    """
    server = transform_jobs.started(case, _LOCAL_BATCH, "SAGEMAKER_BATCH=True")
    answer = transform_jobs.as_usual(case, server, "SAGEMAKER_BATCH=True")
    return f"with SAGEMAKER_BATCH=True /invocations answers {answer.status}"


@rule(Kind.ANY)
def bt_03(case: Case) -> str:
    """The job's strategy, concurrency and payload limit are variables only where they were given.

    Seen from outside: the container answers with them and without.

    Source: DG your-algorithms-batch-code.
    """
    named = "all variables of a transform job"
    server = transform_jobs.started(case, _ALL_SET, named)
    with_all = transform_jobs.as_usual(case, server, named)
    server = transform_jobs.started(case, transform_jobs.ENVIRONMENT, "SAGEMAKER_BATCH alone")
    without = transform_jobs.as_usual(case, server, "SAGEMAKER_BATCH alone")
    return f"{with_all.status} with them, {without.status} without"


@rule(Kind.ANY)
def bt_04(case: Case) -> str:
    """GET /execution-parameters, which may be missing, answers 200 and a JSON object.

    Source: DG your-algorithms-batch-code.
    """
    content, answer = transform_jobs.execution_parameters(case)
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


@rule(Kind.ANY)
def bt_05(case: Case) -> str:
    """BatchStrategy is one of MULTI_RECORD, SINGLE_RECORD, MultiRecord and SingleRecord.

    The guide has the first two, the API and the SDK's local mode the others: each is taken.

    Source: DG your-algorithms-batch-code; BC CreateTransformJobRequest.
    """
    try:
        content, _ = transform_jobs.execution_parameters(case)
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
    """A body without a Content-Length, in chunks, is taken: up to 25 MB, or as large as promised.

    A job with MaxPayloadInMB=0 sends chunks without a limit, and not every algorithm supports it.
    An image that promises it in /execution-parameters is asked for 100 MB.

    Source: BC CreateTransformJobRequest, MaxPayloadInMB; DG batch-transform.
    """
    named = "SAGEMAKER_MAX_PAYLOAD_IN_MB=0"
    server = transform_jobs.running(case, _UNLIMITED, named)
    payload, before = usual(case)
    answer = server.invoke(payload.body, payload.content_type, is_chunked=True)
    if answer.status != before.status:
        raise Broken(
            f"in chunks, without a Content-Length, the answer is {answer.shown} instead of "
            f"{before.shown}",
            "read a body with Transfer-Encoding: chunked: behind nginx with proxy_http_version "
            "1.1, in Flask with wsgi.input_terminated",
        )
    largest = transform_jobs.in_chunks(server, _LARGEST_MB)
    told = f"in chunks {before.status} as with a Content-Length; {_LARGEST_MB} MB {largest.shown}"
    if largest.status != HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return told
    if transform_jobs.promised_mb(server) == 0:
        raise Broken(
            f"/execution-parameters has MaxPayloadInMB 0, which is no limit, and with {named} a "
            f"body of {_LARGEST_MB} MB in chunks gets {largest.shown}",
            "raise the limit of the server (nginx: client_max_body_size 0), or give MaxPayloadInMB "
            "the largest payload in MB that it takes",
        )
    usual_answer = transform_jobs.in_chunks(server, _USUAL_MB)
    if usual_answer.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        raise Broken(
            f"with {named} a body of {_USUAL_MB} MB in chunks gets {usual_answer.shown}",
            "take 25 MB or more, also in chunks (nginx: client_max_body_size 0)",
        )
    return f"{told}: set MaxPayloadInMB of a transform job to what it takes, 6 by default"


@rule(Kind.PAYLOAD, is_slow=True)
def bt_08(case: Case) -> str:
    """In a transform job an invocation may take 600 s, and up to 3600 s where the job says so.

    Source: BC ModelClientConfig.
    """
    payload = case.slow_payload()
    server = transform_jobs.running(case, transform_jobs.ENVIRONMENT, "SAGEMAKER_BATCH=true")
    answer = server.invoke(payload.body, payload.content_type, timeout_s=610)
    if problem := slow.killed(slow.SlowRun(answer, probing.log_of(server))):
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
    server = transform_jobs.running(case, transform_jobs.ENVIRONMENT, "SAGEMAKER_BATCH=true")
    first, again = (
        transform_jobs.as_usual(case, server, named)
        for named in ("SAGEMAKER_BATCH=true", "a request that was sent before")
    )
    return f"{first.status}, then {again.status}"


def _records(case: Case) -> Payload:
    payload = case.payload()
    if payload.media_type not in _LINES:
        raise NotTested(_NO_RECORDS)
    return payload


@rule(Kind.PAYLOAD)
def bt_10(case: Case) -> str:
    """Each record has one record in the response, in the same order.

    Seen from outside: the payload's records twice have twice as many records in the response.

    Source: DG batch-transform; BC TransformOutput.
    """
    payload = _records(case)
    server = transform_jobs.running(case, transform_jobs.ENVIRONMENT, "SAGEMAKER_BATCH=true")
    once = transform_jobs.as_usual(case, server, "SAGEMAKER_BATCH=true")
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
    """Return the records of a response as bytes, None if its format is not known."""
    records = payload_formats.records_of(answer, _LINES | {"text/plain"})
    if records is None:
        return None
    return [one if isinstance(one, bytes) else json.dumps(one).encode() for one in records]


@rule(Kind.PAYLOAD)
def bt_11(case: Case) -> str:
    """The last record may lack its line break.

    Source: DG batch-transform.
    """
    payload = _records(case)
    server = transform_jobs.running(case, transform_jobs.ENVIRONMENT, "SAGEMAKER_BATCH=true")
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
