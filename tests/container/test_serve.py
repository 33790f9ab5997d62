"""The contract and the built-in classifier, served by both images."""

import contextlib
import http.client
import json
import re
import shutil
import threading
import time
import uuid

import contract_cases
import images
import pytest
from containers import RESTRICTED, TOYS, build, docker, mounted, started

from byoi_lib import manifest

pytestmark = pytest.mark.needs("docker")
BOTH = pytest.mark.parametrize("fixture", ["image", "tensorflow_image"])


def echo(image: str):
    """Serve the cases' module, which has nothing to do with reviews, under every restriction."""
    variables = contract_cases.ENVIRON | {"BYOI_INFERENCE_MODULE": "/toys/echo.py"}
    options = [word for pair in variables.items() for word in ("--env", "=".join(pair))]
    return started(image, *RESTRICTED, *options, *mounted(TOYS, "/toys"))


class TestTheDefaultImage(contract_cases.NginxCases):
    @pytest.fixture(scope="class")
    @classmethod
    def target(cls, image):
        with echo(image) as container:
            yield contract_cases.PortTarget("127.0.0.1", container.port, lambda: container.log)


class TestTheTensorflowImage(contract_cases.NginxCases):
    @pytest.fixture(scope="class")
    @classmethod
    def target(cls, tensorflow_image):
        with echo(tensorflow_image) as container:
            yield contract_cases.PortTarget("127.0.0.1", container.port, lambda: container.log)


def invoke(port: int, body: object, timeout_s: float = 60) -> tuple[int, object]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_s)
    try:
        # The port that the container knows itself by: with its page, it refuses others.
        headers = {"Content-Type": "application/json", "Host": "localhost:8080"}
        connection.request("POST", "/invocations", json.dumps(body), headers)
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def test_a_stream_leaves_the_container_piece_by_piece(image) -> None:
    variable = "BYOI_INFERENCE_MODULE=/toys/stream.py"
    with started(image, *RESTRICTED, "--env", variable, *mounted(TOYS, "/toys")) as container:
        connection = http.client.HTTPConnection("127.0.0.1", container.port, timeout=30)
        with contextlib.closing(connection):
            connection.request("POST", "/invocations", json.dumps(["one", 0.7, "two", "DO:raise"]))
            response = connection.getresponse()
            assert response.read1(100) == b"one"
            began_s = time.monotonic()
            assert response.read1(100) == b"two"
            assert time.monotonic() - began_s > 0.5
            with pytest.raises(http.client.IncompleteRead):
                response.read1(100)


@BOTH
def test_the_classifier_answers_as_it_did_in_training(fixture, request, model_dir) -> None:
    """ONNX Runtime in one image, Keras in the other, against the probabilities in the manifest."""
    golden = manifest.Manifest.read(model_dir).golden
    texts = [one.text for one in golden]
    expected = [pytest.approx(one.probabilities, abs=1e-5) for one in golden]
    with started(request.getfixturevalue(fixture), *RESTRICTED, *mounted(model_dir)) as container:
        status, answer = invoke(container.port, {"instances": texts})
        assert (status, answer) == (200, {"predictions": expected})
        assert invoke(container.port, texts) == (200, expected)
        assert invoke(container.port, {"review": texts[0]}) == (200, expected[:1])
        assert invoke(container.port, [])[0] == 400


def test_on_the_debian_before_it_answers_the_same(image, model_dir) -> None:
    bookworm = images.current("bookworm")
    assert "VERSION_CODENAME=bookworm" in docker("run", "--rm", bookworm, "cat", "/etc/os-release")
    answers = []
    for name in (image, bookworm):
        with started(name, *RESTRICTED, *mounted(model_dir)) as container:
            answers.append(invoke(container.port, {"review": "the film was great"}))
    assert answers[0] == answers[1]
    assert answers[0][0] == 200


def test_the_tensorflow_image_runs_keras_and_the_default_one_does_not(
    image, tensorflow_image, model_dir
) -> None:
    for name, keras in ((image, False), (tensorflow_image, True)):
        with started(name, *mounted(model_dir)) as container:
            invoke(container.port, ["the film"])
            maps = container.run("sh", "-c", "cat /proc/[0-9]*/maps 2>/dev/null || true")
            assert ("libtensorflow" in maps) is keras
            assert ("onnxruntime" in maps) is not keras


def test_it_serves_without_any_network(image, model_dir) -> None:
    ask = (
        "import json, urllib.request as u; url = 'http://127.0.0.1:8080/';"
        "print(u.urlopen(url + 'ping').status);"
        "head = {'Content-Type': 'application/json'};"
        "body = json.dumps({'review': 'the film'}).encode();"
        "print(len(json.load(u.urlopen(u.Request(url + 'invocations', body, head)))[0]))"
    )
    with started(image, "--network", "none", *mounted(model_dir)) as container:
        container.wait_for_log("ready")
        assert container.run("python3", "-c", ask).split() == ["200", "2"]


def test_the_port_is_the_one_the_platform_names(image, model_dir) -> None:
    options = ("--env", "SAGEMAKER_BIND_TO_PORT=9000", *mounted(model_dir))
    with started(image, *options, ready=False) as container:
        container.wait_for_log("ready")
        ping = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:9000/ping').status)"
        assert container.run("python3", "-c", ping) == "200\n"


@BOTH
def test_sigterm_answers_what_is_in_flight_and_ends_with_0(fixture, request) -> None:
    answers = []
    with echo(request.getfixturevalue(fixture)) as container:
        target = contract_cases.PortTarget("127.0.0.1", container.port, lambda: container.log)
        slow = threading.Thread(
            target=lambda: answers.append(target.send("POST", "/invocations", b"DO:sleep 3"))
        )
        slow.start()
        time.sleep(1)
        began_s = time.monotonic()
        docker("stop", "--time", "30", container.name)
        assert time.monotonic() - began_s < 25
        slow.join()
        assert [answer.status for answer in answers] == [200]
        assert container.state["ExitCode"] == 0


@pytest.mark.parametrize("part", ["nginx: master", "gunicorn"])
def test_it_ends_when_a_part_of_it_dies(image, model_dir, part) -> None:
    with started(image, *mounted(model_dir)) as container:
        container.run("sh", "-c", f"kill -KILL {min(container.pids(part))}")
        assert container.wait() not in {0, 137}
        assert "ended by itself" in container.log


def test_no_child_is_left_unreaped(image) -> None:
    with echo(image) as container:
        target = contract_cases.PortTarget("127.0.0.1", container.port, lambda: container.log)
        for _ in range(2):
            target.send("POST", "/invocations", b"DO:die")
        # A process whose parent has gone becomes a child of process 1.
        container.run("sh", "-c", "sh -c 'sleep 0.2 &'")
        time.sleep(1)
        states = [state for _, state, _ in container.processes()]
        assert len(states) > 4
        assert "Z" not in states


def test_process_1_is_serve_itself(image, model_dir) -> None:
    with started(image, *mounted(model_dir)) as container:
        line = container.run("cat", "/proc/1/cmdline").split("\0")
        assert line[:2] == ["python3", "/opt/program/container/serve"]


@pytest.mark.parametrize("mode", ["absent", "empty", "damaged"])
def test_model_data_that_cannot_be_loaded_ends_it_in_seconds_with_one_line(
    image, model_dir, tmp_path, mode
) -> None:
    place = tmp_path / "model"
    place.mkdir(mode=0o755)
    if mode == "damaged":
        for file in model_dir.iterdir():
            shutil.copy(file, place)
        (place / "model.onnx").write_bytes(b"not a network")
    mounts = () if mode == "absent" else mounted(place)
    began_s = time.monotonic()
    with started(image, *mounts, ready=False) as container:
        assert container.wait(20) == 1
        assert time.monotonic() - began_s < 20
        (line,) = container.log.splitlines()
    message = json.loads(line)["message"]
    assert "/opt/ml/model" in message
    assert re.search("train again|BYOI_MODEL_DIR|Expected code/", message), message


def test_a_model_baked_in_answers_the_original_request(image, model_dir, tmp_path) -> None:
    """`docker run -p 8080:8080 --rm IMAGE serve`, nothing mounted; /opt/ml/model wins if filled."""
    baked = tmp_path / "only mine"
    shutil.copytree(model_dir, baked)
    baked.chmod(0o700)
    for file in baked.iterdir():
        file.chmod(0o600)
    tag = f"byoi-test:{uuid.uuid4().hex}"
    empty = tmp_path / "empty"
    empty.mkdir(mode=0o755)
    try:
        build(TAG=tag, MODEL_DIR=str(baked))
        for options in (RESTRICTED, mounted(empty)):
            with started(tag, *options) as container:
                status, answer = invoke(container.port, {"review": "the film was great"})
                assert status == 200
                ((negative, positive),) = answer
                assert negative + positive == pytest.approx(1, abs=1e-5)
        (empty / "something").write_text("")
        with started(tag, *mounted(empty), ready=False) as container:
            assert container.wait() == 1
    finally:
        docker("rmi", "--force", tag, "byoi-test:without-model", check=False)
