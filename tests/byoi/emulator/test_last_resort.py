"""What nobody foresaw is an error in AWS's form with a request id, and in the log once."""

import json
import re
import types
import xml.etree.ElementTree as ET

import boto3
import pytest
import raw_requests
from botocore.config import Config
from botocore.exceptions import ClientError
from werkzeug.test import Client
from werkzeug.wrappers import Response

from byoi.emulator.application import Application
from byoi.emulator.calls import Calls
from byoi.emulator.door import Caller


def failing(_environ, _start_response):
    raise KeyError("ModelName")


@pytest.fixture
def log():
    return []


@pytest.fixture
def ask(log, tmp_path):
    """Send a request to an application whose parts are these."""

    def asked(target, *, moto=failing, service="sagemaker", answer=failing, method="POST", **more):
        def answering(*arguments):
            return answer(*arguments, None)

        application = Application(
            moto,
            types.SimpleNamespace(answer=lambda *_: answering()),
            types.SimpleNamespace(
                is_call=lambda path: "_user_request_" in path, answer=lambda _: answering()
            ),
            door=types.SimpleNamespace(
                require_host=lambda _: None,
                admit=lambda _: Caller("key", "us-east-1", service),
            ),
            before={},
            logs=types.SimpleNamespace(copy=lambda: None),
            log=log.append,
            calls=Calls(tmp_path / "calls.jsonl"),
        )
        client = Client(application)
        return [client.open(target, method=method, **more) for _ in range(2)][-1]

    return asked


LIST_MODELS = {"headers": {"X-Amz-Target": "SageMaker.ListModels"}, "data": b"{}"}


def page(status, text):
    def answered(environ, start_response):
        return Response(text, status=status, content_type="text/html")(environ, start_response)

    return answered


@pytest.mark.parametrize(
    "moto",
    [failing, page(500, "<title>500</title>"), page(400, "<title>400</title>"), page(503, "")],
)
def test_of_the_json_protocol(ask, log, tmp_path, moto):
    answer = ask("/", moto=moto, **LIST_MODELS)
    assert (answer.status_code, answer.mimetype) == (500, "application/json")
    said = json.loads(answer.text)
    assert said["__type"] == "InternalFailure"
    assert "KeyError" not in answer.text
    request_id = answer.headers["x-amzn-RequestId"]
    # The cause once, each request by its id.
    text = "\n".join(log)
    assert text.count("INTERNAL ERROR, sagemaker ListModels, request ") == 2
    assert f"request {request_id}, as before" in text
    assert text.count("KeyError: 'ModelName'") == (1 if moto is failing else 0)
    calls = [json.loads(line) for line in (tmp_path / "calls.jsonl").read_text().splitlines()]
    assert all(call["unforeseen"] for call in calls)


def test_of_the_query_protocol(ask):
    form = {"Action": "ListRoles", "Version": "2010-05-08"}
    answer = ask("/", service="iam", data=form)
    root = ET.fromstring(answer.text)
    assert answer.status_code == 500
    assert root.findtext("Error/Code") == "InternalFailure"
    assert root.findtext("Error/Type") == "Receiver"
    assert root.findtext("RequestId") == answer.headers["x-amzn-RequestId"]


def test_of_s3(ask):
    answer = ask("/bucket/key", service="s3", method="GET")
    root = ET.fromstring(answer.text)
    assert answer.status_code == 500
    assert root.findtext("Code") == "InternalError"
    assert root.findtext("RequestId") == answer.headers["x-amz-request-id"]


def test_an_object_that_is_a_web_page_is_none(ask):
    answer = ask("/bucket/key", service="s3", method="GET", moto=page(200, "<html>"))
    assert (answer.status_code, answer.text) == (200, "<html>")


def test_of_an_invocation_and_of_a_call_of_an_api(ask):
    for path in ("/endpoints/a/invocations", "/restapis/a/b/_user_request_/c"):
        answer = ask(path)
        assert (answer.status_code, answer.mimetype) == (500, "application/json")
        assert json.loads(answer.text)["__type"] == "InternalFailure"


def test_what_moto_lacks_is_refused(ask):
    def lacking(_environ, _start_response):
        raise NotImplementedError

    for moto in (lacking, page(404, "<title>404</title>"), page(405, "<title>405</title>")):
        answer = ask("/", moto=moto, **LIST_MODELS)
        assert (answer.status_code, json.loads(answer.text)["__type"]) == (501, "NotEmulated")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/endpoints/any/invocations"),
        ("POST", "/endpoints/any/invocations-response-stream"),
        ("POST", "/endpoints/any/async-invocations"),
        ("GET", "/endpoints/any/invocations"),
        ("GET", "/restapis"),
        ("GET", "/apikeys/any"),
        ("POST", "/usageplans"),
    ],
)
def test_without_a_signature_json_says_so(in_processes, method, path):
    answer = raw_requests.send(in_processes.emulator.url, method, path, body=b"{}")
    assert answer.status == 403
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-amzn-requestid"]
    assert json.loads(answer.text)["__type"] == "MissingAuthenticationTokenException"


@pytest.mark.parametrize("path", ["/", "/bucket", "/bucket/key", "/no/such/thing"])
def test_without_a_signature_s3_says_so(in_processes, path):
    answer = raw_requests.send(in_processes.emulator.url, "GET", path)
    root = ET.fromstring(answer.text)
    assert (answer.status, root.findtext("Code")) == (403, "AccessDenied")
    assert root.findtext("RequestId")


def test_without_a_signature_the_query_protocol_says_so(in_processes):
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    body = b"Action=ListRoles&Version=2010-05-08"
    answer = raw_requests.send(in_processes.emulator.url, "POST", "/", headers, body)
    root = ET.fromstring(answer.text)
    assert (answer.status, root.findtext("Error/Code")) == (403, "MissingAuthenticationToken")


@pytest.mark.parametrize(
    ("service", "method", "path", "status", "code"),
    [
        ("sagemaker", "POST", "/endpoints/any/made-up", 404, "UnknownOperationException"),
        ("sagemaker", "GET", "/endpoints/any/invocations", 404, "UnknownOperationException"),
        ("sagemaker", "POST", "/endpoints/any/async-invocations", 501, "NotEmulated"),
        ("sagemaker", "GET", "/", 400, "UnknownOperationException"),
        ("apigateway", "GET", "/restapis?limit=many", 400, "BadRequestException"),
        ("apigateway", "GET", "/restapis?position=-1", 400, "BadRequestException"),
        ("apigateway", "GET", "/restapis/a/b", 501, "NotEmulated"),
        ("logs", "POST", "/", 400, "UnknownOperationException"),
        ("apigateway", "GET", "/made/up", 501, "NotEmulated"),
        ("apigateway", "GET", "/v2/apis", 501, "NotEmulated"),
        ("apigateway", "GET", "/restapis/no-such-api", 404, "NotFoundException"),
        ("apigateway", "GET", "/restapis/a/resources/b/methods/POST", 404, "NotFoundException"),
        ("lambda", "GET", "/2015-03-31/functions", 501, "NotEmulated"),
    ],
)
def test_a_path_that_is_none_is_no_web_page(  # noqa: PLR0917 - the table's columns
    in_processes, service, method, path, status, code
):
    headers = raw_requests.signed(in_processes, method, path, body=b"", service=service)
    answer = raw_requests.send(in_processes.emulator.url, method, path, headers)
    assert (answer.status, json.loads(answer.text)["__type"]) == (status, code)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"Action=Made.Up", "NotEmulated"),
        (b"Action=MadeUp&Version=2010-05-15", "NotEmulated"),
        (b"Version=2010-05-15", "MissingAction"),
        (b"Action=CreateStack&Version=2010-05-15&Tags=a&Tags.member.1.Key=b", "MalformedInput"),
        (b"Action=DescribeStacks&Version=2010-05-15&StackName=no-such-stack", "ValidationError"),
        (b"Action=CreateStack&Version=2010-05-15&TemplateBody=%7B%7D", "ValidationError"),
    ],
)
def test_a_query_that_is_none_is_no_web_page(in_processes, body, code):
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    headers = raw_requests.signed(
        in_processes, "POST", "/", headers, body, service="cloudformation"
    )
    answer = raw_requests.send(in_processes.emulator.url, "POST", "/", headers, body)
    assert re.search("<Code>(.*?)</Code>", answer.text)[1] == code


def test_an_endpoint_of_components_is_refused_at_the_first_try(in_processes):
    """boto3 sends what is answered by 500 four times more."""
    client = boto3.client(
        "sagemaker",
        endpoint_url=in_processes.emulator.url,
        region_name="us-east-1",
        aws_access_key_id=in_processes.session.get_credentials().access_key,
        aws_secret_access_key=in_processes.session.get_credentials().secret_key,
        config=Config(retries={"mode": "standard", "total_max_attempts": 3}),
    )
    with pytest.raises(ClientError) as caught:
        client.create_endpoint_config(
            EndpointConfigName="components",
            ExecutionRoleArn=in_processes.role,
            ProductionVariants=[
                {"VariantName": "A", "InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}
            ],
        )
    answer = caught.value.response
    assert answer["Error"]["Code"] == "NotEmulated"
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 501
    assert answer["ResponseMetadata"]["RetryAttempts"] == 0
