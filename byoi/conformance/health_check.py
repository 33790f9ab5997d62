"""Contract 1C: the health check."""

from http import HTTPStatus

from byoi import contract
from byoi.conformance.case import Case
from byoi.conformance.rule import Broken, Kind, rule


@rule(Kind.ANY, is_quick=True)
def rt_22(case: Case) -> str:
    """GET /ping answers 200 when the server is ready.

    Source: DG your-algorithms-inference-code.
    """
    if case.problem is not None:
        raise case.problem
    ready_s = case.server().ready_s
    return f"200, {ready_s:.1f} s after the start" if ready_s else "200"


@rule(Kind.ANY, is_quick=True)
def rt_24(case: Case) -> str:
    """Each /ping is answered within 2 s.

    Source: DG your-algorithms-inference-code.
    """
    server = case.server()
    answers = [server.ping() for _ in range(10)]
    slowest = max(answers, key=lambda one: one.seconds)
    wrong = [one for one in answers if one.status != HTTPStatus.OK]
    if wrong:
        raise Broken(f"/ping answered {wrong[0].shown}", "let /ping stay 200 while it is ready")
    if slowest.seconds > contract.PING_TIMEOUT_S:
        raise Broken(
            f"/ping takes {slowest.seconds:.1f} s; the limit is {contract.PING_TIMEOUT_S} s",
            "answer /ping without running the model",
        )
    return f"the slowest of {len(answers)} took {slowest.seconds * 1000:.0f} ms"
