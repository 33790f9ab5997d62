"""A run of an image as a training job: `train`, with the files of the platform mounted.

Sources: DG your-algorithms-training-algo-running-container, -algo-output and -algo-dockerfile.
"""

import contextlib
import json
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from http import HTTPStatus
from pathlib import Path

from byoi.conformance import causes, log_lines
from byoi.conformance.case import Case
from byoi.conformance.server import Server
from byoi.conformance.verdict import Broken, NotApplicable, NotTested
from byoi.local.docker import Confinement

# Seconds from SIGTERM to SIGKILL.
GRACE_S = 120
_NAME = "byoi-check"
_ARN = f"arn:aws:sagemaker:eu-central-1:123456789012:training-job/{_NAME}"
ENVIRONMENT = {"TRAINING_JOB_NAME": _NAME, "TRAINING_JOB_ARN": _ARN}
KILLED = causes.SIGNALLED + signal.SIGKILL
_ML = Path("/opt/ml")
_FOLDERS = ("input", "model", "output", "checkpoints")
_HYPERPARAMETERS = "hyperparameters.json"
_CHANNELS = "inputdataconfig.json"
_RESOURCES = "resourceconfig.json"
_HOST = "algo-1"
# Maximum seconds of a job without input, and of the user's job.
_FAILS_S, _ENDS_S = 60.0, 300.0
# The value of each hyperparameter, and the content of each file, of a job that is to fail.
_DAMAGED = "damaged by byoi check"
_POLL_S = 0.3
_PING_S = 0.5


class Job(Enum):
    """A job that the check runs; the value says it in messages."""

    WITHOUT_INPUT = "a job without channels and hyperparameters"
    GIVEN = "the job"
    # Hyperparameters that look like numbers are numbers; the platform has texts.
    WITH_NUMBERS = "the job with numbers as hyperparameters"
    DAMAGED = "the job with damaged files and hyperparameters"


@dataclass(frozen=True)
class Run:
    """A job that has ended.

    Attributes:
        job: Which one.
        exit_code: Its exit status.
        log: Its output on stdout and stderr.
        failure: The content of /opt/ml/output/failure; "" if it is empty or absent.
        model: Paths of the files below /opt/ml/model.
        output: Paths of the files below /opt/ml/output/data.
        channels: Names of its channels.
    """

    job: Job
    exit_code: int
    log: str
    failure: str
    model: tuple[str, ...]
    output: tuple[str, ...]
    channels: tuple[str, ...]

    @property
    def has_failed(self) -> bool:
        """Whether its exit status or its failure file says that it failed."""
        return bool(self.exit_code or self.failure)

    @property
    def told(self) -> str:
        """Its log and its failure file, where the cause of a failure may be."""
        return f"{self.log}\n{self.failure}"


def require(case: Case) -> None:
    """Check that the user asked for the rules of training.

    Raises:
        NotApplicable: The user did not.
    """
    if not case.given.is_training:
        raise NotApplicable("--train asks for it")


def training_input(case: Case) -> Path:
    """Return the user's input of a training job.

    Raises:
        NotTested: The user gave none.
    """
    require(case)
    if case.given.training_input is None:
        raise NotTested("give the input of a job that ends well: --training-input FOLDER")
    return case.given.training_input


def succeeding(case: Case) -> Run:
    """Run the user's job, which should succeed; it runs only once.

    Raises:
        NotTested: There is no job, or it does not end in time.
    """
    training_input(case)
    return _run_once(case, Job.GIVEN)


def good(case: Case) -> Run:
    """Return the run of the user's job if it succeeded.

    Raises:
        NotTested: It failed.
    """
    run = succeeding(case)
    if run.exit_code:
        raise NotTested("fix TR-12 first: the job fails")
    return run


def native(case: Case) -> Run:
    """Run the user's job with numeric hyperparameters as numbers instead of texts.

    Raises:
        NotTested: There is no job, or it does not end in time.
    """
    training_input(case)
    return _run_once(case, Job.WITH_NUMBERS)


def failing(case: Case) -> Run:
    """Run a job that fails; each is run only once.

    The first has no channels and no hyperparameters. If it succeeds, the second is the user's, with
    damaged files and hyperparameters.

    Raises:
        NotTested: No job ends in time and fails.
    """
    require(case)
    jobs = [Job.WITHOUT_INPUT]
    if case.given.training_input is not None:
        jobs.append(Job.DAMAGED)
    for job in jobs:
        try:
            run = _run_once(case, job)
        except NotTested:
            if job is jobs[-1]:
                raise
        else:
            if run.has_failed:
                return run
    remedy = "let it fail when its input is wrong"
    if len(jobs) == 1:
        remedy = "give the input of a job, which is damaged to let it fail: --training-input FOLDER"
    raise NotTested(f"no job fails, also not {jobs[-1].value}; {remedy}")


def takes_train(case: Case) -> str:
    """Return the observation that the image accepts the argument `train`.

    Raises:
        Broken: It does not accept it.
    """
    require(case)
    has_input = case.given.training_input is not None
    run = succeeding(case) if has_input else _run_once(case, Job.WITHOUT_INPUT)
    if run.exit_code and causes.refuses("train", run.exit_code, run.log):
        raise Broken(
            f"docker run IMAGE train ends with status {run.exit_code}: {log_lines.last(run.log)}",
            "put a program `train` on the PATH, or let the ENTRYPOINT take the argument `train`",
        )
    return f"takes the argument train, and ends with status {run.exit_code}"


@contextlib.contextmanager
def launched(case: Case, job: Job) -> Iterator[tuple[Server, Path]]:
    """Start a job; yield it and the folder with its /opt/ml.

    Args:
        case: Has the image.
        job: Which one.

    Raises:
        Broken: The job does not start.
        NotTested: The subject is not an image.
    """
    case.subject.described()
    with tempfile.TemporaryDirectory(prefix="byoi-check-") as name:
        folder = Path(name)
        for one in _FOLDERS:
            (folder / one).mkdir()
            # Also for an image with a USER other than root.
            (folder / one).chmod(0o777)
        _write_input(folder / "input", case.given.training_input, job)
        conditions = case.conditions(
            argument="train",
            environment=ENVIRONMENT,
            mounts={folder / one: _ML / one for one in _FOLDERS},
            confinement=Confinement(memory_bytes=case.given.memory_bytes, has_writable_mounts=True),
        )
        with contextlib.ExitStack() as stack:
            try:
                server = stack.enter_context(case.subject.launched(conditions))
            except Broken as broken:
                raise Broken(
                    f"docker run IMAGE train does not start: {broken.__cause__ or broken.seen}",
                    "put a program `train` on the PATH, or let the ENTRYPOINT take the argument "
                    "`train`",
                ) from broken
            yield server, folder


def _read_run(job: Job, code: int, log: str, folder: Path) -> Run:
    failure = folder / "output" / "failure"
    return Run(
        job,
        code,
        log,
        failure.read_text(errors="replace") if failure.is_file() else "",
        _files(folder / "model"),
        _files(folder / "output" / "data"),
        tuple(_read(folder / "input" / "config" / _CHANNELS)),
    )


def _run_once(case: Case, job: Job) -> Run:
    def run() -> Run | NotTested:
        try:
            return _run(case, job)
        except NotTested as untested:
            return untested

    # Also that it does not end in time is found once.
    found = case.remembered(job.value, run)
    if isinstance(found, NotTested):
        raise found
    return found


def _run(case: Case, job: Job) -> Run:
    limit_s = _FAILS_S if job is Job.WITHOUT_INPUT else _ENDS_S
    with launched(case, job) as (server, folder):
        deadline_s = time.monotonic() + limit_s
        while (code := server.sight.exit_code()) is None:
            if server.ping(timeout_s=_PING_S).status == HTTPStatus.OK:
                raise Broken(
                    "docker run IMAGE train starts a server: /ping answers 200",
                    "let the argument `train` train, and end",
                )
            if time.monotonic() > deadline_s:
                raise NotTested(f"give a job that ends within {limit_s:.0f} s: --training-input")
            time.sleep(_POLL_S)
        return _read_run(job, code, server.sight.log(), folder)


def _damage(folder: Path) -> None:
    for file in folder.rglob("*"):
        if file.is_file():
            file.unlink()  # it may be a link, or not writable
            file.write_text(_DAMAGED)


def _write_input(folder: Path, source: Path | None, job: Job) -> None:
    """Create the content of /opt/ml/input, with the files that the platform adds."""
    if source is not None and job is not Job.WITHOUT_INPUT:
        shutil.copytree(source, folder, dirs_exist_ok=True)
    if job is Job.DAMAGED:
        _damage(folder / "data")
    config, data = folder / "config", folder / "data"
    config.mkdir(exist_ok=True)
    data.mkdir(exist_ok=True)
    given = _read(config / _HYPERPARAMETERS)
    _write(
        config / _HYPERPARAMETERS,
        {name: _value(value, job) for name, value in given.items()},
    )
    channels = sorted(one.name for one in data.iterdir() if one.is_dir())
    channel = {
        "TrainingInputMode": "File",
        "S3DistributionType": "FullyReplicated",
        "RecordWrapperType": "None",
    }
    _write(
        config / _CHANNELS,
        _read(config / _CHANNELS) or dict.fromkeys(channels, channel),
    )
    _write(
        config / _RESOURCES,
        {
            "current_host": _HOST,
            "current_instance_type": "ml.m5.large",
            "current_group_name": "homogeneousCluster",
            "hosts": [_HOST],
            "instance_groups": [
                {
                    "instance_group_name": "homogeneousCluster",
                    "instance_type": "ml.m5.large",
                    "hosts": [_HOST],
                }
            ],
            "network_interface_name": "eth0",
        },
    )


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _value(value: object, job: Job) -> object:
    if job is Job.DAMAGED:
        return _DAMAGED
    return _number(value) if job is Job.WITH_NUMBERS else _text(value)


def _number(value: object) -> object:
    if isinstance(value, str):
        with contextlib.suppress(ValueError):
            return json.loads(value)
    return value


def _read(file: Path) -> dict[str, object]:
    try:
        content = json.loads(file.read_text())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _write(file: Path, content: object) -> None:
    file.write_text(json.dumps(content))


def _files(folder: Path) -> tuple[str, ...]:
    found = (one.relative_to(folder).as_posix() for one in folder.rglob("*") if one.is_file())
    return tuple(sorted(found))


def wait_until_under_way(server: Server, limit_s: float) -> None:
    """Wait until a job has written something or has ended, at most `limit_s` seconds."""
    deadline_s = time.monotonic() + limit_s
    while time.monotonic() < deadline_s and server.sight.exit_code() is None:
        if server.sight.log():
            return
        time.sleep(_POLL_S)
