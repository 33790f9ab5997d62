"""One payload, sent many times: whether each answer is the same, and how they differ if not."""

import time
from http import HTTPStatus

from byoi.conformance import comparing, controls
from byoi.conformance.case import Case, Payload
from byoi.conformance.comparing import is_success
from byoi.conformance.server import Answer
from byoi.conformance.verdict import Broken
from byoi.contract import INVOCATION_TIMEOUT_S

# Longer than a second, the usual resolution of a time in an answer.
_TICK_S = 1.1
# With more than one kind of answer for each 4 answers, the model answers at random.
_MOST_KINDS_SHARE = 4
# Requests one after the other, after some of those at once have failed.
_LATER, _LATER_S = 8, 6.0
# As many requests are under way at once, so that a failure may come before the last success.
_AT_ONCE = 4
_PAUSE_S = 0.2
_OF_A_LIMIT = {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}


def alike(case: Case, payload: Payload) -> str:
    """Return the observation that all workers give the same answer.

    Raises:
        Broken: Some requests fail, or the answers differ.
        NotTested: The requests fail for a cause that another rule tells.
    """
    answers = comparing.repeated(case.server(), payload)
    slowest_s = max(one.seconds for one in answers)
    name = f"slowest of {len(answers)} invocations"
    case.measured(name, "RT-31", slowest_s, INVOCATION_TIMEOUT_S)
    if any(not is_success(one) for one in answers):
        raise _unsteady(case, payload, answers)
    kinds = comparing.kinds_of(answers)
    if len(kinds) == 1:
        return f"{len(answers)} answers are alike"
    # If no earlier answer comes again, the answers contain a time.
    time.sleep(_TICK_S)
    later = comparing.repeated(case.server(), payload)
    if not any(comparing.says_same(kind[0], one) for kind in kinds for one in later):
        return f"{len(kinds)} of {len(answers)} answers differ, as by a clock: not compared"
    if len(kinds) > len(answers) // _MOST_KINDS_SHARE:
        return f"{len(kinds)} of {len(answers)} answers differ, as at random: not compared"
    counts = " and ".join(str(len(kind)) for kind in kinds[:4])
    shown = " | ".join(
        f"{kind[0].shown} {kind[0].body[:60].decode('utf-8', 'replace')}" for kind in kinds[:2]
    )
    raise Broken(
        f"one payload has answers that differ between workers: of {len(answers)}, {counts} are "
        f"alike: {shown}",
        "give each worker the same model and the same state: load it from the model data, and "
        "keep nothing from one request to the next",
    )


def _unsteady(case: Case, payload: Payload, answers: list[Answer]) -> Exception:
    """Return the problem that a payload is answered with success only sometimes."""
    if known := controls.troubles(case):
        return known[0].untested
    wrong = [one for one in answers if not is_success(one)]
    failed = wrong[0]
    later = _later(case, payload)
    last = max((at for at, one in enumerate(answers) if is_success(one)), default=-1)
    first = answers.index(failed)
    text = f": {failed.text[:120]}" if failed.text else ""
    is_lasting = first > last - _AT_ONCE and not any(map(is_success, later))
    if is_lasting:
        seen = (
            f"the unchanged payload gets {failed.shown} from request {first + 1} of "
            f"{len(answers)} on, and so do {len(later)} more, one after the other{text}"
        )
        remedy = "let no number of requests break the server; the log has the cause"
    else:
        seen = f"{len(wrong)} of {len(answers)} requests with one payload get {failed.shown}{text}"
        remedy = (
            "answer each request: the answer or the log has the cause, such as a worker that has "
            "not loaded the model, or that has ended"
        )
        if {one.status for one in wrong} <= _OF_A_LIMIT:
            remedy = (
                "answer each request: let no limit of requests, such as nginx's limit_req, and no "
                "short queue refuse some"
            )
        elif all(map(is_success, later)):
            seen = f"{seen}; of {len(later)} one after the other, none does"
            remedy = (
                "answer requests that come at once, too: keep nothing of a request where another "
                "may change it, and give the model a lock if it needs one"
            )
    controls.troubles(case).append(controls.Trouble("fix RT-31 first", seen, is_lasting=is_lasting))
    return Broken(seen, remedy)


def _later(case: Case, payload: Payload) -> list[Answer]:
    """Send the payload some times more, one after the other."""
    started_s = time.monotonic()
    found: list[Answer] = []
    while len(found) < _LATER and (not found or time.monotonic() - started_s < _LATER_S):
        time.sleep(_PAUSE_S)
        found.append(case.server().invoke(payload.body, payload.content_type))
    return found
