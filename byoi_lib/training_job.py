"""The training job of this model: the image's `train` on a data set of the job's channel.

Hyperparameters are the fields of `training.Recipe` and `model.ModelConfig`, and `seed`. The
channel `train` holds an `.npz` file in Keras's layout and its word index; a job without channels
trains on the built-in sample.
"""

import functools
import importlib.util
from collections.abc import Callable, Mapping
from pathlib import Path

from byoi import errors, training
from byoi.training import Job

CHANNEL = "train"


def run(root: Path = Path("/"), *, find: Callable[[str], object] = importlib.util.find_spec) -> int:
    """Train, and write model and plots where the platform collects them.

    Args:
        root: Used in place of the root directory.
        find: Returns None if a package is not installed.

    Returns:
        As `byoi.training.run`.
    """
    return training.run(functools.partial(_fit, find=find), root)


def _fit(job: Job, find: Callable[[str], object]) -> None:
    if find("tensorflow") is None:
        raise errors.ConfigurationError(
            "this image serves and holds no TensorFlow; train in the image of the target "
            "tensorflow: make image TARGET=tensorflow (docker build --target tensorflow)"
        )
    job.require_one_host()
    data, word_index = _find_data(job.channels)

    # Seconds, for TensorFlow; and the image that only serves has none of these.
    from byoi_lib import datasets, model, report  # noqa: PLC0415
    from byoi_lib import training as fitting  # noqa: PLC0415

    config, recipe, seed = job.parse_hyperparameters(model.ModelConfig, fitting.Recipe)
    result = fitting.train(
        datasets.load(data, word_index=word_index),
        job.model_dir,
        config=config,
        recipe=recipe,
        seed=seed,
    )
    print(report.table(result))  # noqa: T201 - the job's log
    # For a metric definition of the job: held_out_accuracy=([0-9.]+)
    print(f"held_out_accuracy={result.evaluation.accuracy:.4f}", flush=True)  # noqa: T201
    report.plots(result, job.output_data_dir)


def _find_data(channels: Mapping[str, Path]) -> tuple[Path | str, Path | None]:
    """Return the data set's name or file, and the file of its word index if there is one."""
    from byoi_lib import datasets  # noqa: PLC0415 - as above

    if not channels:
        return "sample", None
    if CHANNEL not in channels:
        raise errors.DatasetError(
            f"expected a channel named {CHANNEL}, received {', '.join(channels)}; rename it: "
            f"fit({{'{CHANNEL}': ...}}), or give none to train on the built-in sample"
        )
    files = sorted(channels[CHANNEL].rglob("*"))
    data = [path for path in files if path.suffix == ".npz"]
    words = [path for path in files if path.suffix == ".json"]
    if len(data) != 1 or len(words) > 1:
        found = ", ".join(path.name for path in files if path.is_file()) or "no file"
        raise errors.DatasetError(
            f"channel {CHANNEL}: expected one .npz file in Keras's layout and its "
            f"{datasets.WORD_INDEX_FILE}, received {found[:300]}"
        )
    return data[0], words[0] if words else None
