"""The journey of a user, with the commands and the public calls a user has."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from emulated_aws import OWN_IMAGE
from tiny_model import write_tiny_model

ROOT = Path(__file__).resolve().parents[3]
SCRIPT = Path(__file__).with_name("journey.py")
BYOI = [sys.executable, "-m", "byoi.cli"]


def run(*command, timeout_s=120):
    done = subprocess.run(
        [str(word) for word in command],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout_s,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("journey")
    run(*BYOI, "train", "--data", "sample", "--output", folder / "model")
    run(*BYOI, "pack", folder / "model", folder / "model.tar.gz")
    return folder


@pytest.fixture(scope="module")
def attempt(tmp_path_factory):
    """A model of the same kind that has learnt nothing."""
    folder = tmp_path_factory.mktemp("attempt")
    write_tiny_model(folder / "model")
    run(*BYOI, "pack", folder / "model", folder / "model.tar.gz")
    return folder


def judge(printed):
    told = json.loads(printed.splitlines()[-1])
    assert told["refused"] == 400
    assert told["failures"] == []
    assert told["answers"] > 0
    assert told["log streams"] >= 1
    assert told["left"] == 0
    assert told["before"] != told["after"]
    # What was trained knows what it reads.
    (_, wonderful), (_, dull) = told["after"]
    assert wonderful > 0.9
    assert dull < 0.1


@pytest.mark.needs("docker", "docker-registry")
@pytest.mark.usefixtures("image")
def test_from_training_to_teardown_with_the_pushed_image(trained, attempt):
    steps = 'image=$(./build_and_push.sh byoi) && exec "$0" "$1" "$image" "$2" "$3"'
    printed = run(
        *(*BYOI, "emulator", "run", "--", "bash", "-c", steps, sys.executable, SCRIPT),
        attempt / "model.tar.gz",
        trained / "model.tar.gz",
    )
    judge(printed)


def test_from_training_to_teardown_without_an_engine(trained, attempt):
    printed = run(
        *(*BYOI, "emulator", "--runner", "processes", "run", "--", sys.executable, SCRIPT),
        OWN_IMAGE,
        attempt / "model.tar.gz",
        trained / "model.tar.gz",
    )
    judge(printed)
