"""The stack of infra/api_gateway.yaml, and what else a template may say of API Gateway."""

import contextlib
import copy
import functools
import json
from pathlib import Path

import boto3
import pytest
import yaml
from botocore.exceptions import ClientError
from rest_apis import call, signed_call

from byoi.deployment import account

TEMPLATE = Path(__file__).parents[3] / "infra" / "api_gateway.yaml"
JSON = "application/json"
LOW = {"RateLimit": "0", "BurstLimit": "2"}
OPEN, KEYED = {"Authorization": "NONE"}, {"Authorization": "API_KEY"}


@contextlib.contextmanager
def stack(aws, endpoint, template=None, name="byoi-api", **parameters):
    """Make the stack, yield its outputs and the URL, and delete it."""
    cloudformation = aws.client("cloudformation")
    given = {"EndpointName": endpoint, **parameters}
    cloudformation.create_stack(
        StackName=name,
        TemplateBody=template or TEMPLATE.read_text(encoding="utf-8"),
        Capabilities=["CAPABILITY_IAM"],
        Parameters=[{"ParameterKey": k, "ParameterValue": v} for k, v in given.items()],
    )
    try:
        described = cloudformation.describe_stacks(StackName=name)["Stacks"][0]
        assert described["StackStatus"] == "CREATE_COMPLETE", reasons(cloudformation, name)
        outputs = {one["OutputKey"]: one["OutputValue"] for one in described["Outputs"]}
        gateway = aws.client("apigateway")
        url = account.invoke_url(gateway, outputs["ApiId"], outputs["StageName"])
        yield outputs, f"{url}/predictions"
    finally:
        cloudformation.delete_stack(StackName=name)
        cloudformation.get_waiter("stack_delete_complete").wait(StackName=name)


def reasons(cloudformation, name):
    events = cloudformation.describe_stack_events(StackName=name)["StackEvents"]
    return " ".join(event.get("ResourceStatusReason", "") for event in events)


def left(aws):
    """Whatever a stack could leave."""
    gateway = aws.client("apigateway")
    roles = [one["RoleName"] for one in aws.client("iam").list_roles()["Roles"]]
    return [
        *[one["name"] for one in gateway.get_rest_apis()["items"]],
        *[one["id"] for one in gateway.get_api_keys()["items"]],
        *[one["name"] for one in gateway.get_usage_plans()["items"]],
        *[name for name in roles if name.startswith("byoi-api")],
    ]


def test_a_prediction_and_every_error_by_http(aws, archive):
    with (
        aws.endpoint(aws.config(aws.model(aws.upload(archive)))) as name,
        stack(aws, name, RateLimit="1000", BurstLimit="100") as (outputs, url),
    ):
        ask = functools.partial(signed_call, aws.session)
        answer = signed_call(
            aws.session, url, b'{"review": "good"}', content_type=JSON, accept="text/css"
        )
        assert (answer.status, answer.json["text"]) == (200, '{"review": "good"}')
        assert (answer.json["content_type"], answer.json["accept"]) == (JSON, "text/css")
        assert answer.headers["Content-Type"] == JSON
        assert ask(url, b"a,b", content_type="text/csv").json["content_type"] == "text/csv"
        assert outputs["InvokeUrl"].endswith("amazonaws.com/prod/predictions")
        assert outputs["RoleArn"].startswith("arn:aws:iam::123456789012:role/byoi-api-Role-")
        # The client's fault, in the model's own words and with its status.
        unsupported = ask(url, content_type="application/unknown")
        assert (unsupported.status, unsupported.message) == (415, "The model refused the request.")
        assert json.loads(unsupported.json["detail"])["error"] == "UnsupportedContentType"
        malformed = ask(url, b"DO:malformed")
        assert malformed.status == 400
        assert "received DO:malformed, expected sense" in malformed.json["detail"]
        # The model's fault, of which nothing is told.
        failed = ask(url, b"DO:raise")
        assert (failed.status, failed.json) == (502, {"message": "The model could not answer."})
        for refused in (
            ask(f"{url}s"),
            ask(url, None, "GET"),
            # Nothing that a browser of another origin could use.
            ask(url, None, "OPTIONS"),
            call(url),
        ):
            assert (refused.status, refused.message) == (403, "Missing Authentication Token")
            assert "signed with AWS Signature Version 4 for execute-api" in refused.json["detail"]
        assert "Access-Control-Allow-Origin" not in answer.headers
    assert left(aws) == []


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"no json", b"7"])
def test_a_body_that_no_model_can_take_costs_no_invocation(in_processes, endpoint, body):
    with stack(in_processes, endpoint) as (_, url):
        before = in_processes.emulator.log_file.read_text().count("InvokeEndpoint")
        assert (
            signed_call(in_processes.session, url, body, content_type=JSON).message
            == "Invalid request body"
        )
        assert in_processes.emulator.log_file.read_text().count("InvokeEndpoint") == before


def test_a_body_without_a_content_type_is_refused(in_processes, endpoint):
    import http.client
    from urllib.parse import urlsplit

    with stack(in_processes, endpoint, **OPEN) as (_, url):
        parts = urlsplit(url)
        connection = http.client.HTTPConnection(parts.netloc)
        connection.request("POST", parts.path, b'"good"')
        answer = connection.getresponse()
        assert answer.status == 400
        assert b"Missing required request parameters: [Content-Type]" in answer.read()
        connection.close()


def test_an_endpoint_that_is_not_there_is_not_available(in_processes):
    with stack(in_processes, "no-such-endpoint") as (_, url):
        answer = signed_call(in_processes.session, url)
        assert (answer.status, answer.json) == (503, {"message": "The model is not available."})


def test_the_role_may_invoke_this_endpoint_and_nothing_else(in_processes, endpoint):
    with stack(in_processes, endpoint) as (outputs, url):
        iam = in_processes.client("iam")
        name = outputs["RoleArn"].rpartition("/")[2]
        policies = iam.list_role_policies(RoleName=name)["PolicyNames"]
        assert policies == ["invoke-one-endpoint"]
        document = iam.get_role_policy(RoleName=name, PolicyName=policies[0])["PolicyDocument"]
        assert document["Statement"] == [
            {
                "Effect": "Allow",
                "Action": "sagemaker:InvokeEndpoint",
                "Resource": f"arn:aws:sagemaker:us-east-1:123456789012:endpoint/{endpoint}",
            }
        ]
        trust = iam.get_role(RoleName=name)["Role"]["AssumeRolePolicyDocument"]["Statement"]
        assert [one["Principal"] for one in trust] == [{"Service": "apigateway.amazonaws.com"}]
        assert iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"] == []
        # Without it the client learns nothing but that something is wrong.
        iam.put_role_policy(
            RoleName=name,
            PolicyName=policies[0],
            PolicyDocument=json.dumps(document).replace(endpoint, "another"),
        )
        answer = signed_call(in_processes.session, url)
        assert (answer.status, answer.json) == (500, {"message": "Internal server error"})
        iam.put_role_policy(
            RoleName=name, PolicyName=policies[0], PolicyDocument=json.dumps(document)
        )
        assert signed_call(in_processes.session, url).status == 200


def test_a_boundary_holds_for_the_role(in_processes, endpoint):
    iam = in_processes.client("iam")
    statement = {"Effect": "Allow", "Action": "sagemaker:*", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": statement})
    made = iam.create_policy(PolicyName="limit", PolicyDocument=document)["Policy"]["Arn"]
    with stack(in_processes, endpoint, PermissionsBoundary=made) as (outputs, url):
        role = iam.get_role(RoleName=outputs["RoleArn"].rpartition("/")[2])["Role"]
        assert role["PermissionsBoundary"]["PermissionsBoundaryArn"] == made
        assert signed_call(in_processes.session, url).status == 200
    iam.delete_policy(PolicyArn=made)


def test_the_rate_is_limited(in_processes, endpoint):
    with stack(in_processes, endpoint, **LOW) as (_, url):
        assert [signed_call(in_processes.session, url).status for _ in range(3)] == [200, 200, 429]


def test_by_default_only_who_signs_and_may_is_let_in(in_processes, endpoint):
    iam = in_processes.client("iam")
    iam.create_user(UserName="client")
    key = iam.create_access_key(UserName="client")["AccessKey"]
    session = boto3.Session(key["AccessKeyId"], key["SecretAccessKey"], region_name="us-east-1")
    with stack(in_processes, endpoint) as (outputs, url):
        assert "ApiKeyId" not in outputs
        assert in_processes.client("apigateway").get_usage_plans()["items"] == []
        assert call(url).status == 403
        denied = signed_call(session, url)
        assert (denied.status, "user/client is not authorized" in denied.json["Message"]) == (
            403,
            True,
        )
        allow = {
            "Effect": "Allow",
            "Action": "execute-api:Invoke",
            "Resource": outputs["MethodArn"],
        }
        document = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
        iam.put_user_policy(UserName="client", PolicyName="call", PolicyDocument=document)
        assert signed_call(session, url).status == 200
        iam.delete_user_policy(UserName="client", PolicyName="call")
    iam.delete_access_key(UserName="client", AccessKeyId=key["AccessKeyId"])
    iam.delete_user(UserName="client")
    assert left(in_processes) == []


def test_anybody_is_let_in_where_the_template_is_told_so(in_processes, endpoint):
    with stack(in_processes, endpoint, **OPEN, **LOW) as (outputs, url):
        assert "ApiKeyId" not in outputs
        assert call(f"{url}s").json == {
            "message": "Not found; predictions are made by POST /predictions"
        }
        assert call(f"{url}s").status == 404
        assert [call(url).status for _ in range(3)] == [200, 200, 429]
    assert left(in_processes) == []


def test_a_quota_of_the_key(in_processes, endpoint):
    quota = {"QuotaLimit": "2", "QuotaPeriod": "MONTH"}
    with stack(in_processes, endpoint, **KEYED, **quota) as (outputs, url):
        gateway = in_processes.client("apigateway")
        assert gateway.get_usage_plans()["items"][0]["quota"] == {"limit": 2, "period": "MONTH"}
        key = gateway.get_api_key(apiKey=outputs["ApiKeyId"], includeValue=True)["value"]
        answers = [call(url, x_api_key=key) for _ in range(3)]
        assert [one.status for one in answers] == [200, 200, 429]
        assert answers[-1].message == "Limit Exceeded"


@pytest.mark.parametrize("parameters", [{}, KEYED, OPEN], ids=["AWS_IAM", "API_KEY", "NONE"])
def test_each_call_is_a_line_of_the_access_log_that_holds_no_secret(
    in_processes, endpoint, parameters
):
    logs, group = in_processes.logs, "/aws/apigateway/byoi-api"
    with stack(in_processes, endpoint, AccessLogDays="7", **parameters) as (outputs, url):
        (made,) = logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]
        assert made["retentionInDays"] == 7
        key = ""
        if parameters is KEYED:
            gateway = in_processes.client("apigateway")
            key = gateway.get_api_key(apiKey=outputs["ApiKeyId"], includeValue=True)["value"]
        headers = {"x_api_key": key} if key else {}
        assert signed_call(in_processes.session, url, b"a secret", **headers).status == 200
        call(f"{url}s", b"a secret")
        events = logs.filter_log_events(logGroupName=group)["events"]
        lines = [json.loads(event["message"]) for event in events]
        assert [(one["status"], one["method"], one["path"]) for one in lines] == [
            ("200", "POST", "/predictions"),
            ("404" if parameters else "403", "POST", "-"),
        ]
        assert lines[0]["sourceIp"] == "127.0.0.1"
        assert lines[0]["caller"] == ("-" if parameters else "arn:aws:iam::123456789012:root")
        assert lines[0]["apiKeyId"] == (outputs["ApiKeyId"] if key else "-")
        assert (lines[0]["refused"], lines[1]["refused"]) == ("-", "MISSING_AUTHENTICATION_TOKEN")
        assert int(lines[0]["bytes"]) > 0
        assert int(lines[0]["ms"]) >= 0
        text = "".join(event["message"] for event in events)
        for secret in ("a secret", "Signature", key or "AWS4-HMAC-SHA256"):
            assert secret not in text
    assert logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"] == []


def test_no_access_log_where_none_is_asked_for(in_processes, endpoint):
    with stack(in_processes, endpoint, AccessLogDays="0") as (outputs, url):
        assert signed_call(in_processes.session, url).status == 200
        found = in_processes.logs.describe_log_groups(logGroupNamePrefix="/aws/apigateway")
        assert found["logGroups"] == []
        stage = in_processes.client("apigateway").get_stage(
            restApiId=outputs["ApiId"], stageName=outputs["StageName"]
        )
        assert "accessLogSettings" not in stage


def test_a_key_where_it_is_asked_for(in_processes, endpoint):
    with stack(in_processes, endpoint, **KEYED, **LOW) as (outputs, url):
        gateway = in_processes.client("apigateway")
        shown = gateway.get_api_key(apiKey=outputs["ApiKeyId"], includeValue=True)
        # By which the deployer's policy knows it.
        assert shown["tags"] == {"byoi:endpoint": endpoint}
        key = shown["value"]
        assert call(url).message == "Forbidden"
        assert [call(url, x_api_key=key).status for _ in range(3)] == [200, 200, 429]
    assert left(in_processes) == []


def test_an_update_of_the_limits_takes_effect(in_processes, endpoint):
    cloudformation = in_processes.client("cloudformation")
    with stack(in_processes, endpoint, **KEYED, **LOW) as (outputs, url):
        gateway = in_processes.client("apigateway")
        key = gateway.get_api_key(apiKey=outputs["ApiKeyId"], includeValue=True)["value"]
        assert [call(url, x_api_key=key).status for _ in range(3)][-1] == 429
        values = {**KEYED, "RateLimit": "500", "BurstLimit": "50"}
        cloudformation.update_stack(
            StackName="byoi-api",
            UsePreviousTemplate=True,
            Capabilities=["CAPABILITY_IAM"],
            Parameters=[
                {"ParameterKey": name, "ParameterValue": value}
                for name, value in {"EndpointName": endpoint, **values}.items()
            ],
        )
        assert [call(url, x_api_key=key).status for _ in range(5)][-1] == 200
    assert left(in_processes) == []


class _Loader(yaml.SafeLoader):
    """CloudFormation's short forms, as what they stand for."""


def _long(loader, suffix, node):
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
        value = value.split(".", 1) if suffix == "GetAtt" else value
    else:
        value = loader.construct_sequence(node, deep=True)
    return {suffix if suffix in {"Ref", "Condition"} else f"Fn::{suffix}": value}


_Loader.add_multi_constructor("!", _long)


def changed(resource, **properties):
    """The template, in JSON, with other properties of one resource."""
    template = copy.deepcopy(yaml.load(TEMPLATE.read_text(encoding="utf-8"), _Loader))
    template["Resources"][resource]["Properties"].update(properties)
    return json.dumps(template)


@pytest.mark.parametrize(
    ("resource", "properties", "what"),
    [
        ("Api", {"Policy": {"Version": "2012-10-17"}}, "Policy of AWS::ApiGateway::RestApi"),
        ("Api", {"Body": {"openapi": "3.0.1"}}, "Body of AWS::ApiGateway::RestApi"),
        ("Predict", {"AuthorizationType": "CUSTOM"}, "authorizationType=CUSTOM"),
        ("Predict", {"AuthorizerId": "abc"}, "AuthorizerId of AWS::ApiGateway::Method"),
        ("Stage", {"AccessLogSetting": {"DestinationArn": "arn:aws:firehose:us-east-1:1:a"}},
         "an access log that goes to"),
        ("Stage", {"AccessLogSetting": {"Format": "$context.requestId ${context.a.b}"}},
         "context.a.b"),
        ("Stage", {"AccessLogSetting": {"Format": "$context.status"}}, "Invalid access log format"),
        ("Predict", {"Integration": {"Type": "HTTP"}}, "an integration of type HTTP"),
        ("Stage", {"CacheClusterEnabled": True}, "CacheClusterEnabled of AWS::ApiGateway::Stage"),
        ("Stage", {"MethodSettings": [{"ResourcePath": "/*", "HttpMethod": "*",
                                       "CachingEnabled": True}]}, "cachingEnabled"),
        ("JsonBody", {"Schema": {"type": "no such type"}}, "Invalid model specified"),
    ],
)  # fmt: skip
def test_what_is_not_emulated_leaves_nothing(in_processes, endpoint, resource, properties, what):
    with (
        # By the call where the template says it, by a rollback where a value does.
        pytest.raises((AssertionError, ClientError), match=what),
        stack(in_processes, endpoint, changed(resource, **properties)),
    ):
        pass
    assert left(in_processes) == []


def test_another_type_of_api_gateway_is_refused(in_processes, endpoint):
    template = json.loads(changed("Api"))
    template["Resources"]["Other"] = {
        "Type": "AWS::ApiGateway::DomainName",
        "Properties": {"DomainName": "a.b"},
    }
    with (
        pytest.raises(ClientError, match="AWS::ApiGateway::DomainName in a template"),
        stack(in_processes, endpoint, json.dumps(template)),
    ):
        pass


def test_an_update_of_a_method_takes_effect_and_one_that_fails_is_undone(in_processes, endpoint):
    cloudformation = in_processes.client("cloudformation")

    def update(**properties):
        cloudformation.update_stack(
            StackName="byoi-api",
            TemplateBody=changed("Predict", **properties),
            Capabilities=["CAPABILITY_IAM"],
            Parameters=[{"ParameterKey": "EndpointName", "ParameterValue": endpoint}],
        )
        (one,) = cloudformation.describe_stacks(StackName="byoi-api")["Stacks"]
        return one["StackStatus"]

    with stack(in_processes, endpoint) as (outputs, url):
        assert update(OperationName="Other") == "UPDATE_COMPLETE"
        gateway = in_processes.client("apigateway")

        def operation():
            (resource,) = [
                one
                for one in gateway.get_resources(restApiId=outputs["ApiId"])["items"]
                if one["path"] == "/predictions"
            ]
            method = gateway.get_method(
                restApiId=outputs["ApiId"], resourceId=resource["id"], httpMethod="POST"
            )
            return method["operationName"]

        assert operation() == "Other"
        assert update(AuthorizationType="COGNITO_USER_POOLS") == "UPDATE_ROLLBACK_COMPLETE"
        assert operation() == "Other"
        assert signed_call(in_processes.session, url).status == 200
    assert left(in_processes) == []
