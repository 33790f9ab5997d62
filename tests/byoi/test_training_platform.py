"""A training job on the platform's terms, around a fit that takes no time."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass

import pytest
from job_files import configure, failure, place

from byoi import contract, errors, training
from byoi.training import Job


@dataclass(frozen=True)
class Sizes:
    units: int = 8
    dropout: float = 0.5


@dataclass(frozen=True)
class Options:
    epochs: int = 3


def parse(job: Job) -> None:
    job.parse_hyperparameters(Sizes, Options)


def nothing(job: Job) -> None:
    pass


def test_a_fit_gets_what_the_platform_gave_and_writes_where_it_collects(tmp_path) -> None:
    channel = place(tmp_path, contract.INPUT_DATA_DIR / "train")
    channel.mkdir()
    (channel / "data.csv").write_text("1,2")
    configure(tmp_path, {"units": "4", "seed": "5"})
    hosts = {"current_host": "algo-1", "hosts": ["algo-1"]}
    place(tmp_path, contract.RESOURCE_CONFIG_FILE).write_text(json.dumps(hosts))
    jobs = []

    def fit(job: Job) -> None:
        jobs.append(job)
        job.require_one_host()
        job.model_dir.mkdir(parents=True)
        (job.model_dir / "weights").write_text((job.channels["train"] / "data.csv").read_text())

    assert training.run(fit, tmp_path) == 0
    (job,) = jobs
    assert job == Job(
        {"units": "4", "seed": "5"},
        {"train": channel},
        tmp_path / "opt/ml/model",
        tmp_path / "opt/ml/output/data",
        ("algo-1",),
        "algo-1",
        tmp_path / "opt/ml/input",
    )
    assert (tmp_path / "opt/ml/model/weights").read_text() == "1,2"
    assert not (tmp_path / "opt/ml/output/failure").exists()


def test_a_job_without_files_is_an_empty_one(tmp_path) -> None:
    job = Job.read(tmp_path)
    assert (job.hyperparameters, job.channels, job.hosts) == ({}, {}, ())
    job.require_one_host()
    assert job.parse_hyperparameters(Sizes, Options) == (Sizes(), Options(), 0)


def test_hyperparameters_become_fields_of_their_kind(tmp_path) -> None:
    given = {"units": "4", "dropout": "1e-1", "epochs": "7", "seed": "9"}
    configure(tmp_path, given | {"sagemaker_region": "x", "_tuning_objective": "y"})
    made = Job.read(tmp_path).parse_hyperparameters(Sizes, Options)
    assert made == (Sizes(4, 0.1), Options(7), 9)
    assert Job.read(tmp_path).parse_hyperparameters(Sizes, Options) == made


@pytest.mark.parametrize(
    ("hyperparameters", "environ", "received"),
    [
        (
            {"sagemaker_program": '"fit.py"', "sagemaker_submit_directory": '"s3://b/code.tar.gz"'},
            {},
            "sagemaker_submit_directory='\"s3://b/code.tar.gz\"'",
        ),
        ({"sagemaker_program": "fit.py"}, {}, "sagemaker_program='fit.py'"),
        ({"sagemaker_mpi_enabled": "true"}, {}, "sagemaker_mpi_enabled='true'"),
        ({"sagemaker_of_next_year": "1"}, {}, "sagemaker_of_next_year='1'"),
        ({}, {"SAGEMAKER_PROGRAM": "fit.py"}, "SAGEMAKER_PROGRAM='fit.py'"),
        ({}, {"SAGEMAKER_SUBMIT_DIRECTORY": "/code"}, "SAGEMAKER_SUBMIT_DIRECTORY='/code'"),
    ],
)
def test_a_script_of_the_job_is_refused_by_name_and_nothing_is_trained(
    tmp_path, hyperparameters, environ, received
) -> None:
    configure(tmp_path, hyperparameters)
    assert training.run(lambda _: pytest.fail("trained"), tmp_path, environ) == 1
    assert failure(tmp_path).startswith("received ")
    assert received in failure(tmp_path)
    assert "entry_point" in failure(tmp_path)


def test_what_only_describes_the_job_has_no_effect(tmp_path) -> None:
    described = {
        "sagemaker_container_log_level": "20",
        "sagemaker_enable_cloudwatch_metrics": "false",
        "sagemaker_job_name": '"job"',
        "sagemaker_region": '"us-east-1"',
        "sagemaker_program": "null",
        "sagemaker_submit_directory": '""',
    }
    configure(tmp_path, described)
    environ = {"SAGEMAKER_PROGRAM": ""}
    assert Job.read(tmp_path, environ).parse_hyperparameters(Sizes) == (Sizes(), 0)


def test_files_may_begin_with_a_byte_order_mark(tmp_path) -> None:
    place(tmp_path, contract.HYPERPARAMETERS_FILE).write_bytes(b'\xef\xbb\xbf{"epochs": "4"}')
    assert Job.read(tmp_path).parse_hyperparameters(Options) == (Options(4), 0)


@pytest.mark.parametrize(
    ("hyperparameters", "reason"),
    [
        (
            {"unit": "1"},
            "hyperparameter 'unit' is unknown; there are dropout, epochs, seed, units",
        ),
        ({"epochs": "1.5"}, "hyperparameter epochs: expected a whole number, received '1.5'"),
        ({"epochs": None}, "hyperparameter epochs: expected a whole number, received None"),
        ({"seed": "x"}, "hyperparameter seed: expected a whole number, received 'x'"),
        ({"dropout": "much"}, "hyperparameter dropout: expected a number, received 'much'"),
        (["epochs"], "expected a JSON object, received ['epochs']"),
    ],
)
def test_a_wrong_hyperparameter_is_named(tmp_path, hyperparameters, reason) -> None:
    configure(tmp_path, hyperparameters)
    assert training.run(parse, tmp_path) == 1
    assert reason in failure(tmp_path)


def test_hyperparameters_that_are_no_json_are_refused(tmp_path) -> None:
    place(tmp_path, contract.HYPERPARAMETERS_FILE).write_text("{epochs: 1}")
    assert training.run(nothing, tmp_path) == 1
    assert "hyperparameters.json: expected a JSON object: Expecting" in failure(tmp_path)


def test_several_instances_are_refused(tmp_path) -> None:
    hosts = {"current_host": "algo-2", "hosts": ["algo-1", "algo-2"]}
    place(tmp_path, contract.RESOURCE_CONFIG_FILE).write_text(json.dumps(hosts))
    assert training.run(Job.require_one_host, tmp_path) == 1
    assert "received 2; set instance_count=1" in failure(tmp_path)
    assert training.run(nothing, tmp_path) == 0  # a fit that can use them may


def test_a_deliberate_error_is_its_own_reason(tmp_path, capfd) -> None:
    def fit(job: Job) -> None:
        raise errors.DatasetError("no data; give some")

    assert training.run(fit, tmp_path) == 1
    assert failure(tmp_path) == "no data; give some"
    assert capfd.readouterr().err == "training failed: no data; give some\n"


def test_an_unexpected_error_is_short_in_the_failure_file_and_whole_in_the_log(
    tmp_path, capfd
) -> None:
    def fit(job: Job) -> None:
        raise KeyError("x" * 2000)

    assert training.run(fit, tmp_path) == 1
    reason = failure(tmp_path)
    assert len(reason) == contract.FAILURE_REASON_CHARACTERS
    assert reason.startswith("KeyError: 'xxx")
    log = capfd.readouterr().err
    assert "Traceback" in log
    assert f"training failed: {reason[:100]}" in log


def test_a_reason_of_any_characters_is_written(tmp_path) -> None:
    def fit(job: Job) -> None:
        raise errors.DatasetError("caf\u00e9 \ud83d")

    assert training.run(fit, tmp_path) == 1
    assert failure(tmp_path) == "caf\u00e9 \\ud83d"


def test_a_failure_file_that_cannot_be_written_does_not_hide_the_reason(tmp_path, capfd) -> None:
    place(tmp_path, contract.FAILURE_FILE).mkdir()
    configure(tmp_path, [])
    assert training.run(nothing, tmp_path) == 1
    log = capfd.readouterr().err
    assert "training failed: " in log
    assert "expected a JSON object, received []" in log
    assert "failure cannot be written" in log


@pytest.mark.parametrize("swallows", [True, False])
def test_sigterm_ends_the_job_also_where_an_exception_would_be_swallowed(
    tmp_path, swallows
) -> None:
    code = """if True:
        import os, pathlib, signal, sys, time
        from byoi import training

        def fit(job):
            try:  # as TensorFlow calls back
                os.kill(os.getpid(), signal.SIGTERM)
                time.sleep(60)
            except BaseException:
                if not swallows:
                    raise

        swallows = sys.argv[2] == "True"
        sys.exit(training.run(fit, pathlib.Path(sys.argv[1])))
    """
    command = [sys.executable, "-c", code, str(tmp_path), str(swallows)]
    job = subprocess.run(command, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    assert job.returncode == training.STOPPED_STATUS == 143
    reason = "SIGTERM stopped the job before its model was complete"
    assert (job.stderr, failure(tmp_path)) == (f"training failed: {reason}\n", reason)


@pytest.mark.parametrize("fit", [nothing, Job.require_one_host, parse])
def test_the_signal_handler_is_put_back(tmp_path, fit) -> None:
    configure(tmp_path, {"unknown": "1"})
    before = signal.getsignal(signal.SIGTERM)
    training.run(fit, tmp_path)
    assert signal.getsignal(signal.SIGTERM) is before


def test_the_platforms_half_needs_the_standard_library_only() -> None:
    code = "import sys, byoi.training; print('numpy' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={**os.environ}
    )
    assert done.stdout == "False\n"
