"""Contract 1D: invocations."""

from http import HTTPStatus

from byoi import contract
from byoi.conformance.case import Case
from byoi.conformance.rule import Broken, Kind, rule

_JSON = "application/json"
_WITHOUT_ROUTE = {HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED}


@rule(Kind.ANY, is_quick=True)
def rt_31(case: Case) -> str:
    """POST /invocations is handled; a success has a Content-Type.

    Source: DG your-algorithms-inference-code.
    """
    server = case.server()
    answer = server.invoke(b"[]", _JSON)
    if not answer.status or answer.status in _WITHOUT_ROUTE:
        raise Broken(
            f"POST /invocations answers {answer.shown}",
            f"add a route for POST {contract.INVOCATIONS_PATH}",
        )
    if case.given.payload is None:
        return f"an empty list is answered with {answer.status}"
    answer = server.invoke(case.given.payload.body, case.given.payload.content_type)
    if not HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES:
        shown = answer.body[:200].decode("utf-8", "replace")
        raise Broken(
            f"the payload is answered with {answer.shown}: {shown}",
            "the answer or the log has the cause; check that the payload and its type are the "
            "model's",
        )
    if "content-type" not in answer.headers:
        raise Broken(
            f"{answer.status} without a Content-Type", "name the media type of the response"
        )
    return f"{answer.status}, {answer.headers['content-type']}, {answer.seconds * 1000:.0f} ms"


@rule(Kind.ANY, is_quick=True)
def rt_34(case: Case) -> str:
    """A body of 25 MB is taken.

    Source: DG deploy-model-options; API InvokeEndpoint says 6,291,456 bytes.
    """
    answer = case.server().invoke(b" " * contract.REQUEST_BODY_BYTES, _JSON)
    if answer.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        server = answer.headers.get("server", "")
        raise Broken(
            f"25 MB are answered with 413{f' by {server}' if server else ''}",
            "raise the limit of the proxy in front, in nginx: client_max_body_size 25m; and that "
            "of the server behind it",
        )
    if not answer.status:
        raise Broken(
            f"25 MB get {answer.shown}", "read the whole body before answering, up to 25 MB"
        )
    return f"25 MB are answered with {answer.status}"
