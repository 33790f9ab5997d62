"""The steps of a push around docker's own."""

import json
import subprocess
import sys

import boto3
import pushed_images as images
import pytest

from byoi import errors
from byoi.deployment import push


@pytest.mark.parametrize(
    ("instance_type", "platform"),
    [
        ("ml.m5.large", "linux/amd64"),
        ("ml.t2.medium", "linux/amd64"),
        ("ml.c6i.xlarge", "linux/amd64"),
        ("ml.g4dn.xlarge", "linux/amd64"),
        ("ml.g5.12xlarge", "linux/amd64"),
        ("ml.g6e.xlarge", "linux/amd64"),
        ("ml.gr6.4xlarge", "linux/amd64"),
        ("ml.p4de.24xlarge", "linux/amd64"),
        ("ml.inf2.xlarge", "linux/amd64"),
        ("ml.u-6tb1.112xlarge", "linux/amd64"),
        ("ml.c6g.large", "linux/arm64"),
        ("ml.c6gn.large", "linux/arm64"),
        ("ml.c7g.large", "linux/arm64"),
        ("ml.m6gd.16xlarge", "linux/arm64"),
        ("ml.m8g.medium", "linux/arm64"),
        ("ml.r8g.48xlarge", "linux/arm64"),
        ("ml.g5g.xlarge", "linux/arm64"),
        ("ml.p6-b200.48xlarge", "linux/amd64"),
        ("ml.p6e-gb200.36xlarge", "linux/arm64"),
    ],
)
def test_the_platform_follows_from_the_instance_type(instance_type, platform) -> None:
    assert push.main(["platform", instance_type]) == platform


def test_a_docker_image_of_the_right_platform_gets_its_immutable_address(image_registry) -> None:
    host = image_registry()
    digest = images.put_image(host, "some/reviews:1", images.DOCKER)
    address = push.main(["check", f"{host}/some/reviews:1", "linux/amd64"])
    assert address == f"{host}/some/reviews@{digest}"


@pytest.mark.parametrize("media_type", [images.OCI, images.OCI_INDEX])
def test_oci_media_types_are_refused_with_the_remedy(image_registry, media_type) -> None:
    host = image_registry()
    images.put_image(host, "reviews:1", media_type)
    with pytest.raises(errors.RegistryError) as refused:
        push.main(["check", f"{host}/reviews:1", "linux/amd64"])
    message = str(refused.value)
    assert message.startswith(f"SageMaker would refuse reviews:1: its manifest is {media_type}")
    assert images.DOCKER in message
    assert "BUILDX_NO_DEFAULT_ATTESTATIONS=1" in message


def test_another_architecture_is_refused_with_the_remedy(image_registry) -> None:
    host = image_registry()
    images.put_image(host, "reviews:1", images.DOCKER, architecture="arm64")
    with pytest.raises(errors.RegistryError, match=r"linux/arm64.*PLATFORM=linux/amd64"):
        push.main(["check", f"{host}/reviews:1", "linux/amd64"])
    assert push.main(["check", f"{host}/reviews:1", "linux/arm64"])


def test_an_ecr_address_is_checked_through_aws(moto_aws) -> None:
    address = push.main(["ecr-repository", "reviews"])
    put = boto3.client("ecr").put_image
    accepted, refused = (json.dumps(images.manifest(kind)) for kind in (images.DOCKER, images.OCI))
    image = put(repositoryName="reviews", imageTag="1", imageManifest=accepted)["image"]
    put(repositoryName="reviews", imageTag="2", imageManifest=refused)
    digest = image["imageId"]["imageDigest"]
    assert push.main(["check", f"{address}:1", "linux/amd64"]) == f"{address}@{digest}"
    with pytest.raises(errors.RegistryError, match="SageMaker would refuse reviews:2"):
        push.main(["check", f"{address}:2", "linux/amd64"])
    assert push.main(["ecr-password"])


def test_an_unknown_verb_shows_those_there_are() -> None:
    with pytest.raises(errors.ConfigurationError, match=r"'fly'[\s\S]*ecr-password"):
        push.main(["fly"])


@pytest.mark.parametrize(
    ("instance_type", "status", "out", "err"),
    [
        ("ml.m5.large", 0, "linux/amd64\n", ""),
        ("m5", 1, "", "build_and_push: INSTANCE_TYPE='m5': expected"),
    ],
)
def test_the_result_is_the_only_line_on_stdout(instance_type, status, out, err) -> None:
    command = [sys.executable, "-m", "byoi.deployment.push", "platform", instance_type]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (status, out)
    assert done.stderr.startswith(err)
    assert len(done.stderr.splitlines()) <= 1
