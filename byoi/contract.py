"""SageMaker's container contract: paths, ports, limits and header names.

Each constant has the page of AWS that states it. nginx, gunicorn and the tests take their
numbers from here.

Sources: "DG" is a page of the SageMaker Developer Guide, "API" of its API reference, "BC" the
botocore service model of `sagemaker` or `sagemaker-runtime`; "Ours" is decided here.
"""

from pathlib import Path

# DG your-algorithms-inference-code: the container listens here, on all interfaces.
PORT = 8080
PING_PATH = "/ping"
INVOCATIONS_PATH = "/invocations"
# DG your-algorithms-batch-code: what a batch transform is told to send; optional.
EXECUTION_PARAMETERS_PATH = "/execution-parameters"

# DG your-algorithms-inference-code: where model data is unpacked, read-only.
MODEL_DIR = Path("/opt/ml/model")
# sagemaker-inference-toolkit, environment.py: the code that does not come with the model data.
CODE_DIR = Path("/opt/ml/code")
# DG your-algorithms-training-algo-running-container and -algo-output.
HYPERPARAMETERS_FILE = Path("/opt/ml/input/config/hyperparameters.json")
RESOURCE_CONFIG_FILE = Path("/opt/ml/input/config/resourceconfig.json")
INPUT_DATA_DIR = Path("/opt/ml/input/data")
OUTPUT_DATA_DIR = Path("/opt/ml/output/data")
FAILURE_FILE = Path("/opt/ml/output/failure")
# The first characters of the failure file become the job's FailureReason.
FAILURE_REASON_CHARACTERS = 1024

# DG your-algorithms-inference-code: limits of one request.
INVOCATION_TIMEOUT_S = 60
PING_TIMEOUT_S = 2
# DG your-algorithms-inference-code: from the start to the first /ping with 200, by default.
START_TIMEOUT_S = 8 * 60
# BC ModelClientConfig: of an invocation of a batch transform. The platform does not tell the
# container what a job says in `InvocationsTimeoutInSeconds`, 1 to 3,600; this is its default.
TRANSFORM_TIMEOUT_S = 600
# BC CreateTransformJobRequest: the largest `MaxPayloadInMB`, also times `MaxConcurrentTransforms`.
TRANSFORM_PAYLOAD_MB = 100
# Ours: a request of a transform may wait for so long until a worker is free. It is the platform
# that gives up, after the job's time-out; this is only an end for what nobody ended.
TRANSFORM_WAIT_S = 24 * 3600
# DG deploy-model-options: a response that is streamed, from its first to its last byte.
STREAM_TIMEOUT_S = 8 * 60
CONNECT_TIMEOUT_S = 0.25
# DG deploy-model-options says 25 MB, API InvokeEndpoint 6,291,456 B; the larger one is used.
REQUEST_BODY_BYTES = 25 * 1024 * 1024
# BC Message: the caller sees at most this many characters of an error body.
ERROR_MESSAGE_CHARACTERS = 2048

# DG your-algorithms-inference-code: SIGTERM, then SIGKILL this much later.
STOP_GRACE_S = 30
# Ours, below STOP_GRACE_S: in-flight requests are answered within this time. Two seconds are left
# for the processes to end.
DRAIN_S = 28

# API InvokeEndpoint: the header that a caller may set freely. Of a response only the model sets it.
CUSTOM_ATTRIBUTES_HEADER = "X-Amzn-SageMaker-Custom-Attributes"
# API InvokeEndpoint: an id that a caller gives a request.
INFERENCE_ID_HEADER = "X-Amzn-SageMaker-Inference-Id"
# DG inference-pipeline-real-time: set by the platform if the port is not 8080.
BIND_TO_PORT_VARIABLE = "SAGEMAKER_BIND_TO_PORT"
# DG multi-container-troubleshooting: the label that an image needs for that.
BIND_TO_PORT_LABEL = "com.amazonaws.sagemaker.capabilities.accept-bind-to-port=true"

# DG your-algorithms-batch-code: what the platform sets in a batch transform, the first always, the
# others only where the job says them.
BATCH_VARIABLE = "SAGEMAKER_BATCH"
PAYLOAD_VARIABLE = "SAGEMAKER_MAX_PAYLOAD_IN_MB"
STRATEGY_VARIABLE = "SAGEMAKER_BATCH_STRATEGY"
CONCURRENT_TRANSFORMS_VARIABLE = "SAGEMAKER_MAX_CONCURRENT_TRANSFORMS"

# sagemaker-inference-toolkit, parameters.py: what the SDK makes of `entry_point` and `source_dir`.
PROGRAM_VARIABLE = "SAGEMAKER_PROGRAM"
SUBMIT_DIRECTORY_VARIABLE = "SAGEMAKER_SUBMIT_DIRECTORY"

# Ours: where the image has this program.
PROGRAM_DIR = Path("/opt/program")
# Ours: model data baked into the image; outside /opt/ml, over which the platform mounts.
BAKED_MODEL_DIR = Path("/opt/byoi/model")
