"""Bodies that must be answered as usual: large ones, in pieces, and with a charset in their type.

A body of white space is refused by most models, so a refusal tells little. The user's payload is
answered with a success, and must be whatever its length: see `payload_formats`.

Source: RFC 9110, section 8.3.2 (charset); RFC 8259, section 11: for JSON it means nothing.
"""

import time
from http import HTTPStatus

from byoi.conformance import (
    comparing,
    connections,
    controls,
    error_bodies,
    payload_formats,
    probing,
)
from byoi.conformance.case import Case, Payload
from byoi.conformance.server import Answer, Server
from byoi.conformance.verdict import Broken, NotTested

_JSON = "application/json"
_MIB = 1024 * 1024
# InvokeEndpoint's limit of a response, in its reference.
_RESPONSE_BYTES = 6 * _MIB
# Repeated records have this size at most, and are repeated while the answers come quickly.
_MANY_RECORDS_BYTES = 256 * 1024
_GROWTH, _QUICK_S = 8, 1.0
# Between two pieces: a server reads the first one meanwhile.
_PIECE_S = 0.1
_CHARSETS = ("; charset=utf-8", ";charset=UTF-8")
_READ_ALL = (
    "read the whole body: as many bytes as its Content-Length says, or all of its chunks; one "
    "read of a socket gives the first part only"
)


def taken(case: Case, size_bytes: int) -> str:
    """Return how a large body is answered.

    Args:
        case: What the rule is tested on.
        size_bytes: Size of the body in bytes.

    Raises:
        Broken: It is too large for the server, or ends it, or the user's payload is answered with
            a success only if it is small.
    """
    payload, before = comparing.usual(case)
    large = None
    if case.given.payload is not None and comparing.is_success(before):
        large = payload_formats.padded(payload, size_bytes)
    asked = case.server()
    sent = large or Payload(b" " * size_bytes, _JSON)
    answer = asked.invoke(sent.body, sent.content_type)
    shown = f"{size_bytes // _MIB} MB"
    if problem := _not_taken(asked, answer, shown):
        if not answer.status and asked.sight.exit_code() is None:
            # A server that answers nothing any more does not refuse the size.
            controls.blame(
                case,
                f"a body of {shown}",
                answer,
                lambda: case.server().invoke(sent.body, sent.content_type),
                lambda one: one.status > 0,
            )
        raise problem
    if large is not None:
        _require_as_small(case, large, answer, shown)
    return f"{shown} are answered with {answer.status}"


def _not_taken(server: Server, answer: Answer, shown: str) -> Broken | None:
    """Return the problem if a body was too large for a server, whatever the body was."""
    if answer.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        name = answer.headers.get("server", "")
        of_server = "in Flask MAX_CONTENT_LENGTH, in aiohttp client_max_size, in Express limit"
        of_proxy = "in nginx: client_max_body_size 25m"
        remedy = (
            f"raise the limit of the proxy in front, {of_proxy}; and that of the server behind it"
            if "nginx" in name
            else f"raise the limit of the server, {of_server}; and that of a proxy, {of_proxy}"
        )
        return Broken(f"{shown} are answered with 413{f' by {name}' if name else ''}", remedy)
    if not answer.status and (code := probing.end_of(server)) is not None:
        return Broken(
            f"{shown} get {answer.shown}: the server has ended with status {code}",
            "let no body end the server: take 25 MB, also where several come at once",
        )
    if not answer.status:
        return Broken(
            f"{shown} get {answer.shown}", "read the whole body before answering, up to 25 MB"
        )
    return None


def _require_as_small(case: Case, large: Payload, answer: Answer, shown: str) -> None:
    """Require a success for the user's payload with white space.

    Raises:
        Broken: It is answered otherwise than the payload without.
        NotTested: The payload without is not answered with a success any more.
    """
    payload, before = comparing.usual(case)
    error = error_bodies.error_in(answer.body)
    is_hidden = error and not error_bodies.error_in(before.body)
    if comparing.is_success(answer) and not is_hidden:
        return
    require_unchanged(case)
    told = error or answer.text[:120]
    raise Broken(
        f"a body of {shown} gets {answer.status}, the same of {len(payload.body)} B "
        f"{before.status}: {told}",
        f"{_READ_ALL}. The {len(large.body) - len(payload.body)} B more are white space, which "
        "JSON allows",
    )


def require_unchanged(case: Case) -> Answer:
    """Send the usual request again, and return its answer.

    Raises:
        NotTested: Its status is another one than before: no variation of it is the cause.
    """
    payload, before = comparing.usual(case)
    again = comparing.settled(case.server(), payload)[-1]
    if again.status != before.status:
        raise NotTested(
            f"fix RT-31 first: the unchanged payload gets {again.shown} instead of {before.shown}"
        )
    return again


def require_pieces_read(case: Case) -> None:
    """Send the payload in two pieces, unless it can be padded, which tells more.

    Raises:
        Broken: It is answered otherwise than in one piece.
    """
    payload, before = comparing.usual(case)
    is_given = case.given.payload is not None and comparing.is_success(before)
    if not is_given or payload_formats.padded(payload, 0) is not None:
        return
    server = case.server()
    found = _ask_in_pieces(server, payload)
    if comparing.says_same(found, before):
        return
    # An answer that comes again is not one at random.
    is_again = comparing.says_same(found, _ask_in_pieces(server, payload))
    if not is_again or not comparing.says_same(require_unchanged(case), before):
        return
    is_other = found.status == before.status
    differs = "another answer" if is_other else f"{found.shown} instead of {before.status}"
    raise Broken(
        f"a body in two pieces, {_PIECE_S:g} s apart, gets {differs}: {found.text[:120]}",
        _READ_ALL,
    )


def require_records_kept(case: Case) -> None:
    """Send the records of a CSV payload repeatedly, and count those in the response.

    A server may refuse many records. It must not answer a part of them as if that were all.

    Raises:
        Broken: The response to many records has fewer.
    """
    payload, before = comparing.usual(case)
    sent = len(payload.body.splitlines())
    is_given = case.given.payload is not None and comparing.is_success(before)
    # With a header line, the records cannot be repeated.
    if not is_given or payload.media_type != "text/csv" or _record_count(before) != sent:
        return
    body, seconds = payload.body.rstrip(b"\r\n") + b"\n", before.seconds
    while len(body) < _MANY_RECORDS_BYTES and seconds < _QUICK_S:
        body *= _GROWTH
        answer = case.server().invoke(body, payload.content_type)
        seconds, found = answer.seconds, _record_count(answer)
        if not comparing.is_success(answer) or found is None:
            return
        if found < len(body.splitlines()):
            require_unchanged(case)
            raise Broken(
                f"{len(body.splitlines())} records in {len(body)} B have {found} in the response",
                _READ_ALL,
            )


def _record_count(answer: Answer) -> int | None:
    """Return the number of records in a response, None if its format is not known."""
    records = payload_formats.records_of(answer, payload_formats.JSON_LINES | {"text/csv"})
    return None if records is None else len(records)


def require_charset_taken(case: Case) -> None:
    """Send the payload with a charset, if its type is text or JSON and has no parameter.

    Raises:
        Broken: It is refused, and without the charset it is not.
        NotTested: Without the charset it is refused as well, in the meantime.
    """
    payload = case.given.payload
    if payload is None or not comparing.is_success(comparing.asked(case)[1]):
        return
    media_type = payload.media_type
    is_text = media_type.startswith("text/") or payload_formats.is_json(media_type)
    if ";" in payload.content_type or not (is_text or media_type in payload_formats.JSON_LINES):
        return
    try:
        payload.body.decode()
    except ValueError:
        return
    for spelling in _CHARSETS:
        content_type = payload.content_type + spelling
        answer = case.server().invoke(payload.body, content_type)
        if comparing.is_success(answer):
            continue
        usual = require_unchanged(case)
        raise Broken(
            f"{content_type} gets {answer.shown} where {payload.content_type} gets "
            f"{usual.status}: {answer.text[:120]}",
            "compare the media type alone: what follows its semicolon is a parameter, and letters "
            "are the same in both cases",
        )


def size_remark(case: Case) -> str:
    """Return a remark if the response to the payload is larger than InvokeEndpoint documents."""
    _, before = comparing.usual(case)
    if case.given.payload is None or len(before.body) <= _RESPONSE_BYTES:
        return ""
    return (
        f"; the response has {len(before.body)} B, and InvokeEndpoint documents a limit of "
        f"{_RESPONSE_BYTES} B: answer less, or use an asynchronous endpoint or a stream"
    )


def _ask_in_pieces(server: Server, payload: Payload) -> Answer:
    """Send a payload in two pieces; the first ends within the body."""
    data = connections.invocation(server, payload)
    end = len(data) - (len(payload.body) + 1) // 2
    try:
        with connections.opened(server) as connection:
            connection.send(data[:end])
            time.sleep(_PIECE_S)
            connection.send(data[end:])
            return connection.answer()
    except OSError as error:
        return Answer(0, problem=str(error))
