"""A SageMaker training job: what the image's `train` does, from its input files to its exit status.

Hyperparameters, all of them text, are the fields of `training.Recipe` and `model.ModelConfig`
and `seed`. The channel `train` holds an `.npz` file of Keras's layout and its word index; a job
without channels learns the built-in sample.

Source: DG your-algorithms-training-algo-running-container, -algo-output, -signal-success-failure
and -algo-dockerfile (SIGTERM, then SIGKILL 120 s later).
"""

import dataclasses
import functools
import importlib.util
import json
import os
import signal
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from byoi_lib import contract, datasets, errors

CHANNEL = "train"
# Added by the platform and by tuning jobs, not by the job's author.
_FOREIGN_PREFIXES = ("sagemaker_", "_tuning_")
# What a shell reports for a process that SIGTERM ended.
STOPPED_STATUS = 128 + signal.SIGTERM


def run(root: Path = Path("/"), *, find: Callable[[str], object] = importlib.util.find_spec) -> int:
    """Train, leave model and plots where the platform collects them, and return the exit status.

    SIGTERM ends the process, with 143 and its reason in the failure file.

    Args:
        root: Stands for the root directory.
        find: Tells whether a package is installed; None is no.

    Returns:
        0, or 1 where training failed, with the reason in the failure file.
    """
    previous = signal.signal(signal.SIGTERM, functools.partial(_stop, root))
    try:
        _train(root, find)
    except errors.ByoiError as error:
        reason = str(error)
    except Exception as error:  # noqa: BLE001 - whatever it is, the job's owner must read it
        traceback.print_exc()
        reason = f"{type(error).__name__}: {error}"
    else:
        return 0
    finally:
        signal.signal(signal.SIGTERM, previous)
    _report(root, reason)
    return 1


def _stop(root: Path, number: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001
    """End the process here: what TensorFlow calls back would swallow an exception, or rename it."""
    _report(root, "SIGTERM stopped the job before its model was complete")
    os._exit(STOPPED_STATUS)


def _report(root: Path, reason: str) -> None:
    """Write why the job failed to its log and to the failure file."""
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
    """Write past `sys.stderr`, whose lock the interrupted code may hold."""
    os.write(2, f"{line}\n".encode(errors="backslashreplace"))


def _under(root: Path, path: Path) -> Path:
    return root / path.relative_to("/")


def _train(root: Path, find: Callable[[str], object]) -> None:
    if find("tensorflow") is None:
        raise errors.ConfigurationError(
            "this image serves and holds no TensorFlow; train in the image of the target "
            "tensorflow: make image TARGET=tensorflow (docker build --target tensorflow)"
        )
    _check_hosts(_under(root, contract.RESOURCE_CONFIG_FILE))
    values = _read_object(_under(root, contract.HYPERPARAMETERS_FILE))
    data, word_index = _find_data(_under(root, contract.INPUT_DATA_DIR))

    from byoi_lib import model, report, training  # noqa: PLC0415 - loads TensorFlow, seconds

    config, recipe, seed = _hyperparameters(values, model.ModelConfig, training.Recipe)
    result = training.train(
        datasets.load(data, word_index=word_index),
        _under(root, contract.MODEL_DIR),
        config=config,
        recipe=recipe,
        seed=seed,
    )
    print(report.table(result))  # noqa: T201 - the job's log
    # For a metric definition of the job: held_out_accuracy=([0-9.]+)
    print(f"held_out_accuracy={result.evaluation.accuracy:.4f}", flush=True)  # noqa: T201
    report.plots(result, _under(root, contract.OUTPUT_DATA_DIR))


def _read_object(path: Path) -> dict[str, Any]:
    """Read a JSON object; an absent file is an empty one, as in `docker run IMAGE train`."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise errors.ConfigurationError(f"{path}: expected a JSON object: {error}") from error
    if not isinstance(values, dict):
        raise errors.ConfigurationError(f"{path}: expected a JSON object, received {values!r:.50}")
    return values


def _check_hosts(path: Path) -> None:
    """Refuse several instances: each would train the whole network, and one result would win."""
    hosts = _read_object(path).get("hosts", [])
    if len(hosts) > 1:
        raise errors.ConfigurationError(
            f"training runs on one instance, received {len(hosts)}; set instance_count=1"
        )


def _find_data(channels: Path) -> tuple[Path | str, Path | None]:
    """Return the data set's name or file, and its word index where that is not beside it."""
    names = sorted(path.name for path in channels.iterdir()) if channels.is_dir() else []
    if not names:
        return "sample", None
    if CHANNEL not in names:
        raise errors.DatasetError(
            f"expected a channel named {CHANNEL}, received {', '.join(names)}; rename it: "
            f"fit({{'{CHANNEL}': ...}}), or give none to train on the built-in sample"
        )
    files = sorted((channels / CHANNEL).rglob("*"))
    data = [path for path in files if path.suffix == ".npz"]
    words = [path for path in files if path.suffix == ".json"]
    if len(data) != 1 or len(words) > 1:
        found = ", ".join(path.name for path in files if path.is_file()) or "no file"
        raise errors.DatasetError(
            f"channel {CHANNEL}: expected one .npz file of Keras's layout and its "
            f"{datasets.WORD_INDEX_FILE}, received {found[:300]}"
        )
    return data[0], words[0] if words else None


def _hyperparameters(values: Mapping[str, Any], *targets: type[Any]) -> tuple[Any, ...]:
    """Return one object of each dataclass of `targets`, and the seed.

    Raises:
        ConfigurationError: A name is unknown, or a value is no number of its kind.
    """
    kinds: dict[str, tuple[int, type[Any]]] = {"seed": (len(targets), int)}
    for index, target in enumerate(targets):
        for field in dataclasses.fields(target):
            kinds[field.name] = (index, type(field.default))
    chosen: list[dict[str, Any]] = [{} for _ in (*targets, int)]
    for name, text in values.items():
        if name.startswith(_FOREIGN_PREFIXES):
            continue
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
