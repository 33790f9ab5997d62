"""The causes of the check, where an endpoint of local mode or of the emulator does not start."""

import os
import secrets
import subprocess
import time

import pytest
from containers import docker
from images import REPOSITORY, current

from byoi.conformance import diagnosis
from byoi.local import Engine


@pytest.fixture
def started():
    """Run the faulty image with a fault, and remove the container afterwards."""
    names = []

    def start(fault: str) -> tuple[str, str]:
        name = f"{REPOSITORY}-diagnosis-{secrets.token_hex(4)}"
        names.append(name)
        docker(
            "run", "--detach", "--name", name, "--env", f"FAULT={fault}", current("faulty"), "serve"
        )
        form = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
        address = docker("inspect", "--format", form, name).strip()
        return name, f"http://{address}:8080"

    yield start
    docker("rm", "--force", "--volumes", *names, check=False)


def wait_until(said, engine, name, url):
    end_s = time.monotonic() + 30
    while said not in (told := diagnosis.of_container(engine, name, current("faulty"), url)):
        assert time.monotonic() < end_s, told
        time.sleep(0.2)
    return told


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("loopback", "listens on 127.0.0.1:8080 only"),
        ("port 5000", "nothing listens on port 8080"),
        ("slow_ping 3", "the limit is 2 s"),
    ],
)
def test_the_cause_of_a_container_that_runs(started, fault, said):
    engine = Engine(os.environ)
    name, url = started(fault)
    told = wait_until(said, engine, name, url)
    assert told.startswith("; ")


def test_nothing_is_said_of_an_end_that_only_the_log_explains(started):
    engine = Engine(os.environ)
    name, url = started("exits 3")
    docker("wait", name)
    assert diagnosis.of_container(engine, name, current("faulty"), url) == ""


def test_a_missing_program_is_named(request):
    tag = f"{REPOSITORY}-diagnosis-none:latest"
    subprocess.run(
        ["docker", "build", "--quiet", "--tag", tag, "-"],
        input=f"FROM {current('faulty')}\nENTRYPOINT []\nENV PATH=/bin\n",
        text=True,
        check=True,
        capture_output=True,
    )
    request.addfinalizer(lambda: docker("rmi", "--force", tag, check=False))
    told = diagnosis.of_refusal(Engine(os.environ), tag)
    assert "there is no program 'serve'" in told


def test_an_image_that_is_not_here_says_nothing():
    assert diagnosis.of_refusal(Engine(os.environ), "byoi-no-such-image:latest") == ""
