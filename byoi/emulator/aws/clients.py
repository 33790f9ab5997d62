"""Calls of AWS's APIs from inside the emulator, as CloudFormation makes them on AWS.

They go through boto3's own validation and moto's patched services, and over no socket.
"""

import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import botocore.session
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.exceptions import ClientError, ParamValidationError
from werkzeug.test import Client, EnvironBuilder

from byoi.emulator.aws.errors import NotEmulatedError, ResourceFailedError

# Members that hold a policy or a schema as text, where CloudFormation takes an object.
_SCALARS: dict[str, Callable[[Any], Any]] = {
    "integer": int,
    "long": int,
    "float": float,
    "double": float,
    "boolean": lambda value: value if isinstance(value, bool) else str(value).lower() == "true",
}


class Clients:
    """botocore's clients of the services behind one WSGI application, which are moto's."""

    def __init__(self, application: Callable[..., Iterable[bytes]]) -> None:
        """Start without clients.

        Args:
            application: moto's.
        """
        self._application = application
        self._session = botocore.session.Session()
        self._clients: dict[tuple[str, str], Any] = {}

    def call(
        self, service: str, region: str, action: str, parameters: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Return the answer to a call.

        Args:
            service: As boto3 names it.
            region: Name of the region.
            action: Such as `CreateRole`.
            parameters: The call's; texts become what the API's model says.

        Raises:
            ResourceFailedError: The service refuses the call.
            NotEmulatedError: The call asks for something that is not emulated.
        """
        client = self._client(service, region)
        method = botocore.xform_name(action)
        shape = client.meta.service_model.operation_model(action).input_shape
        try:
            given = _typed(shape, {k: v for k, v in parameters.items() if v is not None})
            return dict(getattr(client, method)(**given))
        except ClientError as error:
            code, message = error.response["Error"]["Code"], error.response["Error"]["Message"]
            if code == "NotEmulated":
                refused = NotEmulatedError("")
                refused.message = message
                raise refused from error
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            raise ResourceFailedError(
                f"{message} (Service: {service}, Status Code: {status}, Error Code: {code})"
            ) from error
        except ParamValidationError as error:
            report = " ".join(str(error.kwargs["report"]).split())
            raise ResourceFailedError(f"Invalid request provided: {report}") from error

    def _client(self, service: str, region: str) -> Any:
        key = (service, region)
        if key not in self._clients:
            client = self._session.create_client(
                service,
                region_name=region,
                aws_access_key_id="cloudformation",
                aws_secret_access_key="-",  # noqa: S106 - of nobody, for moto
                endpoint_url=f"https://{service}.{region}.amazonaws.com",
                config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
            )
            client.meta.events.register("before-send", self._send)
            self._clients[key] = client
        return self._clients[key]

    def _send(self, request: Any, **_: Any) -> AWSResponse:
        body = request.body or b""
        builder = EnvironBuilder(
            method=request.method,
            base_url=None,
            path=request.url,
            headers=[(k, v if isinstance(v, str) else v.decode()) for k, v in
                     request.headers.items()],
            data=body if isinstance(body, bytes) else body.encode(),
        )  # fmt: skip
        answer = Client(self._application).open(builder)
        return AWSResponse(
            request.url, answer.status_code, dict(answer.headers), _Raw(answer.get_data())
        )


class _Raw(io.BytesIO):
    """The body of an answer, as botocore reads it."""

    def stream(self, **_: Any) -> Iterator[bytes]:
        """Yield the body."""
        yield self.read()


def _typed(shape: Any, value: Any) -> Any:  # noqa: PLR0911 - one a kind
    """Return a value as a shape types it; CloudFormation takes texts for numbers and booleans."""
    kind = shape.type_name
    if kind == "structure" and isinstance(value, Mapping):
        members = shape.members
        return {
            name: _typed(members[name], one) if name in members else one
            for name, one in value.items()
        }
    if kind == "list" and isinstance(value, list):
        return [_typed(shape.member, one) for one in value]
    if kind == "map" and isinstance(value, Mapping):
        return {name: _typed(shape.value, one) for name, one in value.items()}
    if kind == "string" and isinstance(value, Mapping | list):
        return json.dumps(value)
    if kind == "string" and isinstance(value, bool | int | float):
        return json.dumps(value)
    if kind in _SCALARS and isinstance(value, str | int | float):
        try:
            return _SCALARS[kind](value)
        except ValueError:
            return value  # botocore says what it expected
    return value
