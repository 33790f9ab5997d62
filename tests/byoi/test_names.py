"""Names of things as AWS and image registries write them."""

import pytest

from byoi import errors
from byoi.names import Arn, EcrHost, ImageReference, S3Uri, is_s3_uri, require_variables

ECR = "123456789012.dkr.ecr.eu-central-1.amazonaws.com"


@pytest.mark.parametrize(
    ("text", "registry", "repository", "tag", "digest"),
    [
        ("byoi", "", "byoi", "", ""),
        ("byoi:latest", "", "byoi", "latest", ""),
        ("me/byoi:1", "", "me/byoi", "1", ""),
        ("localhost/byoi", "localhost", "byoi", "", ""),
        ("localhost:5000/me/byoi", "localhost:5000", "me/byoi", "", ""),
        ("127.0.0.1:5000/byoi:1", "127.0.0.1:5000", "byoi", "1", ""),
        (f"{ECR}/team/byoi:1@sha256:aa", ECR, "team/byoi", "1", "sha256:aa"),
        ("byoi@sha256:aa", "", "byoi", "", "sha256:aa"),
    ],
)
def test_a_reference_is_read_as_docker_reads_it(text, registry, repository, tag, digest):
    assert ImageReference.parse(text) == ImageReference(registry, repository, tag, digest)


def test_the_digest_wins_over_the_tag_and_the_tag_over_latest():
    versions = [ImageReference.parse(f"byoi{end}").version for end in ("", ":1", ":1@sha256:a")]
    assert versions == ["latest", "1", "sha256:a"]


def test_the_address_and_the_last_part_have_no_tag():
    reference = ImageReference.parse(f"{ECR}/team/byoi:1")
    assert (reference.address, reference.base_name) == (f"{ECR}/team/byoi", "byoi")
    assert ImageReference.parse("byoi:1").address == "byoi"


@pytest.mark.parametrize(
    ("host", "ecr"),
    [
        (ECR, EcrHost("123456789012", "eu-central-1")),
        (
            "123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn",
            EcrHost("123456789012", "cn-north-1"),
        ),
        ("123456789012.dkr-ecr.us-east-1.on.aws", EcrHost("123456789012", "us-east-1")),
        (
            "123456789012.dkr.ecr-fips.us-east-1.amazonaws.com",
            EcrHost("123456789012", "us-east-1"),
        ),
        ("1234.dkr.ecr.us-east-1.amazonaws.com", None),
        (f"{ECR}.example.org", None),
        ("ghcr.io", None),
    ],
)
def test_an_ecr_host_names_account_and_region(host, ecr):
    assert ImageReference.parse(f"{host}/byoi").ecr == ecr


def test_an_s3_uri_goes_there_and_back():
    uri = S3Uri.parse("s3://bucket/a/b.tar.gz")
    assert (uri.bucket, uri.key) == ("bucket", "a/b.tar.gz")
    assert str(uri) == "s3://bucket/a/b.tar.gz"


@pytest.mark.parametrize("text", ["bucket/key", "s3://", "s3:///key", "https://bucket/key", ""])
def test_what_is_not_an_s3_uri_is_named(text):
    with pytest.raises(errors.ConfigurationError, match=r"expected s3://BUCKET/KEY, received"):
        S3Uri.parse(text)


def test_only_a_text_can_be_an_s3_uri():
    assert is_s3_uri("s3://bucket/key")
    assert not is_s3_uri(None)
    assert not is_s3_uri("file:///s3://x")


def test_an_arn_goes_there_and_back():
    text = "arn:aws:logs:us-east-1:123456789012:log-group:/aws/sagemaker:*"
    arn = Arn.parse(text)
    assert (arn.service, arn.account, arn.resource) == (
        "logs",
        "123456789012",
        "log-group:/aws/sagemaker:*",
    )
    assert str(arn) == text


@pytest.mark.parametrize("text", ["", "arn:aws:iam", "aws:arn:iam::1:role/x:y", "role/x"])
def test_what_is_not_an_arn_is_named(text):
    with pytest.raises(errors.ConfigurationError, match="expected arn:PARTITION"):
        Arn.parse(text)


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"": "a"}, "'' cannot be the name"),
        ({"A=B": "a"}, "'A=B' cannot be the name"),
        ({"A\0": "a"}, "cannot be the name"),
        ({"A": "se\0cret"}, "the value of the variable A has a NUL"),
    ],
)
def test_what_cannot_be_a_variable_is_refused_without_its_value(environment, words):
    with pytest.raises(errors.ConfigurationError) as caught:
        require_variables(environment)
    assert words in str(caught.value)
    assert "cret" not in str(caught.value)


def test_any_other_text_can_be_a_value():
    require_variables({"A": "a=b\n#$\"'\u00e9", "lower.with-signs": ""})
