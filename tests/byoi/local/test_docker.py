"""The container engine: found, absent, silent, and its answers on images and containers."""

import base64
import contextlib
import json
import os
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from answering_engine import AnsweringEngine, answering_engine
from process_list import seen_commands

from byoi import errors
from byoi.local.docker import ContainerState, Engine

# The password is "secret".
HTPASSWD = "somebody:$2b$04$9vNzC.bLGyBOxISvdkBiLexaIjLnZUFCCYV.1E6xOa38dx9xPWq4u"
LOGIN = base64.b64encode(b"somebody:secret").decode()
PRINT = "import json, os; print(json.dumps(dict(os.environ)))"


@pytest.fixture
def silent(tmp_path: Path) -> Engine:
    """An engine that nothing answers for."""
    return Engine({"DOCKER_HOST": f"unix://{tmp_path}/docker.sock"})


@pytest.fixture
def answering(tmp_path: Path) -> Iterator[AnsweringEngine]:
    with answering_engine(tmp_path / "engine.sock") as engine:
        yield engine


@contextlib.contextmanager
def container(engine: Engine, image: str, *command: str, **settings) -> Iterator[str]:
    """Start a container of the test's own, whose image runs a command of Python's."""
    name = f"byoi-test-{secrets.token_hex(4)}"
    engine.start(image, *command, name=name, **settings)
    try:
        yield name
    finally:
        engine.remove([name])


def open_files() -> list[str]:
    return sorted(path.name for path in Path("/proc/self/fd").iterdir())


def wait_for_end(engine: Engine, name: str) -> ContainerState:
    end_s = time.monotonic() + 30
    while not (state := engine.state(name)).has_ended:
        assert time.monotonic() < end_s, state
        time.sleep(0.05)
    return state


@pytest.fixture(scope="module")
def printer(image: str) -> Iterator[str]:
    """An image whose container prints its variables as JSON and ends."""
    tag = "byoi-test-printer:latest"
    dockerfile = f"FROM {image}\nENTRYPOINT {json.dumps(['/opt/venv/bin/python', '-c', PRINT])}\n"
    subprocess.run(
        ["docker", "build", "--quiet", "--tag", tag, "-"],
        input=dockerfile.encode(),
        check=True,
        capture_output=True,
    )
    yield tag
    subprocess.run(["docker", "image", "rm", tag], check=True, capture_output=True)


def test_an_engine_that_does_not_answer_is_named(silent: Engine):
    with pytest.raises(
        errors.MissingProgramError,
        match=r"docker does not answer \(.*docker.sock: No such file.*\); start the Docker engine",
    ):
        silent.require()


def test_the_error_in_which_a_question_is_asked_is_not_its_reason(silent: Engine):
    def ask_in_another_error() -> None:
        try:
            {}["mine"]
        except KeyError:
            silent.state("any")

    with pytest.raises(errors.MissingProgramError, match=r"docker\.sock: No such file"):
        ask_in_another_error()


@pytest.mark.needs("docker")
def test_the_docker_command_is_not_needed(tmp_path: Path):
    Engine({**os.environ, "PATH": str(tmp_path)}).require()


def test_a_missing_sdk_is_named_with_the_way_to_get_it():
    code = (
        "import sys; sys.modules['docker'] = None\n"
        "from byoi import errors; from byoi.local.docker import Engine\n"
        "assert not Engine({}).has_image('byoi:latest')\n"
        "try: Engine({}).require()\n"
        "except errors.MissingProgramError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "the Python package docker is needed" in done.stdout
    assert "pip install '.[aws]'" in done.stdout


def test_the_sdk_is_loaded_by_the_first_question_and_not_before():
    code = (
        "import sys, byoi.local.docker, byoi.local.orphans, byoi.local.processes;"
        "byoi.local.docker.Engine({}); print('docker' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        ({}, "Engine 27.1.1"),
        ({"Components": [{"Name": "Engine"}]}, "Docker Engine 27.1.1"),
        ({"Components": [{"Name": "Podman Engine"}]}, "Podman Engine 27.1.1"),
    ],
)
def test_an_engine_tells_its_name_and_version(
    answering: AnsweringEngine, content: dict[str, object], shown: str
):
    answering.answers["/version"] = {"ApiVersion": "1.41", "Version": "27.1.1", **content}
    assert Engine({"DOCKER_HOST": answering.url}).version == shown


def test_an_engine_that_hangs_is_given_up(answering: AnsweringEngine):
    answering.delay_s = 1
    engine = Engine({"DOCKER_HOST": answering.url}, timeout_s=0.2)
    with pytest.raises(errors.HostingError, match=r"did not answer within 0.2 s when asked to"):
        engine.require()


@pytest.mark.parametrize(
    ("driver", "listens_at", "host"),
    [
        ("none", None, "172.17.0.1"),
        ("systemd", "127.0.0.2", "127.0.0.2"),
        ("cgroupfs", None, None),
    ],
)
def test_published_ports_are_where_the_engine_is(
    tmp_path: Path, driver: str, listens_at: str | None, host: str | None
):
    with answering_engine(listens_at or tmp_path / "engine.sock") as engine:
        engine.answers["/info"] = {"CgroupDriver": driver}
        assert Engine({"DOCKER_HOST": engine.url}).host == host


def test_no_proxy_is_asked_for_an_engine_of_this_machine(monkeypatch: pytest.MonkeyPatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with answering_engine("127.0.0.1") as engine:
        Engine({"DOCKER_HOST": engine.url}).require()
        assert engine.requests == ["/version"] * 2


def test_an_answer_that_is_none_is_an_error_of_this_project(answering: AnsweringEngine):
    answering.answers["/version"] = {}
    with pytest.raises(errors.MissingProgramError, match="does not speak the Docker API"):
        Engine({"DOCKER_HOST": answering.url}).require()


def test_a_refusal_keeps_the_engines_reason(answering: AnsweringEngine):
    engine = Engine({"DOCKER_HOST": answering.url})
    with pytest.raises(errors.EngineRefusedError, match=r"^page not found: /containers/json$"):
        engine.find_labels("any")


@pytest.mark.needs("docker")
def test_a_container_that_is_not_there_is_absent():
    engine = Engine(os.environ)
    assert engine.state("byoi-none") == ContainerState("absent")
    assert engine.address("byoi-none", 8080) is None
    assert engine.log("byoi-none", 10) == ""
    assert engine.existing(["byoi-none"]) == []
    assert not engine.has_network("byoi-none")
    engine.stop(["byoi-none", "byoi-other"], 1)
    engine.remove(["byoi-none"], ["byoi-none"])


def test_without_an_engine_no_image_is_here_and_nothing_is_left_to_remove(silent: Engine):
    assert silent.image_id("byoi:latest") == ""
    silent.stop(["byoi-none"], 1)
    silent.remove(["byoi-none"], ["byoi-none"])


@pytest.mark.needs("docker")
def test_why_a_container_did_not_start_is_told_without_the_hint_to_help():
    with pytest.raises(errors.EngineRefusedError) as caught:
        Engine(os.environ).start("byoi-none:1", "serve", name="byoi-none")
    assert "byoi-none:1" in str(caught.value)
    assert "--help" not in str(caught.value)
    assert not str(caught.value).startswith("docker: ")


@pytest.mark.needs("docker")
def test_nothing_stays_of_a_container_that_did_not_start(image: str):
    engine = Engine(os.environ)
    name = f"byoi-test-{secrets.token_hex(4)}"
    with pytest.raises(errors.EngineRefusedError, match="byoi-no-network"):
        engine.start(image, "serve", name=name, network="byoi-no-network")
    assert engine.existing([name]) == []


def test_a_state_tells_whether_it_is_the_end():
    assert ContainerState("dead").has_ended
    assert not ContainerState("created").has_ended


VALUES = {
    "LINES": "one\ntwo\r\nthree\n",
    "SIGNS": "a=b=c # no comment; $HOME ${PATH} `id` %s \\n",
    "QUOTES": "it's \"quoted\" 'twice'",
    "WORDS": "Größe 测试 \N{PILE OF POO}",
    "BLANKS": "  \t ",
    "NOTHING": "",
}


@pytest.mark.needs("docker")
def test_values_of_variables_reach_the_container_as_they_are(printer: str):
    engine = Engine(os.environ)
    with container(engine, printer, "serve", environment=VALUES) as name:
        assert wait_for_end(engine, name) == ContainerState("exited")
        seen = json.loads(engine.log(name, 100))
    assert {key: seen[key] for key in VALUES} == VALUES


@pytest.mark.needs("docker")
def test_values_of_variables_stand_on_no_process_list(printer: str):
    engine = Engine(os.environ)
    secret = secrets.token_hex(16)
    with (
        seen_commands() as seen,
        container(engine, printer, "serve", environment={"SECRET": secret}) as name,
    ):
        wait_for_end(engine, name)
        assert secret in engine.log(name, 100)
    # The look was a real one: it met the container's own process.
    assert any(b"os.environ" in command for command in seen)
    assert not [command for command in seen if secret.encode() in command]


@pytest.mark.needs("docker")
def test_containers_get_the_proxies_of_dockers_configuration(printer: str, tmp_path: Path):
    proxies = {"default": {"httpProxy": "http://proxy:1", "noProxy": "here"}}
    (tmp_path / "config.json").write_text(json.dumps({"proxies": proxies}))
    engine = Engine({**os.environ, "DOCKER_CONFIG": str(tmp_path)})
    mine = {"NO_PROXY": "mine"}
    with container(engine, printer, "serve", environment=mine) as name:
        wait_for_end(engine, name)
        seen = json.loads(engine.log(name, 100))
    assert (seen["http_proxy"], seen["HTTP_PROXY"]) == ("http://proxy:1", "http://proxy:1")
    assert (seen["no_proxy"], seen["NO_PROXY"]) == ("here", "mine")


@pytest.mark.needs("docker")
def test_a_directory_is_mounted_read_only(image: str, tmp_path: Path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "echo.py").write_text("open('/opt/ml/model/new', 'w')\n")
    engine = Engine(os.environ)
    environment = {"BYOI_INFERENCE_MODULE": "/opt/ml/model/echo.py"}
    mounts = {tmp_path / "model": Path("/opt/ml/model")}
    with container(engine, image, "serve", environment=environment, mounts=mounts) as name:
        wait_for_end(engine, name)
        assert "Read-only file system" in engine.log(name, 100)


@pytest.mark.needs("docker")
def test_a_log_is_followed_to_the_end_and_leaves_nothing(printer: str, tmp_path: Path):
    engine = Engine(os.environ)
    engine.require()
    before = open_files(), threading.active_count()
    for _ in range(3):
        with container(engine, printer, "serve", environment={"A": "b"}) as name:
            follower = engine.follow_log(name, tmp_path / "log")
            wait_for_end(engine, name)
            engine.remove([name])
            follower.close()
            assert follower.has_ended
    assert (open_files(), threading.active_count()) == before
    lines = (tmp_path / "log").read_text().splitlines()
    assert [json.loads(line)["A"] for line in lines] == ["b"] * 3


@pytest.mark.needs("docker")
def test_a_follower_can_be_closed_while_its_container_runs_and_writes_nothing(
    image: str, tmp_path: Path
):
    module = tmp_path / "slow.py"
    module.write_text("import time\ntime.sleep(600)\n")
    engine = Engine(os.environ)
    environment = {"BYOI_INFERENCE_MODULE": "/opt/ml/model/slow.py"}
    mounts = {tmp_path: Path("/opt/ml/model")}
    with container(engine, image, "serve", environment=environment, mounts=mounts) as name:
        before = open_files()
        follower = engine.follow_log(name, tmp_path / "log")
        assert not follower.has_ended
        follower.close(wait_s=0.2)
        assert follower.has_ended
        assert open_files() == before
        assert engine.state(name).status == "running"


def test_a_follower_does_not_keep_its_process(tmp_path: Path):
    code = (
        "import time; from pathlib import Path; from byoi.local.docker import LogFollower\n"
        "class Endless:\n"
        "    def __iter__(self): return self\n"
        "    def __next__(self): time.sleep(600)\n"
        f"LogFollower(Endless(), Path({str(tmp_path / 'log')!r}))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@pytest.mark.needs("docker", "docker-registry")
def test_an_image_is_pulled_with_the_login_that_is_given_or_stored(
    printer: str, image_registry, tmp_path: Path
):
    host = image_registry(HTPASSWD)
    (tmp_path / "mine").mkdir()
    stored = {"auths": {host: {"auth": LOGIN}}}
    (tmp_path / "mine" / "config.json").write_text(json.dumps(stored))
    environ = {**os.environ, "DOCKER_CONFIG": str(tmp_path / "mine")}
    tag = f"{host}/printer:1"

    def docker(*arguments: str) -> None:
        subprocess.run(["docker", *arguments], env=environ, check=True, capture_output=True)

    docker("tag", printer, tag)
    docker("push", tag)
    docker("image", "rm", tag)
    engine = Engine({**os.environ, "DOCKER_CONFIG": str(tmp_path)})
    with pytest.raises(errors.EngineRefusedError, match=r"no basic auth|unauthorized"):
        engine.pull(tag)
    with pytest.raises(errors.EngineRefusedError, match="unauthorized"):
        engine.pull(tag, {"username": "somebody", "password": "wrong"})
    with seen_commands() as seen:
        engine.pull(tag, {"username": "somebody", "password": "secret"})
    assert engine.has_image(tag)
    assert not [command for command in seen if b"somebody" in command]
    docker("image", "rm", tag)
    Engine(environ).pull(tag)
    assert engine.has_image(tag)
    docker("image", "rm", tag)
    with pytest.raises(errors.EngineRefusedError, match="none"):
        Engine(environ).pull(f"{host}/none:1")


@pytest.mark.needs("docker")
def test_an_isolated_network_is_found_by_its_label_and_removed():
    engine = Engine(os.environ)
    name = f"byoi-test-{secrets.token_hex(4)}"
    engine.create_isolated_network(name, {"byoi.test": name})
    try:
        assert engine.has_network(name)
        assert engine.find_networks("byoi.test")[name] == name
    finally:
        engine.remove(networks=[name])
    assert not engine.has_network(name)
