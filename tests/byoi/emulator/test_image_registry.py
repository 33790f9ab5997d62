"""ECR: docker really pushes to it, and the project's own script runs whole against it."""

import base64
import json
import os
import re
import signal
import subprocess
import uuid
from pathlib import Path

import pytest
import raw_requests
import shell_program
from botocore.exceptions import ClientError
from containers import docker
from emulated_aws import Aws

from byoi import emulator
from byoi.emulator.aws.registry_login import RegistryLogin

ROOT = Path(__file__).resolve().parents[3]
pytestmark = pytest.mark.needs("docker", "docker-registry")


@pytest.fixture
def docker_config(tmp_path, monkeypatch):
    """Keep what `docker login` writes out of the user's own file."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))


def test_the_script_pushes_and_the_endpoint_runs_what_it_pushed(
    in_containers, stranger, docker_config
):
    aws = in_containers
    environ = {name: value for name, value in os.environ.items() if name != "REGISTRY"}
    for name, value in aws.emulator.variables.items():
        environ.pop(name, None)
        if value is not None:
            environ[name] = value
    done = subprocess.run(
        [ROOT / "build_and_push.sh", stranger],
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (uri,) = done.stdout.splitlines()
    repository, _, digest = uri.partition("@")
    name = repository.rpartition("/")[2]
    ecr = aws.client("ecr")
    assert ecr.describe_repositories()["repositories"][0]["repositoryUri"] == repository
    (image,) = ecr.describe_images(repositoryName=name)["imageDetails"]
    assert (image["imageDigest"], image["imageTags"]) == (digest, ["latest"])
    assert image["imageSizeInBytes"] > 10_000_000
    ids = [{"imageTag": "latest"}]
    (got,) = ecr.batch_get_image(repositoryName=name, imageIds=ids)["images"]
    assert json.loads(got["imageManifest"])["layers"]
    # Not on this machine any more: the endpoint's image can only come from the registry.
    docker("image", "rm", f"{repository}:latest")
    with aws.endpoint(aws.config(aws.model(None, Image=uri, Environment={}))) as endpoint:
        assert json.loads(aws.invoke(endpoint)["Body"].read())["argv"] == ["serve"]
    ecr.delete_repository(repositoryName=name, force=True)
    docker("image", "rm", uri, check=False)
    with pytest.raises(ClientError, match="RepositoryNotFound"):
        ecr.describe_images(repositoryName=name)


def test_a_repository_made_again_is_empty(in_containers, stranger, docker_config):
    ecr = in_containers.client("ecr")
    assert log_in(*token(in_containers)).returncode == 0
    name = f"again-{uuid.uuid4().hex[:8]}"
    for _ in range(2):
        uri = ecr.create_repository(repositoryName=name)["repository"]["repositoryUri"]
        assert ecr.list_images(repositoryName=name)["imageIds"] == []
        for tag in ("one", "two"):
            docker("tag", stranger, f"{uri}:{tag}")
            docker("push", f"{uri}:{tag}")
            docker("image", "rm", f"{uri}:{tag}")
        ids = ecr.list_images(repositoryName=name)["imageIds"]
        assert sorted(one["imageTag"] for one in ids) == ["one", "two"]
        ecr.delete_repository(repositoryName=name, force=True)


def token(aws):
    """Address of the registry, and the password that docker logs in with."""
    (data,) = aws.client("ecr").get_authorization_token()["authorizationData"]
    user, _, password = base64.b64decode(data["authorizationToken"]).decode().partition(":")
    assert user == "AWS"
    return data["proxyEndpoint"].removeprefix("http://"), password


def log_in(address, password, **environ):
    return subprocess.run(
        ["docker", "login", "--username", "AWS", "--password-stdin", address],
        env={**os.environ, **environ},
        input=password,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_token_names_the_registry(in_containers):
    (data,) = in_containers.client("ecr").get_authorization_token()["authorizationData"]
    assert data["proxyEndpoint"].startswith("http://127.0.0.1:")


def test_docker_pushes_with_the_login_and_not_without(in_containers, stranger, docker_config):
    aws = in_containers
    address, password = token(aws)
    name = f"login-{uuid.uuid4().hex[:8]}"
    ecr = aws.client("ecr")
    uri = ecr.create_repository(repositoryName=name)["repository"]["repositoryUri"]
    docker("tag", stranger, f"{uri}:one")
    try:
        assert "no basic auth credentials" in docker("push", f"{uri}:one", check=False)
        assert log_in(address, "wrong").returncode != 0
        assert log_in(address, f"{password}x").returncode != 0
        assert ecr.list_images(repositoryName=name)["imageIds"] == []
        done = log_in(address, password)
        assert done.returncode == 0, done.stderr
        docker("push", f"{uri}:one")
        assert [one["imageTag"] for one in ecr.list_images(repositoryName=name)["imageIds"]]
        docker("logout", address)
        # The emulator pulls with a login of its own.
        docker("image", "rm", f"{uri}:one")
        model = aws.model(None, Image=f"{uri}:one", Environment={})
        with aws.endpoint(aws.config(model)) as endpoint:
            assert json.loads(aws.invoke(endpoint)["Body"].read())["argv"] == ["serve"]
    finally:
        docker("image", "rm", f"{uri}:one", check=False)
        ecr.delete_repository(repositoryName=name, force=True)


@pytest.mark.parametrize("path", ["", "_catalog", "any/tags/list", "any/manifests/latest"])
def test_the_registry_answers_nobody_without_the_login(in_containers, path):
    address, password = token(in_containers)
    for authorization in ({}, {"Authorization": "Basic QVdTOndyb25n"}):
        answer = raw_requests.send(f"http://{address}", "GET", f"/v2/{path}", authorization)
        assert answer.status == 401
    found = subprocess.run(
        ["sh", "-c", "grep -alFf - /proc/[0-9]*/cmdline"],
        input=password,
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.stdout == ""


@pytest.mark.parametrize("has_helper", [False, True])
def test_stopping_logs_out(tmp_path, has_helper):
    folder = tmp_path / "config"
    folder.mkdir()
    stored = tmp_path / "stored"
    content = {"auths": {"example.org": {"auth": "YTpi"}}}
    if has_helper:
        content["credsStore"] = "byoi-test"
        helper = f"""case $1 in
            store) cat > {stored} ;;
            get) cat {stored} ;;
            erase) rm {stored} ;;
            list) echo '{{}}' ;;
        esac"""
        shell_program.write(tmp_path, "docker-credential-byoi-test", helper)
    (folder / "config.json").write_text(json.dumps(content))
    environ = {
        **os.environ,
        "DOCKER_CONFIG": str(folder),
        "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}",
    }
    with emulator.running(runner="processes", environ=environ) as running:
        address, password = token(Aws(running))
        variables = {name: environ[name] for name in ("DOCKER_CONFIG", "PATH")}
        done = log_in(address, password, **variables)
        assert done.returncode == 0, done.stderr
        assert address in (folder / "config.json").read_text()
        assert stored.exists() == has_helper
    left = json.loads((folder / "config.json").read_text())
    assert address not in left["auths"]
    assert not stored.exists()
    assert left["auths"] == {"example.org": {"auth": "YTpi"}}


def test_the_next_start_logs_out_of_a_killed_emulators_registry(tmp_path):
    environ = {**os.environ, "TMPDIR": str(tmp_path), "DOCKER_CONFIG": str(tmp_path / "config")}
    with emulator.running(runner="processes", environ=environ) as running:
        address, password = token(Aws(running))
        assert log_in(address, password, DOCKER_CONFIG=environ["DOCKER_CONFIG"]).returncode == 0
        os.kill(running.pid, signal.SIGKILL)
        # Reaped, it is gone for the next one.
    with emulator.running(runner="processes", environ=environ):
        assert address not in (tmp_path / "config" / "config.json").read_text()


def test_each_start_has_a_login_of_its_own():
    one, two = RegistryLogin(), RegistryLogin()
    assert one.token != two.token
    assert re.fullmatch(r"AWS:\$2b\$04\$[./A-Za-z0-9]{53}", one.htpasswd())
    assert base64.b64decode(one.token).decode().partition(":")[2] not in one.htpasswd()


@pytest.mark.parametrize(
    ("call", "parameters"),
    [
        ("put_image", {"repositoryName": "any", "imageManifest": "{}"}),
        ("create_repository", {"repositoryName": "any", "imageTagMutability": "IMMUTABLE"}),
        ("describe_image_scan_findings", {"repositoryName": "any", "imageId": {"imageTag": "a"}}),
    ],
)
def test_what_is_not_emulated_is_refused(in_containers, call, parameters):
    with pytest.raises(ClientError, match="does not emulate"):
        getattr(in_containers.client("ecr"), call)(**parameters)
