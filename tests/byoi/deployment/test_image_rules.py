"""What a tag refers to, and for which platform an instance type needs an image."""

import os
from collections.abc import Callable
from typing import Any

import pushed_images as images
import pytest
from botocore.exceptions import ClientError

from byoi import errors
from byoi.deployment import image
from byoi.deployment.image import find_digest
from byoi.names import ImageReference

ECR = "123456789012.dkr.ecr.eu-central-1.amazonaws.com"


class Ecr:
    """What is asked of boto3's client."""

    def __init__(self, images: dict[str, str] | None) -> None:
        self.images = images
        self.asked: list[Any] = []

    def batch_get_image(self, **asked: Any) -> dict[str, Any]:
        self.asked.append(asked)
        if self.images is None:
            raise ClientError({"Error": {"Code": "RepositoryNotFoundException"}}, "BatchGetImage")
        digest = self.images.get(asked["imageIds"][0]["imageTag"])
        return {"images": [{"imageId": {"imageDigest": digest}}] if digest else []}


NOWHERE = {"DOCKER_HOST": "unix:///nowhere.sock"}


def test_a_digest_is_its_own() -> None:
    assert find_digest(f"{ECR}/byoi@sha256:1", Ecr(None), NOWHERE) == "sha256:1"


def test_ecr_knows_what_a_tag_stands_for() -> None:
    ecr = Ecr({"1.2": "sha256:1"})
    assert find_digest(f"{ECR}/team/byoi:1.2", ecr, NOWHERE) == "sha256:1"
    assert ecr.asked[0]["registryId"] == "123456789012"
    assert ecr.asked[0]["repositoryName"] == "team/byoi"


def test_no_tag_is_latest() -> None:
    assert find_digest(f"{ECR}/byoi", Ecr({"latest": "sha256:1"}), NOWHERE) == "sha256:1"


@pytest.mark.parametrize("ecr", [Ecr(None), Ecr({})])
def test_what_ecr_does_not_tell_stands_for_itself(ecr: Ecr) -> None:
    assert find_digest(f"{ECR}/byoi:1", ecr, NOWHERE) == f"{ECR}/byoi:1"


def test_a_registry_is_asked_under_its_address(image_registry: Callable[..., str]) -> None:
    address = image_registry()
    digest = images.put_image(address, "byoi:1", images.DOCKER)
    assert find_digest(f"{address}/byoi:1", Ecr(None), NOWHERE) == digest


def test_a_registry_that_does_not_answer_is_no_error(free_port: int) -> None:
    image = f"127.0.0.1:{free_port}/byoi:1"
    assert find_digest(image, Ecr(None), NOWHERE) == image


@pytest.mark.needs("docker")
def test_the_engine_of_this_machine_knows_its_images(image: str) -> None:
    assert find_digest(image, Ecr(None), os.environ).startswith("sha256:")
    assert find_digest("byoi-test-absent:1", Ecr(None), os.environ) == "byoi-test-absent:1"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("byoi", ("byoi", "latest")),
        ("byoi:1", ("byoi", "1")),
        ("localhost:5000/byoi", ("localhost:5000/byoi", "latest")),
        ("localhost:5000/a/byoi:1", ("localhost:5000/a/byoi", "1")),
    ],
)
def test_the_colon_of_a_port_is_none_of_a_tag(name: str, expected: tuple[str, str]) -> None:
    found = ImageReference.parse(name)
    assert (found.address, found.version) == expected


@pytest.mark.parametrize("instance_type", ["m5.large", "ml.m5", "local", "", "ml.m5.large x"])
def test_what_is_no_instance_type_is_refused(instance_type: str) -> None:
    with pytest.raises(errors.ConfigurationError, match=r"INSTANCE_TYPE=.*ml\.m5\.large"):
        image.platform_of(instance_type)
