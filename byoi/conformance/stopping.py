"""Contract 1G: how a container ends."""

import threading
import time
from http import HTTPStatus

from byoi import contract
from byoi.conformance.case import Case
from byoi.conformance.rule import Broken, Kind, NotTested, rule
from byoi.conformance.server import Answer

# Docker's, of a process that SIGKILL ended.
_KILLED = 137
_TERMINATED = 143
# Until a request is surely with the model.
_UNDER_WAY_S = 1.0


@rule(Kind.ANY, is_quick=True)
def rt_67(case: Case) -> str:
    """The server ends within 30 s of SIGTERM, by itself.

    Source: DG your-algorithms-inference-code (SIGTERM, and SIGKILL 30 s later).
    """
    case.server()
    with case.launched() as server:
        end = server.stop()
    if end.exit_code == _KILLED or end.seconds >= contract.STOP_GRACE_S:
        raise Broken(
            f"SIGTERM was ignored: it was killed {end.seconds:.0f} s after SIGTERM",
            "start the server by `exec` in a script, or as ENTRYPOINT in its list form, and let "
            "it end at SIGTERM; what was in flight is lost",
        )
    return f"ended {end.seconds:.1f} s after SIGTERM, status {end.exit_code}"


@rule(Kind.PAYLOAD)
def rt_68(case: Case) -> str:
    """What is in flight at SIGTERM is answered, and the server ends with 0.

    Source: derived from DG your-algorithms-inference-code.
    """
    case.server()
    slow = case.slow_payload()
    answers: list[Answer] = []
    with case.launched() as server:

        def ask() -> None:
            answers.append(server.invoke(slow.body, slow.content_type))

        thread = threading.Thread(target=ask)
        thread.start()
        time.sleep(_UNDER_WAY_S)
        if not thread.is_alive():
            raise NotTested("give a request that takes 5 to 25 s: --slow-payload FILE")
        end = server.stop()
        thread.join(contract.STOP_GRACE_S)
    if not answers or answers[0].status != HTTPStatus.OK:
        shown = answers[0].shown if answers else "no answer"
        raise Broken(
            f"a request in flight at SIGTERM got {shown}; the server ended {end.seconds:.1f} s "
            "after SIGTERM",
            "stop taking connections at SIGTERM and end when the requests in flight are answered: "
            "with gunicorn, graceful_timeout = 25",
        )
    if end.exit_code not in {0, _TERMINATED}:
        raise Broken(
            f"it ended with status {end.exit_code} after SIGTERM", "end with 0 after a stop"
        )
    return f"answered {answers[0].seconds:.1f} s after it was sent; then status {end.exit_code}"


@rule(Kind.OURS)
def rt_69(_case: Case) -> str:
    """Where a part of the server dies, the container ends or /ping fails.

    Proved by tests/byoi/server/test_survival.py.

    Source: derived; sagemaker-inference-toolkit, model_server.py.
    """
    return ""


@rule(Kind.PLATFORM)
def rt_70(_case: Case) -> str:
    """During an update two versions run at once, and share nothing.

    Source: DG your-algorithms-inference-code.
    """
    return ""
