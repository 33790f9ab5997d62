"""Endpoints in local mode, for real: from deploy to nothing left."""

import json
import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import boto3
import images
import numpy as np
import pytest
import sagemaker
import shell_program
from botocore.config import Config
from botocore.exceptions import ClientError
from sagemaker.deserializers import (
    CSVDeserializer,
    JSONDeserializer,
    JSONLinesDeserializer,
    NumpyDeserializer,
)
from sagemaker.model import Model
from sagemaker.predictor import Predictor
from sagemaker.serializers import (
    CSVSerializer,
    IdentitySerializer,
    JSONLinesSerializer,
    JSONSerializer,
    NumpySerializer,
)
from tiny_model import tiny_answer

from byoi import errors, hosting, model_data
from byoi.conformance import causes
from byoi.emulator.runners import ContainerRunner, Order
from byoi.hosting import runtime_client
from byoi.local.docker import Engine
from byoi.local.orphans import OWNER_LABEL

needs_local_mode = pytest.mark.needs("docker", "compose")
JSON = {"serializer": JSONSerializer(), "deserializer": JSONDeserializer()}
WITNESS = {"BYOI_INFERENCE_MODULE": "/opt/ml/model/witness.py"}
TEXTS = ["the good film", "the bad film"]
ANSWERS = [tiny_answer([1, 4, 6, 5]), tiny_answer([1, 4, 7, 5])]


@pytest.fixture(scope="module")
def predictor(image: str, archive: Path) -> Iterator[Predictor]:
    """One endpoint of the built-in kind, for all tests that only invoke it."""
    with hosting.endpoint(image, archive, session=hosting.LocalSession(), **JSON) as predictor:
        yield predictor


@needs_local_mode
@pytest.mark.parametrize(
    ("serializer", "deserializer", "sent", "expected"),
    [
        (JSONSerializer(), JSONDeserializer(), {"instances": TEXTS}, {"predictions": ANSWERS}),
        (JSONSerializer(), JSONDeserializer(), TEXTS, ANSWERS),
        (JSONLinesSerializer(), JSONLinesDeserializer(), TEXTS, ANSWERS),
        (CSVSerializer(), CSVDeserializer(), [[text] for text in TEXTS], ANSWERS),
        (NumpySerializer(), NumpyDeserializer(), np.array(TEXTS), ANSWERS),
        (IdentitySerializer("text/plain"), NumpyDeserializer(), TEXTS[0], ANSWERS[:1]),
    ],
    ids=["json", "list", "jsonlines", "csv", "npy", "text"],
)
def test_each_serializer_round_trips(predictor, serializer, deserializer, sent, expected):
    client = Predictor(
        predictor.endpoint_name, predictor.sagemaker_session, serializer, deserializer
    )
    answer = client.predict(sent)
    rows = answer["predictions"] if isinstance(answer, dict) else answer
    wanted = expected["predictions"] if isinstance(expected, dict) else expected
    np.testing.assert_allclose(np.array(rows, float), wanted, atol=1e-5)


@needs_local_mode
def test_an_error_is_raised_and_not_returned_as_a_prediction(predictor: Predictor):
    exceptions = predictor.sagemaker_session.sagemaker_runtime_client.exceptions
    for content_type, status in (("application/xml", 415), ("application/json", 400)):
        with pytest.raises(exceptions.ModelError) as caught:
            predictor.predict([], initial_args={"ContentType": content_type})
        assert caught.value.response["OriginalStatusCode"] == status
        assert Path(caught.value.response["LogStreamArn"]).is_file()


@needs_local_mode
def test_custom_attributes_are_those_that_the_model_sets(predictor: Predictor):
    response = predictor.sagemaker_session.sagemaker_runtime_client.invoke_endpoint(
        b'["good"]', predictor.endpoint_name, "application/json", CustomAttributes="id=7"
    )
    # The classifier sets none.
    assert "CustomAttributes" not in response


@needs_local_mode
def test_a_notebooks_cells_deploy_in_seconds_print_nothing_and_leave_nothing(
    image: str, archive: Path, session: hosting.LocalSession, capfd: pytest.CaptureFixture[str]
):
    model = Model(
        image_uri=image,
        model_data=f"file://{archive}",
        role=hosting.LOCAL_ROLE,
        predictor_cls=Predictor,
        sagemaker_session=session,
    )
    started = time.monotonic()
    predictor = model.deploy(initial_instance_count=1, instance_type="local", **JSON)
    assert time.monotonic() - started < 25, "wait=True must not sleep 30 s"
    endpoint = hosting.Endpoint(predictor)
    np.testing.assert_allclose(endpoint.predictor.predict(TEXTS), ANSWERS, atol=1e-5)
    assert endpoint.log is not None
    assert len(endpoint.remains()) == 6
    endpoint.delete()
    endpoint.delete()
    assert endpoint.remains() == []
    assert endpoint.log.read_text() != ""
    assert capfd.readouterr() == ("", "")


@needs_local_mode
def test_two_endpoints_of_one_session_answer_on_ports_of_their_own(
    image: str, archive: Path, toy_dir: Path, session: hosting.LocalSession
):
    with (
        hosting.endpoint(image, archive, session=session, **JSON) as one,
        hosting.endpoint(image, toy_dir, session=session, environment=WITNESS, **JSON) as two,
    ):
        client = session.sagemaker_client
        assert client.find_url(one.endpoint_name) != client.find_url(two.endpoint_name)
        assert len(one.predict(TEXTS)) == 2
        assert "witness.py" in two.predict("")["files"]


@needs_local_mode
def test_the_container_sees_the_model_read_only_and_no_credentials(
    image: str, toy_dir: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIASECRET")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    session = hosting.LocalSession(boto3.Session("AKIASECRET", "secret", region_name="us-east-1"))
    environment = {**WITNESS, "AWS_SECRET_ACCESS_KEY": "asked for"}
    with hosting.endpoint(
        image, toy_dir, session=session, environment=environment, **JSON
    ) as predictor:
        seen = predictor.predict("")
    assert "AWS_ACCESS_KEY_ID" not in seen["environ"]
    assert seen["environ"]["AWS_SECRET_ACCESS_KEY"] == "asked for"
    assert seen["files"] == sorted(path.name for path in toy_dir.iterdir())
    assert seen["written"] == "Read-only file system"


@needs_local_mode
def test_model_data_may_lie_where_the_sdk_refuses_to_mount(
    image: str, archive: Path, restricted_dir: Path, session: hosting.LocalSession
):
    copy = restricted_dir / "model.tar.gz"
    copy.write_bytes(archive.read_bytes())
    data = model_data.ModelData(copy, "", copy.stat().st_size)
    with hosting.endpoint(image, data, session=session, **JSON) as predictor:
        assert len(predictor.predict(TEXTS)) == 2
    assert list(restricted_dir.iterdir()) == [copy]


@needs_local_mode
@pytest.mark.parametrize("form", [str, "file://{}".format], ids=["path", "file URI"])
def test_local_mode_takes_the_same_forms_of_model_data(
    image: str, archive: Path, session: hosting.LocalSession, form
):
    with hosting.endpoint(image, form(archive), session=session, **JSON) as predictor:
        assert len(predictor.predict(TEXTS)) == 2


def test_model_data_of_another_scheme_is_refused_in_local_mode_too(session: hosting.LocalSession):
    with pytest.raises(errors.ConfigurationError, match=r"a file:// or an s3:// URI, received"):
        hosting.Endpoint.deploy("image", "https://example.org/model.tar.gz", session=session)


@needs_local_mode
def test_a_stale_container_never_answers(
    image: str, archive: Path, session: hosting.LocalSession, free_port: int
):
    session.config = {"local": {"serving_port": free_port}}
    with hosting.endpoint(image, archive, session=session, **JSON) as predictor:
        assert session.sagemaker_client.find_url(predictor.endpoint_name).endswith(f":{free_port}")
        started = time.monotonic()
        other = hosting.LocalSession()
        other.config = {"local": {"serving_port": free_port}}
        with pytest.raises(errors.HostingError, match=f"port {free_port} is taken by .*docker rm"):
            hosting.Endpoint.deploy(image, archive, session=other)
        assert time.monotonic() - started < 20


@needs_local_mode
def test_model_data_that_cannot_be_loaded_is_told_within_seconds(
    image: str, archive: Path, tmp_path: Path, session: hosting.LocalSession
):
    model_data.unpack(archive, tmp_path / "broken")
    (tmp_path / "broken" / "model.onnx").write_bytes(b"broken")
    started = time.monotonic()
    with pytest.raises(errors.EndpointFailedError, match=r"exit code [1-9]") as caught:
        hosting.Endpoint.deploy(image, tmp_path / "broken", session=session)
    assert time.monotonic() - started < 25
    assert "model.onnx" in str(caught.value)
    assert session.sagemaker_client.containers == {}


@needs_local_mode
def test_a_container_that_never_gets_healthy_is_given_up(image: str, toy_dir: Path):
    session = hosting.LocalSession(startup_timeout_s=4)
    environment = {**WITNESS, "WITNESS": "sleep"}
    # A busy machine may not have got as far as the first 503.
    with pytest.raises(errors.EndpointFailedError, match=r"within 4 s; last: (503|no answer)"):
        hosting.Endpoint.deploy(image, toy_dir, session=session, environment=environment)


@needs_local_mode
def test_without_model_data_the_containers_own_words_are_shown(
    image: str, session: hosting.LocalSession
):
    with pytest.raises(errors.EndpointFailedError, match=r"exit code [1-9]") as caught:
        hosting.Endpoint.deploy(image, None, session=session)
    assert "/opt/ml/model" in str(caught.value)


@needs_local_mode
@pytest.mark.parametrize("version", ["Docker Compose version 2.26.1-4", "v5.0.2"])
def test_runs_with_the_compose_plugin_and_little_else_on_the_path(
    image: str, archive: Path, tmp_path: Path, version: str
):
    which = {name: shutil.which(name) for name in ("docker", "docker-compose", "sh")}
    plugin = f'shift; [ "$1" = version ] && {{ echo "{version}"; exit 0; }}'
    compose = which["docker-compose"] or f"{which['docker']} compose"
    with_compose = f'if [ "$1" = compose ]; then {plugin}; exec {compose} "$@"; fi'
    shell_program.write(tmp_path, "docker", with_compose, f'exec {which["docker"]} "$@"')
    # Not on it: pgrep, which the SDK's own clean-up runs.
    environ = {**os.environ, "PATH": str(tmp_path)}
    session = hosting.LocalSession(environ=environ)
    endpoint = hosting.Endpoint.deploy(image, archive, session=session, **JSON)
    assert len(endpoint.predictor.predict(TEXTS)) == 2
    endpoint.delete()
    assert endpoint.remains() == []


def run_script(image: str, archive: Path, ending: str) -> subprocess.CompletedProcess[str]:
    code = (
        "import os, signal; from byoi import hosting; session = hosting.LocalSession();"
        f"made = hosting.Endpoint.deploy({image!r}, {str(archive)!r}, session=session);"
        f"print(*made._container.container_names, session.directory, flush=True); {ending}"
    )
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@needs_local_mode
def test_a_script_that_forgets_to_delete_ends_and_leaves_nothing(image: str, archive: Path):
    done = run_script(image, archive, "")
    assert (done.returncode, done.stderr) == (0, "")
    container, directory = done.stdout.split()
    assert Engine(os.environ).existing([container]) == []
    assert not Path(directory).exists()


@needs_local_mode
def test_containers_of_a_killed_process_are_removed_by_the_next(
    image: str, archive: Path, session: hosting.LocalSession
):
    done = run_script(image, archive, "os.kill(os.getpid(), signal.SIGKILL)")
    assert done.returncode == -9
    container, directory = done.stdout.split()
    engine = Engine(os.environ)
    assert engine.state(container).status == "running"
    # A container of another machine's process is not ours to judge.
    command = ["docker", "create", "--label", f"{OWNER_LABEL}=elsewhere:1", image]
    foreign = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    with hosting.endpoint(image, archive, session=session):
        assert engine.existing([container, foreign]) == [foreign]
        assert not Path(directory).exists()
    engine.remove([foreign], [])


@needs_local_mode
def test_deleting_in_the_wrong_order_is_explained(
    image: str, archive: Path, session: hosting.LocalSession
):
    endpoint = hosting.Endpoint.deploy(image, archive, session=session)
    endpoint.predictor.delete_endpoint()
    with pytest.raises(ClientError, match=r"delete_model.. before delete_endpoint"):
        endpoint.predictor.delete_model()
    assert [kind.split()[0] for kind in endpoint.remains()] == ["model"]
    endpoint.delete()
    assert endpoint.remains() == []


@needs_local_mode
def test_a_failing_block_is_left_with_everything_deleted(
    image: str, archive: Path, session: hosting.LocalSession
):
    with (
        pytest.raises(KeyError, match="mine"),
        hosting.endpoint(image, archive, session=session) as predictor,
    ):
        raise KeyError("mine")
    assert session.sagemaker_client.containers == {}
    with pytest.raises(ClientError, match="not found"):
        predictor.predict(b"x")


def aws_session() -> sagemaker.Session:
    session = sagemaker.Session(
        boto3.Session(), default_bucket="byoi-models", sagemaker_config=runtime_client.SDK_CONFIG
    )
    # The SDK would check it against its whole schema at each of its many looks.
    session.sagemaker_config = {}
    return session


def deploy_on_aws(
    model_data: str | Path,
    session: sagemaker.Session,
    instance_type: str = "ml.m5.large",
    startup_timeout_s: int | None = None,
) -> hosting.Endpoint:
    return hosting.Endpoint.deploy(
        "123456789012.dkr.ecr.us-east-1.amazonaws.com/byoi:1",
        model_data,
        session=session,
        role="arn:aws:iam::123456789012:role/byoi",
        instance_type=instance_type,
        is_checked=False,
        startup_timeout_s=startup_timeout_s,
    )


def test_the_same_calls_make_and_delete_an_endpoint_on_aws(moto_aws: str, archive: Path):
    session = aws_session()
    endpoint = deploy_on_aws(archive, session, startup_timeout_s=60)
    model = session.sagemaker_client.describe_model(ModelName=endpoint._models[0])
    url = model["PrimaryContainer"]["ModelDataUrl"]
    stored = session.s3_client.get_object(
        Bucket="byoi-models", Key=url.removeprefix("s3://byoi-models/")
    )
    assert stored["Body"].read() == archive.read_bytes()
    assert endpoint.log is None
    assert len(endpoint.remains()) == 3
    endpoint.delete()
    assert endpoint.remains() == []


def test_where_aws_refuses_nothing_stays(moto_aws: str, archive: Path):
    session = aws_session()
    with pytest.raises(errors.HostingError, match=r"ml\.none\.large"):
        deploy_on_aws("s3://byoi-models/model.tar.gz", session, instance_type="ml.none.large")
    assert session.sagemaker_client.list_models()["Models"] == []


def test_an_archive_that_is_missing_is_not_uploaded(moto_aws: str, tmp_path: Path):
    with pytest.raises(errors.ModelDataError, match="no such archive"):
        hosting.Endpoint.deploy(
            "image", tmp_path / "model.tar.gz", session=aws_session(), instance_type="ml.m5.large"
        )


def test_what_cannot_be_deleted_is_named(moto_aws: str, archive: Path):
    session = aws_session()
    endpoint = deploy_on_aws(archive, session)
    no_retry = Config(retries={"total_max_attempts": 1})
    session.sagemaker_client = boto3.client(
        "sagemaker", endpoint_url="http://127.0.0.1:9", config=no_retry
    )
    with pytest.raises(
        errors.HostingError, match=r"call delete.. again, or delete by hand"
    ) as caught:
        endpoint.delete()
    for name in (endpoint.name, endpoint._config, endpoint._models[0]):
        assert f"{name}: " in str(caught.value)


def test_a_refused_question_is_not_taken_for_gone(moto_aws: str, archive: Path):
    session = aws_session()
    endpoint = hosting.Endpoint.deploy(
        "123456789012.dkr.ecr.us-east-1.amazonaws.com/byoi:1",
        "s3://byoi-models/model.tar.gz",
        session=session,
        role="arn:aws:iam::123456789012:role/byoi",
        instance_type="ml.m5.large",
        is_checked=False,
    )

    def refuse(**_: object) -> None:
        raise ClientError({"Error": {"Code": "AccessDeniedException"}}, "DescribeEndpoint")

    events = session.sagemaker_client.meta.events
    events.register("before-call.sagemaker.DescribeEndpoint", refuse)
    with pytest.raises(ClientError, match="AccessDenied"):
        endpoint.remains()
    events.unregister("before-call.sagemaker.DescribeEndpoint", refuse)
    endpoint.delete()


@needs_local_mode
def test_values_of_variables_reach_the_container_as_they_are(
    image: str, archive: Path, session: hosting.LocalSession
):
    value = "a$HOME ${PATH} $$ 'b' \"c\" #d=é\nnext"
    endpoint = hosting.Endpoint.deploy(
        image, archive, session=session, environment={"MY_VALUE": value}
    )
    [container] = endpoint._container.container_names
    form = "{{json .Config.Env}}"
    command = ["docker", "container", "inspect", "--format", form, container]
    variables = json.loads(subprocess.check_output(command))
    endpoint.delete()
    assert f"MY_VALUE={value}" in variables


@needs_local_mode
def test_a_container_that_ignores_sigterm_is_told(
    tmp_path: Path, session: hosting.LocalSession, caplog: pytest.LogCaptureFixture
):
    fault = {"FAULT": "ignores_sigterm"}
    made = hosting.Endpoint.deploy(
        images.current("faulty"), None, session=session, environment=fault
    )
    (container,) = session.sagemaker_client.containers.values()
    (tmp_path / "model").mkdir()
    runner = ContainerRunner(Engine(os.environ))
    name = f"byoi-test-{secrets.token_hex(4)}"
    emulated = runner.start(
        Order(images.current("faulty"), tmp_path / "model", fault, tmp_path / "log", name)
    )
    with ThreadPoolExecutor() as pool:
        # One second in place of 30, after which deleting finds nothing to stop.
        stopped = pool.submit(container.stop_serving, grace_s=1)
        said = emulated.stop(1)
        stopped.result()
    assert said.startswith(f"{causes.SIGTERM_IGNORED}: it was killed (SIGKILL) after 1 s")
    made.delete()
    (warning,) = [one.getMessage() for one in caplog.records if "SIGTERM" in one.getMessage()]
    assert warning.startswith(f"container {container.container_names[0]}: {said[:40]}")
    assert str(made.log) in warning
    assert made.remains() == []
