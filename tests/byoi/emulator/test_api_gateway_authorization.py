"""A method with AWS_IAM is called by those who signed for it and may, and by nobody else."""

import pytest
from rest_apis import RestApi, call, signed_call


@pytest.fixture
def api(in_processes, endpoint):
    made = RestApi(in_processes, endpoint)
    made.method(authorizationType="AWS_IAM")
    made.integrate()
    made.respond()
    yield made.deploy()
    made.delete()


def test_a_signed_call_reaches_the_container_and_an_unsigned_one_does_not(api):
    answer = signed_call(api.aws.session, api.url, b"good")
    assert (answer.status, answer.json["text"]) == (200, "good")
    answer = call(api.url, b"good")
    assert (answer.status, answer.json) == (403, {"message": "Missing Authentication Token"})
    assert answer.headers["x-amzn-errortype"] == "MissingAuthenticationTokenException"
