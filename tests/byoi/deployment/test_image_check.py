"""What SageMaker would say of an image, as far as ECR's API shows it.

Its configuration comes from a registry; tests/emulator/test_deployment_preflight.py has a real one.
"""

import hashlib
import json
import uuid

import pushed_images as images
import pytest
from stubbed_account import NUMBER, REGION, StubbedAccount, make_plan

from byoi.deployment import image_check
from byoi.names import MANIFEST_TYPES

HOST = f"{NUMBER}.dkr.ecr.{REGION}.amazonaws.com"
ABSENT = "RepositoryNotFoundException"


def look(account, uri, **plan):
    return list(image_check.check(account, make_plan(image_uri=uri, **plan)))


def answer_repository(account, name="byoi", uri=f"{HOST}/byoi"):
    found = {"repositoryName": name, "repositoryUri": uri}
    account.answer(
        "ecr", "describe_repositories", {"repositories": [found]}, repositoryNames=[name]
    )


def answer_image(account, media_type, **identity):
    content = json.dumps(images.manifest(media_type))
    image = {
        "imageId": {"imageDigest": f"sha256:{hashlib.sha256(content.encode()).hexdigest()}"},
        "imageManifest": content,
        "imageManifestMediaType": media_type,
    }
    account.answer(
        "ecr",
        "batch_get_image",
        {"images": [image], "failures": []},
        repositoryName="byoi",
        imageIds=[identity],
        acceptedMediaTypes=list(MANIFEST_TYPES),
    )


@pytest.mark.parametrize(
    ("uri", "is_ok", "what", "remedy"),
    [
        ("byoi:latest", False, "not in Amazon ECR", "./build_and_push.sh"),
        ("docker.io/library/python:3.11", False, "not in Amazon ECR", "./build_and_push.sh"),
        (
            f"{NUMBER}.dkr.ecr.us-west-2.amazonaws.com/byoi:1",
            False,
            "is in us-west-2, and the endpoint will be in eu-central-1",
            "AWS_DEFAULT_REGION=eu-central-1 ./build_and_push.sh",
        ),
        (f"{HOST}/byoi:1", False, "no repository byoi", "./build_and_push.sh"),
        (
            f"999999999999.dkr.ecr.{REGION}.amazonaws.com/byoi:1",
            None,
            "image 999999999999",
            "in account 999999999999",
        ),
    ],
)
def test_an_image_elsewhere_is_no_use(uri, is_ok, what, remedy) -> None:
    account = StubbedAccount()
    account.refuse("ecr", "describe_repositories", ABSENT)
    account.answer("sts", "get_caller_identity", {"Account": NUMBER})
    (finding,) = look(account, uri)
    assert finding.is_ok is is_ok
    assert what in finding.what
    assert remedy in finding.remedy


def test_a_repository_of_the_same_name_under_another_host_is_not_it() -> None:
    account = StubbedAccount()
    answer_repository(account)
    (finding,) = look(account, "byoi:latest")
    assert finding.is_ok is False


def test_a_tag_that_is_not_there_is_named() -> None:
    account = StubbedAccount()
    answer_repository(account)
    failure = {"failureCode": "ImageNotFound", "imageId": {"imageTag": "1"}}
    account.answer("ecr", "batch_get_image", {"images": [], "failures": [failure]})
    (finding,) = look(account, f"{HOST}/byoi:1")
    assert finding.is_ok is False
    assert "its repository has no 1" in finding.what


@pytest.mark.parametrize("media_type", [images.OCI, images.OCI_INDEX])
def test_a_manifest_sagemaker_refuses_is_a_failure(media_type) -> None:
    account = StubbedAccount()
    answer_repository(account)
    answer_image(account, media_type, imageTag="1")
    account.refuse("ecr", "get_authorization_token", "AccessDeniedException")
    (finding,) = look(account, f"{HOST}/byoi:1")
    assert finding.is_ok is False
    assert media_type in finding.remedy
    assert "./build_and_push.sh" in finding.remedy


def test_where_ecr_shows_no_configuration_the_platform_is_not_known() -> None:
    account = StubbedAccount()
    digest = f"sha256:{uuid.uuid4().hex * 2}"
    answer_repository(account)
    answer_image(account, images.DOCKER, imageDigest=digest)
    account.refuse("ecr", "get_authorization_token", "AccessDeniedException")
    findings = look(account, f"{HOST}/byoi@{digest}", instance_type="ml.c7g.large")
    assert [one.is_ok for one in findings] == [True, None]
    assert "image for linux/arm64, which ml.c7g.large runs" in findings[1].what
    assert "AccessDeniedException" in findings[1].remedy


@pytest.mark.parametrize("call", ["describe_repositories", "batch_get_image"])
def test_what_ecr_refuses_is_not_known(call) -> None:
    account = StubbedAccount()
    if call == "batch_get_image":
        answer_repository(account)
    account.refuse("ecr", call, "AccessDeniedException")
    (finding,) = look(account, f"{HOST}/byoi:1")
    assert finding.is_ok is None
    assert "was refused (AccessDeniedException: no)" in finding.remedy
