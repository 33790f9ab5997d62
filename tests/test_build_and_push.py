"""build_and_push.sh: real pushes to a real registry, and the steps it takes for Amazon ECR."""

import json
import os
import re
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import boto3
import pushed_images as images
import pytest

from byoi.deployment.ecr import LIFECYCLE_POLICY

ROOT = Path(__file__).resolve().parent.parent
SCRIPT = ROOT / "build_and_push.sh"
SHELL_SCRIPTS = sorted(
    path
    for pattern in ("*.sh", ".ci/*", "container/*", "tests/run")
    for path in ROOT.glob(pattern)
    if path.is_file() and path.read_bytes().startswith(b"#!/usr/bin/env bash")
)


def docker(*arguments: str, stdin: bytes = b"") -> str:
    done = subprocess.run(["docker", *arguments], input=stdin, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode().strip()


def run(*arguments: str, script: Path = SCRIPT, **variables: str) -> subprocess.CompletedProcess:
    """Run the script; empty variables are not set."""
    environ = {**os.environ, **variables}
    for name in ("REGISTRY", "INSTANCE_TYPE", "DOCKER"):
        if not variables.get(name):
            environ.pop(name, None)
    return subprocess.run(
        [str(script), *arguments], env=environ, capture_output=True, text=True, check=False
    )


@pytest.fixture
def tiny_image(tmp_path: Path) -> Iterator[str]:
    """Build an image of a few bytes for amd64, as a user's own image would be."""
    tag = f"byoi-test/{uuid.uuid4().hex}:first"
    yield build_tiny(tag, "linux/amd64", tmp_path)
    repository = tag.partition(":")[0]
    for line in docker("images", "--format", "{{.Repository}}:{{.Tag}}").splitlines():
        if repository in line:
            docker("rmi", "--force", line)


def build_tiny(tag: str, platform: str, directory: Path) -> str:
    client = subprocess.check_output([str(ROOT / "container/docker_client.sh")], text=True).strip()
    context = directory / "context"
    context.mkdir(exist_ok=True)
    (context / "Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /\n")
    environ = {**os.environ, "DOCKER_BUILDKIT": "1", "BUILDX_NO_DEFAULT_ATTESTATIONS": "1"}
    command = [client, "build", "--quiet", "--platform", platform, "--tag", tag, str(context)]
    subprocess.run(command, env=environ, capture_output=True, check=True)
    return tag


@pytest.mark.needs("docker", "docker-registry")
def test_a_pushed_image_is_told_by_its_immutable_address_alone(image_registry, tiny_image) -> None:
    host = image_registry()
    done = run(tiny_image, REGISTRY=host)
    assert done.returncode == 0, done.stderr
    repository = tiny_image.partition(":")[0]
    assert re.fullmatch(rf"{host}/{repository}@sha256:[0-9a-f]{{64}}\n", done.stdout)
    address = done.stdout.strip()
    docker("rmi", "--force", tiny_image, f"{host}/{tiny_image}")
    docker("pull", "--quiet", address)
    docker("rmi", "--force", address)


@pytest.mark.needs("docker", "docker-registry")
def test_an_image_for_another_platform_is_not_uploaded(
    image_registry, tiny_image, tmp_path
) -> None:
    host = image_registry()
    build_tiny(tiny_image, "linux/arm64", tmp_path)
    done = run(tiny_image, REGISTRY=host)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"{tiny_image} is built for linux/arm64" in done.stderr
    assert "PLATFORM=linux/amd64 make image" in done.stderr
    assert not (tmp_path / "registry").exists()
    done = run(tiny_image, REGISTRY=host, INSTANCE_TYPE="ml.c7g.large")
    assert done.returncode == 0, done.stderr


@pytest.mark.needs("docker", "docker-registry")
def test_the_built_image_carries_the_git_commit_and_dirt(image_registry, tmp_path) -> None:
    """The script of a fresh repository, whose build script stands for the long build."""
    checkout = tmp_path / "check out"
    (checkout / "container").mkdir(parents=True)
    for name in ("build_and_push.sh", "byoi"):
        (checkout / name).symlink_to(ROOT / name)
    script = checkout / "copy.sh"
    script.write_bytes(SCRIPT.read_bytes())
    script.chmod(0o755)
    (checkout / "Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /\n")
    build = checkout / "container" / "build_image.sh"
    client = subprocess.check_output([str(ROOT / "container/docker_client.sh")], text=True).strip()
    build.write_text(
        "#!/bin/sh\nexport DOCKER_BUILDKIT=1 BUILDX_NO_DEFAULT_ATTESTATIONS=1\n"
        f'exec {client} build --platform "$PLATFORM" --tag "$TAG" "$(dirname "$0")/.." >&2\n'
    )
    build.chmod(0o755)

    def git(*arguments: str) -> str:
        command = [
            "git",
            "-C",
            str(checkout),
            "-c",
            "user.name=T",
            "-c",
            "user.email=t@example.org",
        ]
        return subprocess.check_output([*command, *arguments], text=True).strip()

    name = f"byoi-test/{uuid.uuid4().hex}"
    host = image_registry()
    assert "no git commit to tag with" in run(name, script=script, REGISTRY=host).stderr
    git("init", "--quiet")
    git("add", ".")
    git("commit", "--quiet", "-m", "First")
    commit = git("rev-parse", "--short=12", "HEAD")
    try:
        for tag in (commit, f"{commit}-dirty"):
            done = run(name, script=script, REGISTRY=host)
            assert done.returncode == 0, done.stderr
            assert f"pushing {host}/{name}:{tag} for linux/amd64" in done.stderr
            digest = docker("image", "inspect", "-f", "{{.RepoDigests}}", f"{host}/{name}:{tag}")
            assert digest == f"[{done.stdout.strip()}]"
            (checkout / "notes.txt").write_text("not committed")
    finally:
        for tag in (commit, f"{commit}-dirty"):
            docker("rmi", "--force", f"{name}:{tag}", f"{host}/{name}:{tag}")


# No path with a space may stand behind #!, so the shell hands this file to Python.
STAND_IN = """#!/bin/sh
'''exec' "{python}" "$0" "$@"
' '''
import json, os, sys
import boto3
arguments = sys.argv[1:]
with open({log!r}, "a") as log:
    text = sys.stdin.read() if "--password-stdin" in arguments else ""
    log.write(json.dumps([arguments, text]) + "\\n")
if arguments[:2] == ["image", "inspect"]:
    print("linux/amd64")
if arguments[0] == "push":
    repository, tag = arguments[1].partition("/")[2].split(":")
    boto3.client("ecr").put_image(
        repositoryName=repository, imageTag=tag, imageManifest={manifest!r})
    print("pushed")
"""


@pytest.fixture
def recorded_docker(tmp_path, monkeypatch):
    """Put a docker on PATH that records its calls and pushes a manifest to moto's ECR."""

    def record(media_type: str) -> Path:
        log = tmp_path / "calls.jsonl"
        stand_in = tmp_path / "docker"
        manifest = json.dumps(images.manifest(media_type))
        stand_in.write_text(STAND_IN.format(python=sys.executable, log=str(log), manifest=manifest))
        stand_in.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
        return log

    return record


HOST = "123456789012.dkr.ecr.us-east-1.amazonaws.com"


def test_ecr_gets_a_repository_a_login_by_stdin_and_the_push(moto_aws, recorded_docker) -> None:
    log = recorded_docker(images.DOCKER)
    done = run("reviews:3")
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(rf"{HOST}/reviews@sha256:[0-9a-f]{{64}}\n", done.stdout)
    calls = [json.loads(line) for line in log.read_text().splitlines()]
    changes = [call for call in calls if call[0][0] != "image"]
    assert changes == [
        [["login", "--username", "AWS", "--password-stdin", HOST], "123456789012-auth-token\n"],
        [["tag", "reviews:3", f"{HOST}/reviews:3"], ""],
        [["push", f"{HOST}/reviews:3"], ""],
    ]
    assert "auth-token" not in done.stderr
    client = boto3.client("ecr")
    made = client.describe_repositories(repositoryNames=["reviews"])["repositories"][0]
    assert made["imageScanningConfiguration"] == {"scanOnPush": True}
    policy = client.get_lifecycle_policy(repositoryName="reviews")["lifecyclePolicyText"]
    assert json.loads(policy) == LIFECYCLE_POLICY


def test_an_oci_image_in_ecr_is_refused_after_the_push(moto_aws, recorded_docker) -> None:
    recorded_docker(images.OCI)
    done = run("reviews:3")
    assert (done.returncode, done.stdout) == (1, "")
    assert f"SageMaker would refuse reviews:3: its manifest is {images.OCI}" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "variables", "reason"),
    [
        (("a", "b"), {}, "one argument at most"),
        ((), {"INSTANCE_TYPE": "m5.large"}, "INSTANCE_TYPE='m5.large': expected"),
    ],
)
def test_a_wrong_call_says_what_is_expected(arguments, variables, reason) -> None:
    done = run(*arguments, **variables)
    assert (done.returncode, done.stdout) == (1, "")
    assert reason in done.stderr


@pytest.mark.needs("docker")
def test_an_image_that_is_not_here_is_named() -> None:
    done = run("byoi-test/absent:1", REGISTRY="127.0.0.1:1")
    assert (done.returncode, done.stdout) == (1, "")
    assert "no image byoi-test/absent:1 on this machine" in done.stderr


@pytest.mark.needs("shellcheck")
@pytest.mark.parametrize("script", SHELL_SCRIPTS, ids=lambda path: path.name)
def test_shell_scripts_have_no_known_pitfalls(script: Path) -> None:
    done = subprocess.run(["shellcheck", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
