"""A SageMaker training job, from its input files to its exit status.

The platform's half of the image's `train`: hyperparameters, channels, the failure file and
SIGTERM. The other half, the fit, is a function of one `Job`.

Sources: SageMaker Developer Guide, your-algorithms-training-algo-running-container, -algo-output,
-signal-success-failure and -algo-dockerfile (SIGTERM, then SIGKILL 120 s later);
sagemaker-training-toolkit, params.py, and SDK 2.257, estimator.py (the names that start with
`sagemaker_`).
"""

import dataclasses
import functools
import json
import os
import signal
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from byoi import contract, errors

# Hyperparameters that the SDK, the platform and tuning jobs add. Those of the SDK that only
# describe the job have no effect; any other asks for something that changes what is trained: a
# script, or a way to distribute it.
_FOREIGN_PREFIXES = ("sagemaker_", "_tuning_")
_WITHOUT_EFFECT = frozenset(
    {"sagemaker_container_log_level", "sagemaker_enable_cloudwatch_metrics"}
    | {"sagemaker_estimator_class_name", "sagemaker_estimator_module"}
    | {"sagemaker_job_name", "sagemaker_region", "sagemaker_s3_output"}
)
# sagemaker-training-toolkit takes a script from these as well.
_SCRIPT_VARIABLES = (contract.PROGRAM_VARIABLE, contract.SUBMIT_DIRECTORY_VARIABLE)
# The exit status of a process ended by SIGTERM, as a shell reports it.
STOPPED_STATUS = 128 + signal.SIGTERM


@dataclass(frozen=True)
class Job:
    """The inputs and the directories of one training job.

    Attributes:
        hyperparameters: Name to value; on the platform all values are texts.
        channels: Name of each input channel to the directory of its files.
        model_dir: Its content becomes model.tar.gz.
        output_data_dir: Its content becomes output.tar.gz: plots, for example.
        hosts: Names of the instances; empty if the platform gave none.
        current_host: The name of this one; "" likewise.
        input_dir: Has the channels, and the files that describe the job.
    """

    hyperparameters: Mapping[str, Any]
    channels: Mapping[str, Path]
    model_dir: Path
    output_data_dir: Path
    hosts: tuple[str, ...] = ()
    current_host: str = ""
    input_dir: Path = contract.INPUT_DATA_DIR.parent

    @classmethod
    def read(cls, root: Path = Path("/"), environ: Mapping[str, str] | None = None) -> "Job":
        """Read the input files of a job.

        Absent files count as empty, so that `docker run IMAGE train` works without any.

        Args:
            root: Used in place of the root directory.
            environ: Used in place of the environment.

        Raises:
            ConfigurationError: A file is not a JSON object, or the job asks for a script of its
                own, or for something else that only AWS's containers do.
        """
        hyperparameters = _read_object(_under(root, contract.HYPERPARAMETERS_FILE))
        _refuse_foreign(hyperparameters, os.environ if environ is None else environ)
        inputs = _under(root, contract.INPUT_DATA_DIR)
        folders = sorted(inputs.iterdir()) if inputs.is_dir() else []
        resources = _read_object(_under(root, contract.RESOURCE_CONFIG_FILE))
        return cls(
            hyperparameters,
            {folder.name: folder for folder in folders},
            _under(root, contract.MODEL_DIR),
            _under(root, contract.OUTPUT_DATA_DIR),
            tuple(resources.get("hosts", [])),
            resources.get("current_host", ""),
            inputs.parent,
        )

    def own_hyperparameters(self) -> dict[str, Any]:
        """Return the hyperparameters of the algorithm, without those of the platform."""
        return {
            name: value
            for name, value in self.hyperparameters.items()
            if not name.startswith(_FOREIGN_PREFIXES)
        }

    def require_one_host(self) -> None:
        """Refuse several instances: each would train a whole model, and only one would be kept.

        Raises:
            ConfigurationError: The job runs on more than one instance.
        """
        if len(self.hosts) > 1:
            raise errors.ConfigurationError(
                f"training runs on one instance, received {len(self.hosts)}; set instance_count=1"
            )

    def parse_hyperparameters(self, *targets: type[Any]) -> tuple[Any, ...]:
        """Return one object of each dataclass, and the hyperparameter `seed`.

        Args:
            targets: Dataclasses whose fields all have a number as default; a hyperparameter
                has the name of a field.

        Returns:
            The objects in the order of `targets`, then the seed, 0 by default.

        Raises:
            ConfigurationError: A name is unknown, or a value is not a number of its kind.
        """
        kinds: dict[str, tuple[int, type[Any]]] = {"seed": (len(targets), int)}
        for index, target in enumerate(targets):
            for field in dataclasses.fields(target):
                kinds[field.name] = (index, type(field.default))
        chosen: list[dict[str, Any]] = [{} for _ in (*targets, int)]
        for name, text in self.own_hyperparameters().items():
            if name not in kinds:
                raise errors.ConfigurationError(
                    f"hyperparameter {name!r} is unknown; there are {', '.join(sorted(kinds))}"
                )
            index, kind = kinds[name]
            try:
                chosen[index][name] = kind(text)
            except (TypeError, ValueError) as error:
                wanted = "a whole number" if kind is int else "a number"
                raise errors.ConfigurationError(
                    f"hyperparameter {name}: expected {wanted}, received {text!r:.100}"
                ) from error
        made = [target(**options) for target, options in zip(targets, chosen, strict=False)]
        return (*made, chosen[-1].get("seed", 0))


def run(
    fit: Callable[[Job], None],
    root: Path = Path("/"),
    environ: Mapping[str, str] | None = None,
) -> int:
    """Run a training job.

    SIGTERM ends the process with `STOPPED_STATUS` and a reason in the failure file.

    Args:
        fit: Trains, and writes its results to the job's directories.
        root: Used in place of the root directory.
        environ: Used in place of the environment.

    Returns:
        The exit status: 0, or 1 with the reason in the failure file.
    """
    previous = signal.signal(signal.SIGTERM, functools.partial(_stop, root))
    try:
        fit(Job.read(root, environ))
    except errors.ByoiError as error:
        reason = str(error)
    except Exception as error:  # noqa: BLE001 - the job's owner must see any error
        traceback.print_exc()
        reason = f"{type(error).__name__}: {error}"
    else:
        return 0
    finally:
        signal.signal(signal.SIGTERM, previous)
    _report(root, reason)
    return 1


def _refuse_foreign(hyperparameters: Mapping[str, Any], environ: Mapping[str, str]) -> None:
    """Refuse what AWS's containers would act on, and `train` would ignore."""
    asked = [
        f"hyperparameter {name}={value!r:.100}"
        for name, value in sorted(hyperparameters.items())
        if name.startswith("sagemaker_")
        and name not in _WITHOUT_EFFECT
        # The SDK writes JSON, also for a value that it does not have.
        and value not in ("", '""', "null", None, "false", False, "{}")
    ]
    asked += [f"{name}={environ[name]!r:.100}" for name in _SCRIPT_VARIABLES if environ.get(name)]
    if asked:
        raise errors.ConfigurationError(
            f"received {', '.join(asked)}, which train does not act on: it runs the fit that is "
            "in the image. Leave out entry_point, source_dir and distribution of the estimator, "
            "or use an image with the script in it, which `byoi image` builds"
        )


def _stop(root: Path, number: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001
    """End the process here: a callback of TensorFlow would swallow or replace an exception."""
    _report(root, "SIGTERM stopped the job before its model was complete")
    os._exit(STOPPED_STATUS)


def _report(root: Path, reason: str) -> None:
    """Write the reason of a failure to the log and to the failure file."""
    _log(f"training failed: {reason}")
    failure = _under(root, contract.FAILURE_FILE)
    try:
        failure.parent.mkdir(parents=True, exist_ok=True)
        failure.write_text(
            reason[: contract.FAILURE_REASON_CHARACTERS], "utf-8", errors="backslashreplace"
        )
    except OSError as error:
        _log(f"{failure} cannot be written: {error}")


def _log(line: str) -> None:
    """Write to descriptor 2: the interrupted code may hold the lock of `sys.stderr`."""
    os.write(2, f"{line}\n".encode(errors="backslashreplace"))


def _under(root: Path, path: Path) -> Path:
    return root / path.relative_to("/")


def _read_object(path: Path) -> dict[str, Any]:
    """Read a JSON object; an absent file counts as an empty one."""
    try:
        values = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise errors.ConfigurationError(f"{path}: expected a JSON object: {error}") from error
    if not isinstance(values, dict):
        raise errors.ConfigurationError(f"{path}: expected a JSON object, received {values!r:.50}")
    return values
