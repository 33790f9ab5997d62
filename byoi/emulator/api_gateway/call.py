"""One call of a method: what came, where it leads, and what `$context` says of it."""

import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from werkzeug.wrappers import Request

from byoi.emulator.api_gateway.deployed import Deployed
from byoi.emulator.api_gateway.routing import Match


def parameters(request: Request, match: Match) -> dict[str, dict[str, str]]:
    """Return a request's parameters: `path`, `querystring` and `header`, each name to value.

    Of several values of one name, the last counts (Developer Guide, "Parameter mapping").
    """
    return {
        "path": dict(match.parameters),
        "querystring": {name: values[-1] for name, values in request.args.lists()},
        "header": dict(request.headers.items()),
    }


def context(request: Request, api_id: str, stage: str, account: str) -> dict[str, Any]:
    """Return the members of `$context` that are known before a method is found.

    Source: API Gateway Developer Guide, "Context variables for data transformations".
    """
    now = time.time()
    return {
        "accountId": account,
        "apiId": api_id,
        "domainName": request.host,
        "httpMethod": request.method,
        "identity": {
            "sourceIp": request.remote_addr or "127.0.0.1",
            "userAgent": request.headers.get("User-Agent", ""),
        },
        "protocol": request.environ.get("SERVER_PROTOCOL", "HTTP/1.1"),
        "requestId": str(uuid.uuid4()),
        "requestTime": time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(now)),
        "requestTimeEpoch": int(now * 1000),
        "stage": stage,
    }


@dataclass
class Call:
    """One call of a method.

    Attributes:
        api: The API, as deployed.
        match: The method.
        content_type: The request's, without parameters; `application/json` where it has none.
        body: The request's.
        parameters: `path`, `querystring` and `header`, each name to value.
        stage_variables: Name to value.
        context: The members of `$context`.
    """

    api: Deployed
    match: Match
    content_type: str
    body: bytes
    parameters: Mapping[str, Mapping[str, str]]
    stage_variables: Mapping[str, str]
    context: dict[str, Any] = field(default_factory=dict)

    def header(self, name: str) -> str | None:
        """Return a header of the request, whose name has no case."""
        for one, value in self.parameters["header"].items():
            if one.lower() == name.lower():
                return value
        return None

    @property
    def integration(self) -> Mapping[str, Any]:
        """What GetIntegration shows."""
        found: Mapping[str, Any] = self.match.method["methodIntegration"]
        return found
