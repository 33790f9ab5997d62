"""Requests that most models refuse: how they are answered, and whether the server still works.

A model may ignore its body, and a text may be a request. So only a body that is not JSON, sent as
JSON to a model whose payload is JSON, must not get an empty success.
"""

import contextlib
import json
from dataclasses import dataclass
from http import HTTPStatus

from byoi.conformance import comparing, controls, error_bodies, payload_formats, probing
from byoi.conformance.case import Case, Payload
from byoi.conformance.controls import Cause, Trouble
from byoi.conformance.server import Answer, Server
from byoi.conformance.verdict import Broken, NotTested

_JSON = "application/json"
# No model takes this long to refuse a request.
_TIMEOUT_S = 30.0
# Controls of a slow model are left out after this time, except the last one.
_CONTROLS_S = 10.0
_REMEDY = "let no request end the server: catch what the model raises, and answer 400 or 500"

_REMEDY_OF_MODEL = (
    "let no request break the model for those that follow: keep nothing of a request that failed, "
    "and let /ping fail where the model cannot be used"
)


@dataclass(frozen=True)
class _Junk:
    """A request that most models refuse.

    Attributes:
        named: Description for messages.
        payload: The request.
        accept: The header Accept.
    """

    named: str
    payload: Payload
    accept: str = "*/*"

    def send(self, server: Server) -> Answer:
        headers = {"Accept": self.accept}
        return server.invoke(
            self.payload.body, self.payload.content_type, headers, timeout_s=_TIMEOUT_S
        )


_JUNK = (
    _Junk("an empty body", Payload(b"", _JSON)),
    _Junk("an empty list", Payload(b"[]", _JSON)),
    _Junk("a body that is not JSON", Payload(b'{"instances": [1, 2', _JSON)),
    _Junk("bytes that are not text", Payload(b"\xff\xfe\x00\x80" * 8, _JSON)),
    _Junk("an unknown media type", Payload(b"\x00\x01\x02", "application/x-byoi-unknown")),
    _Junk("a Content-Type that is none", Payload(b"[]", "junk")),
    _Junk("an unknown Accept", Payload(b"[]", _JSON), "application/x-byoi-unknown"),
)


def answers(case: Case) -> list[tuple[str, Payload, Answer]]:
    """Return requests that most models refuse, and the payload after them, with their answers.

    Each has its description for messages first. They are sent only once.

    Raises:
        Broken: The server does not work afterwards.
        NotTested: It does not work without them either, which another rule tells.
    """
    comparing.usual(case)
    found = case.remembered("junk", lambda: _asked(case))
    if isinstance(found, Exception):
        raise found
    return found


def _asked(case: Case) -> list[tuple[str, Payload, Answer]] | Broken | NotTested:
    found = []
    controls_s = 0.0
    unproved: list[_Junk] = []
    answer_after = comparing.asked(case)[1]
    if problem := _broken_before(case):
        return problem
    try:
        for junk in _JUNK:
            server = case.server()
            answer = junk.send(server)
            found.append((junk.named, junk.payload, answer))
            unproved.append(junk)
            _require_ping(case, server, junk, answer)
            if controls_s > _CONTROLS_S and junk is not _JUNK[-1]:
                continue
            answer_after = controls.control(case)
            controls_s += answer_after.seconds
            if not controls.is_as_usual(case, answer_after):
                _require_model(case, unproved, answer_after)
            if not answer.status:
                _require_cause(case, junk, answer)
            unproved = []
    except (Broken, NotTested) as problem:
        return problem
    if case.given.payload is not None:
        found.append((controls.named(case), case.given.payload, answer_after))
    return found


def _broken_before(case: Case) -> Broken | None:
    """Return the problem if what another rule has sent broke the model, and it still is."""
    known = [one for one in controls.troubles(case) if one.first == controls.JUNK_FIRST]
    if known and not controls.is_as_usual(case, controls.control(case)):
        return Broken(known[0].seen, _REMEDY_OF_MODEL)
    return None


def _require_ping(case: Case, server: Server, junk: _Junk, answer: Answer) -> None:
    """Check that the server is healthy after a request.

    Raises:
        Broken: It is not, for this request.
        NotTested: /ping fails now and then.
    """
    ping = server.ping()
    code = server.sight.exit_code() if ping.status else probing.end_of(server)
    if code is not None:
        # The next rule gets a new server.
        case.close()
        raise Broken(
            f"{junk.named} is answered with {answer.shown}, and the server has ended with status "
            f"{code}",
            _REMEDY,
        )
    if ping.status == HTTPStatus.OK:
        return
    if known := [*controls.ping_troubles(case), *controls.troubles(case)]:
        raise known[0].untested
    payload, _ = comparing.asked(case)

    def is_healthy_after(one: _Junk) -> bool:
        one.send(server)
        return server.ping().status == HTTPStatus.OK

    # The usual request before /ping, too: for a limit of requests per second both are alike.
    found = controls.cause(
        lambda: is_healthy_after(junk), lambda: is_healthy_after(_Junk("", payload))
    )
    if found is Cause.CHANCE:
        raise NotTested(
            f"fix RT-25 first: /ping answers {ping.shown} now and then, as after {junk.named}"
        )
    case.close()
    raise Broken(f"after {junk.named} /ping answers {ping.shown}", _REMEDY)


def _require_model(case: Case, sent: list[_Junk], after: Answer) -> None:
    """Check that the usual request fails for another reason than those that were sent before it.

    Raises:
        Broken: They are the cause.
        NotTested: They are not.
    """
    if known := [one for one in controls.troubles(case) if one.first != controls.JUNK_FIRST]:
        raise known[0].untested
    found = controls.cause(
        lambda: controls.is_as_usual(case, _control_after(case, case.server(), sent)),
        lambda: controls.is_as_usual(case, controls.control(case)),
    )
    seen = _told(case, sent, after)
    if found is Cause.CHANCE:
        raise NotTested(f"fix RT-31 first: {seen}, and then the usual answer again, now and then")
    if found is Cause.LASTING and not _is_proved(case, sent):
        seen = f"{seen}; a new server, which has had no other requests, is not broken by it"
    controls.troubles(case).append(Trouble(controls.JUNK_FIRST, seen, is_lasting=True))
    case.close()
    raise Broken(seen, _REMEDY_OF_MODEL)


def _told(case: Case, sent: list[_Junk], after: Answer) -> str:
    before = comparing.asked(case)[1]
    names = " or ".join(one.named for one in sent)
    return f"after {names} {controls.named(case)} gets {after.shown} instead of {before.shown}"


def _control_after(case: Case, server: Server, sent: list[_Junk]) -> Answer:
    for one in sent:
        one.send(server)
    payload, _ = comparing.asked(case)
    return server.invoke(payload.body, payload.content_type)


def _is_proved(case: Case, sent: list[_Junk]) -> bool:
    """Whether the same requests break another server, too; True if none can be started."""
    with contextlib.suppress(Broken, NotTested), case.launched() as server:
        return not controls.is_as_usual(case, _control_after(case, server, sent))
    return True


def _require_cause(case: Case, junk: _Junk, answer: Answer) -> None:
    """Check that a request without an answer never has one, while the usual request has.

    Raises:
        NotTested: Any request may get no answer.
    """
    controls.blame(
        case,
        junk.named,
        answer,
        lambda: junk.send(case.server()),
        is_right=lambda one: one.status > 0,
    )


def hidden_problem(case: Case, sent: Payload, named: str, answer: Answer) -> Broken | None:
    """Return the problem that a malformed body has an empty success, None without one.

    Args:
        case: What the rule is tested on.
        sent: The request.
        named: Its name for messages.
        answer: Its answer.
    """
    given = case.given.payload
    if (
        given is None
        or not comparing.is_success(answer)
        or not payload_formats.is_json(given.media_type)
    ):
        return None
    _, usual = comparing.asked(case)
    is_told = comparing.is_success(usual) and not error_bodies.is_nothing(usual.body)
    if not is_told or not _is_malformed(sent) or not error_bodies.is_nothing(answer.body):
        return None
    return Broken(
        f"{named}, sent as {sent.content_type}, gets {shown(sent, answer)}",
        "answer a body that cannot be read with 400: the caller takes 200 for a prediction",
    )


def shown(sent: Payload, answer: Answer) -> str:
    """Return the status of an answer, with its body if a malformed request has a success."""
    if not comparing.is_success(answer) or not _is_malformed(sent):
        return str(answer.status)
    return f"{answer.status} with {answer.text[:40].strip() or 'an empty body'}"


def _is_malformed(sent: Payload) -> bool:
    """Whether a body of JSON is not empty and is not JSON."""
    if not sent.body.strip() or not payload_formats.is_json(sent.media_type):
        return False
    try:
        json.loads(sent.body)
    except ValueError:
        return True
    return False
