"""REST APIs that boto3 made answer over HTTP, as API Gateway would."""

import json
import urllib.request

import pytest
import rest_apis
from botocore.exceptions import ClientError
from rest_apis import ALLOW, STAGE, TRUST, RestApi, call, document

from byoi.deployment import account

JSON = "application/json"
ENDPOINTS = "arn:aws:sagemaker:us-east-1:123456789012:endpoint"
# ModelError's body is InvokeEndpoint's; the template reads it.
STATUS = "$input.path('$.OriginalStatusCode')"


@pytest.fixture
def api(in_processes, endpoint):
    made = RestApi(in_processes, endpoint)
    yield made
    made.delete()


def test_a_call_without_credentials_reaches_the_container(aws, archive):
    with (
        aws.endpoint(aws.config(aws.model(aws.upload(archive)))) as name,
        rest_apis.usual(aws, name) as made,
    ):
        answer = call(made.url, b"good", accept="text/css", authorization="Bearer of nothing")
        assert answer.status == 200
        assert answer.json["text"] == "good"
        assert answer.json["content_type"] == "text/plain"
        # Headers pass only where they are mapped; this is the gateway's own.
        assert answer.json["accept"] == JSON


@pytest.mark.parametrize("slashes", ["/", "//"])
def test_one_slash_or_two_before_the_endpoint(api, slashes):
    uri = f"arn:aws:apigateway:us-east-1:runtime.sagemaker:path{slashes}endpoints"
    api.usual(uri=f"{uri}/{api.endpoint}/invocations")
    assert call(api.url).status == 200
    call(api.url)
    # Which of them AWS takes is said once by each emulator.
    log = api.aws.emulator.log_file.read_text()
    assert log.count("one slash before 'endpoints' and with two; both are taken here") == 1


def test_what_is_not_there_is_refused_in_the_words_of_aws(api):
    api.usual()
    for url in (f"{api.url}s", api.root, f"{api.url}/more"):
        answer = call(url)
        assert (answer.status, answer.message) == (403, "Missing Authentication Token")
        assert answer.headers["x-amzn-errortype"] == "MissingAuthenticationTokenException"
    assert call(api.url, None, "GET").message == "Missing Authentication Token"
    other_stage = account.invoke_url(api.gateway, api.id, "other")
    assert call(f"{other_stage}/predictions").message == "Forbidden"
    assert call(account.invoke_url(api.gateway, "nothing", STAGE)).status == 403
    assert call(f"{api.url}/").status == 200


def test_a_variable_in_the_path_names_the_endpoint(in_processes, endpoint):
    api = RestApi(in_processes, endpoint, path="models/{name}")
    uri = "arn:aws:apigateway:us-east-1:runtime.sagemaker:path//endpoints/{Endpoint}/invocations"
    api.method(requestParameters={"method.request.path.name": True})
    api.integrate(
        uri=uri,
        requestParameters={"integration.request.path.Endpoint": "method.request.path.name"},
    )
    api.respond()
    api.respond("400", selectionPattern="400")
    api.deploy()
    models = f"{api.root}/models"
    assert call(f"{models}/{endpoint}").json["text"] == "hello"
    answer = call(f"{models}/no-such-one")
    assert answer.status == 400
    assert "Endpoint no-such-one of account 123456789012 not found." in answer.message
    api.delete()


def test_a_stage_variable_names_the_endpoint(api):
    api.method()
    # As a stage variable is written in an integration, which only the URI's pattern refuses.
    with pytest.raises(ClientError, match="does not emulate an integration of type AWS with"):
        api.integrate(uri="arn:aws:apigateway:us-east-1:s3:path/bucket/key")
    uri = "arn:aws:apigateway:us-east-1:runtime.sagemaker:path//endpoints"
    api.integrate(uri=f"{uri}/${{stageVariables.model}}/invocations")
    api.respond()
    api.gateway.create_deployment(
        restApiId=api.id, stageName=STAGE, variables={"model": api.endpoint}
    )
    assert call(api.url).status == 200
    api.gateway.update_stage(
        restApiId=api.id,
        stageName=STAGE,
        patchOperations=[{"op": "replace", "path": "/variables/model", "value": "none"}],
    )
    assert "Endpoint none" in call(api.url).body.decode()


def test_the_last_segment_may_be_all_of_the_rest(in_processes, endpoint):
    api = RestApi(in_processes, endpoint, path="{proxy+}")
    template = "$input.params('proxy') of $context.resourcePath by $context.httpMethod"
    api.usual(requestTemplates={"text/plain": template})
    answer = call(f"{api.root}/a/b%2Fc?x=1")
    assert answer.json["text"] == "a/b/c of /{proxy+} by POST"
    assert call(api.root).status == 403
    api.delete()


def test_a_request_is_mapped(api):
    api.method(
        requestParameters={
            "method.request.querystring.kind": False,
            "method.request.header.Accept": False,
        }
    )
    api.integrate(
        requestParameters={
            "integration.request.header.Accept": "method.request.header.Accept",
            "integration.request.header.Content-Type": "'text/css'",
            "integration.request.header.X-Amzn-SageMaker-Target-Variant": (
                "method.request.querystring.kind"
            ),
        },
        requestTemplates={JSON: "$input.path('$.review').$stageVariables.mark"},
    )
    api.respond()
    api.gateway.create_deployment(restApiId=api.id, stageName=STAGE, variables={"mark": "!"})
    answer = call(api.url, b'{"review": "good"}', accept="text/css", content_type=JSON)
    assert answer.json["text"] == "good.!"
    assert (answer.json["content_type"], answer.json["accept"]) == ("text/css", "text/css")
    other = call(f"{api.url}?kind=none", b'{"review": "good"}', content_type=JSON)
    assert other.message == f"Variant none does not exist in endpoint {api.endpoint}."


@pytest.mark.parametrize(
    ("behavior", "templates", "status"),
    [
        (None, {}, 200),
        ("WHEN_NO_MATCH", {JSON: "{}"}, 200),
        ("WHEN_NO_TEMPLATES", {}, 200),
        ("WHEN_NO_TEMPLATES", {JSON: "{}"}, 415),
        ("NEVER", {}, 415),
        ("NEVER", {"text/plain": "x"}, 200),
        ("NEVER", {"$default": "x"}, 200),
    ],
)
def test_passthrough_behavior(api, behavior, templates, status):
    more = {"passthroughBehavior": behavior} if behavior else {}
    api.usual(requestTemplates=templates, **more)
    answer = call(api.url)
    assert answer.status == status
    if status == 415:
        assert answer.message == "Unsupported Media Type"


def test_a_response_is_chosen_by_status_and_mapped(api):
    api.method()
    api.integrate()
    api.respond(
        selectionPattern=r"2\d\d",
        responseTemplates={JSON: '{"got": "$input.path(\'$.text\')"}'},
        responseParameters={
            "method.response.header.X-Type": "integration.response.header.Content-Type",
            "method.response.header.X-Always": "'yes'",
            "method.response.header.X-Stage": "context.stage",
        },
    )
    # In JSON, the quotes that escapeJavaScript escapes have to be put back.
    template = (
        f"#set($status = {STATUS})#if($status < 500)"
        "#set($context.responseOverride.status = $status)#end"
        """{"words": "$util.escapeJavaScript($input.path('$.OriginalMessage'))"""
        r""".replaceAll("\\'", "'")"}"""
    )
    api.respond("502", selectionPattern="424", responseTemplates={JSON: template})
    api.respond("503", responseTemplates={JSON: '{"message": "not now"}'})
    api.deploy()
    answer = call(api.url, b"good")
    assert answer.json == {"got": "good"}
    assert (answer.headers["X-Type"], answer.headers["X-Always"]) == (JSON, "yes")
    assert answer.headers["X-Stage"] == STAGE
    # The container's 415 is the client's fault, its 500 is not.
    refused = call(api.url, content_type="application/unknown")
    assert refused.status == 415
    assert json.loads(refused.json["words"])["error"] == "UnsupportedContentType"
    assert call(api.url, b"DO:raise").status == 502
    api.integrate(
        uri="arn:aws:apigateway:us-east-1:runtime.sagemaker:path//endpoints/x/invocations"
    )
    api.respond("503", responseTemplates={JSON: '{"message": "not now"}'})
    api.deploy()
    unavailable = call(api.url)
    assert (unavailable.status, unavailable.message) == (503, "not now")


def test_an_answer_that_nothing_fits_is_a_configuration_error(api):
    api.method()
    api.integrate()
    api.respond(selectionPattern="2..")
    api.deploy()
    assert call(api.url).status == 200
    answer = call(api.url, b"DO:raise")
    assert (answer.status, answer.message) == (500, "Internal server error")
    log = api.aws.emulator.log_file.read_text()
    assert "no default output mapping configured. Endpoint Response Status Code: 424" in log


def test_what_no_one_can_choose_between_is_refused(api):
    api.method()
    api.integrate()
    api.respond(selectionPattern="2..")
    api.respond("201", selectionPattern="..0")
    api.deploy()
    assert "several integration responses that fit the status 200" in call(api.url).message
    api.integrate()
    api.respond(responseTemplates={"text/css": "a", "text/html": "b"})
    api.deploy()
    assert call(api.url, accept="text/html").body == b"b"
    assert "a choice between several response templates" in call(api.url).message


def test_a_payload_that_the_template_cannot_read(api):
    api.usual(requestTemplates={JSON: "$input.json('$')"})
    answer = call(api.url, b"{", content_type=JSON)
    assert answer.status == 400
    assert answer.message.startswith("Could not parse request body into json")


def test_a_uri_that_is_not_filled_in(api):
    api.method()
    uri = "arn:aws:apigateway:us-east-1:runtime.sagemaker:path//endpoints/{No/ne}/invocations"
    with pytest.raises(ClientError, match="an integration of type AWS with"):
        api.integrate(uri=uri)
    template = "#set($context.requestOverride.path.Name = 'a/b')x"
    api.integrate(uri=uri.replace("No/ne", "Name"), requestTemplates={"text/plain": template})
    api.respond()
    api.deploy()
    assert (call(api.url).status, call(api.url).message) == (500, "Internal server error")


def test_a_query_to_sagemaker_is_refused(api):
    template = "#set($context.requestOverride.querystring.a = 'b')x"
    api.usual(requestTemplates={"text/plain": template})
    assert "$context.requestOverride.querystring" in call(api.url).message


def test_a_deployment_is_a_snapshot(api):
    api.usual(requestTemplates={"text/plain": "before"})
    api.integrate(requestTemplates={"text/plain": "after"})
    api.respond()
    assert call(api.url).json["text"] == "before"
    api.deploy()
    assert call(api.url).json["text"] == "after"
    deployments = api.gateway.get_deployments(restApiId=api.id)["items"]
    assert len(deployments) == 2
    stage = api.gateway.get_stage(restApiId=api.id, stageName=STAGE)
    first = next(one["id"] for one in deployments if one["id"] != stage["deploymentId"])
    patch = [{"op": "replace", "path": "/deploymentId", "value": first}]
    api.gateway.update_stage(restApiId=api.id, stageName=STAGE, patchOperations=patch)
    assert call(api.url).json["text"] == "before"


def test_an_answer_that_takes_too_long(api):
    api.usual(timeoutInMillis=200)
    answer = call(api.url, b"DO:sleep 1")
    assert (answer.status, answer.message) == (504, "Endpoint request timed out")
    assert call(api.url).status == 200


def test_more_than_10_mib_are_not_taken(api):
    api.usual()
    limit = 10 * 1024 * 1024
    assert call(api.url, b"x" * limit).json["bytes"] == limit
    assert call(api.url, b"x" * (limit + 1)).status == 413


class TestTheRole:
    def test_must_be_there_and_trust_the_gateway(self, api):
        api.usual()
        for trust in (
            {**TRUST, "Principal": {"Service": "sagemaker.amazonaws.com"}},
            {**TRUST, "Effect": "Deny"},
        ):
            api.iam.update_assume_role_policy(
                RoleName=api.role_name, PolicyDocument=document(trust)
            )
            answer = call(api.url)
            assert (answer.status, answer.message) == (500, "Internal server error")
        log = api.aws.emulator.log_file.read_text()
        assert f"does not have permission to assume the provided role {api.role}" in log
        api.integrate(credentials="arn:aws:iam::123456789012:role/none")
        api.respond()
        api.deploy()
        assert call(api.url).status == 500

    @pytest.mark.parametrize(
        ("statements", "status"),
        [
            (
                [{**ALLOW, "Resource": "arn:aws:sagemaker:us-east-1:123456789012:endpoint/NAME"}],
                200,
            ),
            ([{**ALLOW, "Resource": ["arn:aws:sagemaker:*:*:endpoint/endpoint-*"]}], 200),
            ([{**ALLOW, "Action": ["sagemaker:Invoke*"]}], 200),
            ([{"Effect": "Allow", "NotAction": "s3:*", "NotResource": "arn:aws:s3:::*"}], 200),
            ([{**ALLOW, "Resource": f"{ENDPOINTS}/no"}], 403),
            ([{**ALLOW, "Action": "sagemaker:CreateEndpoint"}], 403),
            ([ALLOW, {**ALLOW, "Effect": "Deny"}], 403),
        ],
    )
    def test_must_allow_the_endpoint(self, api, statements, status):
        api.usual()
        text = json.dumps(statements).replace("NAME", api.endpoint)
        api.allow(*json.loads(text))
        answer = call(api.url)
        # Whatever SageMaker answers goes through the one integration response there is.
        assert ("is not authorized to perform" in answer.body.decode()) == (status == 403)
        api.respond("403", selectionPattern="403")
        api.deploy()
        assert call(api.url).status == status

    def test_may_have_a_managed_policy_and_a_boundary(self, api):
        api.usual()
        api.allow({**ALLOW, "Action": "s3:GetObject"})
        names = []
        for name, statement in (("allow", ALLOW), ("limit", {**ALLOW, "Action": "s3:*"})):
            made = api.iam.create_policy(
                PolicyName=f"{api.role_name}-{name}", PolicyDocument=document(statement)
            )
            names.append(made["Policy"]["Arn"])
        api.iam.attach_role_policy(RoleName=api.role_name, PolicyArn=names[0])
        assert call(api.url).json["text"] == "hello"
        api.iam.put_role_permissions_boundary(RoleName=api.role_name, PermissionsBoundary=names[1])
        assert "no permissions boundary allows" in call(api.url).json["Message"]
        api.iam.put_role_permissions_boundary(RoleName=api.role_name, PermissionsBoundary=names[0])
        assert call(api.url).json["text"] == "hello"
        api.iam.detach_role_policy(RoleName=api.role_name, PolicyArn=names[0])

    @pytest.mark.parametrize(
        ("statement", "what"),
        [
            ({"Condition": {"StringEquals": {"aws:RequestedRegion": "x"}}}, "aws:RequestedRegion"),
            ({"Resource": f"{ENDPOINTS}/${{aws:username}}"}, "the policy variable in"),
        ],
    )
    def test_is_refused_where_it_cannot_be_judged(self, api, statement, what):
        api.usual()
        api.allow({**ALLOW, **statement})
        answer = call(api.url)
        assert (answer.status, answer.headers["x-amzn-errortype"]) == (501, "NotEmulated")
        assert what in answer.message

    def test_is_refused_where_it_trusts_everybody(self, api):
        api.usual()
        api.iam.update_assume_role_policy(
            RoleName=api.role_name, PolicyDocument=document({**TRUST, "Principal": "*"})
        )
        assert "the Principal '*' of a trust policy" in call(api.url).message

    def test_must_be_named(self, api):
        api.method()
        with pytest.raises(ClientError, match="Role ARN must be specified for AWS integrations"):
            api.integrate(credentials="")


class TestMistakesThatAwsRefuses:
    def test_in_a_method(self, api):
        with pytest.raises(ClientError, match="Invalid model identifier specified: Review"):
            api.method(requestModels={JSON: "Review"})
        with pytest.raises(ClientError, match="Invalid Request Validator identifier specified"):
            api.method(requestValidatorId="none")
        api.method(requestModels={JSON: "Empty"})

    def test_in_an_integration(self, api):
        api.method()
        with pytest.raises(ClientError, match="Timeout should be between 50 ms and 29000 ms"):
            api.integrate(timeoutInMillis=30_000)
        source = "method.request.header.Accept"
        with pytest.raises(ClientError, match=f"parameter specified: {source}"):
            api.integrate(requestParameters={"integration.request.header.Accept": source})

    def test_in_an_integration_response(self, api):
        api.method()
        api.integrate()
        put = api.gateway.put_integration_response
        with pytest.raises(ClientError, match="Invalid Response status code specified"):
            put(**api.where, statusCode="201")
        api.respond()
        with pytest.raises(ClientError, match=r"parameter specified: method\.response\.header\.X"):
            put(
                **api.where,
                statusCode="200",
                responseParameters={"method.response.header.X": "'y'"},
            )
        with pytest.raises(ClientError, match="Invalid selection pattern specified"):
            put(**api.where, statusCode="200", selectionPattern="(")

    def test_in_a_deployment(self, api):
        api.usual()
        other = api.gateway.create_resource(restApiId=api.id, parentId=api.parent, pathPart="other")
        where = {**api.where, "resourceId": other["id"]}
        api.gateway.put_method(**where, authorizationType="NONE")
        with pytest.raises(ClientError, match="No integration defined for method"):
            api.deploy()
        with pytest.raises(ClientError, match="Deployment id does not exist"):
            api.gateway.create_stage(restApiId=api.id, stageName="s", deploymentId="none")
        deployed = api.gateway.get_stage(restApiId=api.id, stageName=STAGE)["deploymentId"]
        with pytest.raises(ClientError, match="Active stages pointing to this deployment"):
            api.gateway.delete_deployment(restApiId=api.id, deploymentId=deployed)


class TestKeysAndLimits:
    def test_a_key_of_a_plan_lets_in(self, api):
        api.method(apiKeyRequired=True)
        api.integrate(requestTemplates={"text/plain": "$context.identity.apiKeyId"})
        api.respond()
        api.deploy()
        key, plan = api.plan()
        # The key is in no plan yet.
        assert call(api.url, x_api_key=key["value"]).status == 403
        api.gateway.create_usage_plan_key(usagePlanId=plan, keyId=key["id"], keyType="API_KEY")
        assert call(api.url, x_api_key=key["value"]).json["text"] == key["id"]
        answer = call(api.url, x_api_key="another")
        assert (answer.status, answer.message) == (403, "Forbidden")
        assert call(api.url).status == 403
        disable = [{"op": "replace", "path": "/enabled", "value": "false"}]
        api.gateway.update_api_key(apiKey=key["id"], patchOperations=disable)
        assert call(api.url, x_api_key=key["value"]).status == 403

    def test_a_plan_limits_the_rate_and_the_quota_of_a_key(self, api):
        api.method(apiKeyRequired=True)
        api.integrate()
        api.respond()
        api.deploy()
        key, plan = api.plan(
            throttle={"rateLimit": 0.001, "burstLimit": 5},
            quota={"limit": 3, "period": "DAY"},
        )
        api.gateway.create_usage_plan_key(usagePlanId=plan, keyId=key["id"], keyType="API_KEY")
        answers = [call(api.url, x_api_key=key["value"]) for _ in range(7)]
        assert [one.status for one in answers] == [200] * 3 + [429] * 4
        assert [one.message for one in answers[3:]] == ["Limit Exceeded"] * 2 + [
            "Too Many Requests"
        ] * 2

    @pytest.mark.parametrize("place", ["*/*", "~1predictions/POST"])
    def test_a_stage_limits_the_rate_of_a_method(self, api, place):
        api.usual()
        api.gateway.update_stage(
            restApiId=api.id,
            stageName=STAGE,
            patchOperations=[
                {"op": "replace", "path": f"/{place}/throttling/{name}", "value": value}
                for name, value in (("rateLimit", "0.001"), ("burstLimit", "2"))
            ],
        )
        answers = [call(api.url) for _ in range(3)]
        assert [one.status for one in answers] == [200, 200, 429]
        assert answers[-1].message == "Too Many Requests"


class TestValidation:
    def validator(self, api, *, body=False, parameters=False):
        return api.gateway.create_request_validator(
            restApiId=api.id,
            name="validator",
            validateRequestBody=body,
            validateRequestParameters=parameters,
        )["id"]

    def test_of_parameters(self, api):
        api.method(
            requestValidatorId=self.validator(api, parameters=True),
            requestParameters={
                "method.request.header.X-Who": True,
                "method.request.querystring.when": True,
                "method.request.querystring.where": False,
            },
        )
        api.integrate()
        api.respond()
        api.deploy()
        answer = call(api.url)
        assert (answer.status, answer.message) == (
            400,
            "Missing required request parameters: [X-Who, when]",
        )
        assert call(f"{api.url}?when=now", x_who="me").status == 200

    def test_of_the_body(self, api):
        schema = {
            "$schema": "http://json-schema.org/draft-04/schema#",
            "type": "object",
            "required": ["review"],
        }
        api.gateway.create_model(
            restApiId=api.id, name="Review", contentType=JSON, schema=json.dumps(schema)
        )
        api.method(
            requestValidatorId=self.validator(api, body=True), requestModels={JSON: "Review"}
        )
        api.integrate()
        api.respond()
        api.deploy()
        assert (
            call(api.url, b'{"review": "good"}', content_type=f"{JSON}; charset=utf-8").status
            == 200
        )
        for body in (b"{}", b"[]", b"no json", b""):
            answer = call(api.url, body, content_type=JSON)
            assert (answer.status, answer.message) == (400, "Invalid request body"), body
        # What has no model is not looked at.
        assert call(api.url, b"no json").status == 200

    def test_a_schema_that_is_none(self, api):
        for schema in ("no json", '{"type": "no such type"}'):
            with pytest.raises(ClientError, match="Invalid model specified"):
                api.gateway.create_model(
                    restApiId=api.id, name="Bad", contentType=JSON, schema=schema
                )


class TestBytes:
    def test_pass_where_the_api_says_so(self, in_processes, endpoint):
        api = RestApi(in_processes, endpoint, binaryMediaTypes=["application/x-npy"])
        api.usual(requestParameters={"integration.request.header.Accept": "'x/y'"})
        body = bytes(range(256))
        assert call(api.url, body, content_type="application/x-npy").json["bytes"] == 256
        # As text, each byte that is no UTF-8 becomes three.
        assert call(api.url, body).json["bytes"] == 128 + 3 * 128
        api.integrate(contentHandling="CONVERT_TO_TEXT")
        api.respond()
        api.deploy()
        assert call(api.url, b"\xff", content_type="application/x-npy").json["text"] == "/w=="
        api.delete()

    def test_come_from_base64(self, api):
        api.usual(contentHandling="CONVERT_TO_BINARY")
        assert call(api.url, b"Z29vZA==").json["text"] == "good"
        assert call(api.url, b"no base64").status == 500

    def test_meet_no_template(self, in_processes, endpoint):
        api = RestApi(in_processes, endpoint, binaryMediaTypes=["application/x-npy"])
        api.usual(requestTemplates={"application/x-npy": "x"})
        answer = call(api.url, content_type="application/x-npy")
        assert (answer.status, answer.headers["x-amzn-errortype"]) == (501, "NotEmulated")
        api.delete()

    def test_go_back_where_they_are_accepted(self, in_processes, endpoint):
        api = RestApi(in_processes, endpoint, binaryMediaTypes=[JSON])
        api.usual()
        # Bytes to a caller who accepts none are base64.
        assert call(api.url).body.startswith(b"ey")
        assert call(api.url, accept=JSON).json["text"] == "hello"
        api.respond(responseTemplates={JSON: "x"})
        api.deploy()
        assert call(api.url, accept=JSON).status == 501
        api.delete()


class TestGatewayResponses:
    def test_take_the_place_of_the_usual_ones(self, api):
        api.gateway.put_gateway_response(
            restApiId=api.id,
            responseType="MISSING_AUTHENTICATION_TOKEN",
            statusCode="404",
            responseTemplates={JSON: '{"m": $context.error.messageString, "s": "$context.stage"}'},
            responseParameters={"gatewayresponse.header.X-Why": "'gone'"},
        )
        api.gateway.put_gateway_response(
            restApiId=api.id, responseType="DEFAULT_4XX", statusCode="418"
        )
        api.method(apiKeyRequired=True)
        api.integrate()
        api.respond()
        api.deploy()
        answer = call(f"{api.url}s")
        assert (answer.status, answer.headers["X-Why"]) == (404, "gone")
        assert answer.json == {"m": "Missing Authentication Token", "s": STAGE}
        assert call(api.url).status == 418

    @pytest.mark.parametrize(
        ("parameters", "what"),
        [
            ({"responseTemplates": {JSON: "$context.error.validationErrorString"}},
             "$context.error.validationErrorString"),
            ({"responseTemplates": {JSON: "#if(true)x#end"}}, "directives"),
            ({"responseTemplates": {"text/xml": "<x/>"}}, "a gateway response of text/xml"),
            ({"responseParameters": {"gatewayresponse.header.x": "method.request.header.y"}},
             "method.request.header.y as a header"),
        ],
    )  # fmt: skip
    def test_that_say_too_much_are_refused(self, api, parameters, what):
        api.gateway.put_gateway_response(restApiId=api.id, responseType="DEFAULT_4XX", **parameters)
        api.usual()
        answer = call(f"{api.url}s")
        assert answer.status == 501
        assert what in answer.message

    def test_know_the_error(self, api):
        api.gateway.put_gateway_response(
            restApiId=api.id,
            responseType="DEFAULT_4XX",
            responseTemplates={JSON: '["$context.error.message", "$context.error.responseType"]'},
        )
        api.usual()
        wanted = ["Missing Authentication Token", "MISSING_AUTHENTICATION_TOKEN"]
        assert call(f"{api.url}s").json == wanted


def test_a_template_that_is_not_emulated_is_refused_when_it_is_put(api):
    api.method()
    with pytest.raises(ClientError, match="does not emulate #macro"):
        api.integrate(requestTemplates={JSON: "#macro(x)#end"})
    api.integrate()
    with pytest.raises(ClientError, match="NotEmulated"):
        api.respond(responseTemplates={JSON: "#parse('x')"})


def test_a_template_that_meets_what_is_not_emulated_is_refused_when_it_runs(api):
    api.usual(requestTemplates={"text/plain": "$context.authorizer.claims"})
    answer = call(api.url)
    assert (answer.status, answer.headers["x-amzn-errortype"]) == (501, "NotEmulated")
    assert "$context.authorizer" in answer.message


@pytest.mark.parametrize(
    ("operation", "parameters", "what"),
    [
        ("create_authorizer", {"name": "a", "type": "TOKEN"}, "CreateAuthorizer"),
        ("create_vpc_link", {"name": "a", "targetArns": ["arn"]}, "CreateVpcLink"),
        ("create_domain_name", {"domainName": "a.b"}, "CreateDomainName"),
        ("import_rest_api", {"body": b'{"openapi": "3.0.1"}'}, "ImportRestApi"),
        ("create_rest_api", {"name": "a", "policy": "{}"}, "policy"),
        ("create_rest_api", {"name": "a", "apiKeySource": "AUTHORIZER"}, "apiKeySource"),
        ("create_rest_api", {"name": "a", "endpointConfiguration": {"types": ["PRIVATE"]}},
         "PRIVATE"),
        ("put_method", {"authorizationType": "CUSTOM"}, "authorizationType=CUSTOM"),
        ("put_integration", {"type": "HTTP", "uri": "http://a/"}, "an integration of type HTTP"),
        ("put_integration", {"type": "HTTP_PROXY", "uri": "http://a/"},
         "an integration of type HTTP_PROXY"),
        ("put_integration", {"type": "AWS_PROXY", "uri": "arn:aws:apigateway:us-east-1:lambda:path/"
         "2015-03-31/functions/f/invocations"}, "an integration of type AWS_PROXY"),
        ("create_stage", {"stageName": "s", "deploymentId": "d", "tracingEnabled": True},
         "tracingEnabled"),
        ("create_usage_plan", {"name": "p", "quota": {"limit": 1, "offset": 1, "period": "DAY"}},
         "offset"),
        ("update_stage", {"stageName": "s", "patchOperations": [
            {"op": "replace", "path": "/*/*/caching/enabled", "value": "true"}]}, "caching"),
    ],
)  # fmt: skip
def test_what_is_not_executed_is_refused_when_it_is_made(in_processes, operation, parameters, what):
    gateway = in_processes.client("apigateway")
    needed = {
        "create_authorizer": {"restApiId": "a"},
        "create_stage": {"restApiId": "a"},
        "update_stage": {"restApiId": "a"},
        "put_method": {"restApiId": "a", "resourceId": "b", "httpMethod": "GET"},
        "put_integration": {"restApiId": "a", "resourceId": "b", "httpMethod": "GET"},
    }
    with pytest.raises(ClientError, match="NotEmulated") as caught:
        getattr(gateway, operation)(**needed.get(operation, {}), **parameters)
    assert what in caught.value.response["Error"]["Message"]


@pytest.mark.parametrize(
    ("parameters", "what"),
    [
        ({"connectionType": "VPC_LINK", "connectionId": "x"}, "connectionId"),
        ({"connectionType": "VPC_LINK"}, "connectionType=VPC_LINK"),
        ({"integrationHttpMethod": "GET"}, "another method than POST"),
        ({"requestParameters": {"integration.request.header.x": "method.request.body"}},
         "method.request.body"),
        ({"cacheKeyParameters": ["a"]}, "cacheKeyParameters"),
    ],
)  # fmt: skip
def test_a_sagemaker_integration_with_more_is_refused(api, parameters, what):
    api.method()
    with pytest.raises(ClientError, match="NotEmulated") as caught:
        api.integrate(**parameters)
    assert what in caught.value.response["Error"]["Message"]


def test_a_patch_of_a_usage_plan(api):
    api.usual()
    _, plan = api.plan(throttle={"rateLimit": 1, "burstLimit": 1})
    path = f"/apiStages/{api.id}:{STAGE}/throttle/~1predictions~1POST/rateLimit"
    for refused in (path, "/quota/offset"):
        patch = [{"op": "replace", "path": refused, "value": "1"}]
        with pytest.raises(ClientError, match="does not emulate UpdateUsagePlan"):
            api.gateway.update_usage_plan(usagePlanId=plan, patchOperations=patch)
    patch = [{"op": "replace", "path": "/throttle/rateLimit", "value": "5"}]
    changed = api.gateway.update_usage_plan(usagePlanId=plan, patchOperations=patch)
    assert changed["throttle"]["rateLimit"] == 5


def test_an_api_of_one_region_invokes_an_endpoint_of_another(api):
    gateway = api.aws.session.client(
        "apigateway", region_name="eu-west-1", endpoint_url=api.aws.emulator.url
    )
    made = gateway.create_rest_api(name="elsewhere")
    where = {
        "restApiId": made["id"],
        "resourceId": made["rootResourceId"],
        "httpMethod": "POST",
    }
    gateway.put_method(**where, authorizationType="NONE")
    gateway.put_method_response(**where, statusCode="200")
    for region, status in (("us-east-1", 200), ("eu-west-1", 400)):
        uri = f"arn:aws:apigateway:{region}:runtime.sagemaker:path//endpoints/{api.endpoint}"
        gateway.put_integration(
            **where,
            type="AWS",
            integrationHttpMethod="POST",
            credentials=api.role,
            uri=f"{uri}/invocations",
        )
        for code, pattern in (("200", "2.."), ("400", "4..")):
            if code == "400" and region == "us-east-1":
                gateway.put_method_response(**where, statusCode=code)
            gateway.put_integration_response(**where, statusCode=code, selectionPattern=pattern)
        gateway.create_deployment(restApiId=made["id"], stageName=STAGE)
        assert call(account.invoke_url(gateway, made["id"], STAGE)).status == status
    gateway.delete_rest_api(restApiId=made["id"])


def test_other_kinds_of_apis_are_refused(in_processes):
    with pytest.raises(ClientError, match="of apigateway"):
        in_processes.client("apigatewayv2").create_api(Name="a", ProtocolType="HTTP")


def test_the_url_on_aws():
    class Client:
        class meta:  # noqa: N801 - as boto3 names it
            endpoint_url = "https://apigateway.eu-west-1.amazonaws.com"

    url = account.invoke_url(Client, "abc", "prod")
    assert url == "https://abc.execute-api.eu-west-1.amazonaws.com/prod"


def test_calls_run_beside_one_another(api):
    from concurrent.futures import ThreadPoolExecutor

    api.usual()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda n: call(api.url, f"text {n}".encode()), range(40)))
    assert [one.json["text"] for one in answers] == [f"text {n}" for n in range(40)]


def test_a_header_is_sent_once(api):
    api.usual()
    request = urllib.request.Request(api.url, b"x", {"Content-Type": "text/plain"})
    with urllib.request.urlopen(request) as answer:
        assert len(answer.headers.get_all("Content-Type")) == 1
        assert answer.headers["x-amzn-requestid"]
