"""What CloudFormation's answers show of a stack, a resource, a change set and a template.

Sources: API DescribeStacks, ListStacks, DescribeStackResources, DescribeChangeSet,
GetTemplateSummary, ValidateTemplate.
"""

from collections.abc import Mapping
from typing import Any

from byoi.emulator.aws import intrinsics
from byoi.emulator.aws.change_sets import ChangeSet
from byoi.emulator.aws.stack_records import Asked, Resource, Stack
from byoi.emulator.aws.template import Template

text = intrinsics.as_text
_DRIFT = {"StackDriftStatus": "NOT_CHECKED"}
_IAM = "The following resource(s) require capabilities: "


def stack(one: Stack) -> dict[str, Any]:
    """Return a stack as DescribeStacks shows it."""
    shown = {
        "StackId": one.stack_id,
        "StackName": one.name,
        "Description": one.description,
        "CreationTime": one.created,
        "LastUpdatedTime": one.updated,
        "DeletionTime": one.deleted,
        "StackStatus": one.status,
        "StackStatusReason": one.reason or None,
        "DisableRollback": one.on_failure == "DO_NOTHING",
        "EnableTerminationProtection": one.is_protected,
        "NotificationARNs": [],
        "RollbackConfiguration": {},
        "DriftInformation": _DRIFT,
        "Tags": _tags(one.tags),
    }
    if one.asked is not None and one.asked.template.parameters:
        shown["Parameters"] = _parameters(one.asked)
    if one.outputs:
        shown["Outputs"] = _outputs(one)
    return _without_none(shown)


def summary(one: Stack) -> dict[str, Any]:
    """Return a stack as ListStacks shows it."""
    return _without_none(
        {
            "StackId": one.stack_id,
            "StackName": one.name,
            "TemplateDescription": one.description,
            "CreationTime": one.created,
            "LastUpdatedTime": one.updated,
            "DeletionTime": one.deleted,
            "StackStatus": one.status,
            "StackStatusReason": one.reason or None,
            "DriftInformation": _DRIFT,
        }
    )


def resource(in_stack: Stack, one: Resource) -> dict[str, Any]:
    """Return a resource as DescribeStackResources shows it."""
    return {
        "StackName": in_stack.name,
        "StackId": in_stack.stack_id,
        "LogicalResourceId": one.logical_id,
        "PhysicalResourceId": one.made.id,
        "ResourceType": one.type.name,
        "Timestamp": one.since,
        "ResourceStatus": one.status,
        "DriftInformation": {"StackResourceDriftStatus": "NOT_CHECKED"},
    }


def detail(in_stack: Stack, one: Resource) -> dict[str, Any]:
    """Return a resource as DescribeStackResource shows it."""
    shown = resource(in_stack, one)
    return {**shown, "LastUpdatedTimestamp": shown.pop("Timestamp")}


def resource_summary(one: Resource) -> dict[str, Any]:
    """Return a resource as ListStackResources shows it."""
    return {
        "LogicalResourceId": one.logical_id,
        "PhysicalResourceId": one.made.id,
        "ResourceType": one.type.name,
        "LastUpdatedTimestamp": one.since,
        "ResourceStatus": one.status,
        "DriftInformation": {"StackResourceDriftStatus": "NOT_CHECKED"},
    }


def change_set(one: ChangeSet) -> dict[str, Any]:
    """Return a change set as DescribeChangeSet shows it."""
    shown = {
        **change_set_summary(one),
        "NotificationARNs": [],
        "RollbackConfiguration": {},
        "Capabilities": list(one.asked.capabilities),
        "Tags": _tags(one.asked.tags),
        "Changes": one.changes,
        "OnStackFailure": one.on_failure,
    }
    if one.asked.template.parameters:
        shown["Parameters"] = _parameters(one.asked)
    return shown


def change_set_summary(one: ChangeSet) -> dict[str, Any]:
    """Return a change set as ListChangeSets shows it."""
    return _without_none(
        {
            "ChangeSetName": one.name,
            "ChangeSetId": one.id,
            "StackId": one.stack.stack_id,
            "StackName": one.stack.name,
            "Description": one.description,
            "CreationTime": one.created,
            "ExecutionStatus": one.execution_status,
            "Status": one.status,
            "StatusReason": one.reason or None,
            "IncludeNestedStacks": False,
        }
    )


def template_summary(one: Template) -> dict[str, Any]:
    """Return a template as GetTemplateSummary shows it."""
    parameters = [
        _without_none(
            {
                "ParameterKey": name,
                "DefaultValue": text(declared.get("Default")),
                "ParameterType": declared["Type"],
                "NoEcho": _is_hidden(declared),
                "Description": declared.get("Description"),
                "ParameterConstraints": _constraints(declared),
            }
        )
        for name, declared in one.parameters.items()
    ]
    types = [declared["Type"] for declared in one.resources.values()]
    shown = {
        "Parameters": parameters,
        "Description": one.description,
        "ResourceTypes": types,
        "Version": one.version,
        "Metadata": None if one.metadata is None else str(one.metadata),
        "DeclaredTransforms": [],
    }
    return _without_none({**shown, **_capabilities(one)})


def validated(one: Template) -> dict[str, Any]:
    """Return a template as ValidateTemplate shows it."""
    parameters = [
        _without_none(
            {
                "ParameterKey": name,
                "DefaultValue": text(declared.get("Default")),
                "NoEcho": _is_hidden(declared),
                "Description": declared.get("Description"),
            }
        )
        for name, declared in one.parameters.items()
    ]
    shown = {"Parameters": parameters, "Description": one.description, "DeclaredTransforms": []}
    return _without_none({**shown, **_capabilities(one)})


def _capabilities(one: Template) -> dict[str, Any]:
    needed = one.capabilities()
    if not needed:
        return {}
    types = sorted({str(declared["Type"]) for declared in one.resources.values()})
    shown = ", ".join(type_ for type_ in types if type_.startswith("AWS::IAM::"))
    return {"Capabilities": needed, "CapabilitiesReason": f"{_IAM}[{shown}]"}


def _constraints(declared: Mapping[str, Any]) -> dict[str, Any]:
    allowed = declared.get("AllowedValues")
    return {} if allowed is None else {"AllowedValues": [str(text(one)) for one in allowed]}


def _parameters(asked: Asked) -> list[dict[str, Any]]:
    shown = []
    for name, value in asked.values.items():
        joined = ",".join(value) if isinstance(value, list) else value
        is_hidden = _is_hidden(asked.template.parameters[name])
        shown.append({"ParameterKey": name, "ParameterValue": "****" if is_hidden else joined})
    return shown


def _is_hidden(declared: Mapping[str, Any]) -> bool:
    return str(declared.get("NoEcho", False)).lower() == "true"


def _outputs(one: Stack) -> list[dict[str, Any]]:
    declared = one.asked.template.outputs if one.asked else {}
    return [
        _without_none(
            {
                "OutputKey": name,
                "OutputValue": value,
                "Description": declared.get(name, {}).get("Description"),
                "ExportName": one.export_names.get(name),
            }
        )
        for name, value in one.outputs.items()
    ]


def _tags(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def _without_none(shown: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in shown.items() if value is not None}
