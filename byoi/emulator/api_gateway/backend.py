"""moto's API Gateway, patched: definitions are checked, and a deployment takes a snapshot.

Source: moto 5.2.5, apigateway/models.py and responses.py; requirements pin that version.
"""

import json
from collections.abc import Callable, Iterator
from typing import Any

from moto.apigateway.models import APIGatewayBackend, RestAPI
from moto.apigateway.responses import APIGatewayResponse

from byoi.emulator import refusals
from byoi.emulator.api_gateway import definition
from byoi.emulator.api_gateway.call import DeployedApi
from byoi.emulator.aws.errors import NotEmulatedError
from byoi.emulator.aws.patches import request_parameters, requesting


def replacements() -> Iterator[tuple[Any, str, Any]]:
    """Yield object, name and new value of each replaced attribute of moto."""
    yield APIGatewayResponse, "call_action", _checking_action(APIGatewayResponse.call_action)
    yield RestAPI, "create_deployment", _taking_snapshot(RestAPI.create_deployment)
    # moto's own way to execute an API, which works with its decorators only.
    yield RestAPI, "update_integration_mocks", lambda _self, _stage: None
    create = APIGatewayBackend.create_rest_api
    yield APIGatewayBackend, "create_rest_api", _keeping_media_types(create)
    for call in definition.CHECKED_CALLS:
        yield APIGatewayBackend, call, _checking_call(call, vars(APIGatewayBackend)[call])


def _checking_action(call_action: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def called(self: Any) -> Any:
        try:
            asked = json.loads(self.body or "{}")
        except ValueError:
            asked = {}  # an OpenAPI document; its action is refused
        try:
            definition.check_emulated(self._get_action(), asked)
            with requesting(asked):
                return call_action(self)
        except NotEmulatedError as error:
            body = json.dumps({"__type": refusals.CODE, "message": error.message})
            return 501, {"x-amzn-errortype": refusals.CODE, "status": "501"}, body

    return called


def _taking_snapshot(create: Callable[..., Any]) -> Callable[..., Any]:
    def created(self: Any, *arguments: Any, **keywords: Any) -> Any:
        made = create(self, *arguments, **keywords)
        made.deployed = DeployedApi.of(self)
        return made

    return created


def _keeping_media_types(create: Callable[..., Any]) -> Callable[..., Any]:
    def created(self: Any, *arguments: Any, **keywords: Any) -> Any:
        made = create(self, *arguments, **keywords)
        made.binaryMediaTypes = list(request_parameters().get("binaryMediaTypes") or ())
        return made

    return created


def _checking_call(call: str, do: Callable[..., Any]) -> Callable[..., Any]:
    def checked(self: Any, api_id: str, *place: Any, **keywords: Any) -> Any:
        definition.check_valid(call, self.get_rest_api(api_id), place, request_parameters())
        return do(self, api_id, *place, **keywords)

    return checked
