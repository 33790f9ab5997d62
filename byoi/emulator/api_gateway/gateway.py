"""One call of a deployed REST API, from its URL to its response.

Source: API Gateway Developer Guide, "Invoke REST APIs", "Amazon API Gateway quotas".
"""

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from moto.apigateway.models import apigateway_backends
from werkzeug.wrappers import Request, Response

from byoi.emulator import answers, refusals
from byoi.emulator.api_gateway import admission, integration, payload, responding, routing
from byoi.emulator.api_gateway import validation as request_validation
from byoi.emulator.api_gateway.call import Call, context, parameters
from byoi.emulator.api_gateway.deployed import Deployed
from byoi.emulator.api_gateway.gateway_responses import GatewayError, answer
from byoi.emulator.api_gateway.throttling import Throttling
from byoi.emulator.api_gateway.variables import Context
from byoi.emulator.aws import account
from byoi.emulator.aws.errors import NotEmulatedError

# As it came: in a path variable, an encoded slash is no slash.
_URL = re.compile(r"/restapis/([^/]+)/([^/]+)/_user_request_(/.*)?$")


class ApiGateway:
    """Answers calls of REST APIs.

    Args:
        invocations: Answers a request to SageMaker Runtime in a region.
        log: Takes one line.
        throttling: Counts the calls.
    """

    def __init__(
        self,
        invocations: Callable[[Request, str], Response],
        *,
        log: Callable[[str], None],
        throttling: Throttling | None = None,
    ) -> None:
        self._invocations = invocations
        self._log = log
        self._throttling = throttling or Throttling()

    def answer(self, request: Request) -> Response:
        """Answer one call."""
        raw = request.environ.get("RAW_URI") or quote(request.path)
        match = _URL.match(raw.partition("?")[0])
        if match is None:  # decoded, it was one
            return answers.error(404, "NotFoundException", f"no such URL: {raw}")
        api_id, stage_name, path = match[1], match[2], match[3] or "/"
        known = context(request, api_id, stage_name, account.NUMBER)
        known["path"] = f"/{stage_name}{path}"
        api, stage = _find(api_id, stage_name)
        response = self._respond(request, api, stage, path, known)
        self._say(known, f"{request.method} {path}: {response.status_code}")
        return response

    def _respond(
        self, request: Request, api: Deployed | None, stage: Any, path: str, known: dict[str, Any]
    ) -> Response:
        try:
            try:
                return self._call(request, api, stage, path, known)
            except GatewayError as error:
                self._say(known, f"Execution failed: {error.cause}")
                return answer(error, api, known)
        except NotEmulatedError as error:
            return answers.error(501, refusals.CODE, str(error.message))

    def _call(
        self, request: Request, api: Deployed | None, stage: Any, path: str, known: dict[str, Any]
    ) -> Response:
        if api is None:
            raise GatewayError("INVALID_API_KEY", cause="there is no such API or stage")
        # Not read where its length says so; a body in chunks has none.
        is_long = (request.content_length or 0) > payload.MAX_BYTES
        if is_long or len(request.get_data()) > payload.MAX_BYTES:
            raise GatewayError("REQUEST_TOO_LARGE")
        match = routing.find(api, request.method, path)
        if match is None or not match.method.get("methodIntegration"):
            raise GatewayError("MISSING_AUTHENTICATION_TOKEN")
        known.update(resourceId=match.resource_id, resourcePath=match.resource_path)
        call = Call(
            api=api,
            match=match,
            content_type=request.mimetype or "application/json",
            body=request.get_data(),
            parameters=parameters(request, match),
            stage_variables=dict(stage.variables),
            context=known,
        )
        admission.admit(call, stage.method_settings, self._throttling)
        request_validation.validate(call)
        variables = Context(known)
        found = integration.invoke(call, self._invocations, variables)
        return responding.respond(call, found, variables)

    def _say(self, known: dict[str, Any], line: str) -> None:
        self._log(f"API {known['apiId']}/{known['stage']} ({known['requestId']}): {line}")


def _find(api_id: str, stage_name: str) -> tuple[Deployed | None, Any]:
    """Return the API as its stage has it, and moto's stage; None where one is missing."""
    for backend in apigateway_backends[account.NUMBER].values():
        api: Any = backend.apis.get(api_id)
        stage = api.stages.get(stage_name) if api else None
        if stage is not None:
            return api.deployments[stage.deployment_id].deployed, stage
    return None, None
