"""`byoi deploy`, `endpoints`, `invoke` and `delete`, as a user runs them."""

import datetime as dt
import json
import os
import signal
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from deployed import account_of, existing, left_as_found, other_archive, plan
from emulated_aws import ECHO, Aws
from images import current
from tiny_model import write_tiny_model

from byoi import model_data
from byoi.deployment import inventory

BYOI = Path(sys.executable).with_name("byoi")
TOYS = Path(__file__).resolve().parents[2] / "toys"
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def tiny_archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Model data of this project's own classifier."""
    folder = tmp_path_factory.mktemp("tiny")
    write_tiny_model(folder / "model")
    return model_data.pack(folder / "model", folder / "model.tar.gz").path


def environ_of(aws: Aws, **changes: str | None) -> dict[str, str]:
    """The environment that leads the command to an emulator; variables of None are not set."""
    variables = {**os.environ, **aws.emulator.variables, **changes}
    return {name: value for name, value in variables.items() if value is not None}


def runner(aws: Aws) -> Run:
    """The command, led to an emulator; variables of None are not set."""

    def run(*arguments: object, **changes: str | None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [BYOI, *map(str, arguments)],
            env=environ_of(aws, **changes),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


@pytest.fixture
def byoi(aws: Aws) -> Iterator[Run]:
    """The command, on both runners."""
    with left_as_found(aws):
        yield runner(aws)


@pytest.fixture
def in_process(in_processes: Aws) -> Iterator[Run]:
    """The command, for what does not depend on the runner."""
    with left_as_found(in_processes):
        yield runner(in_processes)


def test_an_endpoint_from_the_first_to_the_last(byoi: Run, tiny_archive: Path) -> None:
    deploy = ("deploy", "byoi:latest", "--name", "films", "--model-data", tiny_archive)
    done = byoi(*deploy, "--expires", "8h")
    assert done.returncode == 0, done.stderr
    said = done.stdout
    for words in (
        "ok: bucket byoi-emulator",
        "price: not known offline",
        "uploaded ",
        "start-up: healthy after",
        "films: Creating",
        "films: InService",
        "endpoint films: created, until 20",
        "byoi invoke films --file BODY",
        "byoi delete films",
    ):
        assert words in said, words

    again = byoi(*deploy, "--expires", "never")
    assert again.returncode == 0, again.stderr
    assert "endpoint films: unchanged, until never" in again.stdout
    assert "uploaded" not in again.stdout
    assert "start-up" not in again.stdout

    as_uri = byoi(*deploy[:-1], f"file://{tiny_archive}", "--expires", "never")
    assert as_uri.returncode == 0, as_uri.stderr
    assert "endpoint films: unchanged, until never" in as_uri.stdout

    listed = byoi("endpoints").stdout.splitlines()
    assert listed[0].split() == ["NAME", "STATUS", "INSTANCES", "SINCE", "UNTIL", "PRICE"]
    assert listed[1].startswith("films  InService  1 ml.m5.large  20")
    assert listed[1].endswith("never  not known offline")

    invoked = byoi("invoke", "films", "--data", '["good film", "bad film"]')
    assert invoked.returncode == 0, invoked.stderr
    assert len(json.loads(invoked.stdout)) == 2
    predicted = byoi("predict", "--endpoint", "films", "good film", "bad film")
    assert predicted.returncode == 0, predicted.stderr
    assert predicted.stdout.count("p_positive") == 2

    deleted = byoi("delete", "films")
    assert deleted.returncode == 0, deleted.stderr
    assert deleted.stdout.startswith("deleted endpoint films\n")
    assert byoi("endpoints").stdout == "no endpoints of byoi deploy in us-east-1\n"


def test_pieces_are_printed_as_they_come_and_a_break_is_an_error(
    in_processes: Aws, in_process: Run, tmp_path: Path
) -> None:
    archive = tmp_path / "model.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(TOYS / "stream.py", "code/inference.py")
    (tmp_path / "sample_request.json").write_text('["one", 0.1, "two"]')
    deploy = ("deploy", "byoi:latest", "--name", "streams", "--model-data", archive)
    done = in_process(*deploy)
    assert done.returncode == 0, done.stderr
    # The model data lie in the project's folder, this command's folder is none.
    assert f"byoi invoke streams --file {tmp_path}/sample_request.json\n" in done.stdout

    ask = ("invoke", "streams", "--stream", "--data")
    command = [BYOI, *ask, '["one ", 3.0, "two"]']
    with subprocess.Popen(command, env=environ_of(in_processes), stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert os.read(process.stdout.fileno(), 100) == b"one "
        assert process.poll() is None
        assert process.stdout.read() == b"two\n"

    broken = in_process(*ask, '["one", "DO:raise"]')
    assert (broken.returncode, broken.stdout) == (1, "one\n")
    assert "the stream broke after 3 bytes" in broken.stderr
    assert "the container broke the connection" in broken.stderr
    assert "/aws/sagemaker/Endpoints/streams" in broken.stderr
    refused = in_process(*ask, '["DO:malformed"]')
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "the endpoint answered with status 400" in refused.stderr


def test_a_failure_is_its_cause_and_the_containers_last_words(
    byoi: Run, tiny_archive: Path
) -> None:
    done = byoi(
        "deploy",
        "byoi:latest",
        "--name=unlucky",
        f"--model-data={tiny_archive}",
        "--env=BYOI_INFERENCE_MODULE=no_such_module",
        "--skip-preflight",
    )
    assert done.returncode == 1
    assert done.stderr.startswith("byoi: error: endpoint unlucky failed: ")
    assert "  | error: BYOI_INFERENCE_MODULE='no_such_module' cannot be found" in done.stderr
    assert "Traceback" not in done.stderr
    assert byoi("endpoints").stdout.startswith("no endpoints")


def test_preflight_stops_before_anything_is_made(in_process: Run, in_processes: Aws) -> None:
    deploy = (
        "deploy",
        "byoi:latest",
        "--name",
        "early",
        "--model-data",
        "s3://byoi-emulator/no.tar.gz",
    )
    before = existing(account_of(in_processes))
    done = in_process(*deploy)
    assert done.returncode == 1
    assert "nothing was created" in done.stderr
    assert "no.tar.gz" in done.stderr
    skipped = in_process(*deploy, "--skip-preflight")
    assert skipped.returncode == 1
    assert "endpoint early failed" in skipped.stderr
    assert existing(account_of(in_processes)) == before


def test_expired_ones_are_marked_and_go_together(
    in_process: Run, in_processes: Aws, tiny_archive: Path
) -> None:
    account = account_of(in_processes)
    past = dt.datetime.now(dt.UTC) - dt.timedelta(hours=1)
    for name, expires in (("old", past), ("older", past), ("young", None)):
        made = plan(account, tiny_archive, name, expires=expires)
        account.sagemaker.create_model(**made.model_request())
    shown = in_process("endpoints").stdout
    assert shown.count("EXPIRED") == 2
    assert shown.count("no endpoint") == 3
    refused = in_process("delete", "--expired")
    assert refused.returncode == 1
    assert "to delete: old, older" in refused.stdout
    assert "add --yes" in refused.stderr
    assert in_process("delete", "--expired", "--yes").returncode == 0
    assert [one.name for one in inventory.find_endpoints(account)] == ["young"]
    assert in_process("delete", "--expired", "--yes").stdout == "nothing to delete\n"
    assert in_process("delete", "--all", "--yes").returncode == 0
    assert inventory.find_endpoints(account) == []


def test_ctrl_c_says_what_goes_on(in_process: Run, in_processes: Aws, tmp_path: Path) -> None:
    slow = other_archive(tmp_path, "import json", "import time\n\ntime.sleep(3)\nimport json")
    variables = {name: value for name, value in in_processes.emulator.variables.items() if value}
    # A time-out that is given is not measured.
    command = [BYOI, "deploy", "byoi:latest", "--name=slow", f"--model-data={slow}"]
    command += ["--startup-timeout=60", *(f"--env={name}={value}" for name, value in ECHO.items())]
    with subprocess.Popen(
        command,
        env={**os.environ, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "Creating" in line:
                process.send_signal(signal.SIGINT)
                break
        _, said = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGINT
    assert "stopped waiting; the deployment continues on AWS" in said
    assert "`byoi delete slow`" in said
    again = in_process(*command[1:])
    assert "endpoint slow: unchanged" in again.stdout


DEPLOY = ("deploy", "byoi:latest", "--name=x")


@pytest.mark.parametrize(
    ("arguments", "changes", "said"),
    [
        ((*DEPLOY, "--model-data=no.tar.gz"), {}, "no such archive"),
        ((*DEPLOY, "--model-data=file:///no.tar.gz"), {}, "no such archive"),
        ((*DEPLOY, "--model-data=https://x/y.tar.gz"), {}, "a path, a file:// or an s3:// URI"),
        ((*DEPLOY, "--model-data=x.tar.gz"), {"BYOI_BUCKET": None}, "BYOI_BUCKET is not set"),
        (DEPLOY, {"BYOI_ROLE_ARN": None}, "no execution role"),
        (DEPLOY, {"AWS_DEFAULT_REGION": None, "AWS_REGION": None}, "no AWS region is set"),
        (
            DEPLOY,
            {"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None},
            "no AWS credentials were found",
        ),
        ((*DEPLOY, "--role=me"), {}, "--role='me': expected a role's ARN"),
        ((*DEPLOY, "--env=A"), {}, "expected NAME=VALUE"),
        ((*DEPLOY, "--env==A"), {}, "expected NAME=VALUE, or NAME"),
        ((*DEPLOY, "--expires=soon"), {}, "expected 8h, 3d, never"),
        ((*DEPLOY, "--startup-timeout=5"), {}, "60 to 3600"),
        ((*DEPLOY, "--no-network", "--subnet=subnet-00000001"), {}, "and no security groups"),
        (("deploy", "byoi:latest", "--name=a_b"), {}, "letters, digits and hyphens"),
        (("delete", "nobody"), {}, "there is no endpoint nobody"),
        (("invoke", "nobody", "text"), {}, "Endpoint nobody of account 123456789012 not found"),
        (("endpoints",), {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, "Could not connect"),
    ],
)
def test_what_is_wrong_is_one_line(
    in_process: Run, arguments: tuple[str, ...], changes: dict[str, str | None], said: str
) -> None:
    done = in_process(*arguments, **changes)
    assert done.returncode == 1
    assert done.stderr.startswith("byoi: error: ")
    assert said in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("arguments", [("delete",), ("delete", "--all", "x"), ("deploy", "byoi")])
def test_a_wrong_command_line_ends_with_2(in_process: Run, arguments: tuple[str, ...]) -> None:
    assert in_process(*arguments).returncode == 2


def test_variables_have_the_values_of_the_commands_own_and_options_arrive(
    in_process: Run, in_processes: Aws, tiny_archive: Path
) -> None:
    done = in_process(
        "deploy", "byoi:latest", "--name", "films", "--model-data", tiny_archive,
        "--startup-timeout", "60", "--env", "MINE", "--env", "OTHER=1",
        "--volume-size", "20", "--kms-key", "alias/mine", "--download-timeout", "90",
        "--subnet", "subnet-00000001", "--subnet", "subnet-00000002",
        "--security-group", "sg-00000001", MINE="a=b \n #",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "VPC: subnet-00000001, subnet-00000002; sg-00000001\n" in done.stdout
    (model,) = in_processes.sagemaker.list_models()["Models"]
    shown = in_processes.sagemaker.describe_model(ModelName=model["ModelName"])
    assert shown["PrimaryContainer"]["Environment"] == {"MINE": "a=b \n #", "OTHER": "1"}
    assert shown["VpcConfig"]["Subnets"] == ["subnet-00000001", "subnet-00000002"]
    (config,) = in_processes.sagemaker.list_endpoint_configs()["EndpointConfigs"]
    config = in_processes.sagemaker.describe_endpoint_config(
        EndpointConfigName=config["EndpointConfigName"]
    )
    assert config["KmsKeyId"] == "alias/mine"
    assert config["ProductionVariants"][0]["VolumeSizeInGB"] == 20
    assert config["ProductionVariants"][0]["ModelDataDownloadTimeoutInSeconds"] == 90
    assert "a=b" not in done.stdout + done.stderr
    assert in_process("delete", "films").returncode == 0


def test_an_image_that_would_answer_wrongly_is_not_deployed(in_containers: Aws) -> None:
    image = current("faulty")
    deploy = ("deploy", image, "--name", "faulty", "--env", "FAULT=limit 1048576")
    with left_as_found(in_containers):
        byoi = runner(in_containers)
        refused = byoi(*deploy)
        assert refused.returncode == 1, refused.stdout
        assert "413" in refused.stderr
        assert "client_max_body_size" in refused.stderr
        assert existing(account_of(in_containers)) == []

        done = byoi(*deploy, "--skip-preflight")
        assert done.returncode == 0, done.stderr
        assert "faulty: InService" in done.stdout
        assert byoi("delete", "faulty").returncode == 0
