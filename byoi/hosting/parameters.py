"""What local mode does with each parameter of SageMaker's API: the one table of it.

A parameter is done, or done for some of its values, or without effect because it cannot change a
result, or refused by name with the way out. What the table does not name is refused, so a
parameter that AWS adds is never swallowed. docs/troubleshooting.md lists what has no effect.

Source of the names: botocore's service models of `sagemaker` and `sagemaker-runtime`, against
which a test compares the table; `FileDataSource` is the SDK's own (sagemaker 2.257, inputs.py).
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from botocore import xform_name

from byoi import errors

ON_EMULATOR = "the emulator does it (`byoi emulator run -- COMMAND`), and AWS"
ON_AWS = "only AWS does it"


@dataclass(frozen=True)
class Done:
    """It is done, with all below it.

    Attributes:
        values: The values for which it is; empty is all.
        instead: Who does the others.
    """

    values: tuple[Any, ...] = ()
    instead: str = ON_AWS


@dataclass(frozen=True)
class NoEffect:
    """It is taken and has no effect, with all below it.

    Attributes:
        why: Why it cannot change a result here.
    """

    why: str


@dataclass(frozen=True)
class Refused:
    """It is refused.

    Attributes:
        instead: Who does it, or what to give instead.
    """

    instead: str


Treatment = Done | NoEffect | Refused
_UNKNOWN = "it is not known here; if AWS knows it, only AWS does it"
_DONE = Done()
_OFF = Done((False,))
_BOOKKEEPING = NoEffect("it only describes resources of AWS")
_STORAGE = NoEffect("files are on this machine's disk; its size and encryption apply")
_NO_ROLE = NoEffect("a container on this machine has no role")
_IMAGE_IS_HERE = NoEffect("the image is on this machine and is not pulled")
_METRICS = NoEffect("there is no CloudWatch; the container's log has what it wrote")
_ONE_INSTANCE = NoEffect("there is one container")
_NETWORK = Refused(
    "a container on this machine has this machine's network; the emulator isolates a model "
    "(`byoi emulator run -- COMMAND`), a VPC is AWS's"
)
_ISOLATION = Done((False,), ON_EMULATOR)
_VARIANT = "ProductionVariants."
_CHANNEL = "InputDataConfig."
_S3_CHANNEL = "InputDataConfig.DataSource.S3DataSource."
_LIKE_A_FILE = Done(("File", "FastFile"))


def _each(treatment: Treatment, *paths: str, below: str = "") -> dict[str, Treatment]:
    return {f"{below}{path}": treatment for path in paths}


# Action to path to treatment; a path goes through lists as if they were their members.
TABLE: Mapping[str, Mapping[str, Treatment]] = {
    "CreateModel": {
        **_each(_DONE, "ModelName"),
        **_each(_DONE, "Image", "ModelDataUrl", "Environment", below="PrimaryContainer."),
        "PrimaryContainer.Mode": Done(
            ("SingleModel",), f"several models in one container (MultiDataModel): {ON_AWS}"
        ),
        "PrimaryContainer.ImageConfig": _IMAGE_IS_HERE,
        "PrimaryContainer.ContainerHostname": _ONE_INSTANCE,
        "PrimaryContainer.ContainerMetricsConfig": _METRICS,
        "PrimaryContainer.MultiModelConfig": Refused(f"several models in one container: {ON_AWS}"),
        "PrimaryContainer.ModelDataSource": Refused(
            "give model_data='file:///absolute/path', an archive or a folder, or the s3:// URI of "
            "an archive"
        ),
        "Containers": Refused(f"a pipeline of containers (PipelineModel): {ON_AWS}"),
        "InferenceExecutionConfig": Refused(f"several containers: {ON_AWS}"),
        "ExecutionRoleArn": _NO_ROLE,
        "Tags": _BOOKKEEPING,
        "VpcConfig": _NETWORK,
        "EnableNetworkIsolation": _ISOLATION,
    },
    "CreateEndpointConfig": {
        **_each(_DONE, "EndpointConfigName"),
        **_each(_DONE, "VariantName", "ModelName", "InstanceType", below=_VARIANT),
        _VARIANT + "InitialInstanceCount": Done(
            (1,), f"more than one variant or instance: {ON_EMULATOR}"
        ),
        _VARIANT + "ContainerStartupHealthCheckTimeoutInSeconds": _DONE,
        **_each(_ONE_INSTANCE, "InitialVariantWeight", "RoutingConfig", below=_VARIANT),
        _VARIANT + "VolumeSizeInGB": _STORAGE,
        **_each(
            NoEffect("the model data are on this machine, or are waited for"),
            "ModelDataDownloadTimeoutInSeconds",
            "VariantInstanceProvisionTimeoutInSeconds",
            below=_VARIANT,
        ),
        _VARIANT + "EnableSSMAccess": NoEffect("`docker exec` opens the container"),
        _VARIANT + "ServerlessConfig": Refused(f"a serverless endpoint: {ON_AWS}"),
        _VARIANT + "AcceleratorType": Refused(ON_AWS),
        _VARIANT + "InferenceAmiVersion": Refused(f"another driver or kernel: {ON_AWS}"),
        "DataCaptureConfig.EnableCapture": Done((False,), f"data capture: {ON_AWS}"),
        **_each(
            NoEffect("nothing is captured; EnableCapture=True is refused"),
            *("InitialSamplingPercentage", "DestinationS3Uri", "KmsKeyId", "CaptureOptions"),
            "CaptureContentTypeHeader",
            below="DataCaptureConfig.",
        ),
        "AsyncInferenceConfig": Refused(f"asynchronous inference: {ON_AWS}"),
        "ExplainerConfig": Refused(f"explanations of predictions: {ON_AWS}"),
        "ShadowProductionVariants": Refused(f"a shadow of a variant: {ON_AWS}"),
        "ExecutionRoleArn": _NO_ROLE,
        "KmsKeyId": _STORAGE,
        "MetricsConfig": _METRICS,
        "Tags": _BOOKKEEPING,
        "VpcConfig": _NETWORK,
        "EnableNetworkIsolation": _ISOLATION,
    },
    "CreateEndpoint": {
        **_each(_DONE, "EndpointName", "EndpointConfigName"),
        "Tags": _BOOKKEEPING,
    },
    "CreateTransformJob": {
        **_each(_DONE, "TransformJobName", "ModelName", "MaxPayloadInMB", "Environment"),
        **_each(_DONE, "ModelClientConfig", "TransformInput.DataSource.S3DataSource.S3Uri"),
        **_each(_DONE, "TransformInput.ContentType"),
        **_each(_DONE, "TransformOutput.S3OutputPath", "TransformOutput.Accept"),
        **_each(_DONE, "TransformResources.InstanceType"),
        **_each(_DONE, "DataProcessing.InputFilter", "DataProcessing.OutputFilter"),
        "DataProcessing.JoinSource": Done(("None", "Input")),
        "BatchStrategy": Done(("MultiRecord", "SingleRecord")),
        "TransformInput.CompressionType": Done(("None", "Gzip")),
        "TransformInput.DataSource.S3DataSource.S3DataType": Done(("S3Prefix",)),
        "TransformInput.SplitType": Done(("None", "Line")),
        "TransformOutput.AssembleWith": Done(("None", "Line")),
        "TransformOutput.KmsKeyId": _STORAGE,
        "TransformResources.VolumeKmsKeyId": _STORAGE,
        **_each(
            NoEffect("one container answers one record after the other, with the same output"),
            *("MaxConcurrentTransforms", "TransformResources.InstanceCount"),
        ),
        "DataCaptureConfig": Refused(
            f"data capture: {ON_AWS}; the input and output files are here"
        ),
        "ExperimentConfig": _BOOKKEEPING,
        "Tags": _BOOKKEEPING,
    },
    "CreateTrainingJob": {
        **_each(_DONE, "TrainingJobName", "HyperParameters", "Environment"),
        **_each(
            _DONE,
            *("TrainingImage", "ContainerEntrypoint", "ContainerArguments"),
            below="AlgorithmSpecification.",
        ),
        "AlgorithmSpecification.TrainingInputMode": _LIKE_A_FILE,
        "AlgorithmSpecification.TrainingImageConfig": _IMAGE_IS_HERE,
        "AlgorithmSpecification.MetricDefinitions": _METRICS,
        "AlgorithmSpecification.EnableSageMakerMetricsTimeSeries": _METRICS,
        **_each(_DONE, "ChannelName", "ContentType", below=_CHANNEL),
        **_each(_DONE, "FileUri", below="InputDataConfig.DataSource.FileDataSource."),
        "InputDataConfig.DataSource.FileDataSource.FileDataDistributionType": Done(
            ("FullyReplicated",)
        ),
        _S3_CHANNEL + "S3Uri": _DONE,
        _S3_CHANNEL + "S3DataType": Done(("S3Prefix",)),
        _S3_CHANNEL + "S3DataDistributionType": Done(("FullyReplicated",)),
        _CHANNEL + "CompressionType": Done(("None",)),
        _CHANNEL + "RecordWrapperType": Done(("None",)),
        _CHANNEL + "InputMode": _LIKE_A_FILE,
        "OutputDataConfig.S3OutputPath": _DONE,
        "OutputDataConfig.KmsKeyId": _STORAGE,
        "OutputDataConfig.CompressionType": Done(("GZIP",)),
        **_each(_DONE, "InstanceType", "InstanceCount", below="ResourceConfig."),
        **_each(_STORAGE, "VolumeSizeInGB", "VolumeKmsKeyId", below="ResourceConfig."),
        "ResourceConfig.KeepAlivePeriodInSeconds": NoEffect("no instance is paid for"),
        "StoppingCondition.MaxRuntimeInSeconds": _DONE,
        **_each(
            NoEffect("nothing is waited for: the container starts at once"),
            *("MaxPendingTimeInSeconds", "MaxWaitTimeInSeconds"),
            below="StoppingCondition.",
        ),
        "RoleArn": _NO_ROLE,
        "VpcConfig": _NETWORK,
        "EnableNetworkIsolation": Done((False,)),
        "EnableInterContainerTrafficEncryption": NoEffect("nothing leaves this machine"),
        "EnableManagedSpotTraining": _OFF,
        "CheckpointConfig": Refused(f"checkpoints, kept in S3 and brought back: {ON_AWS}"),
        "DebugHookConfig.CollectionConfigurations": Done(([],)),
        # The SDK sends these with every training job.
        **_each(
            NoEffect("nothing is collected; collections are refused"),
            *("LocalPath", "S3OutputPath"),
            below="DebugHookConfig.",
        ),
        "ProfilerConfig": NoEffect("nothing is profiled"),
        "DebugRuleConfigurations": Refused(f"rules of the debugger: {ON_AWS}"),
        "ProfilerRuleConfigurations": Refused(f"rules of the profiler: {ON_AWS}"),
        "TensorBoardOutputConfig": Refused("write to /opt/ml/output/data, which is kept"),
        "RetryStrategy": NoEffect("it is for failures of the platform"),
        **_each(
            NoEffect("it is about instances of AWS"),
            *("RemoteDebugConfig", "InfraCheckConfig", "SessionChainingConfig"),
        ),
        "ExperimentConfig": _BOOKKEEPING,
        "Tags": _BOOKKEEPING,
    },
    "CreateProcessingJob": {
        **_each(_DONE, "ProcessingJobName", "Environment"),
        **_each(
            _DONE,
            *("ImageUri", "ContainerEntrypoint", "ContainerArguments"),
            below="AppSpecification.",
        ),
        **_each(_DONE, "InstanceType", "InstanceCount", below="ProcessingResources.ClusterConfig."),
        **_each(
            _STORAGE,
            *("VolumeSizeInGB", "VolumeKmsKeyId"),
            below="ProcessingResources.ClusterConfig.",
        ),
        "ProcessingInputs.InputName": _DONE,
        "ProcessingInputs.AppManaged": _OFF,
        **_each(_DONE, "S3Uri", "LocalPath", below="ProcessingInputs.S3Input."),
        "ProcessingInputs.S3Input.S3DataType": Done(("S3Prefix",)),
        "ProcessingInputs.S3Input.S3InputMode": Done(("File",)),
        "ProcessingInputs.S3Input.S3DataDistributionType": Done(("FullyReplicated",)),
        "ProcessingInputs.S3Input.S3CompressionType": Done(("None",)),
        "ProcessingOutputConfig.Outputs.OutputName": _DONE,
        "ProcessingOutputConfig.Outputs.AppManaged": _OFF,
        **_each(_DONE, "S3Uri", "LocalPath", below="ProcessingOutputConfig.Outputs.S3Output."),
        "ProcessingOutputConfig.Outputs.S3Output.S3UploadMode": Done(("EndOfJob",)),
        "ProcessingOutputConfig.KmsKeyId": _STORAGE,
        "NetworkConfig.EnableNetworkIsolation": Done((False,)),
        "NetworkConfig.EnableInterContainerTrafficEncryption": NoEffect(
            "nothing leaves this machine"
        ),
        "NetworkConfig.VpcConfig": _NETWORK,
        "RoleArn": _NO_ROLE,
        "ExperimentConfig": _BOOKKEEPING,
        "Tags": _BOOKKEEPING,
    },
    "InvokeEndpoint": {
        **_each(_DONE, "EndpointName", "Body", "ContentType", "Accept", "CustomAttributes"),
        **_each(_DONE, "InferenceId", "SessionId", "TargetVariant"),
        "PrefixAwareId": _ONE_INSTANCE,
        "TargetModel": Refused(f"several models in one container: {ON_AWS}"),
        "TargetContainerHostname": Refused(f"several containers: {ON_AWS}"),
        "EnableExplanations": Refused(f"explanations of predictions: {ON_AWS}"),
        "InferenceComponentName": Refused(f"inference components: {ON_AWS}"),
    },
    "InvokeEndpointWithResponseStream": {
        **_each(_DONE, "EndpointName", "Body", "ContentType", "Accept", "CustomAttributes"),
        **_each(_DONE, "InferenceId", "SessionId", "TargetVariant"),
        "PrefixAwareId": _ONE_INSTANCE,
        "TargetContainerHostname": Refused(f"several containers: {ON_AWS}"),
        "InferenceComponentName": Refused(f"inference components: {ON_AWS}"),
    },
}


def check(action: str, parameters: Mapping[str, Any]) -> None:
    """Check that local mode does what is asked for.

    Args:
        action: Name of an API action in `TABLE`.
        parameters: As they are given to boto3; None is not given.

    Raises:
        ConfigurationError: It does not; the message names each parameter, what it would take
            and the way out.
    """
    refused = [
        f"{_title(path, received)} ({instead})"
        for path, received, instead in dict.fromkeys(_refused(TABLE[action], parameters, ""))
    ]
    if refused:
        raise errors.ConfigurationError(
            f"{action}: local mode has no {'; no '.join(refused)}. Leave it out here"
        )


# Calls that the emulator answers; those that neither does are AWS's.
_EMULATED = {
    *("UpdateEndpoint", "UpdateEndpointWeightsAndCapacities"),
    *("ListEndpoints", "ListEndpointConfigs", "ListModels", "AddTags", "ListTags", "DeleteTags"),
}
_CALLS_INSTEAD = {
    "UpdateEndpoint": "here, delete the endpoint and deploy again",
}
# What boto3's clients have beside the API's calls.
_CLIENT_METHODS = {
    "get_paginator": "the lists that it turns the pages of",
    "get_waiter": "anything to wait for: a call returns when it is done",
    "generate_presigned_url": "URLs that are signed",
}


def refused_call(service_model: Any, name: str) -> Callable[..., Any] | None:
    """Return a method that refuses a call by name; None if boto3 has no such method.

    Args:
        service_model: botocore's, of the client's service.
        name: Of a method, such as `list_endpoints`.
    """
    operations = {xform_name(operation): operation for operation in service_model.operation_names}
    if name not in operations and name not in _CLIENT_METHODS:
        return None

    def refuse(*_: Any, **__: Any) -> NoReturn:
        if name in operations:
            refuse_call(operations[name])
        raise errors.ConfigurationError(
            f"local mode has no {name}(), nor {_CLIENT_METHODS[name]}; {ON_AWS}"
        )

    return refuse


def refuse_call(operation: str) -> NoReturn:
    """Refuse a call of the API.

    Raises:
        ConfigurationError: Always; the message has the call's name and the way out.
    """
    where = ON_EMULATOR if operation in _EMULATED else ON_AWS
    here = f"; {_CALLS_INSTEAD[operation]}" if operation in _CALLS_INSTEAD else ""
    raise errors.ConfigurationError(f"local mode has no {operation}: {where}{here}")


def treatment(action: str, path: str) -> Treatment | None:
    """Return what is done with a parameter, or with the one it is part of; None if unnamed."""
    table = TABLE[action]
    while path:
        if path in table:
            return table[path]
        path = path.rpartition(".")[0]
    return None


def _refused(
    table: Mapping[str, Treatment], value: Mapping[str, Any], above: str
) -> Iterator[tuple[str, str, str]]:
    """Yield the path, the value received if that matters, and the way out of each."""
    for name, content in value.items():
        path = f"{above}{name}"
        if content is None:
            continue
        match table.get(path):
            case Done(values, instead) if values and content not in values:
                taken = " or ".join(repr(one) for one in values)
                yield path, f"={content!r}", f"here it is {taken}; {instead}"
            case Refused(instead):
                yield path, "", instead
            case None if any(known.startswith(f"{path}.") for known in table):
                for one in content if isinstance(content, list) else [content]:
                    if not isinstance(one, Mapping):
                        yield path, f"={content!r}", "here it is a structure, as in the API"
                    else:
                        yield from _refused(table, one, f"{path}.")
            case None:
                yield path, "", _UNKNOWN


def _title(path: str, received: str) -> str:
    above, _, name = path.rpartition(".")
    return f"{name}{received} of {above}" if above else f"{name}{received}"
