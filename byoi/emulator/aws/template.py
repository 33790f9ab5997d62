"""A CloudFormation template: read, checked, and given values for its parameters.

Whatever is wrong with it is said before anything is made.

Sources: CloudFormation User Guide, "Template anatomy" and "Parameters"; the wording of errors is
that of CloudFormation's answers quoted in public issues.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import Any

import yaml  # type: ignore[import-untyped]

from byoi.emulator.aws import intrinsics
from byoi.emulator.aws.errors import NotEmulatedError, TemplateError

PSEUDO_PARAMETERS = frozenset(
    {f"AWS::{name}" for name in ("AccountId", "NoValue", "NotificationARNs", "Partition")}
    | {f"AWS::{name}" for name in ("Region", "StackId", "StackName", "URLSuffix")}
)
_SECTIONS = frozenset(
    {"AWSTemplateFormatVersion", "Conditions", "Description", "Mappings", "Metadata", "Outputs"}
    | {"Parameters", "Resources", "Rules", "Transform", "Hooks"}
)
_ATTRIBUTES = frozenset(
    {"Type", "Properties", "DependsOn", "Condition", "DeletionPolicy", "UpdateReplacePolicy"}
    | {"Metadata", "CreationPolicy", "UpdatePolicy"}
)
_REFUSED_SECTIONS = ("Transform", "Rules", "Hooks")
_REFUSED_ATTRIBUTES = ("CreationPolicy", "UpdatePolicy")
_PARAMETER_TYPES = ("String", "Number", "CommaDelimitedList", "List<Number>")
_PARAMETER_KEYS = frozenset(
    {"Type", "Default", "Description", "NoEcho", "AllowedValues", "AllowedPattern"}
    | {"MinLength", "MaxLength", "MinValue", "MaxValue", "ConstraintDescription"}
)
_KEEPING = {"Delete": False, "Retain": True, "RetainExceptOnCreate": True}
# A person can name these; CAPABILITY_NAMED_IAM is needed where one is named.
_IAM_NAMES = {
    "AWS::IAM::Group": "GroupName",
    "AWS::IAM::InstanceProfile": "InstanceProfileName",
    "AWS::IAM::ManagedPolicy": "ManagedPolicyName",
    "AWS::IAM::Role": "RoleName",
    "AWS::IAM::User": "UserName",
}
_IAM = frozenset(_IAM_NAMES) | {
    "AWS::IAM::AccessKey", "AWS::IAM::Policy", "AWS::IAM::RolePolicy",
    "AWS::IAM::UserToGroupAddition",
}  # fmt: skip
_MAX_BYTES = 1_000_000


class Template:
    """A template that was checked.

    Attributes:
        body: Its text, as it was given.
        description: Its description; None if it has none.
        parameters: Its parameters' declarations, by name.
        resources: Its resources' declarations, by logical id.
        outputs: Its outputs' declarations, by name.
        conditions: Its conditions, by name.
        mappings: Its mappings, by name.
    """

    def __init__(self, body: str, types: Mapping[str, Any]) -> None:
        """Read and check a template.

        Args:
            body: YAML or JSON.
            types: The types of resources that are emulated, by name.

        Raises:
            TemplateError: CloudFormation would refuse it.
            NotEmulatedError: It has something that is not emulated.
        """
        self.body = body
        sections = _read(body)
        _check_sections(sections)
        self.description: str | None = sections.get("Description")
        self.metadata: Any = sections.get("Metadata")
        self.version: str | None = sections.get("AWSTemplateFormatVersion")
        self.parameters: dict[str, Any] = _section(sections, "Parameters")
        self.conditions: dict[str, Any] = _section(sections, "Conditions")
        self.mappings: dict[str, Any] = _section(sections, "Mappings")
        self.resources: dict[str, Any] = _section(sections, "Resources")
        self.outputs: dict[str, Any] = _section(sections, "Outputs")
        _refuse_dynamic_references(sections)
        for name, declaration in self.parameters.items():
            _check_parameter(name, declaration)
        for name, declaration in self.resources.items():
            _check_resource(name, declaration, types)
        for name, declaration in self.outputs.items():
            _check_output(name, declaration)
        self._check_conditions()
        self._check_references("Resources", self.resources, with_resources=True)
        self._check_references("Outputs", self.outputs, with_resources=True)
        self._check_references("Conditions", self.conditions, with_resources=False)
        self._check_attributes(types)
        self.order = self._order()

    def depends_on(self, name: str) -> set[str]:
        """Return the logical ids that a resource refers to or names in DependsOn."""
        declaration = self.resources[name]
        depends = declaration.get("DependsOn") or []
        named = [depends] if isinstance(depends, str) else depends
        referred = [one.name for one in intrinsics.references(declaration.get("Properties"))]
        return {one for one in (*named, *referred) if one in self.resources}

    def keeps(self, name: str, policy: str = "DeletionPolicy") -> bool:
        """Return whether a resource stays where CloudFormation would delete it."""
        return _KEEPING[self.resources[name].get(policy, "Delete")]

    def capabilities(self) -> list[str]:
        """Return the capabilities that the template needs."""
        types = [(one["Type"], one.get("Properties") or {}) for one in self.resources.values()]
        if any(_IAM_NAMES.get(type_) in properties for type_, properties in types):
            return ["CAPABILITY_NAMED_IAM"]
        return ["CAPABILITY_IAM"] if any(type_ in _IAM for type_, _ in types) else []

    def require_capabilities(self, given: Sequence[str]) -> None:
        """Check that a caller acknowledged what the template needs.

        Raises:
            InsufficientCapabilitiesError: The caller did not.
        """
        needed = self.capabilities()
        enough = {"CAPABILITY_NAMED_IAM", *needed}
        if needed and not enough & set(given):
            raise InsufficientCapabilitiesError(f"Requires capabilities : [{', '.join(needed)}]")

    def values(self, given: Mapping[str, str]) -> dict[str, Any]:
        """Return the values of the parameters.

        Args:
            given: Values by name; the others take their default.

        Raises:
            TemplateError: One is missing, unknown, or breaks a constraint.
        """
        if unknown := [name for name in given if name not in self.parameters]:
            raise TemplateError(f"Parameters: [{', '.join(unknown)}] do not exist in the template")
        missing = [
            name
            for name, one in self.parameters.items()
            if name not in given and "Default" not in one
        ]
        if missing:
            raise TemplateError(f"Parameters: [{', '.join(missing)}] must have values")
        return {
            name: _value(name, str(given.get(name, intrinsics.as_text(one.get("Default")))), one)
            for name, one in self.parameters.items()
        }

    def _check_conditions(self) -> None:
        used = {"Resources": self.resources, "Outputs": self.outputs}
        for section, declarations in used.items():
            names = [one["Condition"] for one in declarations.values() if "Condition" in one]
            for name in (*names, *intrinsics.conditions_in(declarations)):
                if name not in self.conditions:
                    raise TemplateError(
                        f"Template format error: Unresolved condition dependency {name} in the "
                        f"{section} block of the template"
                    )
        graph = {name: set(_inner_conditions(one)) for name, one in self.conditions.items()}
        for name in {one for names in graph.values() for one in names} - graph.keys():
            raise TemplateError(
                f"Template format error: Unresolved condition dependency {name} in the "
                "Conditions block of the template"
            )
        _sorted(graph, "conditions")

    def _check_references(
        self, section: str, declarations: Mapping[str, Any], *, with_resources: bool
    ) -> None:
        resources = self.resources if with_resources else {}
        unresolved = []
        for one in intrinsics.references(declarations):
            known = one.name in resources
            if not one.attribute:
                known = known or one.name in self.parameters or one.name in PSEUDO_PARAMETERS
            if not known:
                unresolved.append(one.name)
        if section == "Resources":
            for declaration in declarations.values():
                depends = declaration.get("DependsOn") or []
                named = [depends] if isinstance(depends, str) else depends
                unresolved += [name for name in named if name not in resources]
        if unresolved:
            noun = "resource " if with_resources else ""
            raise TemplateError(
                f"Template format error: Unresolved {noun}dependencies "
                f"[{', '.join(dict.fromkeys(unresolved))}] in the {section} block of the template"
            )

    def _check_attributes(self, types: Mapping[str, Any]) -> None:
        for one in intrinsics.references([self.resources, self.outputs]):
            type_ = self.resources[one.name]["Type"] if one.attribute else ""
            if type_ and not types[type_].has_attribute(one.attribute):
                raise TemplateError(
                    f"Template error: resource {one.name} does not support attribute type "
                    f"{one.attribute} in Fn::GetAtt"
                )

    def _order(self) -> list[str]:
        """Return the logical ids, those that others depend on first."""
        return _sorted({name: self.depends_on(name) for name in self.resources}, "resources")


class InsufficientCapabilitiesError(TemplateError):
    """The caller did not acknowledge that the template makes resources of IAM."""

    code = "InsufficientCapabilitiesException"


class _Loader(yaml.SafeLoader):  # type: ignore[misc] # without types
    """YAML with CloudFormation's short forms; dates stay texts."""


_Loader.yaml_implicit_resolvers = {
    key: [(tag, expression) for tag, expression in resolvers if not tag.endswith(":timestamp")]
    for key, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _long_form(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    value: Any
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
        value = str(value).split(".", 1) if suffix == "GetAtt" else value
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)
    return {suffix if suffix in {"Ref", "Condition"} else f"Fn::{suffix}": value}


_Loader.add_multi_constructor("!", _long_form)


def _read(body: str) -> dict[str, Any]:
    if len(body.encode()) > _MAX_BYTES:
        raise TemplateError(f"Template may not exceed {_MAX_BYTES} bytes in size.")
    try:
        if body.lstrip().startswith("{"):
            try:
                found: Any = json.loads(body)
            except json.JSONDecodeError:
                # Flow style of YAML begins so, too.
                found = yaml.load(body, _Loader)  # noqa: S506 - a SafeLoader
        else:
            found = yaml.load(body, _Loader)  # noqa: S506 - a SafeLoader
    except (yaml.YAMLError, ValueError, RecursionError, TypeError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" (line {mark.line + 1}, column {mark.column + 1})" if mark else ""
        kind = "JSON" if body.lstrip().startswith("{") else "YAML"
        raise TemplateError(f"Template format error: {kind} not well-formed.{where}") from error
    if not isinstance(found, dict):
        raise TemplateError("Template format error: unsupported structure.")
    return found


def _check_sections(sections: Mapping[str, Any]) -> None:
    if unknown := [str(name) for name in sections if name not in _SECTIONS]:
        raise TemplateError(f"Invalid template property or properties [{', '.join(unknown)}]")
    for name in _REFUSED_SECTIONS:
        if sections.get(name):
            shown = f" {json.dumps(sections[name])}" if name == "Transform" else ""
            raise NotEmulatedError(f"{name}{shown} in a template")
    if sections.get("AWSTemplateFormatVersion", "2010-09-09") != "2010-09-09":
        raise TemplateError(
            f"Template format error: {sections['AWSTemplateFormatVersion']} is not a supported "
            "value for AWSTemplateFormatVersion."
        )
    if not sections.get("Resources"):
        raise TemplateError("Template format error: At least one Resources member must be defined.")
    if not isinstance(sections.get("Description", ""), str):
        raise TemplateError("Template format error: every Description member must be a string.")


def _section(sections: Mapping[str, Any], name: str) -> dict[str, Any]:
    found = sections.get(name, {})
    if found is None:
        raise TemplateError(f"[/{name}] 'null' values are not allowed in templates")
    if not isinstance(found, dict):
        raise TemplateError(f"Template format error: {name} section must be a map.")
    for key, value in found.items():
        if name in {"Parameters", "Resources", "Outputs", "Mappings"} and not re.fullmatch(
            r"[A-Za-z0-9]+", str(key)
        ):
            raise TemplateError(
                f"Template format error: {name.removesuffix('s')} name {key} is non alphanumeric."
            )
        if not isinstance(value, dict):
            raise TemplateError(
                f"Template format error: Every {name} member must be an object; {key} is none."
            )
    return found


def _check_parameter(name: str, declaration: Mapping[str, Any]) -> None:
    if unknown := set(declaration) - _PARAMETER_KEYS:
        raise TemplateError(f"Invalid template parameter property '{', '.join(sorted(unknown))}'")
    type_ = declaration.get("Type")
    if not type_:
        raise TemplateError(
            f"Template format error: Every Parameters object must contain a Type member; {name} "
            "has none."
        )
    if type_ not in _PARAMETER_TYPES:
        if str(type_).startswith(("AWS::", "List<AWS::")):
            raise NotEmulatedError(f"a parameter of type {type_} ({name}) in a template")
        raise TemplateError(
            f"Template format error: Unrecognized parameter type: {type_}. Valid values for Type "
            f"are {', '.join(_PARAMETER_TYPES)}."
        )


def _check_resource(name: str, declaration: Mapping[str, Any], types: Mapping[str, Any]) -> None:
    if unknown := [one for one in declaration if one not in _ATTRIBUTES]:
        raise TemplateError(f"Invalid template resource property '{', '.join(unknown)}'")
    type_ = declaration.get("Type")
    if not isinstance(type_, str):
        raise TemplateError(
            f"Template format error: [/Resources/{name}] Every Resources object must contain a "
            "Type member."
        )
    if type_ not in types:
        raise NotEmulatedError(f"{type_} in a template")
    for attribute in _REFUSED_ATTRIBUTES:
        if attribute in declaration:
            raise NotEmulatedError(f"{attribute} of {name} in a template")
    for attribute in ("DeletionPolicy", "UpdateReplacePolicy"):
        policy = declaration.get(attribute, "Delete")
        if policy not in _KEEPING:
            if policy == "Snapshot":
                raise TemplateError(
                    f"Template error: resource type {type_} does not support deletion policy "
                    "Snapshot"
                )
            raise TemplateError(
                f"Template format error: Unrecognized {attribute} {policy} for resource {name}"
            )
    properties = declaration.get("Properties", {})
    if not isinstance(properties, dict) or intrinsics.function_of(properties):
        raise TemplateError(f"[/Resources/{name}/Properties] must be an object")
    types[type_].refuse_properties(properties)


def _check_output(name: str, declaration: Mapping[str, Any]) -> None:
    if "Value" not in declaration:
        raise TemplateError(
            f"Template format error: Output {name} is malformed. Every Outputs member must contain "
            "a Value object"
        )
    if unknown := set(declaration) - {"Value", "Description", "Export", "Condition"}:
        raise TemplateError(f"Invalid template output property '{', '.join(sorted(unknown))}'")
    export = declaration.get("Export", {"Name": ""})
    if not isinstance(export, dict) or set(export) != {"Name"}:
        raise TemplateError(
            f"Template format error: Output {name} is malformed. The Export field of every Outputs "
            "member, if specified, must contain a Name"
        )


def _inner_conditions(condition: Any) -> Iterator[str]:
    if isinstance(condition, Mapping):
        if set(condition) == {"Condition"}:
            yield str(condition["Condition"])
        else:
            for one in condition.values():
                yield from _inner_conditions(one)
    elif isinstance(condition, list):
        for one in condition:
            yield from _inner_conditions(one)


def _sorted(graph: Mapping[str, set[str]], noun: str) -> list[str]:
    try:
        return list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        cycle = sorted(set(error.args[1]))
        raise TemplateError(f"Circular dependency between {noun}: [{', '.join(cycle)}]") from error


def _refuse_dynamic_references(value: Any) -> None:
    if isinstance(value, str):
        if match := re.search(r"\{\{resolve:[^}]*\}?\}?", value):
            raise NotEmulatedError(f"the dynamic reference {match[0]} in a template")
    elif isinstance(value, Mapping):
        for one in value.values():
            _refuse_dynamic_references(one)
    elif isinstance(value, list):
        for one in value:
            _refuse_dynamic_references(one)


def _value(name: str, text: str, declaration: Mapping[str, Any]) -> Any:
    type_ = declaration["Type"]
    parts = [one.strip() for one in text.split(",")] if type_ not in {"String", "Number"} else None
    allowed = declaration.get("AllowedValues")
    for one in [text] if parts is None else parts:
        if allowed is not None and one not in [intrinsics.as_text(each) for each in allowed]:
            shown = ", ".join(str(intrinsics.as_text(each)) for each in allowed)
            raise _broken(name, declaration, f"must be one of AllowedValues [{shown}]")
        if "Number" in type_:
            _check_number(name, one, declaration)
    pattern = declaration.get("AllowedPattern")
    if pattern is not None and not re.fullmatch(str(pattern), text):
        raise _broken(name, declaration, f"must match pattern {pattern}")
    if len(text) < int(declaration.get("MinLength", 0)):
        noun = f"must contain at least {declaration['MinLength']} characters"
        raise _broken(name, declaration, noun)
    if "MaxLength" in declaration and len(text) > int(declaration["MaxLength"]):
        noun = f"must contain at most {declaration['MaxLength']} characters"
        raise _broken(name, declaration, noun)
    return text if parts is None else parts


def _check_number(name: str, text: str, declaration: Mapping[str, Any]) -> None:
    try:
        number = float(text)
    except ValueError:
        raise _broken(name, {}, "must be a number") from None
    if "MinValue" in declaration and number < float(declaration["MinValue"]):
        raise _broken(
            name, declaration, f"must be a number not less than {declaration['MinValue']}"
        )
    if "MaxValue" in declaration and number > float(declaration["MaxValue"]):
        raise _broken(
            name, declaration, f"must be a number not greater than {declaration['MaxValue']}"
        )


def _broken(name: str, declaration: Mapping[str, Any], rule: str) -> TemplateError:
    if description := declaration.get("ConstraintDescription"):
        return TemplateError(f"Parameter '{name}' failed to satisfy constraint: {description}")
    return TemplateError(f"Parameter '{name}' {rule}")
