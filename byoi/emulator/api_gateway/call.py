"""One call of a method of a deployed API: the snapshot it meets, its route and its parameters.

Sources: API Gateway Developer Guide, "Deploy REST APIs" (a deployment is a snapshot), "Methods
for REST APIs" (path variables, `{proxy+}`, ANY), "Context variables for data transformations".
"""

import copy
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import unquote

from werkzeug.wrappers import Request


@dataclass(frozen=True)
class DeployedApi:
    """A snapshot of an API: later changes have no effect until the next deployment.

    Names and values inside are those of the API reference.

    Attributes:
        api_id: Id of the API.
        region: Region of the API.
        api_key_source: `HEADER`; any other is refused when the API is created.
        binary_media_types: Media types whose payloads are bytes, with `*` and `~1` as given.
        resources: Path to `id` and `methods`, each as GetMethod shows it.
        models: Name to JSON schema.
        validators: Id to what GetRequestValidator shows.
        gateway_responses: Type to what GetGatewayResponse shows.
    """

    api_id: str
    region: str
    api_key_source: str
    binary_media_types: tuple[str, ...]
    resources: Mapping[str, Mapping[str, Any]]
    models: Mapping[str, str]
    validators: Mapping[str, Mapping[str, Any]]
    gateway_responses: Mapping[str, Mapping[str, Any]]

    @classmethod
    def of(cls, api: Any) -> Self:
        """Take a snapshot of moto's RestAPI."""
        resources = {
            one.get_path(): {
                "id": one.id,
                "methods": {verb: made.to_json() for verb, made in one.resource_methods.items()},
            }
            for one in api.resources.values()
        }
        return cls(
            api_id=api.id,
            region=api.region_name,
            api_key_source=api.api_key_source,
            binary_media_types=tuple(api.binaryMediaTypes),
            # moto changes its own in place.
            resources=copy.deepcopy(resources),
            models={name: str(model.schema) for name, model in api.models.items()},
            validators={id_: dict(made.to_dict()) for id_, made in api.request_validators.items()},
            gateway_responses=copy.deepcopy(
                {type_: made.to_json() for type_, made in api.gateway_responses.items()}
            ),
        )


@dataclass(frozen=True)
class Route:
    """The method that a path leads to.

    Attributes:
        resource_path: Path of the resource, with its variables in braces.
        resource_id: Id of the resource.
        method: The method, as GetMethod shows it.
        parameters: Path variables and their values.
    """

    resource_path: str
    resource_id: str
    method: Mapping[str, Any]
    parameters: Mapping[str, str]


@dataclass
class Call:
    """One call of a method.

    Attributes:
        api: The API, as deployed.
        route: The method.
        content_type: Media type of the body, without parameters; `application/json` by default.
        body: Body of the request.
        parameters: `path`, `querystring` and `header`, each name to value.
        stage_variables: Name to value.
        context: The members of `$context`.
        remark: Takes a line that says what is not known of AWS; the log shows it once.
    """

    api: DeployedApi
    route: Route
    content_type: str
    body: bytes
    parameters: Mapping[str, Mapping[str, str]]
    stage_variables: Mapping[str, str]
    context: dict[str, Any] = field(default_factory=dict)
    remark: Callable[[str], None] = lambda _line: None

    def parameter(self, place: str, name: str) -> str | None:
        """Return a parameter of the request; names of headers are case-insensitive.

        Args:
            place: `path`, `querystring` or `header`.
            name: Its name.
        """
        return self.header(name) if place == "header" else self.parameters[place].get(name)

    def header(self, name: str) -> str | None:
        """Return a header of the request."""
        for one, value in self.parameters["header"].items():
            if one.lower() == name.lower():
                return value
        return None

    @property
    def integration(self) -> Mapping[str, Any]:
        """The method's integration, as GetIntegration shows it."""
        found: Mapping[str, Any] = self.route.method["methodIntegration"]
        return found


def find_route(api: DeployedApi, verb: str, path: str) -> Route | None:
    """Return the method that a path leads to, None if there is no such resource or method.

    Args:
        api: The API.
        verb: HTTP method.
        path: Path below the stage, percent-encoded as received.
    """
    segments = _split(path)
    # From left to right, a name wins over a variable, and a variable over the rest of the path.
    for resource_path in sorted(api.resources, key=_rank):
        values = _match(_split(resource_path), segments)
        if values is None:
            continue
        resource = api.resources[resource_path]
        method = resource["methods"].get(verb) or resource["methods"].get("ANY")
        if method is None:
            return None
        return Route(resource_path, resource["id"], method, values)
    return None


def read_parameters(request: Request, route: Route) -> dict[str, dict[str, str]]:
    """Return a request's parameters: `path`, `querystring` and `header`, each name to value.

    Of several values of one name, the last counts (Developer Guide, "Parameter mapping").
    """
    return {
        "path": dict(route.parameters),
        "querystring": {name: values[-1] for name, values in request.args.lists()},
        "header": dict(request.headers.items()),
    }


def make_context(request: Request, api_id: str, stage: str, account: str) -> dict[str, Any]:
    """Return the members of `$context` that are known before a method is found."""
    now = time.time()
    return {
        "accountId": account,
        "apiId": api_id,
        "domainName": request.host,
        "httpMethod": request.method,
        "identity": {
            "sourceIp": request.remote_addr or "127.0.0.1",
            "userAgent": request.headers.get("User-Agent", ""),
        },
        "protocol": request.environ.get("SERVER_PROTOCOL", "HTTP/1.1"),
        "requestId": str(uuid.uuid4()),
        "requestTime": time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(now)),
        "requestTimeEpoch": int(now * 1000),
        "stage": stage,
    }


def _split(path: str) -> list[str]:
    return [segment for segment in path.split("/") if segment]


def _rank(resource_path: str) -> list[int]:
    return [
        2 if segment.endswith("+}") else int(segment.startswith("{"))
        for segment in _split(resource_path)
    ]


def _match(pattern: list[str], segments: list[str]) -> dict[str, str] | None:
    values: dict[str, str] = {}
    for position, part in enumerate(pattern):
        if part.endswith("+}"):
            rest = segments[position:]
            return {**values, part[1:-2]: unquote("/".join(rest))} if rest else None
        if position >= len(segments):
            return None
        found = unquote(segments[position])
        if part.startswith("{"):
            values[part[1:-1]] = found
        elif part != found:
            return None
    return values if len(pattern) == len(segments) else None
