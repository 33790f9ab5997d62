import datetime as dt
import re
from dataclasses import replace
from typing import Any

import pytest
from botocore.session import Session
from botocore.validate import ParamValidator

from byoi import errors, names
from byoi.deployment import plan
from byoi.deployment.placement import Placement
from byoi.deployment.plan import Plan

PLAN = Plan(
    "reviews",
    "123456789012.dkr.ecr.us-east-1.amazonaws.com/byoi:1",
    "s3://bucket/byoi/0123/model.tar.gz",
    "arn:aws:iam::123456789012:role/byoi",
    environment={"A": "1"},
    expires=dt.datetime(2026, 12, 1, tzinfo=dt.UTC),
    image_digest="sha256:1",
    model_digest="2",
)
PLACED = Placement(
    has_network=False,
    subnets=["subnet-0123456789abcdef0"],
    security_groups=["sg-01234567"],
    volume_gb=20,
    kms_key="alias/mine",
    download_timeout_s=600,
)
FILES = replace(PLAN, model_data_url="s3://bucket/byoi/0123/model/", placement=PLACED)


@pytest.mark.parametrize(
    ("operation", "request_"),
    [
        ("CreateModel", PLAN.model_request()),
        ("CreateModel", replace(PLAN, model_data_url=None, environment={}).model_request()),
        ("CreateEndpointConfig", PLAN.config_request(120)),
        ("CreateEndpointConfig", PLAN.config_request()),
        ("CreateEndpoint", PLAN.endpoint_request()),
        ("CreateModel", FILES.model_request()),
        ("CreateEndpointConfig", FILES.config_request()),
    ],
)
def test_requests_are_what_boto3_sends(operation: str, request_: dict[str, Any]) -> None:
    model = Session().get_service_model("sagemaker").operation_model(operation)
    report = ParamValidator().validate(request_, model.input_shape)
    assert not report.has_errors(), report.generate_report()
    assert {tag["Key"] for tag in request_["Tags"]} == {"byoi:endpoint", "byoi:expires"}


@pytest.mark.parametrize(
    "change",
    [
        {"image_digest": "sha256:3"},
        {"model_digest": "3"},
        {"model_data_url": None, "model_digest": ""},
        {"environment": {"A": "2"}},
        {"role_arn": "arn:aws:iam::123456789012:role/other"},
        {"endpoint_name": "others"},
        {"placement": Placement(has_network=False)},
        {
            "placement": Placement(
                subnets=PLACED.subnets,
                security_groups=PLACED.security_groups,
            )
        },
    ],
)
def test_other_content_is_another_model_and_configuration(change: dict[str, Any]) -> None:
    other = replace(PLAN, **change)
    assert other.model_name != PLAN.model_name
    assert other.config_name != PLAN.config_name


@pytest.mark.parametrize(
    "change",
    [
        {"instance_type": "ml.c7g.large"},
        {"instance_count": 2},
        {"startup_timeout_s": 90},
        {"placement": Placement(volume_gb=20)},
        {"placement": Placement(kms_key="alias/mine")},
        {"placement": Placement(download_timeout_s=60)},
    ],
)
def test_other_instances_are_another_configuration_of_the_same_model(
    change: dict[str, Any],
) -> None:
    other = replace(PLAN, **change)
    assert other.model_name == PLAN.model_name
    assert other.config_name != PLAN.config_name


@pytest.mark.parametrize("change", [{"expires": None}, {"environment": {"A": "1"}}])
def test_another_expiry_is_no_other_content(change: dict[str, Any]) -> None:
    assert replace(PLAN, **change).config_name == PLAN.config_name


def test_the_order_of_variables_is_no_content() -> None:
    one = replace(PLAN, environment={"A": "1", "B": "2"})
    two = replace(PLAN, environment={"B": "2", "A": "1"})
    assert one.model_name == two.model_name


def test_a_prefix_is_files_and_the_rest_stands_where_the_apis_have_it() -> None:
    model, config = FILES.model_request(), FILES.config_request()
    assert "ModelDataUrl" not in model["PrimaryContainer"]
    assert model["PrimaryContainer"]["ModelDataSource"]["S3DataSource"] == {
        "S3Uri": "s3://bucket/byoi/0123/model/",
        "S3DataType": "S3Prefix",
        "CompressionType": "None",
    }
    assert model["EnableNetworkIsolation"] is True
    assert model["VpcConfig"] == {
        "Subnets": ["subnet-0123456789abcdef0"],
        "SecurityGroupIds": ["sg-01234567"],
    }
    (variant,) = config["ProductionVariants"]
    assert (variant["VolumeSizeInGB"], variant["ModelDataDownloadTimeoutInSeconds"]) == (20, 600)
    assert config["KmsKeyId"] == "alias/mine"


def test_a_tag_without_a_digest_stands_for_itself() -> None:
    one = replace(PLAN, image_digest="")
    assert one.model_name != replace(one, image_uri=PLAN.image_uri + "2").model_name


def test_a_time_out_that_was_asked_for_wins_over_a_measured_one() -> None:
    def timeout_s(plan: Plan, measured_s: int | None) -> int | None:
        variant = plan.config_request(measured_s)["ProductionVariants"][0]
        found: int | None = variant.get("ContainerStartupHealthCheckTimeoutInSeconds")
        return found

    assert timeout_s(PLAN, None) is None
    assert timeout_s(PLAN, 120) == 120
    assert timeout_s(replace(PLAN, startup_timeout_s=300), 120) == 300


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"endpoint_name": "a_b"}, "hyphens"),
        ({"model_data_url": f"s3://bucket/{'a' * 1020}/"}, "URI of 1033 characters"),
        ({"instance_type": "m5.large"}, r"ml\.m5\.large"),
        ({"instance_type": "local"}, r"ml\.m5\.large"),
        ({"instance_count": 0}, "1 or more"),
        ({"startup_timeout_s": 59}, "60 to 3600"),
        ({"startup_timeout_s": 3601}, "60 to 3600"),
        ({"model_data_url": "model.tar.gz"}, "s3://BUCKET/KEY"),
        ({"model_data_url": "s3://bucket"}, "s3://BUCKET/KEY"),
    ],
)
def test_what_aws_would_refuse_late_is_refused_first(change: dict[str, Any], said: str) -> None:
    with pytest.raises(errors.ConfigurationError, match=said):
        replace(PLAN, **change)


VALID = re.compile(r"^[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}$")


@pytest.mark.parametrize(
    "stem", ["reviews", "byoi-reviews", "x" * 63, "a" * 49 + "-b", "image@sha256:0_1.2", "-", "é"]
)
def test_every_derived_name_is_one_sagemaker_takes(stem: str) -> None:
    name = plan.derive_name(stem, [stem])
    assert VALID.match(name)
    assert len(name) <= 63
    assert name.startswith(plan.NAME_PREFIX)


def test_a_name_stands_for_its_content() -> None:
    assert plan.derive_name("a", [1, {"x": 2}]) == plan.derive_name("a", [1, {"x": 2}])
    assert plan.derive_name("a", [1]) != plan.derive_name("a", [2])


def test_a_reader_finds_the_stem_once() -> None:
    assert plan.derive_name("byoi-reviews", 1).count("byoi") == 1


@pytest.mark.parametrize("name", ["a", "A-1", "a--b", "x" * 63])
def test_what_sagemaker_takes_is_taken(name: str) -> None:
    assert names.check_endpoint_name(name) == name


@pytest.mark.parametrize("name", ["", "-a", "a-", "a_b", "a.b", "x" * 64, "a b", "é"])
def test_what_sagemaker_refuses_is_refused_before_anything_is_made(name: str) -> None:
    with pytest.raises(errors.ConfigurationError, match="letters, digits and hyphens"):
        names.check_endpoint_name(name)
