"""What preflight finds on an emulator, where an image can really be pushed."""

import json
from pathlib import Path

import pushed_images as images
import pytest
from emulated_aws import OWN_IMAGE, trust

from byoi import errors
from byoi.deployment import preflight, price, role_check
from byoi.deployment.account import EXECUTION_ROLE_COMMAND, Account
from byoi.deployment.placement import Placement
from byoi.deployment.plan import Plan

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def account(in_processes):
    environ = {"BYOI_BUCKET": in_processes.bucket, "BYOI_ROLE_ARN": in_processes.role}
    return Account(in_processes.session, environ=environ, endpoint_url=in_processes.emulator.url)


@pytest.fixture
def repository(account):
    """A repository, as the account's ECR names it."""
    ecr = account.client("ecr")
    found = ecr.create_repository(repositoryName="byoi-preflight")["repository"]
    yield found["repositoryUri"]
    ecr.delete_repository(repositoryName="byoi-preflight", force=True)


@pytest.fixture
def push(account, repository):
    """Put an image of a form under the tag 1; return the repository and the image's digest."""
    (data,) = account.client("ecr").get_authorization_token()["authorizationData"]
    login = {"Authorization": f"Basic {data['authorizationToken']}"}
    host, _, name = repository.partition("/")

    def push(media_type, architecture="amd64"):
        return repository, images.put_image(
            host, f"{name}:1", media_type, architecture=architecture, headers=login
        )

    return push


def check(account, **changes):
    wanted = {"image_uri": OWN_IMAGE, "model_data_url": None, "role_arn": account.role_arn()}
    return preflight.check(account, Plan("byoi-reviews", **{**wanted, **changes}))


def find(findings, words):
    (found,) = [one for one in findings if words in one.what]
    return found


def test_an_image_of_this_machine_runs_here_and_not_on_aws(account, in_processes, archive) -> None:
    findings = check(account, model_data_url=in_processes.upload(archive))
    assert not [one for one in findings if one.is_ok is False]
    image = find(findings, "image byoi:latest")
    assert image.is_ok is None
    assert image.remedy.startswith("the emulator runs it, AWS would refuse it")
    assert find(findings, "model data s3:").is_ok is True
    assert find(findings, "may assume").is_ok is True
    # What the emulator does not emulate is not made up.
    quota = find(findings, "quota")
    assert (quota.is_ok, quota.remedy) == (
        None,
        "not checked: the emulator does not support ListServiceQuotas",
    )
    assert find(findings, "may read the model data").is_ok is True
    preflight.require(findings)


def test_every_failure_is_found_in_one_run_and_comes_with_its_remedy(account) -> None:
    findings = check(
        account,
        role_arn="arn:aws:iam::123456789012:role/absent",
        model_data_url="s3://byoi-absent/model.tar.gz",
        image_uri="123456789012.dkr.ecr.us-west-2.amazonaws.com/byoi:1",
    )
    failures = [one for one in findings if one.is_ok is False]
    assert [one.what.split()[0] for one in failures] == ["execution", "bucket"]
    assert failures[0].remedy == EXECUTION_ROLE_COMMAND
    with pytest.raises(errors.ConfigurationError) as caught:
        preflight.require(findings)
    for failure in failures:
        assert failure.what in str(caught.value)
        assert failure.remedy in str(caught.value)


def test_an_archive_that_was_not_uploaded_is_named(account, in_processes) -> None:
    url = f"s3://{in_processes.bucket}/absent/model.tar.gz"
    assert find(check(account, model_data_url=url), "model data s3:").is_ok is False
    assert find(check(account, model_data_url=url), f"bucket {in_processes.bucket}").is_ok is True


@pytest.mark.needs("docker-registry")
@pytest.mark.parametrize(
    ("architecture", "instance_type", "is_ok"),
    [
        ("amd64", "ml.m5.large", True),
        ("arm64", "ml.c7g.large", True),
        ("arm64", "ml.m5.large", False),
        ("amd64", "ml.c7g.large", False),
    ],
)
def test_a_pushed_image_must_be_for_the_instance_type(
    account, push, architecture, instance_type, is_ok
) -> None:
    repository, digest = push(images.DOCKER, architecture)
    for uri in (f"{repository}:1", f"{repository}@{digest}"):
        found = [
            one
            for one in check(account, image_uri=uri, instance_type=instance_type)
            if one.what.startswith("image")
        ]
        assert [one.is_ok for one in found] == ([True, True] if is_ok else [False])
        if not is_ok:
            assert f"it is built for linux/{architecture}" in found[0].remedy


@pytest.mark.needs("docker-registry")
@pytest.mark.parametrize("media_type", [images.OCI, images.OCI_INDEX])
def test_a_pushed_image_must_have_the_manifest_sagemaker_takes(account, push, media_type) -> None:
    repository, _ = push(media_type)
    found = find(check(account, image_uri=f"{repository}:1"), f"{repository}:1")
    assert found.is_ok is False
    assert media_type in found.remedy


@pytest.mark.needs("docker-registry")
def test_a_tag_that_was_not_pushed_is_named(account, repository) -> None:
    found = find(check(account, image_uri=f"{repository}:absent"), "has no absent")
    assert (found.is_ok, "./build_and_push.sh" in found.remedy) == (False, True)


def test_the_role_of_the_template_is_one_that_sagemaker_can_use(account) -> None:
    stacks = account.client("cloudformation")
    template = (ROOT / "infra" / "execution_role.yaml").read_text()
    key = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
    asked = {"Prefix": "models/", "Vpc": "yes", "KeyArn": key}
    stacks.create_stack(
        StackName="byoi-test-role",
        TemplateBody=template,
        Capabilities=["CAPABILITY_IAM"],
        Parameters=[{"ParameterKey": name, "ParameterValue": asked[name]} for name in asked],
    )
    try:
        (stack,) = stacks.describe_stacks(StackName="byoi-test-role")["Stacks"]
        outputs = {one["OutputKey"]: one["OutputValue"] for one in stack["Outputs"]}
        findings = check(account, role_arn=outputs["RoleArn"])
        assert find(findings, "may assume").is_ok is True
        vpc = Placement(subnets=["subnet-00000001"], security_groups=["sg-00000001"])
        for prefix, is_ok in (("models/1/", True), ("other/", False)):
            url = f"s3://{outputs['Bucket']}/{prefix}"
            findings = check(
                account, role_arn=outputs["RoleArn"], model_data_url=url, placement=vpc
            )
            assert find(findings, "connect to the VPC").is_ok is is_ok
        use_key = role_check.Need(("kms:CreateGrant", "kms:Decrypt"), key)
        assert role_check.denied(account, outputs["RoleArn"], [use_key]) == []
        # The bucket it made: encrypted, and kept when the stack goes.
        s3 = account.client("s3")
        rules = s3.get_bucket_encryption(Bucket=outputs["Bucket"])
        assert "AES256" in json.dumps(rules["ServerSideEncryptionConfiguration"])
    finally:
        stacks.delete_stack(StackName="byoi-test-role")
    s3.head_bucket(Bucket=outputs["Bucket"])
    s3.delete_bucket(Bucket=outputs["Bucket"])


def test_a_role_that_trusts_somebody_else_is_refused(account) -> None:
    iam = account.client("iam")
    document = json.dumps(trust("lambda.amazonaws.com"))
    made = iam.create_role(RoleName="byoi-other", AssumeRolePolicyDocument=document)
    try:
        found = find(check(account, role_arn=made["Role"]["Arn"]), "may assume byoi-other")
        assert (found.is_ok, EXECUTION_ROLE_COMMAND in found.remedy) == (False, True)
    finally:
        iam.delete_role(RoleName="byoi-other")


def test_iam_decides_what_a_role_may_do(account, in_processes, archive) -> None:
    iam, url = account.client("iam"), in_processes.upload(archive)
    document = json.dumps(trust("sagemaker.amazonaws.com"))
    made = iam.create_role(RoleName="byoi-bare", AssumeRolePolicyDocument=document)
    arn = made["Role"]["Arn"]
    try:
        found = find(check(account, role_arn=arn, model_data_url=url), "byoi-bare may read")
        assert found.is_ok is False
        assert "it may not s3:GetObject on arn:aws:s3:::" in found.what
        assert EXECUTION_ROLE_COMMAND in found.remedy
        rights = {"Effect": "Allow", "Action": ["s3:GetObject", "logs:*"], "Resource": "*"}
        iam.put_role_policy(
            RoleName="byoi-bare",
            PolicyName="rights",
            PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": rights}),
        )
        found = find(check(account, role_arn=arn, model_data_url=url), "byoi-bare may read")
        assert (found.is_ok, found.remedy) == (True, "")
        iam.delete_role_policy(RoleName="byoi-bare", PolicyName="rights")
    finally:
        iam.delete_role(RoleName="byoi-bare")


def test_the_price_is_not_made_up(account) -> None:
    plan = Plan("byoi-reviews", OWN_IMAGE, None, account.role_arn())
    assert price.line(account, plan) == "price: not known offline"


def test_nothing_is_made(account, in_processes) -> None:
    before = in_processes.endpoints(), in_processes.sagemaker.list_models()["Models"]
    check(account)
    assert before == (in_processes.endpoints(), in_processes.sagemaker.list_models()["Models"])
