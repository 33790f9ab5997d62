"""Amazon ECR, against moto's server over HTTP."""

import json
import sys

import boto3
import pushed_images as images
import pytest

from byoi import errors
from byoi.deployment.ecr import LIFECYCLE_POLICY, connect_ecr

ACCOUNT = "123456789012"


def put(repository: str, tag: str, media_type: str) -> None:
    client = boto3.client("ecr")
    client.put_image(
        repositoryName=repository,
        imageTag=tag,
        imageManifest=json.dumps(images.manifest(media_type)),
    )


def test_a_missing_repository_is_created_scanned_and_tidied(moto_aws, capsys) -> None:
    address = connect_ecr().create_repository("some/reviews")
    assert address == f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com/some/reviews"
    client = boto3.client("ecr")
    made = client.describe_repositories(repositoryNames=["some/reviews"])["repositories"][0]
    assert made["imageScanningConfiguration"] == {"scanOnPush": True}
    policy = client.get_lifecycle_policy(repositoryName="some/reviews")["lifecyclePolicyText"]
    assert json.loads(policy) == LIFECYCLE_POLICY
    out, err = capsys.readouterr()
    assert not out
    assert f"account {ACCOUNT}" in err
    assert "creating repository some/reviews" in err


def test_a_repository_that_is_there_is_left_as_it_is(moto_aws, capsys) -> None:
    client = boto3.client("ecr")
    client.create_repository(repositoryName="reviews")
    assert connect_ecr().create_repository("reviews").endswith("/reviews")
    made = client.describe_repositories(repositoryNames=["reviews"])["repositories"][0]
    assert made["imageScanningConfiguration"] == {"scanOnPush": False}
    assert "creating" not in capsys.readouterr().err


def test_the_repository_is_made_in_the_callers_region(moto_aws, monkeypatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    assert ".eu-west-1." in connect_ecr().create_repository("reviews")


def test_the_password_is_the_tokens_second_half(moto_aws) -> None:
    assert connect_ecr().password() == f"{ACCOUNT}-auth-token"


@pytest.mark.parametrize("media_type", [images.DOCKER, images.OCI])
def test_a_manifest_is_read_as_it_was_pushed(moto_aws, media_type) -> None:
    registry = connect_ecr()
    registry.create_repository("reviews")
    put("reviews", "1", media_type)
    manifest = registry.manifest("reviews", "1")
    assert manifest.media_type == media_type
    assert manifest.digest.startswith("sha256:")
    assert manifest.content["layers"]
    assert registry.platform("reviews", manifest) is None


def test_an_image_is_also_read_by_its_digest(moto_aws) -> None:
    registry = connect_ecr()
    registry.create_repository("reviews")
    put("reviews", "1", images.DOCKER)
    manifest = registry.manifest("reviews", "1")
    assert registry.manifest("reviews", manifest.digest) == manifest


def test_its_http_api_has_the_host_of_the_token(moto_aws) -> None:
    registry = connect_ecr()
    assert registry.http().host == f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com"


def test_a_tag_that_did_not_arrive_is_named(moto_aws) -> None:
    registry = connect_ecr()
    registry.create_repository("reviews")
    with pytest.raises(errors.RegistryError, match=r"no reviews:1: .*build_and_push"):
        registry.manifest("reviews", "1")


def test_what_aws_refuses_is_one_line_with_the_remedy(moto_aws) -> None:
    with pytest.raises(errors.RegistryError, match=r"RepositoryNotFound.*REGISTRY=host:port"):
        connect_ecr().manifest("absent", "1")


def test_without_a_region_the_remedy_is_named(monkeypatch, tmp_path) -> None:
    for name in ("AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(errors.RegistryError, match=r"region.*AWS_DEFAULT_REGION"):
        connect_ecr()


def test_without_boto3_another_registry_is_offered(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(errors.MissingProgramError, match=r"needs boto3.*REGISTRY=host:port"):
        connect_ecr()
