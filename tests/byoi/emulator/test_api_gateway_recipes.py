"""Mapping templates and CORS as public recipes write them, through a stage.

Each template has the structure of one that people use in front of SageMaker: AWS's blog post
"Creating a machine learning-powered REST API with Amazon API Gateway mapping templates and Amazon
SageMaker", AWS Solutions Constructs' `aws-apigateway-sagemakerendpoint`, the Developer Guide's
"Mapping template transformations", the console's "Method request passthrough", and integrations
in public Terraform and CloudFormation templates.
"""

import base64
import gzip
import http.server
import json
import shutil
import tarfile
import threading
import zlib

import pytest
import rest_apis
from botocore.exceptions import ClientError
from rest_apis import RestApi, call

JSON = "application/json"
# Answers with the body that it got, and says its type.
MIRROR = """
import json

def input_fn(input_data, content_type):
    return {"got": input_data.decode(), "type": content_type}

def model_fn(model_dir):
    return None

def predict_fn(data, model):
    return data

def output_fn(prediction, accept):
    return json.dumps(prediction), "application/json"
"""

RATINGS = """{
  "instances": [
#set( $user = $input.params("user_id") )
#set( $items = $input.params("items") )
#foreach( $item in $items.split(",") )
    {"in0": [$user], "in1": [$item]}#if( $foreach.hasNext ),#end
    $esc.newline
#end
  ]
}"""


@pytest.fixture(scope="module")
def mirror(in_processes, tmp_path_factory):
    folder = tmp_path_factory.mktemp("mirror")
    (folder / "echo.py").write_text(MIRROR)
    with tarfile.open(folder / "model.tar.gz", "w:gz") as tar:
        tar.add(folder / "echo.py", "echo.py")
    model = in_processes.model(in_processes.upload(folder / "model.tar.gz"))
    with in_processes.endpoint(in_processes.config(model)) as name:
        yield name


@pytest.fixture
def api(in_processes, mirror):
    made = RestApi(in_processes, mirror, path="ratings/{user_id}")
    made.at = f"{made.root}/ratings/7"
    yield made
    made.delete()


def remarks(api, words):
    """Return how often the log says that this is not known."""
    log = api.aws.emulator.log_file.read_text().splitlines()
    return sum("Not known of AWS:" in line and words in line for line in log)


def got(answer):
    assert answer.status == 200, answer.body
    return answer.json["got"]


def test_the_items_of_a_query_become_instances(api):
    api.where["httpMethod"] = "GET"
    api.usual(requestTemplates={JSON: RATINGS})
    for _ in range(2):
        answer = call(f"{api.at}?items=13,21,34", None, "GET", content_type=JSON)
        assert json.loads(got(answer)) == {
            "instances": [{"in0": [7], "in1": [item]} for item in (13, 21, 34)]
        }
    assert remarks(api, "$esc is Velocity Tools' EscapeTool") == 1
    assert remarks(api, "one slash before 'endpoints' and with two") == 1


QUERY = "?a=1.5&b=x%20y&list=1,2,3&csv=5.1|3.5|1.4"
BODY = {
    "amount": 0.0001, "category": "food", "names": ["a", "b"], "big": 1e10,
    "rows": [[1, 2.5], [3, 4e-7]], "user": {"id": 5, "tags": {"k": "v"}},
    "inputs": '{"x": [0.53]}', "text": 'say "hi"\n', "encoded": "aGVsbG8=", "url": "a%20b%26c",
}  # fmt: skip


@pytest.mark.parametrize(
    ("template", "made"),
    [
        # The features of a body, one by one, as infrastructure templates list them.
        ("""{"instances": [{"features": [$input.json('$.amount'), $input.json('$.category'),
            $input.json('$.none')]}]}""",
         {"instances": [{"features": [0.0001, "food", ""]}]}),
        # The same of a parsed body, with a default for what is not there.
        ("""#set($in = $input.path('$'))
{"amount": $in.amount, "limit": #if("$!in.limit" != "")$in.limit#{else}10#end}""",
         {"amount": 0.0001, "limit": 10}),
        # The console's passthrough of all parameters.
        ("""#set($all = $input.params())
{"body": $input.json('$.names'), "params": {
#foreach($type in ['path', 'querystring'])
#set($params = $all.get($type))
"$type": {
#foreach($name in $params.keySet())
"$name": "$util.escapeJavaScript($params.get($name))"#if($foreach.hasNext),#end
#end
}#if($foreach.hasNext),#end
#end
}, "stage": "$context.stage", "method": "$context.httpMethod"}""",
         {"body": ["a", "b"],
          "params": {"path": {"user_id": "7"},
                     "querystring": {"a": "1.5", "b": "x y", "list": "1,2,3",
                                     "csv": "5.1|3.5|1.4"}},
          "stage": "test", "method": "POST"}),
        # A list of the query, with a counter in place of $foreach.
        ("""[#set($parts = $input.params('list').split(','))#foreach($one in $parts)
#if($velocityCount > 1),#end{"n": $velocityCount, "value": $one.trim()}#end]""",
         [{"n": 1, "value": 1}, {"n": 2, "value": 2}, {"n": 3, "value": 3}]),
        # Another separator, as a regular expression.
        ("""#set($csv = $input.params('csv'))
{"values": [#foreach($v in $csv.split('\\|'))$v#if($foreach.hasNext),#end#end]}""",
         {"values": [5.1, 3.5, 1.4]}),
        # The parameters that are there.
        ("""{#set($q = $input.params().querystring)
#if($q.containsKey('a'))"a": $q.get('a')#end
#if($q.none && $q.none != ''), "none": "$q.none"#end}""",
         {"a": 1.5}),
        # JSON in a text.
        ("""#set($inner = $util.parseJson($input.path('$.inputs')))
{"x": $inner.x[0], "n": $inner.x.size(), "scaled": #set($s = $inner.x[0] / 5300)$s}""",
         {"x": 0.53, "n": 1, "scaled": 0.0001}),
        # A text of a body, escaped and put back between quotes.
        ("""{"inputs": "$util.escapeJavaScript($input.path('$.text')).replaceAll("\\\\'", "'")"}""",
         {"inputs": 'say "hi"\n'}),
        # The whole body as a text.
        ("""{"data": "$util.base64Encode($input.body)"}""",
         {"data": base64.b64encode(json.dumps(BODY).encode()).decode()}),
        ("""{"plain": "$util.base64Decode($input.path('$.encoded'))",
            "url": "$util.urlDecode($input.path('$.url'))"}""",
         {"plain": "hello", "url": "a b&c"}),
        # Rows in rows.
        ("""{"instances": [#foreach($row in $input.path('$.rows'))
[#foreach($v in $row)$v#if($foreach.hasNext),#end#end]#if($foreach.hasNext),#end#end],
            "count": $input.path('$.rows').size()}""",
         {"instances": [[1, 2.5], [3, 4e-7]], "count": 2}),
        # A list and a map that the template makes.
        ("""#set($all = [])#foreach($name in $input.path('$.names'))
#set($ok = $all.add($name.toUpperCase()))#end
#set($m = {})#set($ok = $m.put('total', $all.size()))
{"names": "$all.get(0)$all[1]", "total": $m.total}""",
         {"names": "AB", "total": 2}),
        # The entries of a map.
        ("""{#foreach($e in $input.path('$.user.tags').entrySet())"$e.key": "$e.value"#end}""",
         {"k": "v"}),
        # Numbers large and small, as values and as texts.
        ("""{"p": $input.path('$.amount'), "t": "$input.path('$.amount')",
            "big": $input.path('$.big'), "all": $input.json('$.rows')}""",
         {"p": 0.0001, "t": "1.0E-4", "big": 1e10, "all": [[1, 2.5], [3, 4e-7]]}),
    ],
)  # fmt: skip
def test_a_recipe(api, template, made):
    api.usual(requestTemplates={JSON: template})
    answer = call(f"{api.at}{QUERY}", json.dumps(BODY).encode(), content_type=JSON)
    assert json.loads(got(answer)) == made


@pytest.mark.parametrize(
    "content_type",
    ["application/jsonl", "application/x-ndjson", "application/jsonlines", "application/x-jsonl"],
)
def test_json_lines_pass(api, content_type):
    # A template for JSON is for JSON only.
    api.usual(requestTemplates={JSON: "{}"})
    rows = b'{"x": 1e-4}\n{"x": 2}\n'
    answer = call(api.at, rows, content_type=content_type)
    assert (got(answer).encode(), answer.json["type"]) == (rows, content_type)


class TestContentEncoding:
    @pytest.mark.parametrize(
        ("coding", "encode"),
        [
            ("gzip", gzip.compress),
            ("GZIP", gzip.compress),
            ("deflate", zlib.compress),
            ("identity", bytes),
        ],
    )
    def test_is_undone_before_the_template(self, api, coding, encode):
        api.usual(requestTemplates={JSON: "$input.json('$.a')"})
        answer = call(api.at, encode(b'{"a": [1]}'), content_type=JSON, content_encoding=coding)
        assert got(answer) == "[1]"

    @pytest.mark.parametrize(
        ("coding", "body"),
        [
            ("br", b"x"),
            ("gzip, gzip", gzip.compress(b"x")),
            ("gzip", b'{"a": 1}'),
            ("gzip", gzip.compress(b"x")[:-4]),
            ("gzip", gzip.compress(b"x") + b"more"),
            ("gzip", b""),
            ("deflate", gzip.compress(b"x")),
        ],
    )
    def test_that_is_unknown_or_not_there_is_answered_415(self, api, coding, body):
        api.usual()
        answer = call(api.at, body, content_encoding=coding)
        assert (answer.status, answer.message) == (415, "Unsupported Media Type")

    def test_of_more_than_10_mib_is_answered_413(self, api):
        api.usual()
        body = gzip.compress(b"x" * (10 * 1024 * 1024 + 1))
        assert call(api.at, body, content_encoding="gzip").status == 413


HEADERS = {
    "Access-Control-Allow-Headers": "Content-Type,X-Amz-Date,Authorization,X-Api-Key",
    "Access-Control-Allow-Methods": "OPTIONS,POST",
    "Access-Control-Allow-Origin": "*",
}


def mapped(headers):
    return {f"method.response.header.{name}": f"'{value}'" for name, value in headers.items()}


def mock(api, template='{"statusCode": 200}', verb="OPTIONS", **parameters):
    """Add a MOCK integration to the resource, and return its place."""
    where = {**api.where, "httpMethod": verb}
    api.gateway.put_method(**where, authorizationType="NONE")
    given = {"requestTemplates": {JSON: template}} if template is not None else {}
    api.gateway.put_integration(**where, type="MOCK", **given, **parameters)
    return where


def respond(api, where, status="200", **parameters):
    declared = dict.fromkeys(parameters.get("responseParameters", {}), False)
    api.gateway.put_method_response(**where, statusCode=status, responseParameters=declared)
    api.gateway.put_integration_response(**where, statusCode=status, **parameters)


class TestMock:
    @pytest.mark.parametrize(
        "template", ['{"statusCode": 200}', '{\n  "statusCode" : 200\n}\n', "{ statusCode: 200 }"]
    )
    def test_answers_a_preflight_as_the_recipes_make_it(self, api, template):
        where = mock(api, template, integrationHttpMethod="OPTIONS")
        respond(api, where, responseParameters=mapped(HEADERS))
        api.usual()
        answer = call(api.at, None, "OPTIONS", origin="http://a.test")
        assert (answer.status, answer.body) == (200, b"")
        assert {name: answer.headers[name] for name in HEADERS} == HEADERS
        # It calls no endpoint; the other method of the resource does.
        assert got(call(api.at, b"x")) == "x"

    def test_chooses_the_response_by_the_status_of_the_template(self, api):
        template = """#if($input.params('user_id') == '7'){"statusCode": 204}
#elseif($input.params('user_id') == '8'){"statusCode": 503}#else{"statusCode": 418}#end"""
        where = mock(api, template, "GET")
        respond(api, where, "200", responseTemplates={JSON: '{"stage": "$context.stage"}'})
        respond(api, where, "204", selectionPattern="204")
        made = {JSON: "#set($context.responseOverride.status = 502)no"}
        respond(api, where, "500", selectionPattern=r"5\d{2}", responseTemplates=made)
        api.deploy()
        assert call(api.at, None, "GET", content_type=JSON).status == 204
        failed = call(f"{api.root}/ratings/8", None, "GET", content_type=JSON)
        assert (failed.status, failed.body) == (502, b"no")
        other = call(f"{api.root}/ratings/9", None, "GET", content_type=JSON)
        assert (other.status, other.json) == (200, {"stage": "test"})

    @pytest.mark.parametrize(
        "template", ["{}", "[]", "no json", "", '{"statusCode": 99}', '{"statusCode": true}']
    )
    def test_without_a_status_is_a_configuration_error(self, api, template):
        respond(api, mock(api, template))
        api.deploy()
        answer = call(api.at, None, "OPTIONS", content_type=JSON)
        assert (answer.status, answer.message) == (500, "Internal server error")
        log = api.aws.emulator.log_file.read_text()
        assert "Unable to parse statusCode. It should be an integer defined in the" in log

    def test_without_a_template_takes_the_status_of_the_body(self, api):
        respond(api, mock(api, None, "POST"))
        api.deploy()
        assert call(api.at, b'{"statusCode": 200}', content_type=JSON).status == 200
        assert call(api.at, b"{}", content_type=JSON).status == 500
        respond(api, mock(api, "{}", "PUT", passthroughBehavior="NEVER"))
        api.deploy()
        assert call(api.at, b"x", "PUT").status == 415

    @pytest.mark.parametrize(
        ("template", "what"),
        [('{"statusCode": "200"}', "statusCode '200' of a MOCK"), ("{'statusCode': 200}", "makes")],
    )
    def test_that_aws_may_read_otherwise_is_refused(self, api, template, what):
        respond(api, mock(api, template))
        api.deploy()
        answer = call(api.at, None, "OPTIONS", content_type=JSON)
        assert answer.status == 501
        assert what in answer.message

    def test_with_a_uri_is_refused(self, api):
        with pytest.raises(ClientError, match="an integration of type MOCK with http://a/"):
            mock(api, uri="http://a/")


def test_gateway_responses_have_cors_headers_of_their_own(api):
    allow = {"gatewayresponse.header.Access-Control-Allow-Origin": "'*'"}
    for kind in ("DEFAULT_4XX", "DEFAULT_5XX"):
        api.gateway.put_gateway_response(
            restApiId=api.id, responseType=kind, responseParameters=allow
        )
    respond(api, mock(api, "{}"))
    api.deploy()
    for verb, status in (("POST", 403), ("OPTIONS", 500)):
        answer = call(api.at, None, verb, content_type=JSON)
        assert (answer.status, answer.headers["Access-Control-Allow-Origin"]) == (status, "*")


class _Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>a page of another origin</title>")

    def log_message(self, *arguments):
        pass


FETCH = """async ([url, type]) => {
    try {
        const answer = await fetch(url, {method: "POST", body: "[0.0001]",
                                         headers: {"Content-Type": type, "X-Api-Key": "k"}});
        return [answer.status, await answer.text()];
    } catch (error) {
        return [0, error.name];
    }
}"""


@pytest.mark.needs("chromium")
def test_a_page_of_another_origin_calls_the_api(api):
    from playwright.sync_api import sync_playwright

    origin = {"method.response.header.Access-Control-Allow-Origin": "'*'"}
    api.method()
    api.integrate()
    api.respond(responseParameters=origin)
    api.deploy()
    with (
        http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Page) as server,
        sync_playwright() as playwright,
    ):
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        try:
            page = browser.new_page()
            page.goto(f"http://127.0.0.1:{server.server_port}/")
            # Without OPTIONS, the browser does not send the request.
            assert page.evaluate(FETCH, [api.at, JSON]) == [0, "TypeError"]
            respond(api, mock(api), responseParameters=mapped(HEADERS))
            api.deploy()
            status, text = page.evaluate(FETCH, [api.at, JSON])
        finally:
            browser.close()
            server.shutdown()
            thread.join()
    assert (status, json.loads(text)["got"]) == (200, "[0.0001]")


def test_a_stack_makes_the_preflight(in_processes, mirror):
    method = {
        "Type": "AWS::ApiGateway::Method",
        "Properties": {
            "RestApiId": {"Ref": "Api"},
            "ResourceId": {"Fn::GetAtt": ["Api", "RootResourceId"]},
            "HttpMethod": "OPTIONS",
            "AuthorizationType": "NONE",
            "Integration": {
                "Type": "MOCK",
                "RequestTemplates": {JSON: '{"statusCode": 200}'},
                "IntegrationResponses": [
                    {"StatusCode": "200", "ResponseParameters": mapped(HEADERS)}
                ],
            },
            "MethodResponses": [
                {"StatusCode": "200", "ResponseParameters": dict.fromkeys(mapped(HEADERS), True)}
            ],
        },
    }
    template = {
        "Resources": {
            "Api": {"Type": "AWS::ApiGateway::RestApi", "Properties": {"Name": "cors"}},
            "Preflight": method,
            "Deployment": {
                "Type": "AWS::ApiGateway::Deployment",
                "DependsOn": "Preflight",
                "Properties": {"RestApiId": {"Ref": "Api"}, "StageName": "test"},
            },
        },
        "Outputs": {"Id": {"Value": {"Ref": "Api"}}},
    }
    stacks = in_processes.client("cloudformation")
    stacks.create_stack(StackName="cors", TemplateBody=json.dumps(template))
    try:
        (made,) = stacks.describe_stacks(StackName="cors")["Stacks"]
        assert made["StackStatus"] == "CREATE_COMPLETE"
        api_id = made["Outputs"][0]["OutputValue"]
        url = rest_apis.account.invoke_url(in_processes.client("apigateway"), api_id, "test")
        answer = call(f"{url}/", None, "OPTIONS", content_type=JSON)
        assert (answer.status, answer.headers["Access-Control-Allow-Origin"]) == (200, "*")
    finally:
        stacks.delete_stack(StackName="cors")
