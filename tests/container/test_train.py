"""The image's `train`, as SageMaker runs it."""

import json

import pytest
from containers import docker, mounted, started
from jobs import HYPERPARAMETERS, run_job, write_reviews

from byoi import contract, errors
from byoi_lib import manifest

pytestmark = pytest.mark.needs("docker")


def test_the_default_image_names_the_one_that_trains(image, tmp_path) -> None:
    job = run_job(image, tmp_path, HYPERPARAMETERS)
    assert job.status == 1
    failure = (tmp_path / "output" / "failure").read_text()
    assert failure.startswith("this image serves and holds no TensorFlow")
    assert "make image TARGET=tensorflow" in failure
    assert len(job.log.splitlines()) == 1


def test_it_trains_from_the_channel_with_hyperparameters_that_are_text(trained) -> None:
    assert trained.status == 0, trained.log
    written = manifest.Manifest.read(trained.model_dir)
    assert written.training_data["name"] == "imdb.npz"
    assert written.training_data["reviews"] == 120
    assert (written.training_data["epochs"], written.training_data["seed"]) == (2, 3)
    assert written.config["embedding_dim"] == 8
    assert written.created_with["byoi"]
    assert f"held_out_accuracy={written.held_out_accuracy:.4f}" in trained.log


def test_the_plots_lie_where_the_platform_collects_output(trained) -> None:
    plots = sorted((trained.directory / "output" / "data").iterdir())
    assert [path.suffix for path in plots] == [".png"] * 3
    assert not (trained.directory / "output" / "failure").exists()


def test_a_failure_is_told_in_the_failure_file(tensorflow_image, tmp_path) -> None:
    job = run_job(tensorflow_image, tmp_path, {"epoch": "2"})
    assert job.status == 1
    failure = (tmp_path / "output" / "failure").read_text()
    assert failure.startswith("hyperparameter 'epoch' is unknown; there are batch_size, ")
    assert len(failure) <= contract.FAILURE_REASON_CHARACTERS
    assert "Traceback" not in job.log
    assert not list((tmp_path / "model").glob("*"))


def test_sigterm_ends_the_job_at_once_and_says_so(tensorflow_image, tmp_path) -> None:
    write_reviews(tmp_path / "input" / "data" / "train")
    configuration = tmp_path / "input" / "config"
    configuration.mkdir(parents=True)
    text = json.dumps(HYPERPARAMETERS | {"epochs": "5000"})
    (configuration / "hyperparameters.json").write_text(text)
    mount = mounted(tmp_path, "/opt/ml", "rw")
    with started(tensorflow_image, *mount, command=["train"], ready=False) as job:
        job.wait_for_log("epoch 1/5000")
        docker("stop", "--time", "30", job.name)
        assert job.state["ExitCode"] == 143
    failure = (tmp_path / "output" / "failure").read_text()
    assert failure == "SIGTERM stopped the job before its model was complete"
    with pytest.raises(errors.ModelDataError):
        manifest.Manifest.read(tmp_path / "model")
