"""moto's API Gateway, with what it drops kept, and deployments that are snapshots.

Source: moto 5.2.5, apigateway/models.py and responses.py; requirements pin that version.
"""

import json
from collections.abc import Callable, Iterator
from typing import Any

from moto.apigateway.models import APIGatewayBackend, RestAPI
from moto.apigateway.responses import APIGatewayResponse

from byoi.emulator import refusals
from byoi.emulator.api_gateway import definition, deployed, mistakes, stack_resources
from byoi.emulator.aws.errors import NotEmulatedError
from byoi.emulator.aws.patches import request_parameters, requesting


def replacements() -> Iterator[tuple[Any, str, Any]]:
    """Yield object, name and new value of each attribute of moto's that is replaced."""
    yield APIGatewayResponse, "call_action", _with_parameters(APIGatewayResponse.call_action)
    yield RestAPI, "create_deployment", _freezing(RestAPI.create_deployment)
    # moto's own way to execute an API, which only its decorators can use.
    yield RestAPI, "update_integration_mocks", lambda _self, _stage: None
    create = APIGatewayBackend.create_rest_api
    yield APIGatewayBackend, "create_rest_api", _with_media_types(create)
    for call in mistakes.CALLS:
        yield APIGatewayBackend, call, _checked(call, vars(APIGatewayBackend)[call])
    yield from stack_resources.replacements()


def _with_parameters(call_action: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def called(self: Any) -> Any:
        try:
            asked = json.loads(self.body or "{}")
        except ValueError:
            asked = {}  # an OpenAPI document, which is refused by its action
        try:
            definition.check(self._get_action(), asked)
            with requesting(asked):
                return call_action(self)
        except NotEmulatedError as error:
            body = json.dumps({"__type": refusals.CODE, "message": error.message})
            return 501, {"x-amzn-errortype": refusals.CODE, "status": "501"}, body

    return called


def _freezing(create: Callable[..., Any]) -> Callable[..., Any]:
    def created(self: Any, *arguments: Any, **keywords: Any) -> Any:
        made = create(self, *arguments, **keywords)
        made.deployed = deployed.freeze(self)
        return made

    return created


def _with_media_types(create: Callable[..., Any]) -> Callable[..., Any]:
    def created(self: Any, *arguments: Any, **keywords: Any) -> Any:
        made = create(self, *arguments, **keywords)
        asked = request_parameters()
        made.binaryMediaTypes = list(asked.get("binaryMediaTypes") or ())
        return made

    return created


def _checked(call: str, do: Callable[..., Any]) -> Callable[..., Any]:
    def checked(self: Any, api_id: str, *place: Any, **keywords: Any) -> Any:
        mistakes.find(call, self.get_rest_api(api_id), place, request_parameters())
        return do(self, api_id, *place, **keywords)

    return checked
