"""A stack's API keys and usage plans.

Source: CloudFormation's reference of AWS::ApiGateway.
"""

from collections.abc import Mapping
from typing import Any

from byoi.emulator.api_gateway import stack_properties
from byoi.emulator.api_gateway.resource_type import resource_class
from byoi.emulator.api_gateway.stack_apis import ask

_PLAN_PROPERTIES = "UsagePlanName Description ApiStages Throttle Quota"


def _key(backend: Any, properties: dict[str, Any]) -> Any:
    known = "Name Description Enabled Value CustomerId"
    asked = stack_properties.read("ApiKey", properties, known)
    made = ask("CreateApiKey", asked, lambda: backend.create_api_key(asked))
    return _KEY(made.id, lambda: backend.keys.pop(made.id, None))


def _plan(backend: Any, properties: dict[str, Any]) -> Any:
    asked = _read_plan(properties)
    made = ask("CreateUsagePlan", asked, lambda: backend.create_usage_plan(asked))

    def forget() -> None:
        backend.usage_plans.pop(made.id, None)
        backend.usage_plan_keys.pop(made.id, None)

    def change(properties: dict[str, Any]) -> None:
        asked = _read_plan(properties)
        made.name, made.description = asked["name"], asked.get("description")
        made.api_stages, made.throttle = asked["apiStages"], asked["throttle"]
        made.quota = asked.get("quota") or {}

    return _PLAN(made.id, forget, change)


def _read_plan(properties: Mapping[str, Any]) -> dict[str, Any]:
    asked = stack_properties.read("UsagePlan", properties, _PLAN_PROPERTIES)
    asked["name"] = asked.pop("usagePlanName", "")
    asked["throttle"] = _limits(asked.get("throttle") or {})
    asked["apiStages"] = asked.get("apiStages") or []
    for one in asked["apiStages"]:
        one["throttle"] = {path: _limits(it) for path, it in (one.get("throttle") or {}).items()}
    return asked


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


_KEY = resource_class("ApiKey", _key)
_PLAN = resource_class("UsagePlan", _plan)
_PLAN_KEY = resource_class("UsagePlanKey", _plan_key)
