"""Variables of AWS's own containers: other names of settings here, or refused, not ignored.

An endpoint that is moved to this server may have them, and their effect must not be lost silently.

Sources: sagemaker-inference-toolkit 1.10.1, parameters.py and model_server.py; AWS's TensorFlow
serving container, serve.py; sagemaker-pytorch-inference-toolkit 2.0, ts_parameters.py; DJL Serving
0.35, SageMaker's names; model-hosting-container-standards 0.1.16 (LOG_LEVEL); AWS's sample
scikit_bring_your_own (MODEL_SERVER_WORKERS, MODEL_SERVER_TIMEOUT).
"""

from collections.abc import Mapping

from byoi import contract, errors

OTHER_NAMES: dict[str, tuple[str, ...]] = {
    "SAGEMAKER_MODEL_SERVER_WORKERS": (
        "SAGEMAKER_GUNICORN_WORKERS",
        "SAGEMAKER_NUM_MODEL_WORKERS",
        "MODEL_SERVER_WORKERS",
    ),
    "BYOI_THREADS": ("SAGEMAKER_GUNICORN_THREADS",),
    "BYOI_INVOCATION_TIMEOUT_S": (
        "SAGEMAKER_MODEL_SERVER_TIMEOUT",
        "SAGEMAKER_MODEL_SERVER_TIMEOUT_SECONDS",
        "SAGEMAKER_GUNICORN_TIMEOUT_SECONDS",
        "SAGEMAKER_NGINX_PROXY_READ_TIMEOUT_SECONDS",
        "SAGEMAKER_TS_RESPONSE_TIMEOUT",
        "MODEL_SERVER_TIMEOUT",
    ),
}
"""Variables that also set a setting, by its own variable. All that are set must agree."""

STAND_INS: dict[str, tuple[str, ...]] = {
    "SAGEMAKER_CONTAINER_LOG_LEVEL": ("LOG_LEVEL", "SAGEMAKER_GUNICORN_LOGLEVEL"),
}
"""Variables that are read if a setting's own variable is not set, by that variable, in order.

Their values may differ: LOG_LEVEL may also be meant for other programs in the container.
"""

# Ignored, whatever their value: this server does not need them.
NOTHING_TO_DO = {
    "SAGEMAKER_SAFE_PORT_RANGE": "Ports between the processes of the container: this server uses a "
    "Unix socket.",
    "SAGEMAKER_REGION": "Region of the endpoint: this server calls no AWS service.",
}

_NO_TENSORFLOW_SERVING = "For TensorFlow Serving, which is not here: the module runs the model."
_NO_TORCHSERVE = "For TorchServe, which is not here: the module runs the model."
REFUSED = {
    "SAGEMAKER_REQUIREMENTS": "Packages to install at start; install them into the image instead, "
    "or set BYOI_INSTALL_REQUIREMENTS=1 for the requirements.txt beside the script.",
    "SAGEMAKER_MULTI_MODEL": "Several models behind one endpoint; make an endpoint for each.",
    "SAGEMAKER_BASE_DIR": "The folder above `model`; set BYOI_MODEL_DIR instead.",
    "SAGEMAKER_MODEL_PATH": "The folder of the model; set BYOI_MODEL_DIR instead.",
    "CUSTOM_SCRIPT_FILENAME": "The script; set BYOI_INFERENCE_MODULE instead.",
    "SAGEMAKER_MODEL_SERVER_VMARGS": "Options of a Java virtual machine, which this server does "
    "not use.",
    "SAGEMAKER_STARTUP_TIMEOUT": "How long the start may take; the server has no limit of its own, "
    "the endpoint's is ContainerStartupHealthCheckTimeoutInSeconds.",
    "SAGEMAKER_GUNICORN_WORKER_CLASS": "How gunicorn's workers take requests; they are the "
    "server's own. For more requests at once in each set BYOI_THREADS instead.",
    "SAGEMAKER_TFS_INSTANCE_COUNT": "How many servers of TensorFlow; set "
    "SAGEMAKER_MODEL_SERVER_WORKERS instead.",
    "SAGEMAKER_TFS_ENABLE_BATCHING": "Requests in one call; set BYOI_BATCH_SIZE instead.",
    "SAGEMAKER_TFS_MAX_BATCH_SIZE": "Requests in one call; set BYOI_BATCH_SIZE instead.",
    "SAGEMAKER_TFS_BATCH_TIMEOUT_MICROS": "How long they wait for one another; set "
    "BYOI_BATCH_WAIT_MS instead.",
    "SAGEMAKER_TFS_INTRA_OP_PARALLELISM": "Threads of one prediction; set OMP_NUM_THREADS instead.",
    "SAGEMAKER_TFS_NGINX_LOGLEVEL": "What nginx logs; every request is one line here, and so is "
    "what nginx cannot answer.",
    "SAGEMAKER_TS_MIN_WORKERS": "Workers; set SAGEMAKER_MODEL_SERVER_WORKERS instead.",
    "SAGEMAKER_TS_MAX_WORKERS": "Workers; set SAGEMAKER_MODEL_SERVER_WORKERS instead.",
    "SAGEMAKER_TS_BATCH_SIZE": "Requests in one call; set BYOI_BATCH_SIZE instead.",
    "SAGEMAKER_TS_MAX_BATCH_DELAY": "How long they wait for one another; set BYOI_BATCH_WAIT_MS "
    "instead.",
}
"""Refused: in AWS's own containers they change the answers, or how they are made."""

REFUSED_FAMILIES = {
    "SAGEMAKER_TFS_": _NO_TENSORFLOW_SERVING,
    "SAGEMAKER_MULTI_MODEL_": "Several models behind one endpoint; make an endpoint for each.",
    "SAGEMAKER_TS_": _NO_TORCHSERVE,
    "SAGEMAKER_GUNICORN_": "For gunicorn, whose settings are the server's own.",
    "SAGEMAKER_NGINX_": "For nginx, whose settings are the server's own.",
}
"""By prefix: all other variables of a part that this server does not have."""

# Values without effect: the SDK sets some variables to empty, AWS's images set one to false.
_NOTHING = {"", "false", "0"}
# Values that this server has anyway.
_AS_IT_IS = {"SAGEMAKER_BASE_DIR": "/opt/ml", "SAGEMAKER_MODEL_PATH": str(contract.MODEL_DIR)}


def refuse(environ: Mapping[str, str]) -> None:
    """Check that no variable asks for something that this server does not support.

    Raises:
        ConfigurationError: A variable does; the message has its name and the remedy.
    """
    taken = {name for names in (*OTHER_NAMES.values(), *STAND_INS.values()) for name in names}
    for name, value in environ.items():
        asked = value.strip().rstrip("/")
        if name in taken or asked.lower() in _NOTHING or asked == _AS_IT_IS.get(name):
            continue
        meaning = REFUSED.get(name) or next(
            (text for start, text in REFUSED_FAMILIES.items() if name.startswith(start)), None
        )
        if meaning is not None:
            raise errors.ConfigurationError(
                f"{name}={value!r}: this server does not do that. {meaning} Then unset the variable"
            )


def names_of(variable: str, environ: Mapping[str, str]) -> list[str]:
    """Return the names of the variables that set a setting, its own first.

    Args:
        variable: The setting's own variable.
        environ: All variables. An empty one counts as not set, except those with BYOI_ names.
    """
    is_said = environ.get(variable, "").strip() or variable.startswith("BYOI_")
    found = [variable] if variable in environ and is_said else []
    found += [name for name in OTHER_NAMES.get(variable, ()) if environ.get(name, "").strip()]
    if not found:
        found = [name for name in STAND_INS.get(variable, ()) if environ.get(name, "").strip()][:1]
    return found
