"""`aws cloudformation deploy`, and the same calls by other clients: change sets."""

import json
import re
from pathlib import Path

import pytest
import yaml
from botocore.exceptions import ClientError
from test_clients import cli, run  # noqa: F401 - a fixture

CASES = Path(__file__).parent / "stacks"
INFRA = Path(__file__).resolve().parents[3] / "infra"
IAM = ("--capabilities", "CAPABILITY_IAM")
NO_FAILURE = "--no-fail-on-empty-changeset"

pytestmark = pytest.mark.timeout(300, func_only=True)


@pytest.fixture
def stacks(in_processes):
    client = in_processes.client("cloudformation")
    yield client
    for _ in range(2):  # what imports goes first
        for one in client.describe_stacks()["Stacks"]:
            try:
                client.delete_stack(StackName=one["StackName"])
            except ClientError:
                continue
            client.get_waiter("stack_delete_complete").wait(StackName=one["StackName"])
    assert client.describe_stacks()["Stacks"] == []


def status(stacks, name):
    return stacks.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"]


def deploy(aws, program, template, name, *more):
    arguments = ("--template-file", str(template), "--stack-name", name, *more)
    return run(program, aws, "cloudformation", "deploy", *arguments)


@pytest.mark.parametrize(
    ("template", "parameters", "changed"),
    [
        (CASES / "export.yaml", (), None),
        (CASES / "model_without_name.yaml", (), None),
        (INFRA / "execution_role.yaml", ("Prefix=models/",), ("Prefix=other/",)),
        (
            INFRA / "api_gateway.yaml",
            ("EndpointName=reviews", "RateLimit=5"),
            ("EndpointName=reviews", "RateLimit=7"),
        ),
    ],
    ids=lambda value: value.stem if isinstance(value, Path) else "",
)
def test_the_aws_cli_deploys_a_template_again_and_again(  # noqa: PLR0917 - fixtures
    in_processes, stacks, cli, template, parameters, changed  # noqa: F811
):  # fmt: skip
    given = ("--parameter-overrides", *parameters) if parameters else ()
    more = (*IAM, *given, "--tags", "project=reviews")
    done = deploy(in_processes, cli, template, "of-the-cli", *more)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Successfully created/updated stack - of-the-cli" in done.stdout
    assert status(stacks, "of-the-cli") == "CREATE_COMPLETE"
    (one,) = stacks.describe_stacks(StackName="of-the-cli")["Stacks"]
    assert one["Tags"] == [{"Key": "project", "Value": "reviews"}]

    done = deploy(in_processes, cli, template, "of-the-cli", *more, NO_FAILURE)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "No changes to deploy" in done.stdout
    done = deploy(in_processes, cli, template, "of-the-cli", *more, "--fail-on-empty-changeset")
    assert done.returncode != 0
    assert status(stacks, "of-the-cli") == "CREATE_COMPLETE"

    if changed:
        # Parameters that are not given keep their value, by UsePreviousValue.
        more = (*IAM, "--parameter-overrides", *changed)
        done = deploy(in_processes, cli, template, "of-the-cli", *more)
        assert done.returncode == 0, done.stdout + done.stderr
        assert status(stacks, "of-the-cli") == "UPDATE_COMPLETE"


def test_the_aws_cli_makes_a_change_set_that_somebody_else_executes(in_processes, stacks, cli):  # noqa: F811
    template = CASES / "export.yaml"
    done = deploy(in_processes, cli, template, "later", *IAM, "--no-execute-changeset")
    assert done.returncode == 0, done.stdout + done.stderr
    assert status(stacks, "later") == "REVIEW_IN_PROGRESS"
    (arn,) = re.findall(r"arn:\S+changeSet\S+", done.stdout)
    shown = stacks.describe_change_set(ChangeSetName=arn)
    assert (shown["Status"], shown["ExecutionStatus"]) == ("CREATE_COMPLETE", "AVAILABLE")
    changes = {
        one["ResourceChange"]["LogicalResourceId"]: one["ResourceChange"]["Action"]
        for one in shown["Changes"]
    }
    assert changes == dict.fromkeys(["Api", "Res", "Meth", "Stage", "Dep", "Role"], "Add")
    assert in_processes.client("apigateway").get_rest_apis()["items"] == []
    stacks.execute_change_set(ChangeSetName=arn)
    stacks.get_waiter("stack_create_complete").wait(StackName="later")
    assert stacks.list_exports()["Exports"][0]["Name"] == "reviews-url"


def test_the_aws_cli_says_what_aws_says_of_a_missing_capability(in_processes, stacks, cli):  # noqa: F811
    done = deploy(in_processes, cli, CASES / "export.yaml", "without")
    assert done.returncode != 0
    assert "InsufficientCapabilitiesException" in done.stderr
    assert "Requires capabilities : [CAPABILITY_IAM]" in done.stderr
    assert stacks.list_stacks(StackStatusFilter=["REVIEW_IN_PROGRESS"])["StackSummaries"] == []


BUCKET = {"Type": "AWS::S3::Bucket", "Properties": {}}


def body(resources=None, **sections):
    return json.dumps({"Resources": resources or {"Data": BUCKET}, **sections})


def change_set(stacks, name, template, kind="UPDATE", named="set"):
    """Make a change set and return what is shown of it."""
    made = stacks.create_change_set(
        StackName=name, ChangeSetName=named, ChangeSetType=kind, TemplateBody=template
    )
    return stacks.describe_change_set(ChangeSetName=made["Id"])


def test_waiters_and_events_lead_through_change_sets_as_sdks_use_them(stacks):
    stacks.create_change_set(
        StackName="sdk", ChangeSetName="first", ChangeSetType="CREATE", TemplateBody=body(),
        Description="the first one",
    )  # fmt: skip
    stacks.get_waiter("change_set_create_complete").wait(StackName="sdk", ChangeSetName="first")
    (listed,) = stacks.list_change_sets(StackName="sdk")["Summaries"]
    assert (listed["ChangeSetName"], listed["Description"]) == ("first", "the first one")
    stacks.execute_change_set(StackName="sdk", ChangeSetName="first")
    stacks.get_waiter("stack_create_complete").wait(StackName="sdk")
    versioned = {**BUCKET, "Properties": {"VersioningConfiguration": {"Status": "Enabled"}}}
    shown = change_set(stacks, "sdk", body({"Data": versioned, "More": BUCKET}))
    changes = [one["ResourceChange"] for one in shown["Changes"]]
    assert [
        (one["Action"], one["LogicalResourceId"], one.get("Replacement")) for one in changes
    ] == [("Modify", "Data", "False"), ("Add", "More", None)]
    stacks.execute_change_set(StackName="sdk", ChangeSetName="set")
    stacks.get_waiter("stack_update_complete").wait(StackName="sdk")
    own = [
        one["ResourceStatus"]
        for one in stacks.describe_stack_events(StackName="sdk")["StackEvents"]
        if one["PhysicalResourceId"] == one["StackId"]
    ]
    assert own[::-1] == [
        "REVIEW_IN_PROGRESS", "CREATE_IN_PROGRESS", "CREATE_COMPLETE",
        "UPDATE_IN_PROGRESS", "UPDATE_COMPLETE",
    ]  # fmt: skip
    shown = change_set(stacks, "sdk", body({"More": BUCKET}), named="last")
    assert [one["ResourceChange"]["Action"] for one in shown["Changes"]] == ["Remove"]


def test_a_change_set_without_changes_has_failed_in_the_words_the_cli_looks_for(stacks):
    stacks.create_stack(StackName="same", TemplateBody=body())
    shown = change_set(stacks, "same", body())
    assert (shown["Status"], shown["ExecutionStatus"]) == ("FAILED", "UNAVAILABLE")
    assert shown["StatusReason"] == (
        "The submitted information didn't contain changes. "
        "Submit different information to create a change set."
    )
    with pytest.raises(
        ClientError, match=r"cannot be executed in its current status of \[FAILED\]"
    ):
        stacks.execute_change_set(StackName="same", ChangeSetName="set")
    for _ in range(2):  # the second has nothing to delete, as before every deployment of the CDK
        stacks.delete_change_set(StackName="same", ChangeSetName="set")
    with pytest.raises(ClientError) as refused:
        stacks.describe_change_set(StackName="same", ChangeSetName="set")
    assert refused.value.response["Error"]["Code"] == "ChangeSetNotFound"
    with pytest.raises(ClientError, match="No updates are to be performed"):
        stacks.update_stack(StackName="same", TemplateBody=body())


def test_a_change_set_shows_what_is_replaced(stacks):
    def named(name):
        return body({"Group": {"Type": "AWS::Logs::LogGroup",
                               "Properties": {"LogGroupName": name}}})  # fmt: skip

    stacks.create_stack(StackName="renamed", TemplateBody=named("one"))
    (change,) = change_set(stacks, "renamed", named("two"))["Changes"]
    assert change["ResourceChange"]["Replacement"] == "True"
    assert change["ResourceChange"]["PhysicalResourceId"] == "one"


@pytest.mark.parametrize(
    ("asked", "code", "what"),
    [
        ({"ChangeSetType": "IMPORT"}, "NotEmulated", "ChangeSetType=IMPORT"),
        ({"ChangeSetType": "UPDATE"}, "ValidationError", r"Stack \[none\] does not exist"),
        ({"ChangeSetType": "CREATE", "TemplateBody": "{"},
         "ValidationError", "JSON not well-formed"),
        ({"ChangeSetType": "CREATE", "RoleARN": "arn:aws:iam::123456789012:role/a"},
         "NotEmulated", "CreateChangeSet with RoleARN"),
        ({"ChangeSetType": "CREATE", "ChangeSetName": "1"}, "ValidationError", "changeSetName"),
        ({"ChangeSetType": "CREATE", "Parameters": [{"ParameterKey": "A", "ParameterValue": "b"}]},
         "ValidationError", r"Parameters: \[A\] do not exist in the template"),
    ],
)  # fmt: skip
def test_a_refused_change_set_leaves_no_stack(stacks, asked, code, what):
    with pytest.raises(ClientError, match=what) as refused:
        stacks.create_change_set(
            **{"StackName": "none", "ChangeSetName": "set", "TemplateBody": body(), **asked}
        )
    assert refused.value.response["Error"]["Code"] == code
    assert stacks.describe_stacks()["Stacks"] == []


def test_a_stack_that_exists_is_not_created_by_a_change_set(stacks):
    stacks.create_stack(StackName="there", TemplateBody=body())
    with pytest.raises(ClientError, match="already exists and cannot be created again with"):
        change_set(stacks, "there", body(), "CREATE")


def test_a_summary_of_a_template_tells_clients_what_it_needs(stacks):
    text = (INFRA / "execution_role.yaml").read_text(encoding="utf-8")
    shown = stacks.get_template_summary(TemplateBody=text)
    assert shown["Capabilities"] == ["CAPABILITY_IAM"]
    assert set(shown["ResourceTypes"]) >= {"AWS::IAM::Role", "AWS::S3::Bucket"}
    keys = [one["ParameterKey"] for one in shown["Parameters"]]
    assert keys == list(yaml.load(text.split("\nConditions:")[0], yaml.BaseLoader)["Parameters"])
    checked = stacks.validate_template(TemplateBody=text)
    assert [one["ParameterKey"] for one in checked["Parameters"]] == keys
    stacks.create_stack(StackName="summary", TemplateBody=text, Capabilities=["CAPABILITY_IAM"])
    assert stacks.get_template(StackName="summary")["TemplateBody"] == text
