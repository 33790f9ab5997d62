"""The fields of a ModelError, in AWS's words."""

import pytest

from byoi import contract
from byoi.invocation import to_model_error
from byoi.names import Arn

GROUP = "/aws/sagemaker/Endpoints/reviews"
ARN = f"arn:aws:logs:us-east-1:123456789012:log-group:{GROUP}"


@pytest.mark.parametrize(
    ("status", "blame"),
    [(400, "client"), (499, "client"), (500, "server"), (503, "server"), (0, "server")],
)
def test_the_status_says_whose_error_it_is(status, blame):
    assert to_model_error(status, b"no") == {
        "Message": f'Received {blame} error ({status}) from primary with message "no".',
        "OriginalStatusCode": status,
        "OriginalMessage": "no",
    }


def test_a_log_group_is_named_where_there_is_one():
    fields = to_model_error(500, b"no", log_group=Arn.parse(ARN))
    assert fields["Message"] == (
        'Received server error (500) from primary with message "no". '
        f"See {GROUP} in the logs of account 123456789012 for more information."
    )
    assert fields["LogStreamArn"] == ARN


def test_a_body_is_cut_and_read_as_text():
    fields = to_model_error(500, b"\xff" + b"x" * contract.ERROR_MESSAGE_CHARACTERS)
    assert fields["OriginalMessage"].startswith("�x")
    assert len(fields["OriginalMessage"]) == contract.ERROR_MESSAGE_CHARACTERS
