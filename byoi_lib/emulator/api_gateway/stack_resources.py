"""A stack's stages, keys, usage plans, models, validators and gateway responses.

moto has no such resources in its CloudFormation; these make what its API Gateway has.

Source: CloudFormation's reference of AWS::ApiGateway.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from moto.core.common_models import CloudFormationModel

from byoi_lib.emulator.api_gateway import stack_apis, stack_properties
from byoi_lib.emulator.api_gateway.stack_apis import ask, creating, refusing_update


def replacements() -> Iterator[tuple[Any, str, Any]]:
    """Yield what of moto's is replaced for stacks; the classes below, moto finds by itself."""
    return stack_apis.replacements()


class _Made:
    """What CloudFormation keeps of a resource."""

    def __init__(
        self, id_: str, forget: Callable[[], object], attributes: tuple[str, ...] = ()
    ) -> None:
        self.physical_resource_id = id_
        self._forget = forget
        self._attributes = attributes

    @classmethod
    def has_cfn_attr(cls, attr: str) -> bool:
        """Whether Fn::GetAtt finds an attribute."""
        return attr in {"APIKeyId", "Id"}

    def get_cfn_attribute(self, _name: str) -> str:
        """Return what Fn::GetAtt finds: of each of these, the id."""
        return self.physical_resource_id

    def delete(self, _account: str, _region: str) -> None:
        """Remove it."""
        self._forget()


def _type(noun: str, make: Callable[[Any, dict[str, Any]], Any], update: Any = None) -> Any:
    """Return a class that moto's CloudFormation finds by its type."""
    members = {
        "cloudformation_type": staticmethod(lambda: f"AWS::ApiGateway::{noun}"),
        "cloudformation_name_type": staticmethod(lambda: ""),
        "create_from_cloudformation_json": creating(make),
        "update_from_cloudformation_json": update or refusing_update(noun),
    }
    return type(f"Stack{noun}", (_Made, CloudFormationModel), members)


def _stage(backend: Any, properties: dict[str, Any]) -> Any:
    known = "RestApiId DeploymentId StageName Description Variables MethodSettings"
    asked = stack_properties.read("Stage", properties, known)
    api_id, name = asked["restApiId"], asked["stageName"]
    made = ask(
        "CreateStage",
        asked,
        lambda: backend.create_stage(
            api_id,
            name,
            asked["deploymentId"],
            variables=asked.get("variables"),
            description=asked.get("description", ""),
        ),
    )
    _set(made, asked)

    def forget() -> None:
        if api_id in backend.apis:
            backend.apis[api_id].stages.pop(name, None)

    return _STAGE(name, forget)


def _set(stage: Any, asked: Mapping[str, Any]) -> None:
    for one in asked.get("methodSettings") or ():
        # `/*` is every resource, `/~1a` is /a, `/` is the root.
        path = one["resourcePath"].removeprefix("/") or "~1"
        settings = {name: value for name, value in one.items() if name not in _PLACE}
        stage.method_settings[f"{path}/{one['httpMethod']}"] = settings


_PLACE = {"resourcePath", "httpMethod"}


def _key(backend: Any, properties: dict[str, Any]) -> Any:
    known = "Name Description Enabled Value CustomerId"
    asked = stack_properties.read("ApiKey", properties, known)
    made = ask("CreateApiKey", asked, lambda: backend.create_api_key(asked))
    return _KEY(made.id, lambda: backend.keys.pop(made.id, None))


def _plan(backend: Any, properties: dict[str, Any]) -> Any:
    known = "UsagePlanName Description ApiStages Throttle Quota"
    asked = stack_properties.read("UsagePlan", properties, known)
    asked["name"] = asked.pop("usagePlanName", "")
    asked["throttle"] = _limits(asked.get("throttle") or {})
    for one in asked.get("apiStages") or ():
        one["throttle"] = {path: _limits(it) for path, it in (one.get("throttle") or {}).items()}
    made = ask("CreateUsagePlan", asked, lambda: backend.create_usage_plan(asked))

    def forget() -> None:
        backend.usage_plans.pop(made.id, None)
        backend.usage_plan_keys.pop(made.id, None)

    return _PLAN(made.id, forget)


def _limits(given: Mapping[str, Any]) -> dict[str, Any]:
    names = {"RateLimit": "rateLimit", "BurstLimit": "burstLimit"}
    return {names[name]: value for name, value in given.items()}


def _plan_key(backend: Any, properties: dict[str, Any]) -> Any:
    asked = stack_properties.read("UsagePlanKey", properties, "KeyId KeyType UsagePlanId")
    plan_id, key_id = asked["usagePlanId"], asked["keyId"]
    backend.create_usage_plan_key(plan_id, asked)

    def forget() -> None:
        backend.usage_plan_keys.get(plan_id, {}).pop(key_id, None)

    return _PLAN_KEY(f"{key_id}:{plan_id}", forget)


def _gateway_response(backend: Any, properties: dict[str, Any]) -> Any:
    known = "RestApiId ResponseType StatusCode ResponseParameters ResponseTemplates"
    asked = stack_properties.read("GatewayResponse", properties, known)
    api_id, type_ = asked["restApiId"], asked["responseType"]
    backend.get_rest_api(api_id).put_gateway_response(
        type_,
        asked.get("statusCode"),
        asked.get("responseParameters"),
        asked.get("responseTemplates"),
    )

    def forget() -> None:
        if api_id in backend.apis:
            backend.apis[api_id].delete_gateway_response(type_)

    return _GATEWAY_RESPONSE(f"{api_id}:{type_}", forget)


def _model(backend: Any, properties: dict[str, Any]) -> Any:
    known = "RestApiId Name Description ContentType Schema"
    asked = stack_properties.read("Model", properties, known)
    if not isinstance(asked.get("schema"), str):
        asked["schema"] = json.dumps(asked.get("schema") or {})
    api_id, name = asked["restApiId"], asked["name"]
    ask(
        "CreateModel",
        asked,
        lambda: backend.create_model(
            api_id, name, asked.get("contentType"), asked.get("description"), asked["schema"]
        ),
    )

    def forget() -> None:
        if api_id in backend.apis:
            backend.apis[api_id].models.pop(name, None)

    return _MODEL(name, forget)


def _validator(backend: Any, properties: dict[str, Any]) -> Any:
    known = "RestApiId Name ValidateRequestBody ValidateRequestParameters"
    asked = stack_properties.read("RequestValidator", properties, known)
    api_id = asked["restApiId"]
    made = backend.create_request_validator(
        api_id,
        asked.get("name"),
        asked.get("validateRequestBody", False),
        asked.get("validateRequestParameters", False),
    )

    def forget() -> None:
        if api_id in backend.apis:
            backend.apis[api_id].request_validators.pop(made.id, None)

    return _VALIDATOR(made.id, forget)


_STAGE = _type("Stage", _stage)
_KEY = _type("ApiKey", _key)
_PLAN = _type("UsagePlan", _plan)
_PLAN_KEY = _type("UsagePlanKey", _plan_key)
_GATEWAY_RESPONSE = _type("GatewayResponse", _gateway_response)
_MODEL = _type("Model", _model)
_VALIDATOR = _type("RequestValidator", _validator)
