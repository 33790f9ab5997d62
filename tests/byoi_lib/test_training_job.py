"""The training job of this model; what the platform gives it is test_training_platform's."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from job_files import configure, failure, place

from byoi import contract, training
from byoi_lib import manifest, training_job

# Keras 3 with numpy 2; it saves what it should.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

SMALL = {"epochs": "1", "embedding_dim": "4", "feed_forward_dim": "4", "hidden_dim": "4"}


def write_channel(root: Path, name: str = "train") -> None:
    """Write 40 reviews of Keras's layout, the only `.json` beside them being their words."""
    channel = place(root, contract.INPUT_DATA_DIR / name)
    channel.mkdir()
    labels = np.arange(40) % 2
    ranks = np.empty(40, object)
    ranks[:] = [[1, 3 - label, 4] for label in labels.tolist()]
    np.savez(channel / "imdb.npz", x_train=ranks, y_train=labels, x_test=ranks, y_test=labels)
    (channel / "words.json").write_text(json.dumps({"the": 1, "good": 2, "bad": 3, "film": 4}))


def test_a_job_leaves_model_and_plots_where_the_platform_collects_them(tmp_path, capsys) -> None:
    write_channel(tmp_path)
    configure(tmp_path, SMALL | {"seed": "5", "sagemaker_region": "x", "_tuning_objective": "y"})
    assert training_job.run(tmp_path) == 0
    written = manifest.Manifest.read(tmp_path / "opt/ml/model")
    assert written.training_data["name"] == "imdb.npz"
    assert (written.training_data["epochs"], written.training_data["seed"]) == (1, 5)
    assert written.config["embedding_dim"] == 4
    assert f"held_out_accuracy={written.held_out_accuracy:.4f}\n" in capsys.readouterr().out
    assert len(list((tmp_path / "opt/ml/output/data").glob("*.png"))) == 3
    assert not (tmp_path / "opt/ml/output/failure").exists()


@pytest.mark.parametrize(
    ("hyperparameters", "reason"),
    [
        (
            {"epoch": "1"},
            "hyperparameter 'epoch' is unknown; there are batch_size, dropout, ",
        ),
        ({"epochs": "1.5"}, "hyperparameter epochs: expected a whole number, received '1.5'"),
        ({"dropout": "much"}, "hyperparameter dropout: expected a number, received 'much'"),
    ],
)
def test_a_wrong_hyperparameter_is_named(tmp_path, hyperparameters, reason) -> None:
    configure(tmp_path, hyperparameters)
    assert training_job.run(tmp_path) == 1
    assert reason in failure(tmp_path)


def test_a_channel_of_another_name_is_not_passed_over(tmp_path) -> None:
    write_channel(tmp_path, "training")
    assert training_job.run(tmp_path) == 1
    assert "expected a channel named train, received training" in failure(tmp_path)


@pytest.mark.parametrize("files", [[], ["a.npz", "b.npz"], ["a.json", "a.npz", "b.json"]])
def test_a_channel_needs_one_file_of_reviews(tmp_path, files) -> None:
    channel = place(tmp_path, contract.INPUT_DATA_DIR / "train")
    channel.mkdir()
    for name in files:
        (channel / name).touch()
    assert training_job.run(tmp_path) == 1
    assert f"received {', '.join(files) or 'no file'}" in failure(tmp_path)


def test_several_instances_are_refused(tmp_path) -> None:
    hosts = {"current_host": "algo-2", "hosts": ["algo-1", "algo-2"]}
    place(tmp_path, contract.RESOURCE_CONFIG_FILE).write_text(json.dumps(hosts))
    assert training_job.run(tmp_path) == 1
    assert "received 2; set instance_count=1" in failure(tmp_path)


def test_what_keras_refuses_is_short_in_the_failure_file_and_whole_in_the_log(
    tmp_path, capfd
) -> None:
    write_channel(tmp_path)
    configure(tmp_path, SMALL | {"num_heads": "3" + "0" * 2000})
    assert training_job.run(tmp_path) == 1
    reason = failure(tmp_path)
    assert 0 < len(reason) <= contract.FAILURE_REASON_CHARACTERS
    assert "Traceback" not in reason
    log = capfd.readouterr().err
    assert "Traceback" in log
    assert f"training failed: {reason[:100]}" in log


def test_without_tensorflow_the_other_target_is_named(tmp_path) -> None:
    assert training_job.run(tmp_path, find=lambda _: None) == 1
    assert "make image TARGET=tensorflow" in failure(tmp_path)


def test_without_channels_the_sample_is_learnt_until_sigterm(tmp_path) -> None:
    configure(tmp_path, SMALL | {"epochs": "5000"})
    code = (
        "import sys, pathlib; from byoi_lib import training_job;"
        "sys.exit(training_job.run(pathlib.Path(sys.argv[1])))"
    )
    log = tmp_path / "log"
    with log.open("wb") as stream:
        job = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stderr=stream)
    try:
        end_s = time.monotonic() + 120
        while "epoch 1/5000" not in log.read_text():
            assert job.poll() is None, log.read_text()
            assert time.monotonic() < end_s, log.read_text()
            time.sleep(0.1)
        os.kill(job.pid, signal.SIGTERM)
        assert job.wait(30) == training.STOPPED_STATUS == 143
    finally:
        job.kill()
        job.wait()
    assert failure(tmp_path) == "SIGTERM stopped the job before its model was complete"
    assert not (tmp_path / "opt/ml/model/manifest.json").exists()
