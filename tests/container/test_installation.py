"""BYOI_INSTALL_REQUIREMENTS in a real container: without a network, with a read-only root."""

import json

import pytest
from containers import RESTRICTED, mounted, started
from wheels import write_wheel

pytestmark = pytest.mark.needs("docker")
SCRIPT = """
import json, os, subprocess, sys
import byoi_toy_one, flask
def model_fn(model_dir): return byoi_toy_one.VERSION
def transform_fn(model, data, content_type, accept):
    program = "import byoi_toy_two; print(byoi_toy_two.__file__)"
    seen = subprocess.check_output([sys.executable, "-c", program], text=True)
    return json.dumps([model, byoi_toy_one.__file__, seen.strip(), flask.__file__])
"""
ASK = """
import urllib.request
print(urllib.request.urlopen("http://127.0.0.1:8080/invocations", data=b"[]").read().decode())
"""
SETTING = ("--env", "BYOI_INSTALL_REQUIREMENTS=1")


@pytest.fixture
def model_dir(tmp_path):
    wheels = tmp_path / "code" / "wheels"
    wheels.mkdir(parents=True)
    write_wheel(wheels, "byoi_toy_one", needs=["byoi_toy_two", "flask"])
    write_wheel(wheels, "byoi_toy_two")
    write_wheel(wheels, "flask", version="9.9")  # the server must go on with its own
    (tmp_path / "code" / "inference.py").write_text(SCRIPT)
    tmp_path.chmod(0o755)  # another user runs the container
    requirements = "--no-index\n--find-links ./wheels\nbyoi_toy_one>=1 # comment\n"
    (tmp_path / "code" / "requirements.txt").write_text(requirements)
    return tmp_path


def messages(container):
    lines = [line for line in container.log.splitlines() if line.startswith("{")]
    return [json.loads(line)["message"] for line in lines]


def test_packages_are_installed_once_before_the_workers_start(image, model_dir):
    options = [*RESTRICTED, "--network", "none", *SETTING, *mounted(model_dir)]
    with started(image, *options) as container:
        container.wait_for_log("ready: ")
        version, one, two, flask = json.loads(container.run("python3", "-c", ASK))
        assert version == "1.0"
        assert one.startswith("/tmp/byoi-")
        assert two.startswith("/tmp/byoi-")
        assert flask.startswith("/opt/venv/")
        told = [message for message in messages(container) if message.startswith("installed ")]
        assert len(told) == 1
        assert told[0].startswith("installed 3 packages of /opt/ml/model/code/requirements.txt in ")
        assert "Traceback" not in container.log


def test_what_cannot_be_installed_ends_the_start_with_one_line(image, model_dir):
    (model_dir / "code" / "requirements.txt").write_text("--no-index\nbyoi_absent==3\n")
    with started(image, *RESTRICTED, *SETTING, *mounted(model_dir), ready=False) as container:
        assert container.wait() == 2
        (message,) = messages(container)
    assert message.startswith("pip cannot install /opt/ml/model/code/requirements.txt (status 1): ")
    assert "No matching distribution found for byoi_absent==3" in message


def test_without_the_setting_the_line_says_that_there_is_one(image, model_dir):
    with started(image, *RESTRICTED, *mounted(model_dir), ready=False) as container:
        assert container.wait() == 1
        (message,) = messages(container)
    assert "byoi_toy_one>=1 (not there)" in message
    assert "BYOI_INSTALL_REQUIREMENTS=1" in message
