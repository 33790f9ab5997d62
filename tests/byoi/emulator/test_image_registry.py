"""ECR: docker really pushes to it, and the project's own script runs whole against it."""

import json
import os
import subprocess
import uuid
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from containers import docker

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


def test_the_token_names_the_registry(in_containers):
    (data,) = in_containers.client("ecr").get_authorization_token()["authorizationData"]
    assert data["proxyEndpoint"].startswith("http://127.0.0.1:")


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
