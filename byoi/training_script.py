"""A training script, run as AWS's containers run one: arguments, variables and directories.

The image's `train` runs the script that `BYOI_TRAINING_SCRIPT` names. Each hyperparameter is an
argument `--name value`, each channel a variable `SM_CHANNEL_NAME`; the model goes to
`SM_MODEL_DIR`. The script runs in this process, so that it may handle SIGTERM itself.

Sources: sagemaker-training-toolkit, environment.py and mapping.py (names and forms of the
variables and arguments).
"""

import functools
import json
import os
import runpy
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from byoi import contract, errors, training
from byoi.training import Job

VARIABLE = "BYOI_TRAINING_SCRIPT"
# The name of the one instance of a job; a container that the platform did not start has none.
_LONE_HOST = "algo-1"
_LOG_LEVEL = 20


def run(script: Path, root: Path = Path("/")) -> int:
    """Run a training job whose fit is a script.

    Args:
        script: A `.py` file; what lies beside it can be imported.
        root: Used in place of the root directory.

    Returns:
        As `byoi.training.run`.
    """
    return training.run(functools.partial(_fit, script), root)


def _fit(script: Path, job: Job) -> None:
    if not script.is_file():
        raise errors.ConfigurationError(
            f"{VARIABLE}={str(script)!r}: there is no such file; name the script that trains"
        )
    values = {name: _decode(text) for name, text in job.own_hyperparameters().items()}
    command = arguments(values)
    for folder in (job.model_dir, job.output_data_dir):
        folder.mkdir(parents=True, exist_ok=True)
    os.environ.update(variables(job, values, command))
    sys.argv = [str(script), *command]
    sys.path.insert(0, str(script.parent))
    os.chdir(script.parent)
    try:
        runpy.run_path(str(script), run_name="__main__")
    except SystemExit as end:
        if isinstance(end.code, str):
            raise errors.JobFailedError(end.code) from None
        if end.code:
            raise errors.JobFailedError(
                f"{script.name} {' '.join(command)} ended with status {end.code}; the job's log "
                "has what it said"
            ) from None


def arguments(values: Mapping[str, Any]) -> list[str]:
    """Return the hyperparameters as arguments, sorted by name: `--name value`, `-n value`."""
    found = []
    for name, value in sorted(values.items()):
        if isinstance(value, dict):
            value = ",".join(f"{key}={inner}" for key, inner in sorted(value.items()))  # noqa: PLW2901
        found += [f"{'-' if len(name) == 1 else '--'}{name}", "" if value is None else str(value)]
    return found


def variables(job: Job, values: Mapping[str, Any], command: list[str]) -> dict[str, str]:
    """Return the variables that a training script reads.

    Args:
        job: The job.
        values: Its hyperparameters.
        command: The same, as arguments.
    """
    hosts = list(job.hosts) or [_LONE_HOST]
    named = {
        "MODEL_DIR": job.model_dir,
        "OUTPUT_DIR": job.output_data_dir.parent,
        "OUTPUT_DATA_DIR": job.output_data_dir,
        "INPUT_DIR": job.input_dir,
        "INPUT_CONFIG_DIR": job.input_dir / contract.HYPERPARAMETERS_FILE.parent.name,
        "CHANNELS": sorted(job.channels),
        "HPS": dict(values),
        "USER_ARGS": command,
        "HOSTS": hosts,
        "CURRENT_HOST": job.current_host or hosts[0],
        "NUM_CPUS": len(os.sched_getaffinity(0)),
        "NUM_GPUS": len(list(Path("/dev").glob("nvidia[0-9]*"))),
        "LOG_LEVEL": _LOG_LEVEL,
    }
    named |= {f"CHANNEL_{name.upper()}": folder for name, folder in job.channels.items()}
    named |= {f"HP_{name.upper()}": value for name, value in values.items()}
    return {f"SM_{name}": _text(value) for name, value in named.items()}


def _decode(text: Any) -> Any:
    """Return what a hyperparameter means: the SDK writes JSON, the console what was typed."""
    if not isinstance(text, str):
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text


def _text(value: Any) -> str:
    """Return the value of a variable: a text as it is, all else as JSON."""
    if value is None:
        return ""
    if isinstance(value, (str, Path)):
        return str(value)
    return json.dumps(value, separators=(",", ":"), sort_keys=True)
