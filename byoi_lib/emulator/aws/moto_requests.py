"""SageMaker requests on their way to moto's backend: refused, or with all their parameters.

Source: moto 5.2.5, sagemaker/responses.py, which passes on a part of them.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from typing import Any

from moto.core.exceptions import ServiceException
from moto.core.responses import ActionResult
from moto.core.utils import get_service_model
from moto.sagemaker.exceptions import ValidationError
from moto.sagemaker.models import FakeEndpointConfig
from moto.sagemaker.responses import SageMakerResponse

from byoi_lib.emulator import refusals

# The parameters of the call in this thread, of which moto drops those it does not know.
parameters: ContextVar[Mapping[str, Any] | None] = ContextVar("parameters", default=None)


class RefusedError(ServiceException):
    """The call is refused, for the reason its message gives."""

    code = refusals.CODE


class NotEmulatedError(RefusedError):
    """The call is refused rather than answered with an invention."""

    def __init__(self, what: str) -> None:
        super().__init__(refusals.message(what))


def replacements() -> Iterator[tuple[Any, str, Any]]:
    """Yield object, name and new value of each attribute of moto's that is replaced."""
    yield SageMakerResponse, "update_endpoint", _respond_to_update
    yield SageMakerResponse, "call_action", _with_parameters(SageMakerResponse.call_action)
    # moto knows the instance types of some years ago.
    yield FakeEndpointConfig, "validate_instance_type", _validate_instance_type


def check(action: str) -> Mapping[str, Any]:
    """Return the parameters of the call; refuse it where it asks for what is not emulated."""
    asked = parameters.get() or {}
    if what := refusals.find(action, asked):
        raise NotEmulatedError(what)
    return asked


def _respond_to_update(self: Any) -> Any:
    record = self.sagemaker_backend.update_endpoint(
        endpoint_name=self._get_param("EndpointName"),
        endpoint_config_name=self._get_param("EndpointConfigName"),
    )
    return ActionResult({"EndpointArn": record.arn})


def _with_parameters(call_action: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def called(self: Any) -> Any:
        token = parameters.set(json.loads(self.body or "{}"))
        try:
            return call_action(self)
        finally:
            parameters.reset(token)

    return called


def _validate_instance_type(_self: Any, instance_type: str) -> None:
    shape: Any = get_service_model("sagemaker").shape_for("ProductionVariantInstanceType")
    if instance_type not in shape.enum:
        raise ValidationError(
            f"Value '{instance_type}' at 'instanceType' failed to satisfy constraint: Member must "
            f"satisfy enum value set: [{', '.join(shape.enum)}]"
        )
