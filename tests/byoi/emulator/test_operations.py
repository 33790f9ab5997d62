"""An action and its parameters are read from any protocol by the service's own model."""

import pytest
from werkzeug.test import EnvironBuilder
from werkzeug.wrappers import Request

from byoi.emulator import operations
from byoi.emulator.operations import MalformedError

SIGNED_QUERY = (
    "X-Amz-Algorithm=a&X-Amz-Credential=b&X-Amz-Date=c&X-Amz-Expires=d&X-Amz-SignedHeaders=e"
    "&X-Amz-Signature=f&X-Amz-Security-Token=g"
)


def read(service, method="GET", path="/", *, data=b"", **headers):
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    environ = EnvironBuilder(path=path, method=method, headers=named, data=data).get_environ()
    request = Request(environ)
    found = operations.read(request, service)
    # Whoever answers still reads the body.
    assert request.environ["wsgi.input"].read() == data
    return found


@pytest.mark.parametrize(
    ("method", "path", "headers", "action", "parameters", "unknown"),
    [
        ("GET", "/", {}, "ListBuckets", {}, ()),
        ("GET", "/b", {}, "ListObjects", {"Bucket": "b"}, ()),
        ("GET", "/b?list-type=2&prefix=x", {}, "ListObjectsV2", {"Bucket": "b", "Prefix": "x"},
         ()),
        ("GET", "/b?acl", {}, "GetBucketAcl", {"Bucket": "b"}, ()),
        ("GET", "/b?tomorrow", {}, "ListObjects", {"Bucket": "b", "tomorrow": ""}, ("tomorrow",)),
        ("GET", "/b/k/l?x-id=GetObject", {"Range": "bytes=1-2"}, "GetObject",
         {"Bucket": "b", "Key": "k/l", "Range": "bytes=1-2"}, ()),
        ("PUT", "/b/k", {"x-amz-meta-of": "test", "x-amz-date": "now"}, "PutObject",
         {"Bucket": "b", "Key": "k", "Metadata": {"Of": "test"}}, ()),
        ("PUT", "/b/k", {"x-amz-copy-source": "/c/d"}, "CopyObject",
         {"Bucket": "b", "Key": "k", "CopySource": "/c/d"}, ()),
        ("PUT", "/b/k", {"x-amz-tomorrow": "y"}, "PutObject",
         {"Bucket": "b", "Key": "k", "X-Amz-Tomorrow": "y"}, ("X-Amz-Tomorrow",)),
        ("PUT", "/b/k?partNumber=1&uploadId=u", {}, "UploadPart",
         {"Bucket": "b", "Key": "k", "PartNumber": "1", "UploadId": "u"}, ()),
        # A signed URL: the signature is no parameter, and headers may stand in the query.
        ("PUT", f"/b/k?{SIGNED_QUERY}&x-amz-acl=private", {}, "PutObject",
         {"Bucket": "b", "Key": "k", "ACL": "private"}, ()),
        ("GET", "/b/k?AWSAccessKeyId=a&Signature=b&Expires=1", {}, "GetObject",
         {"Bucket": "b", "Key": "k"}, ()),
    ],
)  # fmt: skip
def test_s3(method, path, headers, action, parameters, unknown):  # noqa: PLR0917 - columns
    found = read("s3", method, path, **headers)
    assert (found.action, found.parameters, found.unknown) == (action, parameters, unknown)


@pytest.mark.parametrize(
    ("method", "path", "data", "action", "parameters", "unknown"),
    [
        ("GET", "/restapis?limit=5", b"", "GetRestApis", {"limit": "5"}, ()),
        ("POST", "/restapis", b'{"name": "a"}', "CreateRestApi", {"name": "a"}, ()),
        ("POST", "/restapis?mode=import", b"openapi", "ImportRestApi", {}, ()),
        ("GET", "/restapis/a/resources/b/methods/POST", b"", "GetMethod",
         {"restApiId": "a", "resourceId": "b", "httpMethod": "POST"}, ()),
        # On the wire some members have other names.
        ("PUT", "/restapis/a/resources/b/methods/POST/integration",
         b'{"type": "AWS", "httpMethod": "POST"}', "PutIntegration",
         {"restApiId": "a", "resourceId": "b", "httpMethod": "POST", "type": "AWS",
          "integrationHttpMethod": "POST"}, ()),
        ("GET", "/apikeys?name=n&includeValues=true", b"", "GetApiKeys",
         {"nameQuery": "n", "includeValues": "true"}, ()),
        ("POST", "/usageplans", b'{"name": "a", "quota": {"tomorrow": 1}}', "CreateUsagePlan",
         {"name": "a", "quota": {"tomorrow": 1}}, ("quota.tomorrow",)),
        ("GET", "/made/up", b"", "GET /made/up", {}, ()),
    ],
)  # fmt: skip
def test_api_gateway(method, path, data, action, parameters, unknown):  # noqa: PLR0917 - columns
    found = read("apigateway", method, path, data=data)
    assert (found.action, found.parameters, found.unknown) == (action, parameters, unknown)


def test_the_runtime_is_read_without_its_body():
    found = read(
        "sagemaker-runtime",
        "POST",
        "/endpoints/a/invocations",
        data=b"\xff",
        Content_Type="application/x-www-form-urlencoded",
        X_Amzn_SageMaker_Target_Variant="v",
        X_Amzn_SageMaker_Tomorrow="t",
        X_Amzn_Trace_Id="any",
    )
    assert found.action == "InvokeEndpoint"
    assert found.parameters["TargetVariant"] == "v"
    assert found.parameters["ContentType"] == "application/x-www-form-urlencoded"
    assert found.unknown == ("X-Amzn-Sagemaker-Tomorrow",)


def test_the_query_protocol():
    form = (
        "Action=CreateStack&Version=2010-05-15&StackName=s&Parameters.member.2.ParameterKey=b"
        "&Parameters.member.1.ParameterKey=a&Capabilities.member.1=C&Tomorrow.member.1.A=x"
    )
    headers = {"Content_Type": "application/x-www-form-urlencoded"}
    found = read("cloudformation", "POST", data=form.encode(), **headers)
    assert found.action == "CreateStack"
    assert found.parameters["Parameters"] == [{"ParameterKey": "a"}, {"ParameterKey": "b"}]
    assert found.parameters["Capabilities"] == ["C"]
    assert found.unknown == ("Tomorrow",)
    assert found.sent["Parameters.member.1.ParameterKey"] == "a"
    signed = read("sts", "GET", "/?Action=GetCallerIdentity&Version=1&X-Amz-Signature=f")
    assert (signed.action, signed.parameters) == ("GetCallerIdentity", {})


def test_the_json_protocol():
    target = {"X_Amz_Target": "Logs_20140328.PutLogEvents"}
    body = b'{"logGroupName": "a", "logEvents": [{"timestamp": 1, "tomorrow": 2}]}'
    found = read("logs", "POST", data=body, **target)
    assert (found.action, found.unknown) == ("PutLogEvents", ("logEvents.tomorrow",))
    with pytest.raises(MalformedError, match="can not be converted to String"):
        read("logs", "POST", data=b'{"logGroupName": 1}', **target)
    with pytest.raises(MalformedError, match=r"expected Logs_20140328\.ACTION"):
        read("logs", "POST", X_Amz_Target="SageMaker.ListModels")


def test_services_that_are_not_emulated_have_no_protocol():
    assert operations.protocol("lambda") is None
    assert operations.protocol("s3") == "rest-xml"
