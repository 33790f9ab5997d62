"""An API as it was when it was deployed: what is changed later has no effect until the next time.

Source: API Gateway Developer Guide, "Deploy REST APIs": a deployment is a snapshot.
"""

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Deployed:
    """An API, frozen. Names and values inside are those of the API reference.

    Attributes:
        api_id: Its id.
        region: Its region.
        api_key_source: `HEADER`; another is refused where the API is made.
        binary_media_types: Media types whose payloads are bytes, with `*` and `~1` as given.
        resources: Path to `id` and `methods`, of which each is what GetMethod shows.
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


def freeze(api: Any) -> Deployed:
    """Return moto's RestAPI as it is now."""
    resources = {
        one.get_path(): {
            "id": one.id,
            "methods": {verb: made.to_json() for verb, made in one.resource_methods.items()},
        }
        for one in api.resources.values()
    }
    return Deployed(
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
