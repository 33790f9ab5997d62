"""Mapping templates and CORS as public recipes write them, through a stage.

Each template has the structure of one that people use in front of SageMaker: AWS's blog post
"Creating a machine learning-powered REST API with Amazon API Gateway mapping templates and Amazon
SageMaker", AWS Solutions Constructs' `aws-apigateway-sagemakerendpoint`, the Developer Guide's
"Mapping template transformations", the console's "Method request passthrough", and integrations
in public Terraform and CloudFormation templates.
"""

import pytest
from rest_apis import RestApi, call

JSON = "application/json"

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


def remarks(api: RestApi) -> list[str]:
    log = api.aws.emulator.log_file.read_text().splitlines()
    return [line for line in log if "Not known of AWS:" in line]


def text_made(answer):
    """Return the JSON that the container got."""
    import json

    assert answer.status == 200, answer.body
    return json.loads(answer.json["text"])


def test_the_items_of_a_query_become_instances(in_processes, endpoint):
    api = RestApi(in_processes, endpoint, path="ratings/{user_id}")
    api.where["httpMethod"] = "GET"
    api.usual(requestTemplates={JSON: RATINGS})
    answer = call(f"{api.root}/ratings/7?items=13,21,34", None, "GET", content_type=JSON)
    assert text_made(answer) == {
        "instances": [{"in0": [7], "in1": [item]} for item in (13, 21, 34)]
    }
    assert sum("$esc is Velocity Tools' EscapeTool" in line for line in remarks(api)) == 1
    api.delete()
