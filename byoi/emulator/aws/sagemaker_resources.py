"""Models, endpoint configurations and endpoints in a stack; an endpoint is waited for.

Sources: CloudFormation's reference of AWS::SageMaker; API CreateModel, CreateEndpointConfig,
CreateEndpoint, UpdateEndpoint.
"""

import functools
from collections.abc import Iterable
from typing import Any

from moto.sagemaker.models import sagemaker_backends

from byoi.emulator.aws import account
from byoi.emulator.aws.clients import Clients
from byoi.emulator.aws.errors import ResourceFailedError
from byoi.emulator.aws.resource_schemas import SCHEMAS
from byoi.emulator.aws.resource_types import Made, Place, ResourceType, tags_of
from byoi.emulator.endpoints.endpoints import Endpoints


def types(clients: Clients, endpoints: Endpoints) -> Iterable[ResourceType]:
    """Yield the types.

    Args:
        clients: Make the calls, which refuse what is not emulated.
        endpoints: The endpoints of the emulator.
    """
    for noun in ("Model", "EndpointConfig"):
        name = f"AWS::SageMaker::{noun}"
        make = functools.partial(_make, clients, noun)
        yield ResourceType(name, make, SCHEMAS[name].properties, f"{noun}Name")
    yield ResourceType(
        "AWS::SageMaker::Endpoint",
        functools.partial(_make_endpoint, clients, endpoints),
        "EndpointConfigName EndpointName Tags",
        "EndpointName",
    )


def _make(clients: Clients, noun: str, place: Place, properties: dict[str, Any]) -> Made:
    call = functools.partial(clients.call, "sagemaker", place.region)
    name = {f"{noun}Name": place.name}
    answer = call(f"Create{noun}", {**properties, **name, **_tags(properties)})
    arn = answer[f"{noun}Arn"]
    # All that can change in place are tags.
    change = functools.partial(_change_tags, call, arn)
    return Made(arn, lambda: call(f"Delete{noun}", name), change, {**name, f"{noun}Arn": arn})


def _make_endpoint(
    clients: Clients, endpoints: Endpoints, place: Place, properties: dict[str, Any]
) -> Made:
    call = functools.partial(clients.call, "sagemaker", place.region)
    name = {"EndpointName": place.name}
    arn = call("CreateEndpoint", {**properties, **name, **_tags(properties)})["EndpointArn"]

    def delete() -> None:
        if place.name in sagemaker_backends[account.NUMBER][place.region].endpoints:
            call("DeleteEndpoint", name)
            endpoints.wait(place.region, place.name)

    def change(wanted: dict[str, Any]) -> None:
        config = {"EndpointConfigName": wanted["EndpointConfigName"]}
        if call("DescribeEndpoint", name)["EndpointConfigName"] != config["EndpointConfigName"]:
            call("UpdateEndpoint", {**name, **config})
            endpoints.wait(place.region, place.name)
            if reason := call("DescribeEndpoint", name).get("FailureReason"):
                raise ResourceFailedError(str(reason))
        _change_tags(call, arn, wanted)

    endpoints.wait(place.region, place.name)
    answer = call("DescribeEndpoint", name)
    if answer["EndpointStatus"] == "Failed":
        delete()
        raise ResourceFailedError(str(answer["FailureReason"]))
    return Made(arn, delete, change, {**name, "EndpointArn": arn})


def _change_tags(call: Any, arn: str, wanted: dict[str, Any]) -> None:
    had = [one["Key"] for one in call("ListTags", {"ResourceArn": arn})["Tags"]]
    if left := [key for key in had if key not in tags_of(wanted)]:
        call("DeleteTags", {"ResourceArn": arn, "TagKeys": left})
    if tags_of(wanted):
        call("AddTags", {"ResourceArn": arn, **_tags(wanted)})


def _tags(properties: dict[str, Any]) -> dict[str, Any]:
    tags = tags_of(properties)
    return {"Tags": [{"Key": key, "Value": tags[key]} for key in tags]} if tags else {}
