"""The deployer's policy allows what a whole journey calls, and nothing that it does not."""

import json
import os
import subprocess
from collections import defaultdict
from pathlib import Path

import boto3
import iam_policy
import pytest
from emulated_aws import ECHO, OWN_IMAGE, PATIENCE_S, Aws
from iam_actions import Needs
from rest_apis import call, signed_call

from byoi import emulator, errors
from byoi.deployment import inventory, preflight, price, rollout, tags, waiting
from byoi.deployment.account import Account, invoke_url
from byoi.deployment.ecr import EcrRegistry
from byoi.deployment.plan import EndpointSpec
from byoi.deployment.preparation import prepare
from byoi.local.docker import Engine

ROOT = Path(__file__).resolve().parents[3]
POLICY = iam_policy.statements(ROOT / "infra" / "deployer_policy.json")
JSON = "application/json"
TAGS = tags.make("byoi-sdk", None)
BOUNDARY = f"arn:aws:iam::{iam_policy.ACCOUNT}:policy/byoi-boundary"

# What is allowed although no recorded call needs it.
_DOCKER = "docker push calls it with ECR's password, not through the API (image-push-iam.html)"
_PULL = "the image's configuration is read through the registry's HTTP API, as docker pull does"
EXCEPTIONS = {
    "ecr:BatchCheckLayerAvailability": _DOCKER,
    "ecr:CompleteLayerUpload": _DOCKER,
    "ecr:InitiateLayerUpload": _DOCKER,
    "ecr:PutImage": _DOCKER,
    "ecr:UploadLayerPart": _DOCKER,
    "ecr:GetDownloadUrlForLayer": _PULL,
    "s3:AbortMultipartUpload": "boto3 calls it where an upload above 8 MB fails in the middle",
    "servicequotas:ListAWSDefaultServiceQuotas": "asked where the account has no quota of its own",
}


# Also the emulator's ECR without docker has this program behind it.
pytestmark = pytest.mark.needs("docker-registry")


@pytest.fixture(scope="module")
def calls(tmp_path_factory, request):
    """What a whole journey calls; with docker it pushes a real image."""
    folder = tmp_path_factory.mktemp("policy")
    file = folder / "calls.jsonl"
    environ = dict(os.environ)
    has_docker = has_engine()
    if has_docker:
        request.getfixturevalue("image")
    with emulator.running(
        runner="containers" if has_docker else "processes",
        startup_timeout_s=PATIENCE_S,
        environ=environ,
        calls_file=file,
    ) as running:
        aws = Aws(running)
        deployer = make_deployer(aws, environ)
        account = Account(deployer, environ=environ, endpoint_url=running.url)
        make_boundary(aws.session, running.url)
        run_somebody_elses(aws.session, running.url, aws.role)
        role_arn = make_role(account)
        image = push(account, environ, folder) if has_docker else look_at_repository(account)
        archive = request.getfixturevalue("archive")
        deploy(account, role_arn, image, archive)
        put_an_api_in_front(account)
        deploy_with_the_sdk(account, role_arn, image, archive)
        tear_down(account)
    recorded = [json.loads(line) for line in file.read_text().splitlines()]
    key = deployer.get_credentials().access_key
    return [call for call in recorded if call["key"] == key]


def has_engine():
    try:
        Engine(os.environ).require()
    except errors.MissingProgramError:
        return False
    return True


def make_deployer(aws, environ):
    """Return a user's session, who is not the administrator, and lead the environment to it."""
    iam = aws.client("iam")
    iam.create_user(UserName="deployer")
    # Of it the emulator evaluates what a call of an API needs; the rest is evaluated below.
    document = (ROOT / "infra" / "deployer_policy.json").read_text()
    made = iam.create_policy(PolicyName="byoi-deployer", PolicyDocument=document)["Policy"]
    iam.attach_user_policy(UserName="deployer", PolicyArn=made["Arn"])
    key = iam.create_access_key(UserName="deployer")["AccessKey"]
    environ["AWS_ACCESS_KEY_ID"] = key["AccessKeyId"]
    environ["AWS_SECRET_ACCESS_KEY"] = key["SecretAccessKey"]
    return boto3.Session(key["AccessKeyId"], key["SecretAccessKey"], region_name="us-east-1")


def make_boundary(session, url):
    """Make the boundary, as an administrator does."""
    document = (ROOT / "infra" / "boundary.json").read_text()
    iam = session.client("iam", endpoint_url=url)
    made = iam.create_policy(PolicyName="byoi-boundary", PolicyDocument=document)["Policy"]
    assert made["Arn"] == BOUNDARY


def run_somebody_elses(session, url, role_arn):
    """Run an endpoint in the same account that the journey has to look past."""
    sagemaker = session.client("sagemaker", endpoint_url=url)
    variant = {"VariantName": "one", "ModelName": "other", "InstanceType": "ml.m5.large"}
    sagemaker.create_model(
        ModelName="other", ExecutionRoleArn=role_arn, PrimaryContainer={"Image": OWN_IMAGE}
    )
    sagemaker.create_endpoint_config(
        EndpointConfigName="other", ProductionVariants=[{**variant, "InitialInstanceCount": 1}]
    )
    sagemaker.create_endpoint(EndpointName="other", EndpointConfigName="other")
    logs = session.client("logs", endpoint_url=url)
    logs.create_log_group(logGroupName="/aws/sagemaker/Endpoints/somebodys")


def make_role(account):
    make_stack(account, "byoi-execution-role", "execution_role.yaml", Bucket=account.bucket())
    # Found as people find it: in the stack's output.
    return Account(account.session, environ={}, endpoint_url=account.endpoint_url).role_arn()


def make_stack(account, name, template, **values):
    """Make a stack within the boundary, and return its outputs."""
    cloudformation = account.client("cloudformation")
    values["PermissionsBoundary"] = BOUNDARY
    cloudformation.create_stack(
        StackName=name,
        TemplateBody=(ROOT / "infra" / template).read_text(),
        Parameters=[
            {"ParameterKey": key, "ParameterValue": value} for key, value in values.items()
        ],
        Capabilities=["CAPABILITY_IAM"],
    )
    waiter = cloudformation.get_waiter("stack_create_complete")
    waiter.wait(StackName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    (stack,) = cloudformation.describe_stacks(StackName=name)["Stacks"]
    return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}


def put_an_api_in_front(account):
    """Make both kinds of API, and call each as its clients do; this client is the deployer."""
    made = {"EndpointName": "byoi-reviews"}
    client = account.client("apigateway")
    outputs = make_stack(account, "byoi-api", "api_gateway.yaml", **made)
    url = invoke_url(client, outputs["ApiId"], outputs["StageName"])
    answer = signed_call(account.session, f"{url}/predictions", b'["hello"]', content_type=JSON)
    assert answer.status == 200, answer.body
    with_key = make_stack(
        account, "byoi-api-key", "api_gateway.yaml", **made, Authorization="API_KEY"
    )
    key = client.get_api_key(apiKey=with_key["ApiKeyId"], includeValue=True)["value"]
    url = invoke_url(client, with_key["ApiId"], with_key["StageName"])
    answer = call(f"{url}/predictions", b'["hello"]', content_type=JSON, x_api_key=key)
    assert answer.status == 200, answer.body
    found = {one["name"] for one in client.get_rest_apis()["items"]}
    assert found == {"byoi-api", "byoi-api-key"}


def push(account, environ, folder):
    done = subprocess.run(
        [ROOT / "build_and_push.sh", OWN_IMAGE],
        env={**environ, "DOCKER_CONFIG": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def look_at_repository(account):
    """Ask of ECR what the script asks, where docker cannot push."""
    registry = EcrRegistry(account.client("sts"), account.client("ecr"))
    for ask in (
        lambda: registry.create_repository("byoi"),
        registry.password,
        lambda: registry.manifest("byoi", "latest"),
    ):
        try:
            ask()
        except errors.RegistryError:
            continue
    return OWN_IMAGE


def deploy(account, role_arn, image, archive):
    """Deploy and update, as `byoi deploy` does it."""
    for workers in ("1", "2"):
        spec = EndpointSpec(
            image,
            archive,
            name="byoi-reviews",
            role_arn=role_arn,
            environment={**ECHO, "SAGEMAKER_MODEL_SERVER_WORKERS": workers},
        )
        said: list[str] = []
        plan = prepare(account, spec, progress=said.append).plan
        assert price.OFFLINE in said
        preflight.require(preflight.check(account, plan))
        rollout.deploy(account, plan)
        answer = account.runtime.invoke_endpoint(
            EndpointName=plan.endpoint_name, ContentType="text/plain", Body=b"hello"
        )
        assert answer["Body"].read()


def deploy_with_the_sdk(account, role_arn, image, archive):
    from byoi import hosting  # before the SDK, whose remarks it silences

    session = hosting.aws_session(account)
    from sagemaker.model import Model
    from sagemaker.predictor import Predictor

    model = Model(
        image_uri=image,
        model_data=session.upload_data(str(archive), key_prefix="byoi/sdk"),
        role=role_arn,
        name="byoi-sdk-model",
        env=ECHO,
        predictor_cls=Predictor,
        sagemaker_session=session,
    )
    machine = {"initial_instance_count": 1, "instance_type": "ml.m5.large"}
    predictor = model.deploy(endpoint_name="byoi-sdk", wait=False, tags=TAGS, **machine)
    waiting.wait(account.sagemaker, "byoi-sdk")
    assert predictor.predict(b"hello")


def tear_down(account):
    """Delete one endpoint by its name, and then all that is left of anything."""
    assert [one.name for one in inventory.find_endpoints(account)] == ["byoi-reviews", "byoi-sdk"]
    inventory.delete_endpoints(account, ["byoi-reviews"])
    kinds = set()
    for belonging in inventory.find_everything(account):
        kinds.add(belonging.kind)
        belonging.delete()
    assert {"endpoint", "stack", "log group", "object", "repository"} <= kinds
    assert inventory.find_everything(account) == []


@pytest.fixture(scope="module")
def needs(calls):
    reader = Needs()
    return [need for call in calls for need in reader.of(call)]


def test_the_policy_allows_every_call(needs):
    refused = {
        f"{need.action} on {need.resource} with {dict(need.context)}"
        for need in needs
        if not iam_policy.allows(POLICY, need.action, need.resource, need.context)
    }
    assert not refused, "\n".join(sorted(refused))


@pytest.mark.parametrize(
    ("context", "allowed"),
    [
        ({"aws:ResourceTag/byoi:endpoint": "byoi-reviews"}, True),
        ({"aws:ResourceTag/byoi:endpoint": "somebodys"}, False),
        ({"aws:ResourceTag/team": "byoi"}, False),
        ({}, False),
    ],
)
def test_only_keys_with_this_projects_tag_are_read(context, allowed):
    arn = "arn:aws:apigateway:us-east-1::/apikeys/abc"
    assert iam_policy.allows(POLICY, "apigateway:GET", arn, context) is allowed
    # A tag is put on a key by CloudFormation alone.
    tagging = "apigateway:PUT", "arn:aws:apigateway:us-east-1::/tags/abc"
    assert not iam_policy.allows(POLICY, *tagging, context)


def test_only_access_logs_of_stacks_are_made_and_only_by_stacks():
    via = {"aws:CalledVia": "cloudformation.amazonaws.com"}
    for group, context, allowed in [
        ("/aws/apigateway/byoi-api", via, True),
        ("/aws/apigateway/byoi-api", {}, False),
        ("/aws/apigateway/other", via, False),
        ("/aws/lambda/byoi", via, False),
    ]:
        arn = f"arn:aws:logs:us-east-1:{iam_policy.ACCOUNT}:log-group:{group}"
        for action in ("logs:CreateLogGroup", "logs:PutRetentionPolicy", "logs:DeleteLogGroup"):
            assert iam_policy.allows(POLICY, action, arn, context) is allowed, (action, group)


def test_every_action_is_needed_by_a_call(needs):
    asked = defaultdict(set)
    for need in needs:
        asked[need.action].add(need.resource)
    allowed = set(iam_policy.actions(POLICY))
    assert sorted(allowed - asked.keys() - EXCEPTIONS.keys()) == []
    assert sorted(EXCEPTIONS.keys() & asked.keys()) == []
    assert sorted(EXCEPTIONS.keys() - allowed) == []
