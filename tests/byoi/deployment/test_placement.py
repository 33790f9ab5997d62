"""Where an endpoint runs: what is refused before anything is made, and what is said of the rest."""

from typing import Any

import pytest
from botocore.session import Session
from stubbed_account import make_plan

from byoi import errors
from byoi.deployment.placement import Placement
from byoi.names import has_local_disk

VPC = {"subnets": ["subnet-0123456789abcdef0"], "security_groups": ["sg-01234567"]}
KEY = "1234abcd-12ab-34cd-56ef-1234567890ab"
KEY_ARN = f"arn:aws:kms:eu-central-1:123456789012:key/{KEY}"
DATA = "s3://byoi-data/files/"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"subnets": VPC["subnets"]}, "received subnets and no security groups: a VPC needs both"),
        ({"security_groups": ["sg-01234567"]}, "received security groups and no subnets"),
        ({**VPC, "subnets": ["sg-01234567"]}, "received 'sg-01234567' as a subnet, expected an id"),
        ({**VPC, "security_groups": ["web"]}, "received 'web' as a security group"),
        ({**VPC, "subnets": VPC["subnets"] * 2}, "received 2 subnets .*expected at most 16, each"),
        ({"volume_gb": 0}, "received a volume size of 0 GB, SageMaker takes 1 to 512 GB"),
        ({"volume_gb": 513}, "1 to 512"),
        ({"download_timeout_s": 59}, "received a download time-out of 59 s.*60 to 3600 s"),
        ({"download_timeout_s": 3601}, "60 to 3600 s"),
        ({"kms_key": ""}, "received the KMS key '', expected a key's id, alias/NAME, or the ARN"),
        ({"kms_key": "my key"}, "received the KMS key 'my key'"),
        ({"kms_key": "arn:aws:iam::123456789012:role/byoi"}, "aws kms list-aliases"),
    ],
)
def test_what_aws_would_refuse_late_is_refused_first(given: dict[str, Any], said: str) -> None:
    with pytest.raises(errors.ConfigurationError, match=said):
        Placement(**given)


@pytest.mark.parametrize(
    "key",
    [KEY, KEY_ARN, "alias/mine", "arn:aws-cn:kms:cn-north-1:123456789012:alias/mine", "mrk-12ab"],
)
def test_each_form_of_a_key_is_taken(key: str) -> None:
    assert Placement(kms_key=key).config_parameters() == {"KmsKeyId": key}


@pytest.mark.parametrize(
    "kind", ["ml.m5d.large", "ml.g4dn.xlarge", "ml.g5.xlarge", "ml.p5.4xlarge"]
)
def test_a_type_with_a_disk_of_its_own_has_no_volume(kind: str) -> None:
    with pytest.raises(errors.ConfigurationError, match=f"10 GB for {kind}, which has a local"):
        make_plan(instance_type=kind, placement=Placement(volume_gb=10))
    # A key is taken there, and only for what is uploaded.
    (line,) = make_plan(instance_type=kind, placement=Placement(kms_key=KEY)).lines()
    assert f"{KEY}, for what is uploaded; the local disk of {kind}" in line


@pytest.mark.parametrize("kind", ["ml.m5.large", "ml.c7g.large", "ml.c6gn.large", "ml.inf2.xlarge"])
def test_others_have_one(kind: str) -> None:
    assert not has_local_disk(kind)


def test_of_every_type_that_sagemaker_names_ec2s_letter_is_read() -> None:
    model = Session().get_service_model("sagemaker")
    kinds = model.shape_for("ProductionVariantInstanceType").enum
    for kind in kinds:
        family = kind.split(".")[1]
        if family.endswith(("d", "dn", "de")):
            assert has_local_disk(kind), kind
        if family.startswith(("t", "inf")) and not family.startswith("trn"):
            assert not has_local_disk(kind), kind


def test_a_time_to_download_needs_something_to_download() -> None:
    with pytest.raises(errors.ConfigurationError, match="60 s, and no model data"):
        make_plan(placement=Placement(download_timeout_s=60))


def test_a_plan_says_what_is_not_as_aws_does_by_itself() -> None:
    assert list(make_plan(model_data_url="s3://byoi-data/model.tar.gz").lines()) == []
    placement = Placement(
        has_network=False, volume_gb=20, kms_key=KEY, download_timeout_s=600, **VPC
    )
    assert list(make_plan(model_data_url=DATA, placement=placement).lines()) == [
        "model data: the files below s3://byoi-data/files/, not packed",
        "network: none, the container can call nobody (EnableNetworkIsolation)",
        "VPC: subnet-0123456789abcdef0; sg-01234567",
        "volume: 20 GB on each instance",
        f"key: {KEY}, for the volume of each instance and what is uploaded",
        "model data: 600 s to be downloaded and unpacked",
    ]
