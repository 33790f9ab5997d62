"""Control requests: whether a change of a request is the cause of a worse answer.

A request with a change that must have no effect may fail for another reason: an earlier request has
damaged the model, the server fails at random, or a proxy limits the requests per second. So the
unchanged request is sent again after it. Only if that gets the usual answer, each time, and the
changed one does not, each time, the change is the cause.
"""

import enum
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from byoi.conformance import comparing
from byoi.conformance.case import Case
from byoi.conformance.comparing import is_success
from byoi.conformance.server import ANSWER_TIMEOUT_S, Answer
from byoi.conformance.verdict import Broken, NotTested

# Requests after a changed one that failed. Two unchanged ones come first, so that a server that
# fails each second or third request is not taken for one that fails by the change.
_STEPS = ("unchanged", "unchanged", "changed", "unchanged", "changed")
# After this time, what was seen must do.
_SECONDS = 6.0
# Pauses before a server that fails is asked again, and after it has recovered.
_PAUSES_S = (0.2, 0.5, 1.0)
_CALM_S = 1.5
# The rule that tells of requests that break the model for others.
JUNK_FIRST = "fix RT-37 first"


class Cause(enum.Enum):
    """Why a request with a change got a worse answer."""

    CHANGE = "the unchanged request gets the usual answer"
    CHANCE = "either request fails now and then"
    LASTING = "the unchanged request fails from then on"


@dataclass(frozen=True)
class Trouble:
    """Why an unchanged request fails: one rule tells it, and others are not tested.

    Attributes:
        first: What to do first, such as `fix RT-31 first`.
        seen: What was seen.
        is_lasting: Whether each request fails from then on, not only some.
    """

    first: str
    seen: str
    is_lasting: bool

    @property
    def untested(self) -> NotTested:
        """The verdict of other rules."""
        return NotTested(f"{self.first}: {self.seen}")


def troubles(case: Case) -> list[Trouble]:
    """Return what is known of unchanged requests that fail; a rule that finds one adds it."""
    found: list[Trouble] = case.remembered("troubles", list)
    return found


def ping_troubles(case: Case) -> list[Trouble]:
    """Return what is known of /ping that fails now and then."""
    found: list[Trouble] = case.remembered("troubles of /ping", list)
    return found


def named(case: Case) -> str:
    """Return the name of the usual request for messages."""
    return "the payload" if case.given.payload else "an empty list"


def control(case: Case) -> Answer:
    """Send the usual request unchanged to the shared server, and return the answer."""
    payload, before = comparing.asked(case)
    # Do not wait for long where it was answered at once before.
    timeout_s = min(ANSWER_TIMEOUT_S, 10 + 5 * before.seconds)
    return case.server().invoke(payload.body, payload.content_type, timeout_s=timeout_s)


def is_as_usual(case: Case, answer: Answer) -> bool:
    """Whether an answer is as good as that to the usual request: the same status, or a success."""
    return is_success(answer) or answer.status == comparing.asked(case)[1].status


def cause(
    is_changed_right: Callable[[], bool],
    is_unchanged_right: Callable[[], bool],
    *,
    is_known: bool = False,
    pause: Callable[[float], None] = time.sleep,
) -> Cause:
    """Find why a request with a change has failed.

    Args:
        is_changed_right: Sends the request with the change again; returns whether its answer is
            as good as usual.
        is_unchanged_right: The same, without the change.
        is_known: Whether unchanged requests are known to fail, so that one failure is enough.
        pause: Waits for some seconds.
    """
    started_s = time.monotonic()
    last = "changed"
    for step in _STEPS:
        if last != "changed" and time.monotonic() - started_s > _SECONDS:
            break
        if step == "changed":
            if is_changed_right():
                return Cause.CHANCE
        elif not is_unchanged_right():
            if is_known:
                return Cause.LASTING
            if last != "changed":
                return Cause.CHANCE
            # The change may have ended a worker, which is replaced.
            if not _recovers(is_unchanged_right, pause):
                return Cause.LASTING
            pause(_CALM_S)
        last = step
    return Cause.CHANGE


def _recovers(is_right: Callable[[], bool], pause: Callable[[float], None]) -> bool:
    started_s = time.monotonic()
    for pause_s in _PAUSES_S:
        pause(pause_s)
        if is_right():
            return True
        if time.monotonic() - started_s > _SECONDS:
            return False
    return False


def blame(
    case: Case,
    change: str,
    answer: Answer,
    changed: Callable[[], Answer],
    is_right: Callable[[Answer], bool] | None = None,
) -> None:
    """Return if a change is the cause of a worse answer.

    Args:
        case: What the rule is tested on.
        change: Name of the change for messages, such as `Accept: */*`.
        answer: The worse answer.
        changed: Sends the request with the change again.
        is_right: Whether its answer is no fault; by default, whether it is as good as usual.

    Raises:
        Broken: The unchanged request fails, too, since then.
        NotTested: Either request fails now and then, or for a cause that another rule tells.
    """
    known = troubles(case)
    if any(not one.is_lasting for one in known):
        raise known[0].untested
    before = comparing.asked(case)[1]
    seen: list[Answer] = []

    def is_unchanged_right() -> bool:
        seen.append(control(case))
        return is_as_usual(case, seen[-1])

    def is_changed_right() -> bool:
        again = changed()
        return is_right(again) if is_right else is_as_usual(case, again)

    found = cause(is_changed_right, is_unchanged_right, is_known=bool(known))
    if found is Cause.CHANGE:
        return
    wrong = next((one for one in seen if not is_as_usual(case, one)), None)
    if found is Cause.LASTING and wrong is not None:
        if known:
            raise known[0].untested
        told = f"{named(case)} gets {wrong.shown} instead of {before.shown}, without {change}, too"
        troubles(case).append(Trouble("see to this first", told, is_lasting=True))
        # The next rule gets a new server.
        case.close()
        raise Broken(
            f"after a request with {change}, which got {answer.shown}, {told}",
            "let no request break the model or the server for those that follow; the log has the "
            "cause",
        )
    raise NotTested(
        f"let {named(case)} be answered each time first: with {change} it got {answer.shown}, and "
        f"then {'without it ' + wrong.shown if wrong else 'with it as usual'}"
    )


def require_sound(case: Case, sent: str) -> None:
    """Check that the usual request is still answered after requests that fit no model.

    If not, the next request gets a new server.

    Args:
        case: What the rule is tested on.
        sent: Name of the requests for messages.

    Raises:
        NotTested: It is not, nor by a new server; RT-37 or RT-31 tells.
    """
    after = control(case)
    if is_as_usual(case, after):
        return
    # What fails now and then is told by RT-31.
    if _recovers(lambda: is_as_usual(case, control(case)), time.sleep):
        return
    if known := troubles(case):
        raise known[0].untested
    before = comparing.asked(case)[1]
    told = f"after {sent} {named(case)} gets {after.shown} instead of {before.shown}"
    found = Trouble(JUNK_FIRST, told, is_lasting=True)
    troubles(case).append(found)
    case.close()
    if not is_as_usual(case, control(case)):
        raise found.untested


def with_headers(case: Case, headers: Mapping[str, str], named: str) -> Answer:
    """Send the usual request with headers that must not make its answer worse.

    Args:
        case: What the rule is tested on.
        headers: The added headers.
        named: Name of the headers for messages.

    Raises:
        Broken: The headers are the cause of another status.
        NotTested: The unchanged request fails, too.
    """
    payload, before = comparing.usual(case)

    def ask() -> Answer:
        return case.server().invoke(payload.body, payload.content_type, headers)

    answer = ask()
    if not is_as_usual(case, answer):
        blame(case, named, answer, ask)
        shown = answer.text[:120]
        raise Broken(
            f"with {named} the answer is {answer.shown} instead of {before.shown}: {shown}",
            f"take a request with {named} as without: nothing depends on it but what the model "
            "makes of it",
        )
    return answer
