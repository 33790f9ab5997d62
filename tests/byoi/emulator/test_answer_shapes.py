"""The check of every answer finds what the models do not allow, and nothing else."""

import json

import pytest
from moto.core.utils import get_service_model
from werkzeug.wrappers import Response

from byoi.emulator import answer_shapes
from byoi.emulator.operations import Operation

NAMES = {"ModelName": "m", "ModelArn": "arn", "CreationTime": 1.5}


def found(service, action, body, status=200, **headers):
    model = get_service_model(service).operation_model(action)
    text = body if isinstance(body, str) else json.dumps(body)
    response = Response(text, status=status, headers=headers)
    return answer_shapes.deviations(Operation(service, action, model=model), response)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (NAMES, []),
        ({**NAMES, "VpcConfig": None}, []),
        ({**NAMES, "VpcConfig": {}},
         ["VpcConfig.SecurityGroupIds is required and absent",
          "VpcConfig.Subnets is required and absent"]),
        ({**NAMES, "Tomorrow": 1}, ["Tomorrow is not in the model"]),
        ({**NAMES, "PrimaryContainer": {"Tomorrow": 1}},
         ["PrimaryContainer.Tomorrow is not in the model"]),
        ({**NAMES, "CreationTime": "today"}, ["CreationTime is 'today', expected timestamp"]),
        ({**NAMES, "EnableNetworkIsolation": "true"},
         ["EnableNetworkIsolation is 'true', expected boolean"]),
        ({**NAMES, "Containers": {}}, ["Containers is {}, expected a list"]),
        ({**NAMES, "PrimaryContainer": {"Environment": {"A": 1}}},
         ["PrimaryContainer.Environment is 1, expected string"]),
        ({"ModelName": "m"},
         ["CreationTime is required and absent", "ModelArn is required and absent"]),
        ([], ["the answer is [], expected a structure"]),
        ("<html>", ["a body that is not JSON: b'<html>'"]),
        ("", ["no body"]),
    ],
)  # fmt: skip
def test_json(body, expected):
    assert sorted(found("sagemaker", "DescribeModel", body)) == expected


def test_an_action_without_output_has_no_body():
    assert found("sagemaker", "DeleteModel", "") == []


STACK = (
    "<R><DescribeStacksResult><Stacks><member><StackName>s</StackName>"
    "<CreationTime>{time}</CreationTime><StackStatus>CREATE_COMPLETE</StackStatus>{more}"
    "</member></Stacks></DescribeStacksResult></R>"
)
TIME = "2026-01-02T03:04:05Z"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (STACK.format(time=TIME, more=""), []),
        (STACK.format(time=TIME, more="<DisableRollback>true</DisableRollback>"), []),
        (STACK.format(time=TIME, more="<DisableRollback>True</DisableRollback>"),
         ["Stacks.DisableRollback is 'True', expected boolean"]),
        (STACK.format(time="today", more=""),
         ["Stacks.CreationTime is 'today', expected timestamp"]),
        (STACK.format(time=TIME, more="<TimeoutInMinutes>x</TimeoutInMinutes>"),
         ["Stacks.TimeoutInMinutes is 'x', expected integer"]),
        (STACK.format(time=TIME, more="<Tomorrow/>"), ["Stacks.Tomorrow is not in the model"]),
        (STACK.format(time=TIME, more="<Tags><item/></Tags>"),
         ["Stacks.Tags.item is not in the model, expected member"]),
        (STACK.format(time=TIME, more="<Tags><member><Key>a</Key></member></Tags>"),
         ["Stacks.Tags.Value is required and absent"]),
        ("<R/>", ["no DescribeStacksResult"]),
        ("{}", ["a body that is not XML: b'{}'"]),
    ],
)  # fmt: skip
def test_query(text, expected):
    assert found("cloudformation", "DescribeStacks", text) == expected


def test_s3_has_lists_without_a_list_around_them():
    contents = "<Contents><Key>a</Key><Size>{}</Size></Contents>"
    listed = f"<ListBucketResult>{contents.format(1)}{contents.format('x')}</ListBucketResult>"
    assert found("s3", "ListObjectsV2", listed) == ["Contents.Size is 'x', expected long"]
    assert found("s3", "GetObject", "anything") == []
    assert found("s3", "PutObject", "") == []


@pytest.mark.parametrize(
    ("service", "action", "body", "headers", "expected"),
    [
        ("sagemaker", "ListModels", {"__type": "A", "message": "b"}, {}, []),
        ("sagemaker", "ListModels", {"message": "b"}, {"x-amzn-errortype": "A"}, []),
        ("sagemaker", "ListModels", {"message": "b"}, {}, ["an error without a type"]),
        ("sagemaker", "ListModels", {"__type": "A"}, {}, ["an error without a message"]),
        ("sagemaker", "ListModels", "<html>", {}, ["an error that is not JSON"]),
        ("iam", "ListRoles", "<E><Error><Code>A</Code></Error></E>", {}, []),
        (
            "iam",
            "ListRoles",
            "<E><Error><Code></Code></Error></E>",
            {},
            ["an error without a Code"],
        ),
        ("s3", "GetObject", "<Error><Code>A</Code></Error>", {}, []),
        ("s3", "GetObject", "{}", {}, ["an error without a Code"]),
        ("s3", "HeadObject", "", {}, []),
    ],
)
def test_an_error_has_the_form_of_its_protocol(service, action, body, headers, expected):
    said = found(service, action, body, status=400, **headers)
    assert [one.partition(":")[0] for one in said] == expected


def test_pages_of_api_gateway():
    model = get_service_model("apigateway").operation_model("GetRestApis")
    items = [{"id": str(number), "version": "V1"} for number in range(30)]

    def page(**asked):
        operation = Operation("apigateway", "GetRestApis", asked, model=model)
        response = Response(json.dumps({"item": items}), content_type="text/html")
        answer = answer_shapes.mended(operation, response)
        assert answer.mimetype == "application/json"
        assert answer_shapes.deviations(operation, answer) == []
        return json.loads(answer.get_data())

    assert (len(page()["item"]), page()["position"]) == (25, "25")
    assert page(position="25")["item"] == [{"id": str(number)} for number in range(25, 30)]
    assert "position" not in page(position="25")
    assert [one["id"] for one in page(limit="2", position="3")["item"]] == ["3", "4"]
