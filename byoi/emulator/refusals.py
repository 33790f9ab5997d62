"""What the emulator does not emulate, and the message that says so.

moto answers many calls with something made up: a training job that is "Completed" and
has no output, a canned prediction. Nothing of that kind passes here.
"""

from collections.abc import Mapping
from typing import Any

_NOUNS = ("Endpoint", "EndpointConfig", "Model")

# The error's name; AWS has none like it.
CODE = "NotEmulated"

# Services whose calls do here what they do on AWS, and of some only these calls.
_ACTIONS: dict[str, frozenset[str] | None] = {
    "apigateway": None,
    "cloudformation": None,
    "ecr": frozenset(
        {f"{verb}Repository" for verb in ("Create", "Delete")}
        | {"DescribeRepositories", "GetAuthorizationToken"}
        | {"BatchDeleteImage", "BatchGetImage", "DescribeImages", "ListImages", "PutImage"}
        | {f"{verb}LifecyclePolicy" for verb in ("Put", "Get", "Delete")}
        | {f"{verb}RepositoryPolicy" for verb in ("Set", "Get", "Delete")}
        | {"TagResource", "UntagResource", "ListTagsForResource"}
    ),
    "iam": None,
    "logs": None,
    "s3": None,
    "sagemaker": frozenset(
        {f"{verb}{noun}" for verb in ("Create", "Delete", "Describe") for noun in _NOUNS}
        | {f"List{noun}s" for noun in _NOUNS}
        | {"UpdateEndpoint", "UpdateEndpointWeightsAndCapacities"}
        | {"AddTags", "ListTags", "DeleteTags"}
    ),
    "servicequotas": None,
    # moto gives the same keys to all who ask for those of a session or a federated user.
    "sts": frozenset({"AssumeRole", "GetAccessKeyInfo", "GetCallerIdentity"}),
    "tagging": None,
}

# Parameters that change what runs, and that nothing here would act on; by action.
_PARAMETERS: dict[str, tuple[str, ...]] = {
    "CreateModel": ("Containers", "InferenceExecutionConfig"),
    "CreateEndpointConfig": ("AsyncInferenceConfig", "ExplainerConfig", "ShadowProductionVariants"),
    "CreateEndpoint": ("DeploymentConfig",),
    "UpdateEndpoint": ("RetainAllVariantProperties", "RetainDeploymentConfig"),
}
_CONTAINER = ("ModelPackageName", "MultiModelConfig", "AdditionalModelDataSources", "ImageConfig")
_VARIANT = (
    "ServerlessConfig",
    "ManagedInstanceScaling",
    "CoreDumpConfig",
    "CapacityReservationConfig",
    "InstancePools",
)


def is_emulated(service: str, action: str) -> bool:
    """Whether a service's action does here what it does on AWS."""
    if service not in _ACTIONS:
        return False
    # HTTP and WebSocket APIs, whose requests are signed as those of REST APIs are.
    if service == "apigateway" and " /v2/" in action:
        return False
    actions = _ACTIONS[service]
    return actions is None or action in actions


def find(action: str, parameters: Mapping[str, Any]) -> str | None:
    """Return what a SageMaker call asks for that is not emulated, None where all is.

    Args:
        action: Such as `CreateModel`; of CloudFormation's resources, the action behind them.
        parameters: The call's, or the resource's properties.
    """
    named = [name for name in _PARAMETERS.get(action, ()) if parameters.get(name)]
    container = parameters.get("PrimaryContainer") or {}
    named += [name for name in _CONTAINER if container.get(name)]
    if container.get("Mode") == "MultiModel":
        named.append("Mode=MultiModel")
    for variant in parameters.get("ProductionVariants") or ():
        named += [name for name in _VARIANT if variant.get(name)]
    for variant in parameters.get("DesiredWeightsAndCapacities") or ():
        named += [name for name in ("ServerlessUpdateConfig",) if variant.get(name)]
    if (parameters.get("DataCaptureConfig") or {}).get("EnableCapture"):
        named.append("DataCaptureConfig")
    policy = (parameters.get("DeploymentConfig") or {}) if action == "UpdateEndpoint" else {}
    routing = (policy.get("BlueGreenUpdatePolicy") or {}).get("TrafficRoutingConfiguration") or {}
    if routing.get("Type", "ALL_AT_ONCE") != "ALL_AT_ONCE" or policy.get("RollingUpdatePolicy"):
        named.append("DeploymentConfig other than ALL_AT_ONCE")
    return f"{action} with {', '.join(named)}" if named else None


def message(what: str) -> str:
    """Return the sentence that refuses `what`."""
    return (
        f"The emulator does not emulate {what}, and does not invent an answer. "
        "docs/emulator.md lists what it does; this call needs AWS."
    )
