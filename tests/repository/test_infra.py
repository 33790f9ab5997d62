"""The templates are valid, and the policies say what their page says of them."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from byoi import policy

INFRA = Path(__file__).resolve().parents[2] / "infra"
TEMPLATES = sorted(INFRA.glob("*.yaml"))


def statements(name: str) -> list[dict]:
    return json.loads((INFRA / name).read_text(encoding="utf-8"))["Statement"]


def actions(name: str) -> list[str]:
    found = []
    for one in statements(name):
        found += one["Action"] if isinstance(one["Action"], list) else [one["Action"]]
    return found


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_templates_are_clean(template: Path) -> None:
    program = Path(sys.executable).with_name("cfn-lint")
    done = subprocess.run([program, template], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_templates_are_found() -> None:
    assert {"api_gateway.yaml", "execution_role.yaml"} <= {path.name for path in TEMPLATES}


def test_the_page_gives_a_reason_for_every_action_of_the_policy_and_for_no_other() -> None:
    page = (INFRA / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([a-z0-9-]+:\w+)` \| (.+) \| (.+) \|$", page, re.MULTILINE)
    assert sorted(row[0] for row in rows) == sorted(set(actions("deployer_policy.json")))
    for action, call, where in rows:
        for path in re.findall(r"`([\w/]+\.(?:py|sh|yaml))`", where):
            root = (
                INFRA.parent if path.startswith(("infra/", "build_")) else (INFRA.parent / "byoi")
            )
            assert (root / path).is_file(), f"{action}: {path}"
        assert call


def test_every_file_is_on_the_page() -> None:
    page = (INFRA / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"^\| `([\w.]+)` \|", page, re.MULTILINE))
    assert {path.name for path in INFRA.iterdir()} - {"README.md"} <= named


@pytest.mark.parametrize("policy", ["deployer_policy.json", "boundary.json"])
def test_policies_name_their_actions_and_fit_into_iam(policy: str) -> None:
    assert not [action for action in actions(policy) if "*" in action]
    # IAM and STS quotas: 6,144 characters of a managed policy, without white space.
    text = (INFRA / policy).read_text(encoding="utf-8")
    assert len(re.sub(r"\s", "", text)) <= 6144


def test_whoever_makes_a_role_makes_it_within_the_boundary() -> None:
    makers = ("iam:CreateRole", "iam:PutRolePolicy")
    found = [one for one in statements("deployer_policy.json") if set(makers) & set(one["Action"])]
    wanted = "arn:aws:iam::${aws:PrincipalAccount}:policy/byoi-boundary"
    assert [one["Condition"]["StringEquals"] for one in found] == [
        {"iam:PermissionsBoundary": wanted}
    ]
    # Nor can they change a boundary, or what the policy of that name says.
    ruling = re.compile(r"iam:.*(Boundary|PolicyVersion|CreatePolicy|AttachRole|AssumeRole)")
    assert not [action for action in actions("deployer_policy.json") if ruling.match(action)]


def test_the_boundary_holds_what_the_roles_may_and_no_more() -> None:
    texts = [path.read_text(encoding="utf-8") for path in TEMPLATES]
    actions_of = re.compile(
        r"\b((?:s3|ecr|logs|cloudwatch|sagemaker|ec2|kms):[A-Z]\w+)$", re.MULTILINE
    )
    granted = {action for text in texts for action in actions_of.findall(text)}
    # A VPC and a key are an administrator's to give, who makes a role without the boundary.
    beyond = {action for action in granted if action.startswith(("ec2:", "kms:"))}
    assert granted - beyond == set(actions("boundary.json"))
    assert len(beyond) == 11


ARN = "arn:aws:{}:us-east-1:123456789012:{}"
ENDPOINTS = "log-group:/aws/sagemaker/Endpoints"
NAMESPACE = "cloudwatch:namespace"


@pytest.mark.parametrize(
    ("action", "resource", "context", "allowed"),
    [
        ("ecr:BatchGetImage", ARN.format("ecr", "repository/byoi"), {}, True),
        ("ecr:BatchGetImage", ARN.format("ecr", "repository/byoi-reviews"), {}, True),
        ("ecr:BatchGetImage", ARN.format("ecr", "repository/other"), {}, False),
        ("ecr:GetDownloadUrlForLayer", ARN.format("ecr", "repository/other/byoi"), {}, False),
        ("ecr:GetAuthorizationToken", "*", {}, True),
        ("logs:CreateLogGroup", ARN.format("logs", f"{ENDPOINTS}/byoi-reviews"), {}, True),
        (
            "logs:PutLogEvents",
            ARN.format("logs", f"{ENDPOINTS}/byoi-reviews:log-stream:one/i-1"),
            {},
            True,
        ),
        ("logs:PutLogEvents", ARN.format("logs", f"{ENDPOINTS}/other"), {}, False),
        ("logs:PutLogEvents", ARN.format("logs", "log-group:/aws/lambda/byoi"), {}, False),
        ("cloudwatch:PutMetricData", "*", {NAMESPACE: "/aws/sagemaker/Endpoints"}, True),
        ("cloudwatch:PutMetricData", "*", {NAMESPACE: "AWS/SageMaker"}, True),
        ("cloudwatch:PutMetricData", "*", {NAMESPACE: "other"}, False),
        ("s3:GetObject", "arn:aws:s3:::byoi-models/model.tar.gz", {}, True),
        ("s3:GetObject", "arn:aws:s3:::other/model.tar.gz", {}, False),
        ("s3:ListBucket", "arn:aws:s3:::byoi-models", {}, True),
        ("s3:ListBucket", "arn:aws:s3:::other", {}, False),
        ("ec2:CreateNetworkInterface", "*", {}, False),
        ("kms:Decrypt", ARN.format("kms", "key/1"), {}, False),
        ("s3:PutObject", "arn:aws:s3:::byoi-models/model.tar.gz", {}, False),
        ("sagemaker:InvokeEndpoint", ARN.format("sagemaker", "endpoint/byoi-a"), {}, True),
        ("sagemaker:InvokeEndpoint", ARN.format("sagemaker", "endpoint/other"), {}, False),
        ("sts:AssumeRole", "arn:aws:iam::123456789012:role/byoi-a", {}, False),
    ],
)
def test_the_boundary_ends_at_this_projects_names(action, resource, context, allowed):
    document = (INFRA / "boundary.json").read_text(encoding="utf-8")
    request = policy.Request(action, resource, context=context, is_complete=True)
    assert policy.evaluate([document], request).is_allowed is allowed


class _Loader(yaml.SafeLoader):
    """Takes CloudFormation's short functions for the values they stand before."""


def _plain(loader, _suffix, node):
    if isinstance(node, yaml.ScalarNode):
        return loader.construct_scalar(node)
    return loader.construct_sequence(node, deep=True)


_Loader.add_multi_constructor("!", _plain)


def template(name):
    return yaml.load((INFRA / name).read_text(encoding="utf-8"), _Loader)


def test_nobody_is_let_in_unless_the_template_is_told_so():
    parameter = template("api_gateway.yaml")["Parameters"]["Authorization"]
    assert parameter["Default"] == "AWS_IAM"
    assert parameter["AllowedValues"] == ["AWS_IAM", "API_KEY", "NONE"]
    warning = parameter["Description"].partition("WARNING, NONE: ")[2]
    assert "anybody on the internet" in warning


def test_the_access_log_holds_no_secret():
    settings = template("api_gateway.yaml")["Resources"]["Stage"]["Properties"]["AccessLogSetting"]
    assert settings[0] == "HasAccessLog"
    text = settings[1]["Format"]
    json.loads(text)
    names = re.findall(r"\$context\.([\w.]+)", text)
    assert "requestId" in names
    assert text.count("$") == len(names)
    # Of a key the id alone; neither headers, nor bodies, nor what a signature is made of.
    secret = re.compile(
        r"apiKey$|accessKey|authorizer|header|body|querystring|path$|error\.message"
    )
    assert not [name for name in names if secret.search(name)]


def test_the_bucket_takes_only_requests_with_tls():
    resources = template("execution_role.yaml")["Resources"]
    buckets = [name for name, one in resources.items() if one["Type"] == "AWS::S3::Bucket"]
    policies = [one for one in resources.values() if one["Type"] == "AWS::S3::BucketPolicy"]
    assert [one["Properties"]["Bucket"] for one in policies] == buckets
    (statement,) = policies[0]["Properties"]["PolicyDocument"]["Statement"]
    assert (statement["Effect"], statement["Principal"]) == ("Deny", "*")
    assert statement["Action"] == "s3:*"
    assert statement["Resource"] == ["ModelDataBucket.Arn", "${ModelDataBucket.Arn}/*"]
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    # As long as there is the bucket there is its policy.
    assert policies[0]["DeletionPolicy"] == resources[buckets[0]]["DeletionPolicy"] == "Retain"
