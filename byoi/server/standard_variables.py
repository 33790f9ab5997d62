"""Variables of AWS's own containers: another name of a setting here, or refused, never ignored.

An endpoint that moves to this server brings them along, and what they ask for must not vanish.

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
"""By variable of a setting: the variables that set it, too. All that are set must agree."""

STAND_INS: dict[str, tuple[str, ...]] = {
    "SAGEMAKER_CONTAINER_LOG_LEVEL": ("LOG_LEVEL", "SAGEMAKER_GUNICORN_LOGLEVEL"),
}
"""By variable of a setting: the variables that are read where it is not set, the first one first.

They may differ: LOG_LEVEL is also for whatever else runs in the container.
"""

# Whatever they may be set to, this server does what they are for in another way.
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
"""What AWS's own containers do with these would change every answer, or how they are made."""

REFUSED_FAMILIES = {
    "SAGEMAKER_TFS_": _NO_TENSORFLOW_SERVING,
    "SAGEMAKER_MULTI_MODEL_": "Several models behind one endpoint; make an endpoint for each.",
    "SAGEMAKER_TS_": _NO_TORCHSERVE,
    "SAGEMAKER_GUNICORN_": "For gunicorn, whose settings are the server's own.",
    "SAGEMAKER_NGINX_": "For nginx, whose settings are the server's own.",
}
"""By the beginning of their names: all others of a part that is not here."""

# The SDK sets some of them to nothing, and AWS's images one to false.
_NOTHING = {"", "false", "0"}
# What is so anyway.
_AS_IT_IS = {"SAGEMAKER_BASE_DIR": "/opt/ml", "SAGEMAKER_MODEL_PATH": str(contract.MODEL_DIR)}


def refuse(environ: Mapping[str, str]) -> None:
    """Check that no variable asks for what this server does not do.

    Raises:
        ConfigurationError: One does; the message names it and the way out.
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
    """Return the variables that say the value of a setting, its own first; none where none does.

    Args:
        variable: Of the setting.
        environ: All variables. An empty one says nothing, unless it is one of this server alone.
    """
    is_said = environ.get(variable, "").strip() or variable.startswith("BYOI_")
    found = [variable] if variable in environ and is_said else []
    found += [name for name in OTHER_NAMES.get(variable, ()) if environ.get(name, "").strip()]
    if not found:
        found = [name for name in STAND_INS.get(variable, ()) if environ.get(name, "").strip()][:1]
    return found
