"""SageMaker requests on their way to moto's backend: refused, or with all their parameters.

Source: moto 5.2.5, sagemaker/responses.py, which passes on a part of them.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from moto.core.exceptions import ServiceException
from moto.core.responses import ActionResult
from moto.sagemaker.exceptions import ValidationError
from moto.sagemaker.models import FakeEndpointConfig
from moto.sagemaker.responses import SageMakerResponse

from byoi.emulator import refusals
from byoi.emulator.aws import constraints
from byoi.emulator.aws.errors import NotEmulatedError
from byoi.emulator.aws.patches import requesting


def replacements() -> Iterator[tuple[Any, str, Any]]:
    """Yield object, name and new value of each attribute of moto's that is replaced."""
    yield SageMakerResponse, "update_endpoint", _respond_to_update
    yield SageMakerResponse, "call_action", _with_parameters(SageMakerResponse.call_action)
    # moto knows the instance types of some years ago; `constraints` knows those of today.
    yield FakeEndpointConfig, "validate_instance_type", lambda *_: None


def check(action: str, asked: Mapping[str, Any]) -> None:
    """Check the parameters of a call, or the properties of a resource that make one.

    Raises:
        NotEmulatedError: They ask for what is not emulated.
        ValidationError: They are not what the API's model asks for.
    """
    if what := refusals.find(action, asked):
        raise NotEmulatedError(what)
    if problem := constraints.find("sagemaker", action, asked):
        raise ValidationError(problem)


def _respond_to_update(self: Any) -> Any:
    record = self.sagemaker_backend.update_endpoint(
        endpoint_name=self._get_param("EndpointName"),
        endpoint_config_name=self._get_param("EndpointConfigName"),
    )
    return ActionResult({"EndpointArn": record.arn})


def _with_parameters(call_action: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def called(self: Any) -> Any:
        asked = json.loads(self.body or "{}")
        try:
            check(self._get_action(), asked)
            with requesting(asked):
                return call_action(self)
        except ServiceException as error:
            # moto answers only those that the action itself raises.
            status, headers, body = self.serialized(ActionResult(error))
            return status, *self._enrich_response(headers, body)

    return called
