"""CloudFormation's SageMaker resources: waited for, and named as the template says.

moto skips types that it does not know, with a warning on the server, and drops names.

Sources: CloudFormation's reference of AWS::SageMaker::Endpoint; moto 5.2.5,
cloudformation/models.py and parsing.py.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from moto.sagemaker.models import FakeEndpoint, FakeEndpointConfig, Model, sagemaker_backends

from byoi.emulator.aws import sagemaker
from byoi.emulator.aws.errors import NotEmulatedError, ResourceFailedError
from byoi.emulator.aws.patches import requesting
from byoi.emulator.endpoints.endpoints import Endpoints

# Services whose types a template may have; moto has more, and invents answers for many.
_SERVICES = ("ApiGateway", "CloudFormation", "ECR", "IAM", "Logs", "S3", "SageMaker")


def resource_replacements(endpoints: Endpoints) -> Iterator[tuple[Any, str, Any]]:
    """Yield object, name and new value of each replaced attribute of moto's SageMaker."""
    classes = {Model: "Model", FakeEndpointConfig: "EndpointConfig", FakeEndpoint: "Endpoint"}
    for owner, noun in classes.items():
        yield owner, "cloudformation_name_type", staticmethod(lambda noun=noun: f"{noun}Name")
        yield owner, "create_from_cloudformation_json", _creating(owner, noun, endpoints)
        yield owner, "update_from_cloudformation_json", _updating(noun, endpoints)
    yield FakeEndpoint, "delete_from_cloudformation_json", classmethod(_deleting(endpoints))


def stack_replacements() -> Iterator[tuple[Any, str, Any]]:
    """Yield the same of moto's CloudFormation, which takes the longest to import."""
    from moto.cloudformation import parsing  # noqa: PLC0415
    from moto.cloudformation.models import CloudFormationBackend, Stack  # noqa: PLC0415

    yield Stack, "exports", property(_refuse_exports)
    yield parsing, "parse_resource", _with_known_types(parsing)
    yield CloudFormationBackend, "create_change_set", _refuse_change_sets


def _creating(owner: Any, noun: str, endpoints: Endpoints) -> Any:
    create = owner.create_from_cloudformation_json.__func__

    def created(
        cls: Any,
        /,
        name: str,
        definition: Mapping[str, Any],
        account: str,
        region: str,
        **rest: Any,
    ) -> Any:
        properties = definition["Properties"]
        sagemaker.check_request(f"Create{noun}", properties)
        with requesting(properties):
            made = create(cls, name, definition, account, region, **rest)
        if noun == "Endpoint":
            endpoints.wait(region, name)
            if made.endpoint_status == "Failed":
                reason = str(made.failure_reason)
                _deleting(endpoints)(cls, made.arn, definition, account, region)
                raise ResourceFailedError(reason)
        return made

    return classmethod(created)


def _updating(noun: str, endpoints: Endpoints) -> Any:
    def updated(
        _cls: Any, original_resource: Any, new_resource_name: str, cloudformation_json: Any,
        account_id: str, region_name: str,
    ) -> Any:  # fmt: skip
        wanted = cloudformation_json["Properties"]
        if noun != "Endpoint":
            # AWS replaces the resource and updates the endpoint; moto would change it in place.
            raise NotEmulatedError(
                f"UpdateStack of AWS::SageMaker::{noun} ({new_resource_name}); add one of another "
                "name and name that in the endpoint"
            )
        name = original_resource.endpoint_name
        backend: Any = sagemaker_backends[account_id][region_name]
        record = backend.update_endpoint(name, wanted["EndpointConfigName"])
        endpoints.wait(region_name, name)
        if record.failure_reason:
            raise ResourceFailedError(record.failure_reason)
        return record

    return classmethod(updated)


def _deleting(endpoints: Endpoints) -> Any:
    def deleted(_cls: Any, resource_name: str, _definition: Any, account: str, region: str) -> None:
        name = resource_name.rpartition("/")[2]
        sagemaker_backends[account][region].delete_endpoint(name)
        endpoints.wait(region, name)

    return deleted


def _with_known_types(parsing: Any) -> Any:
    parse_resource = parsing.parse_resource

    def parsed(resource_json: dict[str, Any], resources_map: Any) -> Any:
        type_ = resource_json["Type"]
        service = [*type_.split("::"), ""][1]
        if service not in _SERVICES or parsing.resource_class_from_type(type_) is None:
            raise NotEmulatedError(f"{type_} in a template")
        return parse_resource(resource_json, resources_map)

    return parsed


def _refuse_exports(self: Any) -> list[Any]:
    # moto evaluates them before it creates the stack, and so creates what they name.
    if any("Export" in output for output in self.template_dict.get("Outputs", {}).values()):
        raise NotEmulatedError("Export in the outputs of a template")
    return []


def _refuse_change_sets(_self: Any, *_: Any, **__: Any) -> None:
    raise NotEmulatedError("CreateChangeSet; use CreateStack")
