"""The gateway: one call of a deployed REST API, from its URL to its response.

Source: API Gateway Developer Guide, "Invoke REST APIs", "Amazon API Gateway quotas".
"""

import json
import re
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

from moto.apigateway.models import apigateway_backends
from werkzeug.wrappers import Request, Response

from byoi.emulator import answers, refusals
from byoi.emulator.api_gateway import access_log, admission, authorization, integration, mappings
from byoi.emulator.api_gateway.admission import Throttling
from byoi.emulator.api_gateway.authorization import Authorization
from byoi.emulator.api_gateway.call import (
    Call,
    DeployedApi,
    find_route,
    make_context,
    read_parameters,
)
from byoi.emulator.api_gateway.gateway_responses import GatewayError, make_response
from byoi.emulator.api_gateway.variables import Context
from byoi.emulator.aws import account
from byoi.emulator.aws.errors import NotEmulatedError
from byoi.emulator.door import Caller, Door

# The path as received: in a path variable, an encoded slash does not separate segments.
_URL = re.compile(r"/restapis/([^/]+)/([^/]+)/_user_request_(/.*)?$")


class ApiGateway:
    """Answers calls of REST APIs.

    Args:
        invocations: Answers a request to SageMaker Runtime in a region.
        door: Knows the keys that a call may be signed with.
        record: Keeps a call that was signed, as `Calls.write_invoke` does.
        log: Takes one line.
        throttling: Limits the calls; new by default.
    """

    def __init__(
        self,
        invocations: Callable[[Request, str], Response],
        *,
        door: Door,
        record: Callable[[Request, Caller, str, Response], None],
        log: Callable[[str], None],
        throttling: Throttling | None = None,
    ) -> None:
        self._invocations = invocations
        self._record = record
        self._authorization = Authorization(door)
        self._log = log
        self._throttling = throttling or Throttling()
        self._remarked: set[str] = set()

    def answer(self, request: Request) -> Response:
        """Answer one call."""
        raw = request.environ.get("RAW_URI") or quote(request.path)
        match = _URL.match(raw.partition("?")[0])
        if match is None:  # matched when decoded
            return answers.error(404, "NotFoundException", f"no such URL: {raw}")
        api_id, stage_name, path = match[1], match[2], match[3] or "/"
        known = make_context(request, api_id, stage_name, account.NUMBER)
        known["path"] = f"/{stage_name}{path}"
        api, stage = _find_stage(api_id, stage_name)
        started_s = time.monotonic()
        try:
            response = self._call(request, api, stage, path, known)
        except GatewayError as error:
            self._log_call(known, f"Execution failed: {error.cause}")
            response = _respond_to_error(error, api, known)
            known["error"] = {
                "message": error.message,
                "messageString": json.dumps(error.message),
                "responseType": error.type,
            }
        except NotEmulatedError as error:
            response = _refuse(error)
        self._log_call(known, f"{request.method} {path}: {response.status_code}")
        known.update(
            responseLatency=round((time.monotonic() - started_s) * 1000),
            responseLength=response.calculate_content_length() or 0,
            status=response.status_code,
        )
        if api is not None and (access_key := known["identity"].get("accessKey")):
            caller = Caller(access_key, api.region, authorization.SERVICE)
            arn = authorization.method_arn(api.region, known, path)
            self._record(request, caller, arn, response)
        if stage is not None and (problem := access_log.write(stage.access_log_settings, known)):
            self._log_call(known, problem)
        return response

    def _call(
        self,
        request: Request,
        api: DeployedApi | None,
        stage: Any,
        path: str,
        known: dict[str, Any],
    ) -> Response:
        if api is None:
            raise GatewayError("INVALID_API_KEY", cause="there is no such API or stage")
        # Refused before it is read if its length is known; a chunked body has none.
        is_long = (request.content_length or 0) > mappings.MAX_PAYLOAD_BYTES
        if is_long or len(request.get_data()) > mappings.MAX_PAYLOAD_BYTES:
            raise GatewayError("REQUEST_TOO_LARGE")
        body = mappings.decompress(request.get_data(), request.headers.get("Content-Encoding"))
        route = find_route(api, request.method, path)
        if route is None or not route.method.get("methodIntegration"):
            raise GatewayError("MISSING_AUTHENTICATION_TOKEN")
        known.update(resourceId=route.resource_id, resourcePath=route.resource_path)
        call = Call(
            api=api,
            route=route,
            content_type=request.mimetype or "application/json",
            body=body,
            parameters=read_parameters(request, route),
            stage_variables=dict(stage.variables),
            context=known,
            remark=self._remark,
        )
        self._authorization.require(call, request, path)
        admission.admit(call, stage.method_settings, self._throttling)
        variables = Context(known)
        found = integration.invoke(call, self._invocations, variables)
        return integration.respond(call, found, variables)

    def _remark(self, line: str) -> None:
        """Say once what is not known of AWS."""
        if line not in self._remarked:
            self._remarked.add(line)
            self._log(f"Not known of AWS: {line}")

    def _log_call(self, known: dict[str, Any], line: str) -> None:
        self._log(f"API {known['apiId']}/{known['stage']} ({known['requestId']}): {line}")


def _respond_to_error(
    error: GatewayError, api: DeployedApi | None, known: Mapping[str, Any]
) -> Response:
    try:
        return make_response(error, api, known)
    except NotEmulatedError as problem:
        return _refuse(problem)


def _refuse(error: NotEmulatedError) -> Response:
    return answers.error(501, refusals.CODE, str(error.message))


def _find_stage(api_id: str, stage_name: str) -> tuple[DeployedApi | None, Any]:
    """Return the API that a stage serves, and moto's stage; None if either does not exist."""
    for backend in apigateway_backends[account.NUMBER].values():
        api: Any = backend.apis.get(api_id)
        stage = api.stages.get(stage_name) if api else None
        if stage is not None:
            return api.deployments[stage.deployment_id].deployed, stage
    return None, None
