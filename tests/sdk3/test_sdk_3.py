"""SageMaker's SDK of version 3, unmodified and in an environment of its own, beside version 2.

docs/sdk-3.md is the program: its blocks of each version run in their order, as one script,
against an emulator with containers.
"""

import concurrent.futures
import contextlib
import dataclasses
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import boto3
import environments
import images
import pytest
from conftest import missing
from containers import docker
from reviews_file import write_reviews
from tiny_model import write_tiny_model

from byoi import emulator, model_data
from byoi.local.registry import LocalRegistry

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "sdk-3.md"
TRAINING_IMAGE = "byoi:tensorflow"

# Without the time that installing the SDK takes, which depends on the machine.
pytestmark = [pytest.mark.timeout(300, func_only=True), pytest.mark.needs("docker", "compose")]

# `deploy` looks every 30 s, and local mode waits 10 s before it looks at its container: both
# programs run beside the page.
DEPLOY = """
import json, os
import boto3
from sagemaker.core.helper.iam_role_resolver import RoleValidationError
from sagemaker.serve import ModelBuilder

bucket, role = os.environ["BYOI_BUCKET"], os.environ["BYOI_ROLE_ARN"]
boto3.client("s3").upload_file("build/model.tar.gz", bucket, "one/model.tar.gz")
iam = boto3.client("iam")
trust = iam.get_role(RoleName=role.rpartition("/")[2])["Role"]["AssumeRolePolicyDocument"]
bare = iam.create_role(RoleName="bare", AssumeRolePolicyDocument=json.dumps(trust))["Role"]
settings = {"image_uri": "byoi:latest", "s3_model_data_url": f"s3://{bucket}/one/model.tar.gz"}
try:
    ModelBuilder(**settings, role_arn=bare["Arn"]).build()
except RoleValidationError as error:
    assert "Missing permissions: ecr:GetAuthorizationToken" in str(error)
else:
    raise AssertionError("a role without policies passed")
builder = ModelBuilder(**settings, role_arn=role)
model = builder.build()
endpoint = builder.deploy(instance_type="ml.m5.large")
assert endpoint.endpoint_status == "InService"
answer = endpoint.invoke(body='["a good film"]', content_type="application/json")
assert len(json.loads(answer.body.read())) == 1
endpoint.delete()
endpoint.wait_for_delete()
"""
LOCAL_MODE = """
import os
from sagemaker.serve import ModelBuilder
from sagemaker.serve.mode.function_pointers import Mode

builder = ModelBuilder(
    image_uri=os.environ["IMAGE"],
    model_path=os.path.abspath("model"),
    role_arn=os.environ["BYOI_ROLE_ARN"],
    mode=Mode.LOCAL_CONTAINER,
)
builder.build()
builder.deploy(endpoint_name="local")
"""


@dataclasses.dataclass(frozen=True)
class Sdk:
    """A version of the SDK, and how programs use it.

    Attributes:
        python: Of its environment.
        project: A folder that this project can be imported from.
        folder: Where programs run: they find a model and a data set in `build`.
        variables: Those of an emulator.
    """

    python: Path
    project: Path
    folder: Path
    variables: dict[str, str]

    def run(self, code: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a program."""
        script = self.folder / "script.py"
        script.write_text(code, encoding="utf-8")
        environ = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        return subprocess.run(
            [self.python, script],
            cwd=self.folder,
            env={**environ, "PYTHONPATH": str(self.project), **self.variables, **variables},
            capture_output=True,
            text=True,
            check=False,
            timeout=280,
        )


@pytest.fixture(scope="module", autouse=True)
def tagged() -> None:
    """Give the images the names that users give them."""
    docker("tag", images.current("serve"), images.OWN_IMAGE)
    docker("tag", images.current("tensorflow"), TRAINING_IMAGE)


@contextlib.contextmanager
def emulated() -> Iterator[dict[str, str]]:
    """Run an emulator with containers; gives its variables."""
    with emulator.running(runner="containers", startup_timeout_s=90, environ={}) as running:
        yield {name: value for name, value in running.variables.items() if value is not None}


@pytest.fixture(scope="module")
def aws(tagged: None) -> Iterator[dict[str, str]]:
    """The variables of an emulator."""
    with emulated() as variables:
        yield variables


@pytest.fixture(scope="module", autouse=True)
def installing() -> Iterator[Future[Path]]:
    """Install version 3 meanwhile: version 2 has the page first."""
    with ThreadPoolExecutor() as pool:
        yield pool.submit(environments.installed, "sdk3", "--no-deps")


@pytest.fixture(scope="module")
def python3(installing: Future[Path]) -> Path:
    """The interpreter of version 3's environment."""
    return installing.result() / "bin" / "python"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This project, as it is installed, with its entry points."""
    folder = tmp_path_factory.mktemp("project")
    environments.add_project(folder)
    return folder


def make_folder(path: Path) -> Path:
    """Fill a folder with a packed model and a small data set."""
    write_tiny_model(path / "model")
    model_data.pack(path / "model", path / "build" / "model.tar.gz")
    (path / "build" / "data").mkdir()
    write_reviews(path / "build" / "data" / "imdb.npz")
    return path


@pytest.fixture(scope="module")
def beside(
    tagged: None,
    python3: Path,
    project: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[dict[str, Future[subprocess.CompletedProcess[str]]]]:
    """What runs beside the page, with an emulator of its own."""
    with emulated() as variables, contextlib.ExitStack() as stack, ThreadPoolExecutor() as pool:

        def start(code: str, **more: str) -> Future[subprocess.CompletedProcess[str]]:
            folder = make_folder(tmp_path_factory.mktemp("beside"))
            return pool.submit(Sdk(python3, project, folder, variables).run, code, **more)

        started = {"deploy": start(DEPLOY)}
        if missing("docker-registry") is None:
            registry = LocalRegistry()
            stack.callback(registry.stop)
            image = f"{registry.address}/byoi-sdk3:1"
            docker("tag", images.OWN_IMAGE, image)
            stack.callback(docker, "rmi", image)
            docker("push", "--quiet", image)
            started["local mode"] = start(LOCAL_MODE, IMAGE=image)
        yield started
        concurrent.futures.wait(started.values())


@pytest.fixture
def sdk2(project: Path, tmp_path: Path, aws: dict[str, str]) -> Sdk:
    return Sdk(Path(sys.executable), project, make_folder(tmp_path), aws)


@pytest.fixture
def sdk3(python3: Path, project: Path, tmp_path: Path, aws: dict[str, str]) -> Sdk:
    return Sdk(python3, project, make_folder(tmp_path), aws)


def blocks(version: str) -> list[str]:
    """The blocks of the page for one version, each after a line that names the version."""
    pattern = rf"^Version {version}\b[^\n]*\n\n```python\n(.*?)^```$"
    return re.findall(pattern, PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def test_every_block_of_the_page_is_of_one_version() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert len(blocks("2")) + len(blocks("3")) == text.count("```python")


def test_the_page_names_the_versions_of_the_lock() -> None:
    lock = (ROOT / "requirements" / "sdk3.txt").read_text(encoding="utf-8")
    for name, version in re.findall(
        r"^(sagemaker(?:-core|-serve|-train)?)==(\S+)", lock, re.MULTILINE
    ):
        assert f"{name} {version}" in PAGE.read_text(encoding="utf-8")


def run_page(sdk: Sdk, version: str) -> None:
    """Run the blocks of a version as one program, and look at what it leaves."""
    done = sdk.run("\n".join(blocks(version)))
    assert done.returncode == 0, done.stdout + done.stderr
    client = boto3.client(
        "sagemaker",
        endpoint_url=sdk.variables["AWS_ENDPOINT_URL"],
        region_name=sdk.variables["AWS_DEFAULT_REGION"],
        aws_access_key_id=sdk.variables["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=sdk.variables["AWS_SECRET_ACCESS_KEY"],
    )
    assert client.list_endpoints()["Endpoints"] == []
    assert client.list_endpoint_configs()["EndpointConfigs"] == []
    assert client.list_models()["Models"] == []


def test_the_page_runs_from_training_to_deletion_with_version_2(sdk2: Sdk) -> None:
    run_page(sdk2, "2")


def test_the_page_runs_from_training_to_deletion_with_version_3(sdk3: Sdk, beside: object) -> None:
    assert beside
    run_page(sdk3, "3")


def test_deploy_of_version_3_waits_by_itself_and_a_denied_role_is_named(beside) -> None:
    done = beside["deploy"].result()
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.needs("docker-registry")
def test_local_mode_of_the_model_builder_starts_nothing(beside) -> None:
    done = beside["local mode"].result()
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last == "AttributeError: 'NoneType' object has no attribute 'logs'"
    assert last in PAGE.read_text(encoding="utf-8")


def test_the_model_trainer_starts_the_image_without_its_argument(sdk3: Sdk) -> None:
    done = sdk3.run("""
import os
from sagemaker.train import ModelTrainer
from sagemaker.train.configs import Compute
from sagemaker.train.model_trainer import Mode

ModelTrainer(
    training_mode=Mode.LOCAL_CONTAINER,
    training_image="byoi:tensorflow",
    role=os.environ["BYOI_ROLE_ARN"],
    compute=Compute(instance_type="local_cpu", instance_count=1),
    local_container_root=os.path.abspath("jobs"),
).train()
""")
    assert done.returncode == 1
    # What `serve` says without a model; `train` would have trained on the sample.
    assert "/opt/ml/model is empty: nothing that can be served" in done.stdout, done.stdout
    assert "accuracy" not in done.stdout


def test_demo_and_hosting_say_in_one_line_what_they_need(sdk3: Sdk) -> None:
    needs = r"sagemaker below version 3, and found sagemaker 3\.\S+; in an environment of its own, "
    remedy = r"in the folder of this project's checkout: pip install '\.\[.*\]'"
    done = sdk3.run("import sys; from byoi import cli; sys.exit(cli.main(['demo']))")
    (line,) = done.stderr.splitlines()
    assert done.returncode == 1
    said = "byoi: error: byoi demo needs the Python packages .*"
    assert re.fullmatch(f"{said}{needs}{remedy}", line), line
    done = sdk3.run("from byoi import hosting; hosting.aws_session()")
    line = done.stderr.splitlines()[-1]
    said = "byoi.errors.MissingPackageError: byoi.hosting needs the Python package "
    assert re.fullmatch(f"{said}{needs}{remedy}", line), line


def test_the_verbs_that_need_no_sdk_work_beside_version_3(sdk3: Sdk) -> None:
    done = sdk3.run("import sys; from byoi import cli; sys.exit(cli.main(['endpoints']))")
    assert done.returncode == 0, done.stderr
