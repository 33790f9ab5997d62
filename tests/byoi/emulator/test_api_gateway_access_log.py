"""The access log of a stage that boto3 configures."""

import pytest
from botocore.exceptions import ClientError
from rest_apis import STAGE, RestApi, call

from byoi.emulator.api_gateway import access_log

GROUP = "access-of-tests"
ARN = f"arn:aws:logs:us-east-1:123456789012:log-group:{GROUP}"
FORMAT = "$context.requestId ${context.status} $context.error.messageString $context.identity.user"


@pytest.fixture
def api(in_processes, endpoint):
    made = RestApi(in_processes, endpoint).usual()
    in_processes.logs.create_log_group(logGroupName=GROUP)
    yield made
    in_processes.logs.delete_log_group(logGroupName=GROUP)
    made.delete()


def configure(api, *operations):
    api.gateway.update_stage(
        restApiId=api.id,
        stageName=STAGE,
        patchOperations=[
            {"op": op, "path": f"/accessLogSettings{path}", **({"value": value} if value else {})}
            for op, path, value in operations
        ],
    )


def lines(api):
    events = api.aws.logs.filter_log_events(logGroupName=GROUP)["events"]
    return [event["message"] for event in events]


@pytest.mark.parametrize("arn", [ARN, f"{ARN}:*"])
def test_a_call_is_a_line_until_the_log_is_removed(api, arn):
    assert call(api.url).status == 200
    assert lines(api) == []
    configure(api, ("replace", "/destinationArn", arn), ("replace", "/format", FORMAT))
    shown = api.gateway.get_stage(restApiId=api.id, stageName=STAGE)["accessLogSettings"]
    assert shown == {"destinationArn": arn, "format": FORMAT}
    answer = call(f"{api.url}s")
    id_ = answer.headers["x-amzn-requestid"]
    assert lines(api) == [f'{id_} 403 "Missing Authentication Token" -']
    configure(api, ("remove", "", None))
    assert call(api.url).status == 200
    assert len(lines(api)) == 1


def test_a_log_group_that_is_not_there_is_named_in_the_emulators_log(api):
    missing = f"{ARN}-missing"
    configure(api, ("replace", "/destinationArn", missing), ("replace", "/format", FORMAT))
    assert call(api.url).status == 200
    said = api.aws.emulator.log_file.read_text()
    assert f"the access log was not written, there is no log group {GROUP}-missing" in said


@pytest.mark.parametrize(
    ("path", "value", "code", "what"),
    [
        ("/format", "$context.status", "BadRequestException", "requestId"),
        ("/format", "$context.requestId\n$context.status", "BadRequestException", "one line"),
        ("/format", "$context.requestId $context.xrayTraceId", "NotEmulated", "xrayTraceId"),
        ("/destinationArn", "arn:aws:firehose:us-east-1:1:deliverystream/a", "NotEmulated", "fire"),
        ("/destinationArn", ARN.replace("123456789012", "210987654321"), "NotEmulated", "2109"),
        ("/other", "x", "NotEmulated", "UpdateStage of /accessLogSettings/other"),
    ],
)
def test_what_is_not_written_is_refused(api, path, value, code, what):
    with pytest.raises(ClientError, match=what) as caught:
        configure(api, ("replace", path, value))
    assert caught.value.response["Error"]["Code"] == code
    shown = api.gateway.get_stage(restApiId=api.id, stageName=STAGE)
    assert not shown.get("accessLogSettings")


def test_a_variable_without_a_value_is_a_hyphen():
    context = {"requestId": "1", "identity": {"user": ""}, "status": 0}
    template = "$context.requestId.$context.identity.user $context.status $context.nothing.at.all"
    assert access_log.render(template, context) == "1.- 0 -"
