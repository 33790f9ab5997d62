"""Contract 1E: headers, and the sessions that they carry."""

import re
from dataclasses import dataclass, field
from http import HTTPStatus

from byoi import contract
from byoi.conformance import comparing, controls
from byoi.conformance.case import Case
from byoi.conformance.comparing import is_success, usual
from byoi.conformance.controls import with_headers
from byoi.conformance.rule import Kind, rule
from byoi.conformance.server import Answer
from byoi.conformance.verdict import Broken, NotApplicable, NotTested

# BC Header: maximum length of a Content-Type, an Accept and custom attributes.
_HEADER_CHARACTERS = 1024
_INFERENCE_ID_CHARACTERS = 64
_SESSION_CHARACTERS = 256
_JUNK_HEADERS = 50
_TARGET_MODEL = "X-Amzn-SageMaker-Target-Model"
_SESSION = "X-Amzn-SageMaker-Session-Id"
_NEW_SESSION = "X-Amzn-SageMaker-New-Session-Id"
_CLOSED_SESSION = "X-Amzn-SageMaker-Closed-Session-Id"
_EXPLANATIONS = "X-Amzn-SageMaker-Enable-Explanations"
_NEW_SESSION_VALUE = re.compile(
    r"^[a-zA-Z0-9](-*[a-zA-Z0-9])*;\sExpires=\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z$"
)
# Headers that may not reach a container.
_OPTIONAL = (_TARGET_MODEL, contract.INFERENCE_ID_HEADER)
_TOO_LARGE = {0, 431, 494}
_NONE_OPENED = "no session is opened by a body of {'requestType': 'NEW_SESSION'} or by the payload"


@rule(Kind.ANY)
def rt_40(case: Case) -> str:
    """A Content-Type of 1024 characters is taken; that of a response is ASCII and no longer.

    An image may refuse a parameter that it does not know, but not for its length.

    Source: BC Header.
    """
    payload, before = usual(case)
    prefix = f"{payload.content_type}; x="
    long = prefix + "x" * (_HEADER_CHARACTERS - len(prefix))

    def ask() -> Answer:
        return case.server().invoke(payload.body, long)

    answer = ask()
    if not controls.is_as_usual(case, answer) and _is_failure(answer):
        change = f"a Content-Type of {_HEADER_CHARACTERS} characters"
        controls.blame(case, change, answer, ask, lambda one: not _is_failure(one))
    if answer.status in _TOO_LARGE:
        raise Broken(
            f"a Content-Type of {_HEADER_CHARACTERS} characters gets {answer.shown}",
            f"take request headers of {_HEADER_CHARACTERS} characters",
        )
    content_type = before.headers.get("content-type", "")
    if len(content_type) > _HEADER_CHARACTERS or not content_type.isascii():
        raise Broken(
            f"the response has a Content-Type of {len(content_type)} characters: "
            f"{content_type[:60]}",
            f"name a media type in ASCII, of {_HEADER_CHARACTERS} characters at most",
        )
    return f"{_HEADER_CHARACTERS} characters are answered with {answer.status}"


@rule(Kind.ANY)
def rt_41(case: Case) -> str:
    """An Accept of `*/*` is as good as none, and one of 1024 characters is taken.

    Source: BC Header; the SDK's predictors send `*/*`.
    """
    with_headers(case, {"Accept": "*/*"}, "Accept: */*")
    long = ", ".join(["*/*"] * (_HEADER_CHARACTERS // len("*/*, ")))
    payload, _ = usual(case)

    def ask() -> Answer:
        return case.server().invoke(payload.body, payload.content_type, {"Accept": long})

    answer = ask()
    if not controls.is_as_usual(case, answer) and _is_failure(answer):
        change = f"an Accept of {len(long)} characters"
        controls.blame(case, change, answer, ask, lambda one: not _is_failure(one))
    if answer.status in _TOO_LARGE:
        raise Broken(
            f"an Accept of {len(long)} characters gets {answer.shown}",
            f"take request headers of {_HEADER_CHARACTERS} characters",
        )
    return f"*/* is answered with {usual(case)[1].status}"


@rule(Kind.ANY)
def rt_42(case: Case) -> str:
    """Custom attributes of 1024 characters are taken; those of a response are no longer.

    Whether they are given back is the model's choice.

    Source: API InvokeEndpoint.
    """
    name = contract.CUSTOM_ATTRIBUTES_HEADER
    # Visible US-ASCII, including separators of other headers.
    value = ('a=1;b="2",c:3/' * _HEADER_CHARACTERS)[:_HEADER_CHARACTERS]
    answer = with_headers(case, {name: value}, f"{name} of {_HEADER_CHARACTERS} characters")
    back = answer.headers.get(name.lower(), "")
    if len(back) > _HEADER_CHARACTERS or not _is_visible(back):
        raise Broken(
            f"the response has {name} of {len(back)} characters: {back[:60]!r}",
            f"give back {_HEADER_CHARACTERS} visible characters of ASCII at most",
        )
    shown = f", {len(back)} are given back" if back else ", none are given back"
    return f"{_HEADER_CHARACTERS} characters are answered with {answer.status}{shown}"


def _is_failure(answer: Answer) -> bool:
    return answer.status in _TOO_LARGE or answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR


def _is_visible(value: str) -> bool:
    return all(" " <= character <= "~" for character in value)


@rule(Kind.ANY)
def rt_43(case: Case) -> str:
    """X-Amzn-SageMaker-Target-Model does not lead a request elsewhere.

    Source: DG mms-container-apis: for the log only.
    """
    return _ignored(case, _TARGET_MODEL, "folder/another-model.tar.gz")


@rule(Kind.PLATFORM)
def rt_44(case: Case) -> str:  # noqa: ARG001 - no image can break it
    """X-Amzn-SageMaker-Target-Variant chooses a variant, before a container is asked.

    Source: BC.
    """
    return ""


@rule(Kind.PLATFORM)
def rt_45(case: Case) -> str:  # noqa: ARG001 - no image can break it
    """X-Amzn-SageMaker-Target-Container-Hostname chooses one of several containers.

    Source: BC; DG multi-container-direct.
    """
    return ""


@rule(Kind.ANY)
def rt_46(case: Case) -> str:
    """X-Amzn-SageMaker-Inference-Id of 64 characters is taken.

    Source: BC InferenceId.
    """
    value = ("Id-7 #a/b" * _INFERENCE_ID_CHARACTERS)[:_INFERENCE_ID_CHARACTERS]
    return _ignored(case, contract.INFERENCE_ID_HEADER, value)


@rule(Kind.ANY)
def rt_47(case: Case) -> str:
    """X-Amzn-SageMaker-Enable-Explanations is taken.

    Source: BC.
    """
    return _ignored(case, _EXPLANATIONS, "`true`")


@rule(Kind.PLATFORM)
def rt_48(case: Case) -> str:  # noqa: ARG001 - no image can break it
    """X-Amzn-SageMaker-Inference-Component chooses a component, before a container is asked.

    Source: BC.
    """
    return ""


@rule(Kind.PLATFORM)
def rt_49(case: Case) -> str:  # noqa: ARG001 - no image can break it
    """X-Amzn-SageMaker-Prefix-Aware-Id chooses an instance, before a container is asked.

    Source: BC.
    """
    return ""


def _ignored(case: Case, name: str, value: str) -> str:
    answer = with_headers(case, {name: value}, name)
    return f"answered with {answer.status}, as without it"


@rule(Kind.ANY)
def rt_50(case: Case) -> str:
    """A session's id is taken: of a session that is not known, as without it or refused with 4xx.

    Source: BC SessionIdOrNewSessionConstantHeader.
    """
    payload, before = usual(case)

    def ask() -> Answer:
        headers = {_SESSION: "a1-b2-c3"}
        return case.server().invoke(payload.body, payload.content_type, headers)

    answer = ask()
    if not controls.is_as_usual(case, answer) and not 400 <= answer.status < 500:
        controls.blame(case, _SESSION, answer, ask, lambda one: 200 <= one.status < 500)
        raise Broken(
            f"with {_SESSION} the answer is {answer.shown} instead of {before.shown}",
            "ignore the header without sessions; with them, refuse an unknown id with 4xx",
        )
    return f"an unknown session is answered with {answer.status}"


@dataclass(frozen=True)
class _Session:
    """An open session.

    Attributes:
        answer: The answer to the request that opened it.
        value: The header with its id and expiry.
        is_by_body: Whether a body with `NEW_SESSION` opened it, not the payload.
    """

    answer: Answer
    value: str
    is_by_body: bool
    id: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "id", self.value.partition(";")[0].strip())


def _session(case: Case) -> _Session:
    """Open a session.

    Raises:
        NotApplicable: The server opens no session.
    """
    bodies = [(b'{"requestType": "NEW_SESSION"}', "application/json")]
    if payload := case.given.payload:
        bodies.append((payload.body, payload.content_type))
    for number, (body, content_type) in enumerate(bodies):
        answer = case.server().invoke(body, content_type, {_SESSION: "NEW_SESSION"})
        value = answer.headers.get(_NEW_SESSION.lower()) or answer.headers.get(_SESSION.lower())
        if is_success(answer) and value:
            return _Session(answer, value, is_by_body=number == 0)
    raise NotApplicable(_NONE_OPENED)


@rule(Kind.ANY)
def rt_51(case: Case) -> str:
    """A new session's header is `<id>; Expires=YYYY-MM-DDThh:mm:ssZ`, of 256 characters at most.

    Its name is X-Amzn-SageMaker-Session-Id in the guide and X-Amzn-SageMaker-New-Session-Id in
    AWS's package; either is taken.

    Source: DG stateful-sessions; BC NewSessionResponseHeader.
    """
    value = _session(case).value
    if len(value) > _SESSION_CHARACTERS or not _NEW_SESSION_VALUE.match(value):
        raise Broken(
            f"a new session has the header {value[:100]!r}",
            "answer with <id>; Expires=2030-01-31T12:00:00Z: UTC, and no fraction of a second",
        )
    return value


@rule(Kind.ANY)
def rt_52(case: Case) -> str:
    """The answer that closes a session has its id in X-Amzn-SageMaker-Closed-Session-Id.

    Source: DG stateful-sessions.
    """
    session = _session(case)
    answer = case.server().invoke(
        b'{"requestType": "CLOSE"}', "application/json", {_SESSION: session.id}
    )
    closed = answer.headers.get(_CLOSED_SESSION.lower(), "")
    if closed == session.id:
        return f"{_CLOSED_SESSION}: {closed}"
    if not is_success(answer) or not session.is_by_body:
        raise NotApplicable("a body of {'requestType': 'CLOSE'} closes no session")
    raise Broken(
        f"a closed session has {_CLOSED_SESSION}: {closed!r} instead of {session.id!r}",
        f"answer with {_CLOSED_SESSION}: <id>, and nothing else in it",
    )


@rule(Kind.ANY)
def rt_53(case: Case) -> str:
    """A request of a session is answered as one without; the body opens and closes it.

    Source: DG stateful-sessions: what the body says is the container's own.
    """
    session = _session(case)
    if case.given.payload is None:
        raise NotTested("give a request that the model answers: --payload FILE")
    _, before = usual(case)
    payload = case.given.payload

    def ask() -> Answer:
        return case.server().invoke(payload.body, payload.content_type, {_SESSION: session.id})

    again = ask()
    if not controls.is_as_usual(case, again):
        controls.blame(case, "the id of a session", again, ask)
        raise Broken(
            f"within a session the payload gets {again.shown} instead of {before.shown}",
            "answer a request of a session as one without; the answer or the log has the cause",
        )
    return f"opened with {session.answer.status}, then answered with {again.status}"


@rule(Kind.ANY)
def rt_54(case: Case) -> str:
    """Headers that are not known are ignored, fifty of them.

    Source: DG your-algorithms-inference-code: the platform may add some.
    """
    headers = {f"X-Unknown-{number}": f"value {number}" for number in range(_JUNK_HEADERS)}
    answer = with_headers(case, headers, f"{_JUNK_HEADERS} unknown headers")
    return f"{_JUNK_HEADERS} unknown headers are answered with {answer.status}"


@rule(Kind.PAYLOAD)
def rt_55(case: Case) -> str:
    """No header but the Content-Type is needed.

    Source: DG mms-container-apis shows two that reach a container, and names no others.
    """
    payload = case.payload()
    _, answer = comparing.asked(case)
    if not is_success(answer):
        full = dict.fromkeys((*_OPTIONAL, contract.CUSTOM_ATTRIBUTES_HEADER), "a")
        full["Accept"] = payload.content_type

        def with_all() -> Answer:
            return case.server().invoke(payload.body, payload.content_type, full)

        # Failures at random are no reason either.
        if not is_success(with_all()) or is_success(controls.control(case)):
            comparing.require_success(case)
        if not is_success(with_all()) or is_success(controls.control(case)):
            comparing.require_success(case)
        raise Broken(
            f"without a header but the Content-Type the payload gets {answer.shown}",
            "accept a request without Accept and without SageMaker's headers",
        )
    return f"{answer.status} without a header but the Content-Type"


@rule(Kind.PLATFORM)
def rt_56(case: Case) -> str:  # noqa: ARG001 - no image can break it
    """x-Amzn-Invoked-Production-Variant is the platform's.

    Source: BC InvokeEndpointOutput.
    """
    return ""
