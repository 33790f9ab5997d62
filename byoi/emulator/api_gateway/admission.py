"""Whether a call may pass: its API key, the key's usage plan, and the limits of plan and stage.

Source: API Gateway Developer Guide, "Usage plans and API keys for REST APIs".
"""

from collections.abc import Mapping
from typing import Any

from moto.apigateway.models import apigateway_backends

from byoi.emulator.api_gateway import throttling
from byoi.emulator.api_gateway.call import Call
from byoi.emulator.api_gateway.gateway_responses import GatewayError
from byoi.emulator.api_gateway.throttling import Throttling
from byoi.emulator.aws import account

HEADER = "x-api-key"


def admit(call: Call, settings: Mapping[str, Mapping[str, Any]], buckets: Throttling) -> None:
    """Let a call pass, or not.

    Args:
        call: The call.
        settings: The stage's method settings.
        buckets: Of all calls.

    Raises:
        GatewayError: It has no valid key, or there are too many.
    """
    api_id, stage = call.api.api_id, call.context["stage"]
    place = f"{call.match.resource_path}/{call.context['httpMethod']}"
    if call.match.method.get("apiKeyRequired"):
        value = call.header(HEADER) or ""
        found = _plan(call.api.region, api_id, stage, value)
        if found is None:
            raise GatewayError("INVALID_API_KEY", cause="API key missing, unknown, or in no plan")
        plan, key_id = found
        call.context["identity"]["apiKey"] = value
        call.context["identity"]["apiKeyId"] = key_id
        _admit_client(plan, key_id, (api_id, stage, place), buckets)
    limit = settings.get(_setting(place)) or settings.get("*/*") or {}
    _take(buckets, ("stage", api_id, stage, place), limit, "throttlingRateLimit",
          "throttlingBurstLimit")  # fmt: skip
    if not buckets.take(
        "account", rate=throttling.ACCOUNT_RATE, burst=throttling.ACCOUNT_BURST
    ):  # pragma: no cover - more than one machine sends
        raise GatewayError("THROTTLED")


def _setting(place: str) -> str:
    """Return the name of a method's settings: `~1path/POST`."""
    path, _, verb = place.rpartition("/")
    return f"{path.replace('/', '~1')}/{verb}"


def _plan(region: str, api_id: str, stage: str, value: str) -> tuple[Any, str] | None:
    """Return the usage plan that lets a key call a stage, and the key's id."""
    backend: Any = apigateway_backends[account.NUMBER][region]
    for plan in backend.usage_plans.values():
        covers = any(
            one.get("apiId") == api_id and one.get("stage") == stage for one in plan.api_stages
        )
        for key_id in backend.usage_plan_keys.get(plan.id, {}) if covers else ():
            key = backend.keys.get(key_id)
            if key is not None and key.enabled and key.value == value:
                return plan, key_id
    return None


def _admit_client(plan: Any, key_id: str, where: tuple[str, str, str], buckets: Throttling) -> None:
    api_id, stage, place = where
    who = (plan.id, key_id)
    for one in plan.api_stages:
        if (one.get("apiId"), one.get("stage")) == (api_id, stage):
            _take(buckets, ("method", who, where), (one.get("throttle") or {}).get(place) or {})
    _take(buckets, ("client", who), plan.throttle)
    quota = plan.quota or {}
    if quota.get("limit") is not None and not buckets.count(
        who, limit=int(quota["limit"]), period=quota["period"]
    ):
        raise GatewayError("QUOTA_EXCEEDED")


def _take(
    buckets: Throttling,
    bucket: Any,
    limit: Mapping[str, Any],
    rate: str = "rateLimit",
    burst: str = "burstLimit",
) -> None:
    if limit.get(rate) is None and limit.get(burst) is None:
        return
    if not buckets.take(
        bucket,
        rate=float(limit.get(rate, throttling.ACCOUNT_RATE)),
        burst=int(limit.get(burst, throttling.ACCOUNT_BURST)),
    ):
        raise GatewayError("THROTTLED")
