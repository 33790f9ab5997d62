"""What policies decide about a request, as IAM does; what cannot be told is left open."""

import json

import pytest

from byoi import policy
from byoi.policy import Decision, Request

ALLOWED, EXPLICIT, IMPLICIT = Decision.ALLOWED, Decision.EXPLICIT_DENY, Decision.IMPLICIT_DENY
UNDECIDED = Decision.UNDECIDED
ARN = "arn:aws:sagemaker:us-east-1:123456789012:endpoint/reviews"
ALLOW = {"Effect": "Allow", "Action": "sagemaker:InvokeEndpoint", "Resource": ARN}
DENY = {**ALLOW, "Effect": "Deny"}
OF_REGION = {"Condition": {"StringEquals": {"aws:RequestedRegion": "us-east-1"}}}
TRUST = {
    "Effect": "Allow",
    "Principal": {"Service": "sagemaker.amazonaws.com"},
    "Action": "sts:AssumeRole",
}


def document(*statements):
    return {"Version": "2012-10-17", "Statement": list(statements)}


def decide(statements, **request):
    asked = Request(**{"action": "sagemaker:InvokeEndpoint", "resource": ARN, **request})
    return policy.evaluate([document(*statements)], asked)


@pytest.mark.parametrize(
    ("statements", "decision"),
    [
        ([], IMPLICIT),
        ([ALLOW], ALLOWED),
        ([ALLOW, DENY], EXPLICIT),
        ([DENY, ALLOW], EXPLICIT),
        ([{**ALLOW, "Action": ["s3:GetObject", "sagemaker:invoke*"]}], ALLOWED),
        ([{**ALLOW, "Action": "sagemaker:InvokeEndpointAsync"}], IMPLICIT),
        ([{**ALLOW, "Resource": "*"}], ALLOWED),
        ([{**ALLOW, "Resource": ARN.replace("reviews", "review?")}], ALLOWED),
        ([{**ALLOW, "Resource": ARN.upper()}], IMPLICIT),
        ([{**ALLOW, "Resource": ARN.replace("reviews", "[r]eviews")}], IMPLICIT),
        ([{"Effect": "Allow", "Action": "sagemaker:*"}], IMPLICIT),
        ([{"Effect": "Allow", "NotAction": "s3:*", "NotResource": "arn:aws:s3:::*"}], ALLOWED),
        ([{"Effect": "Allow", "NotAction": "sagemaker:*", "Resource": "*"}], IMPLICIT),
        ([{**ALLOW, "Resource": f"{ARN}/${{aws:username}}"}], UNDECIDED),
        ([{**ALLOW, "Resource": [f"{ARN}/${{aws:username}}", ARN]}], ALLOWED),
        ([{**ALLOW, "NotResource": f"{ARN}/${{aws:username}}", "Action": "s3:*"}], IMPLICIT),
        ([{**ALLOW, **OF_REGION}], UNDECIDED),
        ([{**ALLOW, **OF_REGION}, ALLOW], ALLOWED),
        ([{**DENY, **OF_REGION}, ALLOW], UNDECIDED),
        ([{**DENY, **OF_REGION}], IMPLICIT),
        ([{**ALLOW, **OF_REGION}, DENY], EXPLICIT),
        ([{**ALLOW, **OF_REGION, "Action": "s3:*"}], IMPLICIT),
    ],
)
def test_a_deny_wins_and_nothing_is_allowed_by_itself(statements, decision):
    assert decide(statements).decision is decision


def test_all_policies_count_together_as_text_or_parsed():
    several = [json.dumps(document(ALLOW)), {"Statement": DENY}]
    asked = Request("sagemaker:InvokeEndpoint", ARN)
    assert policy.evaluate(several, asked).decision is EXPLICIT
    assert policy.evaluate(several[:1], asked).is_allowed
    assert policy.evaluate([], asked).decision is IMPLICIT


def test_what_could_not_be_evaluated_is_named_once():
    variable = {**ALLOW, "Resource": f"{ARN}/${{aws:username}}"}
    found = decide([{**ALLOW, **OF_REGION}, {**ALLOW, **OF_REGION}, variable])
    assert found.undecided == (
        'the Condition {"StringEquals": {"aws:RequestedRegion": "us-east-1"}} of a policy',
        f"the policy variable in {ARN}/${{aws:username}}",
    )
    assert decide([{**ALLOW, **OF_REGION}, ALLOW]).undecided == ()


@pytest.mark.parametrize(
    ("condition", "decision"),
    [
        ({"StringEquals": {"AWS:requestedregion": ["x", "us-east-1"]}}, ALLOWED),
        ({"StringEquals": {"aws:RequestedRegion": "us-*"}}, IMPLICIT),
        ({"StringLike": {"aws:RequestedRegion": "us-*"}}, ALLOWED),
        ({"StringEquals": {"aws:RequestedRegion": "US-EAST-1"}}, IMPLICIT),
        ({"ArnLike": {"aws:SourceArn": "arn:aws:sagemaker:*:${aws:Account}:*"}}, ALLOWED),
        ({"ArnEquals": {"aws:SourceArn": "arn:aws:sagemaker:*"}}, ALLOWED),
        ({"ForAnyValue:StringEquals": {"aws:RequestedRegion": "us-east-1"}}, ALLOWED),
        ({"StringEquals": {"aws:RequestedRegion": "x", "aws:Unknown": "y"}}, IMPLICIT),
        ({"StringEquals": {"aws:RequestedRegion": "us-east-1", "aws:Unknown": "y"}}, UNDECIDED),
        ({"StringEquals": {"aws:RequestedRegion": "${aws:Unknown}"}}, UNDECIDED),
        ({"Bool": {"aws:SecureTransport": "true"}}, ALLOWED),
        ({"Bool": {"aws:SecureTransport": True}}, ALLOWED),
        ({"Bool": {"aws:SecureTransport": "false"}}, IMPLICIT),
        ({"Bool": {"aws:SecureTransport": False}}, IMPLICIT),
        ({"Bool": {"aws:MultiFactorAuthPresent": "true"}}, UNDECIDED),
        ({"StringNotEquals": {"aws:RequestedRegion": "x"}}, UNDECIDED),
        ({"IpAddress": {"aws:SourceIp": "127.0.0.1"}}, UNDECIDED),
    ],
)
def test_a_condition_is_tested_on_what_is_known(condition, decision):
    context = {
        "aws:RequestedRegion": "us-east-1",
        "aws:SourceArn": "arn:aws:sagemaker:us-east-1:123456789012:endpoint/any",
        "aws:Account": "123456789012",
        "aws:SecureTransport": "true",
    }
    assert decide([{**ALLOW, "Condition": condition}], context=context).decision is decision


def test_a_key_that_is_absent_for_certain_fails_a_condition():
    conditional = {**ALLOW, **OF_REGION}
    assert decide([conditional], is_complete=True).decision is IMPLICIT
    assert decide([conditional], context=None).decision is ALLOWED


@pytest.mark.parametrize(
    ("principal", "decision"),
    [
        ({"Service": "sagemaker.amazonaws.com"}, ALLOWED),
        ({"Service": ["ec2.amazonaws.com", "sagemaker.amazonaws.com"]}, ALLOWED),
        ({"Service": "lambda.amazonaws.com"}, IMPLICIT),
        ({"AWS": "arn:aws:iam::123456789012:root"}, IMPLICIT),
        ("*", UNDECIDED),
    ],
)
def test_a_trust_policy_names_the_service(principal, decision):
    trust = {**TRUST, "Principal": principal}
    asked = {"action": "sts:AssumeRole", "resource": None, "service": "sagemaker.amazonaws.com"}
    assert decide([trust], **asked).decision is decision
