"""Admission of a call: its API key, usage plan, throttling and quota, and request validation.

Sources: API Gateway Developer Guide, "Usage plans and API keys for REST APIs", "Throttle requests
to your REST APIs" (the token bucket algorithm; the limits of usage plan, stage and account all
hold), "Request validation for REST APIs", "Data models" (JSON schema draft 4; application/json
if the request names no type).
"""

import datetime as dt
import json
import threading
import time
from collections.abc import Callable, Hashable, Mapping
from typing import Any

import jsonschema
from moto.apigateway.models import apigateway_backends

from byoi.emulator.api_gateway.call import Call
from byoi.emulator.api_gateway.gateway_responses import GatewayError
from byoi.emulator.aws import account

# Developer Guide, "Amazon API Gateway quotas": limits of an account in one region.
ACCOUNT_RATE = 10_000.0
ACCOUNT_BURST = 5_000
API_KEY_HEADER = "x-api-key"
# The models that every API has.
DEFAULT_MODELS = {
    "Empty": {"type": "object"},
    "Error": {"type": "object", "properties": {"message": {"type": "string"}}},
}
_PERIODS = {"DAY": "%Y-%j", "WEEK": "%G-%V", "MONTH": "%Y-%m"}


class Throttling:
    """Token buckets and quota counts of one emulator.

    Args:
        clock: Returns seconds; only differences count.
        today: Returns the date, for quotas.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.monotonic,
        today: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC),
    ) -> None:
        self._clock = clock
        self._today = today
        self._lock = threading.Lock()
        self._buckets: dict[Hashable, tuple[float, float]] = {}
        self._counts: dict[Hashable, int] = {}

    def take(self, bucket: Hashable, *, rate: float, burst: int) -> bool:
        """Take a token, and return whether there was one.

        Args:
            bucket: Identifies the bucket.
            rate: Tokens added per second.
            burst: Tokens that the bucket holds.
        """
        with self._lock:
            now_s = self._clock()
            tokens, then_s = self._buckets.get(bucket, (float(burst), now_s))
            tokens = min(float(burst), tokens + (now_s - then_s) * rate)
            has_one = tokens >= 1
            self._buckets[bucket] = (tokens - has_one, now_s)
            return has_one

    def count(self, client: Hashable, *, limit: int, period: str) -> bool:
        """Count a call, and return whether it is within the quota.

        Args:
            client: Identifies the client whose quota it is.
            limit: Calls in one period.
            period: `DAY`, `WEEK` or `MONTH`.
        """
        with self._lock:
            window = (client, self._today().strftime(_PERIODS[period]))
            self._counts[window] = self._counts.get(window, 0) + 1
            return self._counts[window] <= limit


def admit(call: Call, settings: Mapping[str, Mapping[str, Any]], throttling: Throttling) -> None:
    """Check whether a call may reach its integration.

    Args:
        call: The call; its key's value and id are added to its context.
        settings: Method settings of the stage.
        throttling: Counts all calls.

    Raises:
        GatewayError: The API key is not valid, a limit is exceeded, or the request does not
            satisfy the method's validator.
    """
    api_id, stage = call.api.api_id, call.context["stage"]
    method = f"{call.route.resource_path}/{call.context['httpMethod']}"
    if call.route.method.get("apiKeyRequired"):
        _admit_key(call, (api_id, stage, method), throttling)
    limit = settings.get(_setting_name(method)) or settings.get("*/*") or {}
    _take_token(throttling, ("stage", api_id, stage, method), limit, "throttlingRateLimit",
                "throttlingBurstLimit")  # fmt: skip
    if not throttling.take(
        "account", rate=ACCOUNT_RATE, burst=ACCOUNT_BURST
    ):  # pragma: no cover - takes more than one machine's calls
        raise GatewayError("THROTTLED")
    _validate(call)


def _admit_key(call: Call, place: tuple[str, str, str], throttling: Throttling) -> None:
    api_id, stage, method = place
    value = call.header(API_KEY_HEADER) or ""
    found = _find_usage_plan(call.api.region, api_id, stage, value)
    if found is None:
        raise GatewayError("INVALID_API_KEY", cause="API key missing, unknown, or in no plan")
    plan, key_id = found
    call.context["identity"].update(apiKey=value, apiKeyId=key_id)
    client = (plan.id, key_id)
    for one in plan.api_stages:
        if (one.get("apiId"), one.get("stage")) == (api_id, stage):
            limit = (one.get("throttle") or {}).get(method) or {}
            _take_token(throttling, ("method", client, place), limit)
    _take_token(throttling, ("client", client), plan.throttle)
    quota = plan.quota or {}
    if quota.get("limit") is not None and not throttling.count(
        client, limit=int(quota["limit"]), period=quota["period"]
    ):
        raise GatewayError("QUOTA_EXCEEDED")


def _find_usage_plan(region: str, api_id: str, stage: str, value: str) -> tuple[Any, str] | None:
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


def _setting_name(method: str) -> str:
    """Return the name of a method's settings: `~1path/POST`."""
    path, _, verb = method.rpartition("/")
    return f"{path.replace('/', '~1')}/{verb}"


def _take_token(
    throttling: Throttling,
    bucket: Any,
    limit: Mapping[str, Any],
    rate: str = "rateLimit",
    burst: str = "burstLimit",
) -> None:
    if limit.get(rate) is None and limit.get(burst) is None:
        return
    if not throttling.take(
        bucket,
        rate=float(limit.get(rate, ACCOUNT_RATE)),
        burst=int(limit.get(burst, ACCOUNT_BURST)),
    ):
        raise GatewayError("THROTTLED")


def _validate(call: Call) -> None:
    """Check a call by its method's request validator, if it has one."""
    validator = call.api.validators.get(call.route.method.get("requestValidatorId") or "")
    if validator is None:
        return
    if validator.get("validateRequestParameters"):
        _validate_parameters(call)
    if validator.get("validateRequestBody"):
        _validate_body(call)


def _validate_parameters(call: Call) -> None:
    wanted: Mapping[str, Any] = call.route.method.get("requestParameters") or {}
    missing = []
    for parameter, is_required in sorted(wanted.items()):
        place, _, name = parameter.removeprefix("method.request.").partition(".")
        if is_required in (True, "true") and not call.parameter(place, name):
            missing.append(name)
    if missing:
        message = f"Missing required request parameters: [{', '.join(missing)}]"
        raise GatewayError("BAD_REQUEST_PARAMETERS", message)


def _validate_body(call: Call) -> None:
    models: Mapping[str, str] = call.route.method.get("requestModels") or {}
    name = models.get(call.content_type) or models.get("$default")
    if name is None:  # a body without a model is not validated
        return
    known = call.api.models
    schema = json.loads(known[name]) if name in known else DEFAULT_MODELS[name]
    try:
        jsonschema.Draft4Validator(schema).validate(json.loads(call.body or b"{}"))
    except (ValueError, jsonschema.ValidationError) as problem:
        words = str(problem).partition("\n")[0]
        raise GatewayError("BAD_REQUEST_BODY", cause=f"Invalid request body: {words}") from None
