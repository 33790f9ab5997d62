"""The servers that `serving.py` compares, and how one of them runs.

Each has the files of `peers/NAME/`, one for each task, and the packages of a lock of its own.
A contender's working folder holds the file and the folder `model/`.
"""

import contextlib
import http.client
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import process_tree
from own_model import CACHE

PEERS = Path(__file__).resolve().parent / "peers"
START_TIMEOUT_S = 120.0
_STOP_S = 15.0
JSON_TYPE = "application/json"
# What a server takes from the one who starts it.
_KEPT = ("LANG", "TMPDIR")
# Of the image that is shipped (container/Dockerfile).
_IMAGE_VARIABLES = (
    ("BYOI_PRELOAD", "numpy,onnxruntime"),
    ("MALLOC_ARENA_MAX", "2"),
    ("MALLOC_MMAP_THRESHOLD_", "4194304"),
    ("MALLOC_TRIM_THRESHOLD_", "16777216"),
    ("ORT_DISABLE_TELEMETRY", "1"),
)


@dataclass(frozen=True)
class Contender:
    """One server.

    Attributes:
        name: In the tables.
        environment: Of `peers/`, without its ending: the packages.
        command: Starts it in the working folder; `{port}`, `{workers}` and `{task}` are replaced.
            The program is looked for in the environment.
        variables: Of its environment, for each task; the same names are replaced.
        files: In `peers/`, by task; the file keeps its name.
        file_variable: The variable that names the file, where the command does not.
    """

    name: str
    environment: str
    command: tuple[str, ...]
    files: tuple[tuple[str, str], ...]
    variables: tuple[tuple[str, str], ...] = ()
    file_variable: str = ""

    def file(self, task: str) -> str | None:
        """Return the file in `peers/` of a task, None where the server needs none."""
        return dict(self.files).get(task)


# The tasks: the network with its vocabulary, and rows of four numbers for a scikit-learn model.
CLASSIFIER, ROWS = "classifier", "rows"

OURS = Contender(
    name="BYOI",
    environment="byoi_script",
    # As the image does it: nginx, gunicorn, two workers; the settings are the variables.
    command=("python", "-m", "byoi.server"),
    files=((ROWS, "byoi/rows.py"),),
    variables=(
        ("SAGEMAKER_BIND_TO_PORT", "{port}"),
        ("SAGEMAKER_MODEL_SERVER_WORKERS", "{workers}"),
        ("BYOI_MODEL_DIR", "model"),
        *_IMAGE_VARIABLES,
    ),
    file_variable="BYOI_INFERENCE_MODULE",
)
FASTAPI = Contender(
    name="FastAPI + uvicorn",
    environment="fastapi",
    command=(
        *("uvicorn", "{task}:app", "--host", "127.0.0.1", "--port", "{port}"),
        # Without the last one uvicorn is slower, and would write what nobody reads here.
        *("--workers", "{workers}", "--loop", "uvloop", "--http", "httptools", "--no-access-log"),
    ),
    files=((CLASSIFIER, "fastapi/classifier.py"), (ROWS, "fastapi/rows.py")),
)
INFERENCE_SERVER = Contender(
    name="inference-server",
    environment="inference_server",
    command=(
        *("gunicorn", "{task}:app", "--bind", "127.0.0.1:{port}"),
        *("--workers", "{workers}", "--worker-class", "sync"),
    ),
    files=((CLASSIFIER, "inference_server/classifier.py"), (ROWS, "inference_server/rows.py")),
)
CONTENDERS = (OURS, FASTAPI, INFERENCE_SERVER)


@dataclass(frozen=True)
class Running:
    """A server that answers.

    Attributes:
        contender: Which one it is.
        pid: Of the process that was started; it leads a session of its own.
        port: It listens there.
    """

    contender: Contender
    pid: int
    port: int

    @property
    def url(self) -> str:
        """The address of /invocations."""
        return f"http://127.0.0.1:{self.port}/invocations"

    def ask(self, body: bytes) -> tuple[int, bytes]:
        """Send one request; 0 and nothing where the server does not answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request("POST", "/invocations", body, {"Content-Type": JSON_TYPE})
            answer = connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException):
            return 0, b""
        finally:
            connection.close()


def prepare(contender: Contender, task: str, folder: Path, model: Path) -> None:
    """Make the working folder: the file of the task, and the model."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(model, folder / "model")
    if name := contender.file(task):
        shutil.copy(PEERS / name, folder)


@contextlib.contextmanager
def serving(  # noqa: PLR0913 - what to serve, where, and as how many
    contender: Contender,
    task: str,
    folder: Path,
    body: bytes,
    *,
    port: int,
    workers: int,
    environments: Path = CACHE,
    stop_s: float = _STOP_S,
) -> Iterator[Running]:
    """Run a server in its prepared folder.

    Args:
        contender: The server.
        task: CLASSIFIER or ROWS.
        folder: As `prepare` made it.
        body: A request; the server runs once it answers it with 200.
        port: A free one.
        workers: How many processes answer requests.
        environments: Where the packages are.
        stop_s: Time that it gets to stop by itself.

    Raises:
        RuntimeError: It ended, or does not answer in time; with the end of its log.
    """
    programs = environments / contender.environment / "bin"
    values = {"port": str(port), "workers": str(workers), "task": task}
    program, *arguments = (part.format(**values) for part in contender.command)
    log_file = folder / "server.log"
    with log_file.open("wb") as log:
        process = subprocess.Popen(
            [programs / program, *arguments],
            cwd=folder,
            env=environ(contender, task, programs, values),
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    running = Running(contender, process.pid, port)
    began_s = time.perf_counter()
    try:
        while running.ask(body)[0] != http.client.OK:
            if process.poll() is not None or time.perf_counter() - began_s > START_TIMEOUT_S:
                end = log_file.read_text(encoding="utf-8", errors="replace")[-4000:]
                raise RuntimeError(f"{contender.name} does not answer; its log ends with:\n{end}")
            time.sleep(0.02)
        yield running
    finally:
        _stop(process, stop_s)


def environ(
    contender: Contender, task: str, programs: Path, values: dict[str, str]
) -> dict[str, str]:
    """Return the environment of a server."""
    variables = {name: value.format(**values) for name, value in contender.variables}
    name = contender.file(task)
    if contender.file_variable and name:
        variables[contender.file_variable] = Path(name).name
    # The same threads for the same network: BYOI's own default is this number.
    threads = max(1, (os.cpu_count() or 1) // int(values["workers"]))
    return {
        **{name: os.environ[name] for name in _KEPT if name in os.environ},
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "OMP_NUM_THREADS": str(threads),
        **variables,
    }


def _stop(process: subprocess.Popen[bytes], stop_s: float) -> None:
    """End a server with all its processes."""
    process.terminate()
    try:
        process.wait(stop_s)
    except subprocess.TimeoutExpired:
        for one in process_tree.tree(process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(one.pid, signal.SIGKILL)
        process.wait()
    # LitServe's processes may outlive the first one, which leads their group.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
