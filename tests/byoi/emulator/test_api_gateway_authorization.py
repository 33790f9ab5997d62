"""A method with AWS_IAM is called by those who signed for it and may, and by nobody else."""

import contextlib
import datetime as dt
import hashlib
import itertools
import json
import re

import boto3
import pytest
import rest_apis
from botocore.auth import S3SigV4Auth, SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import ClientError
from emulated_aws import Aws
from moto.sts.models import sts_backends
from rest_apis import STAGE, RestApi, call, document, signed_call

from byoi.emulator.process.server import Emulator

ACCOUNT = "123456789012"
UNSIGNED = {"message": "Missing Authentication Token"}
WRONG = "The request signature we calculated does not match the signature you provided."
WRONG_TOKEN = "The security token included in the request is invalid."
TRUST = {
    "Effect": "Allow",
    "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
    "Action": "sts:AssumeRole",
}
_numbers = itertools.count(1)


@contextlib.contextmanager
def signed_api(aws, endpoint, path="predictions", *, templates=None, **method):
    """An API whose one method has AWS_IAM, deployed and in the end deleted."""
    made = RestApi(aws, endpoint, path)
    try:
        made.method(authorizationType="AWS_IAM", **method)
        made.integrate(**({"requestTemplates": templates} if templates else {}))
        made.respond()
        yield made.deploy()
    finally:
        made.delete()


@pytest.fixture(scope="module")
def api(in_processes, endpoint):
    with signed_api(in_processes, endpoint) as made:
        yield made


@pytest.fixture
def in_this_process():
    """An emulator whose records a test can change."""
    running = Emulator(runner="processes")
    yield Aws(running)
    running.stop()


@pytest.fixture
def iam(in_processes):
    return in_processes.client("iam")


def allow(api, resource="*", effect="Allow"):
    arn = f"arn:aws:execute-api:us-east-1:{ACCOUNT}:{api.id}/{STAGE}/{resource}"
    return {"Effect": effect, "Action": "execute-api:Invoke", "Resource": arn}


def session_of(key, token=None, region="us-east-1"):
    return boto3.Session(
        key["AccessKeyId"], key["SecretAccessKey"], key.get("SessionToken"), region_name=region
    )


@contextlib.contextmanager
def user(iam, *statements, **more):
    """A user with a policy, and a session with its key."""
    name = f"caller-{next(_numbers)}"
    iam.create_user(UserName=name, **more)
    if statements:
        iam.put_user_policy(
            UserName=name, PolicyName="policy", PolicyDocument=document(*statements)
        )
    key = iam.create_access_key(UserName=name)["AccessKey"]
    try:
        yield name, session_of(key)
    finally:
        iam.delete_access_key(UserName=name, AccessKeyId=key["AccessKeyId"])
        for policy in iam.list_user_policies(UserName=name)["PolicyNames"]:
            iam.delete_user_policy(UserName=name, PolicyName=policy)
        iam.delete_user(UserName=name)


@contextlib.contextmanager
def assumed(aws, *statements, role=None, **session):
    """A role with a policy, and a session that assumed it."""
    iam, name = aws.client("iam"), f"caller-{next(_numbers)}"
    made = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document(TRUST), **(role or {}))[
        "Role"
    ]
    if statements:
        iam.put_role_policy(
            RoleName=name, PolicyName="policy", PolicyDocument=document(*statements)
        )
    credentials = aws.client("sts").assume_role(
        RoleArn=made["Arn"], RoleSessionName="one", **session
    )["Credentials"]
    try:
        yield name, session_of(credentials)
    finally:
        if statements:
            iam.delete_role_policy(RoleName=name, PolicyName="policy")
        iam.delete_role(RoleName=name)


def denial(who, api, why, resource="POST/predictions"):
    """What API Gateway answers to somebody who may not call a method."""
    arn = f"arn:aws:execute-api:us-east-1:********9012:{api.id}/{STAGE}/{resource}"
    words = f"User: {who} is not authorized to perform: execute-api:Invoke on resource: {arn}"
    return {"Message": f"{words} {why}"}


NO_POLICY = "because no identity-based policy allows the execute-api:Invoke action"


def test_a_signed_call_reaches_the_container_and_an_unsigned_one_does_not(api):
    answer = signed_call(api.aws.session, api.url, b"good")
    assert (answer.status, answer.json["text"]) == (200, "good")
    answer = call(api.url, b"good")
    assert (answer.status, answer.json) == (403, UNSIGNED)
    assert answer.headers["x-amzn-errortype"] == "MissingAuthenticationTokenException"


def test_a_path_that_is_not_there_is_refused_in_the_same_words(api):
    assert call(f"{api.url}s").json == UNSIGNED
    assert signed_call(api.aws.session, f"{api.url}s").json == UNSIGNED


def test_body_path_query_method_and_headers_are_signed(api):
    session = api.aws.session
    assert signed_call(session, f"{api.url}?b=1&a=%20x&c=", b"x").status == 200
    request = AWSRequest("POST", api.url, {"content-type": "text/plain"}, b"good")
    SigV4Auth(session.get_credentials(), "execute-api", "us-east-1").add_auth(request)
    headers = dict(request.headers.items())
    assert call(api.url, b"good", **headers).status == 200
    for url, body, more in [
        (api.url, b"else", {}),
        (f"{api.url}?a=1", b"good", {}),
        (f"{api.url}/", b"good", {}),
        (api.url, b"good", {"content-type": "text/css"}),
        (api.url, b"good", {"x-amz-content-sha256": "UNSIGNED-PAYLOAD"}),
    ]:
        answer = call(url, body, **{**headers, **more})
        assert answer.status == 403, (url, body, more)
        error_type = answer.headers["x-amzn-errortype"]
        assert error_type in {"InvalidSignatureException", "IncompleteSignatureException"}


@pytest.mark.parametrize("content", ["UNSIGNED-PAYLOAD", "0" * 64])
def test_the_body_counts_whatever_a_header_says_of_it(api, content):
    answer = signed_call(api.aws.session, api.url, b"good", X_Amz_Content_SHA256=content)
    assert (answer.status, answer.message[: len(WRONG)]) == (403, WRONG)


def test_a_signature_as_s3_makes_it_counts_too(api):
    request = AWSRequest("POST", api.url, {"content-type": "text/plain"}, b"good")
    credentials = api.aws.session.get_credentials()
    S3SigV4Auth(credentials, "execute-api", "us-east-1").add_auth(request)
    assert "X-Amz-Content-SHA256" in request.headers
    assert call(api.url, b"good", **dict(request.headers.items())).status == 200


def test_another_secret_is_refused(api):
    found = api.aws.session.get_credentials()
    wrong = boto3.Session(found.access_key, "wrong", region_name="us-east-1")
    answer = signed_call(wrong, api.url)
    assert (answer.status, answer.message[: len(WRONG)]) == (403, WRONG)
    assert answer.headers["x-amzn-errortype"] == "InvalidSignatureException"


@pytest.mark.parametrize("token", [None, "token"])
def test_an_unknown_key_and_a_token_that_is_not_of_the_key_are_refused(api, token):
    found = api.aws.session.get_credentials()
    key = found.access_key if token else "AKIA" + "A" * 16
    wrong = boto3.Session(key, found.secret_key, token, region_name="us-east-1")
    answer = signed_call(wrong, api.url)
    assert (answer.status, answer.json) == (403, {"message": WRONG_TOKEN})
    assert answer.headers["x-amzn-errortype"] == "UnrecognizedClientException"
    # The person who rehearses finds in the log what was wrong with it.
    said = "a session token came with a key" if token else "the signature's key is not known here"
    assert f"Execution failed: {said}" in api.aws.emulator.log_file.read_text()


@pytest.mark.parametrize("service", ["apigateway", "sagemaker", "s3"])
def test_a_signature_for_another_service_is_refused(api, service):
    answer = signed_call(api.aws.session, api.url, service=service)
    words = "Credential should be scoped to correct service: 'execute-api'. "
    assert (answer.status, answer.json) == (403, {"message": words})
    assert answer.headers["x-amzn-errortype"] == "InvalidSignatureException"


def test_a_signature_for_another_region_is_refused(api):
    found = api.aws.session.get_credentials()
    other = boto3.Session(found.access_key, found.secret_key, region_name="eu-west-1")
    words = "Credential should be scoped to a valid region, not 'eu-west-1'. "
    assert signed_call(other, api.url).json == {"message": words}
    both = f"{words}Credential should be scoped to correct service: 'execute-api'. "
    assert signed_call(other, api.url, service="sts").json == {"message": both}


@pytest.mark.parametrize(
    ("header", "what"),
    [
        ("Bearer abc", "of the scheme Bearer"),
        ("Basic YTpi", "of the scheme Basic"),
        ("AWS4-ECDSA-P256-SHA256 Credential=a", "(SigV4a)"),
        ("AWS4-HMAC-SHA256 Credential=a", "lacks one of Credential, SignedHeaders and Signature"),
        ("AWS key:abc", "signature version 2 is S3's own"),
        ("", "of the scheme"),
    ],
)
def test_another_form_of_authorization_is_refused_by_name(api, header, what):
    answer = call(api.url, authorization=header)
    assert answer.status == 403
    assert answer.headers["x-amzn-errortype"] == "IncompleteSignatureException"
    assert what in answer.message


class Query(SigV4QueryAuth):
    """botocore's signer of URLs, which would move a body into the query."""

    def __init__(self, session, body, expires_s=60):
        super().__init__(session.get_credentials(), "execute-api", "us-east-1", expires_s)
        self.body = body

    def payload(self, _request):
        return hashlib.sha256(self.body).hexdigest()


def signed_url(session, url, body=b"hello", expires_s=60):
    request = AWSRequest("POST", url, {"content-type": "text/plain"})
    Query(session, body, expires_s).add_auth(request)
    return request.url


def signed_at(api, minutes, expires_s=None):
    """Call with a signature of another time; in the query if it says when it expires."""
    stamp = f"{dt.datetime.now(dt.UTC) + dt.timedelta(minutes=minutes):%Y%m%dT%H%M%SZ}"
    headers = {"content-type": "text/plain"}
    request = AWSRequest("POST", api.url, headers, b"hello" if expires_s is None else b"")
    if expires_s is None:
        credentials = api.aws.session.get_credentials()
        request.headers["X-Amz-Date"] = stamp
        request.context["timestamp"] = stamp
        signer = SigV4Auth(credentials, "execute-api", "us-east-1")
        text = signer.string_to_sign(request, signer.canonical_request(request))
        signer._inject_signature_to_request(request, signer.signature(text, request))
        return stamp, call(api.url, **dict(request.headers.items()))
    signer = Query(api.aws.session, b"hello", expires_s)
    request.context["timestamp"] = stamp
    signer._modify_request_before_signing(request)
    text = signer.string_to_sign(request, signer.canonical_request(request))
    signer._inject_signature_to_request(request, signer.signature(text, request))
    return stamp, call(request.url)


@pytest.mark.parametrize(
    ("minutes", "expires_s", "words"),
    [
        (-4, None, None),
        (4, None, None),
        (-6, None, r"Signature expired: STAMP is now earlier than \S{16} \(\S{16} - 5 min\.\)"),
        (6, None, r"Signature not yet current: STAMP is still later than \S+ \(\S+ \+ 5 min\.\)"),
        (-6, 600, None),
        (-11, 600, r"Signature expired: STAMP is now earlier than \S{16} \(\S{16} - 10 min\.\)"),
        (6, 600, r"Signature not yet current: STAMP is still later than \S+ \(\S+ \+ 5 min\.\)"),
    ],
)
def test_a_signature_holds_for_five_minutes_or_as_long_as_its_query_says(
    api, minutes, expires_s, words
):
    stamp, answer = signed_at(api, minutes, expires_s)
    if words is None:
        assert answer.status == 200, answer.body
        return
    assert answer.status == 403
    assert re.fullmatch(words.replace("STAMP", stamp), answer.message), answer.message
    assert answer.headers["x-amzn-errortype"] == "InvalidSignatureException"


@pytest.mark.parametrize("expires", ["0", "-1", "604801", "x"])
def test_a_signed_url_holds_for_a_week_at_most(api, expires):
    answer = call(signed_url(api.aws.session, api.url, expires_s=expires))
    assert (answer.status, "X-Amz-Expires" in answer.message) == (403, True)


def test_a_time_that_is_none_is_refused(api):
    scope = f"{dt.datetime.now(dt.UTC):%Y%m%d}/us-east-1/execute-api/aws4_request"
    key = api.aws.session.get_credentials().access_key
    header = f"AWS4-HMAC-SHA256 Credential={key}/{scope}, SignedHeaders=host, Signature=0"
    answer = call(api.url, authorization=header)
    assert (answer.status, "no date of the form" in answer.message) == (403, True)


def test_a_url_that_is_signed_in_its_query(api):
    url = signed_url(api.aws.session, f"{api.url}?a=1")
    assert call(url).json["text"] == "hello"
    assert call(url, b"else").message.startswith(WRONG)
    assert call(url.replace("a=1", "a=2")).message.startswith(WRONG)
    assert call(url, authorization="AWS a:b").status == 403
    # As botocore signs one, for a request without a body.
    request = AWSRequest("POST", api.url, {"content-type": "text/plain"})
    credentials = api.aws.session.get_credentials()
    SigV4QueryAuth(credentials, "execute-api", "us-east-1", 60).add_auth(request)
    assert call(request.url, b"").status == 200


def test_a_user_may_what_its_policy_allows(api, iam):
    with user(iam, allow(api, "POST/predictions")) as (_, session):
        assert signed_call(session, api.url).status == 200
        # Named alike is what is routed alike.
        assert signed_call(session, f"{api.url}/").status == 200
    for resource in ("GET/predictions", "POST/other", "POST/predictions/*", "POST/Predictions"):
        with user(iam, allow(api, resource)) as (name, session):
            answer = signed_call(session, api.url)
            assert answer.status == 403
            arn = f"arn:aws:iam::{ACCOUNT}:user/{name}"
            assert answer.json == denial(arn, api, NO_POLICY)
            assert answer.headers["x-amzn-errortype"] == "AccessDeniedException"


@pytest.mark.parametrize(
    ("resource", "action"),
    [
        ("*", "execute-api:*"),
        ("*", "*"),
        (f"arn:aws:execute-api:*:{ACCOUNT}:*", "EXECUTE-API:invoke"),
    ],
)
def test_wildcards_in_a_policy(api, iam, resource, action):
    with user(iam, {"Effect": "Allow", "Action": action, "Resource": resource}) as (_, session):
        assert signed_call(session, api.url).status == 200


def test_a_user_without_a_policy_may_nothing(api, iam):
    with user(iam) as (name, session):
        answer = signed_call(session, api.url)
        assert answer.json == denial(f"arn:aws:iam::{ACCOUNT}:user/{name}", api, NO_POLICY)


def test_an_explicit_deny_wins(api, iam):
    statements = allow(api), allow(api, "POST/predictions", "Deny")
    with user(iam, *statements) as (name, session):
        why = "with an explicit deny in an identity-based policy"
        answer = signed_call(session, api.url)
        assert answer.json == denial(f"arn:aws:iam::{ACCOUNT}:user/{name}", api, why)
        # It cannot be passed by another way to write the path.
        for path in ("predictions/", "/predictions", "%70redictions"):
            assert signed_call(session, f"{api.root}/{path}").status == 403, path


def test_policies_that_are_attached_and_those_of_groups_count(api, iam):
    with user(iam) as (name, session):
        made = iam.create_policy(PolicyName="callers", PolicyDocument=document(allow(api)))
        arn = made["Policy"]["Arn"]
        iam.attach_user_policy(UserName=name, PolicyArn=arn)
        assert signed_call(session, api.url).status == 200
        iam.detach_user_policy(UserName=name, PolicyArn=arn)
        assert signed_call(session, api.url).status == 403
        iam.create_group(GroupName="callers")
        iam.add_user_to_group(GroupName="callers", UserName=name)
        iam.attach_group_policy(GroupName="callers", PolicyArn=arn)
        assert signed_call(session, api.url).status == 200
        iam.detach_group_policy(GroupName="callers", PolicyArn=arn)
        iam.put_group_policy(
            GroupName="callers", PolicyName="own", PolicyDocument=document(allow(api))
        )
        assert signed_call(session, api.url).status == 200
        iam.delete_group_policy(GroupName="callers", PolicyName="own")
        assert signed_call(session, api.url).status == 403
        iam.remove_user_from_group(GroupName="callers", UserName=name)
        iam.delete_group(GroupName="callers")
        iam.delete_policy(PolicyArn=arn)


def test_an_inactive_key_and_that_of_a_deleted_user_are_refused(api, iam):
    with user(iam, allow(api)) as (name, session):
        key = session.get_credentials().access_key
        iam.update_access_key(UserName=name, AccessKeyId=key, Status="Inactive")
        answer = signed_call(session, api.url)
        assert (answer.status, answer.message) == (403, WRONG_TOKEN)
        iam.update_access_key(UserName=name, AccessKeyId=key, Status="Active")
        assert signed_call(session, api.url).status == 200
    assert signed_call(session, api.url).message == WRONG_TOKEN


def test_the_session_of_a_role_needs_its_token(api, in_processes):
    with assumed(in_processes, allow(api)) as (_, session):
        assert signed_call(session, api.url).status == 200
        found = session.get_credentials()
        for token in (None, f"{found.token}x"):
            other = boto3.Session(
                found.access_key, found.secret_key, token, region_name="us-east-1"
            )
            assert signed_call(other, api.url).json == {"message": WRONG_TOKEN}
        url = signed_url(session, api.url)
        assert "X-Amz-Security-Token" in url
        assert call(url).status == 200


def test_the_session_of_a_role_may_what_the_role_may(api, in_processes):
    with assumed(in_processes, allow(api, "GET/*")) as (name, session):
        answer = signed_call(session, api.url)
        who = f"arn:aws:sts::{ACCOUNT}:assumed-role/{name}/one"
        assert (answer.status, answer.json) == (403, denial(who, api, NO_POLICY))


def test_a_session_that_is_over_is_refused(in_this_process):
    aws = in_this_process
    with signed_api(aws, "none") as api, assumed(aws, allow(api)) as (_, session):
        key = session.get_credentials().access_key
        # AWS gives a quarter of an hour at least.
        made = sts_backends[ACCOUNT]["aws"].get_assumed_role_from_access_key(key)
        made.expiration -= dt.timedelta(hours=2)
        answer = signed_call(session, api.url)
        assert answer.json == {"message": "The security token included in the request is expired"}
        assert (answer.status, answer.headers["x-amzn-errortype"]) == (403, "ExpiredTokenException")
        api.gateway.put_gateway_response(
            restApiId=api.id, responseType="EXPIRED_TOKEN", statusCode="411"
        )
        api.deploy()
        assert signed_call(session, api.url).status == 411


def test_a_boundary_holds_for_a_role(api, in_processes, iam):
    made = iam.create_policy(PolicyName="limit", PolicyDocument=document(allow(api, "GET/*")))
    arn = made["Policy"]["Arn"]
    bounded = {"PermissionsBoundary": arn}
    with assumed(in_processes, allow(api), role=bounded) as (name, session):
        who = f"arn:aws:sts::{ACCOUNT}:assumed-role/{name}/one"
        why = "because no permissions boundary allows the execute-api:Invoke action"
        assert signed_call(session, api.url).json == denial(who, api, why)
        iam.put_role_policy(
            RoleName=name,
            PolicyName="policy",
            PolicyDocument=document(allow(api), allow(api, effect="Deny")),
        )
        # Whatever else is missing, an explicit Deny is what is said.
        why = "with an explicit deny in an identity-based policy"
        assert signed_call(session, api.url).json == denial(who, api, why)
    iam.delete_policy(PolicyArn=arn)
    made = iam.create_policy(PolicyName="limit", PolicyDocument=document(allow(api)))
    with assumed(in_processes, allow(api), role=bounded) as (_, session):
        assert signed_call(session, api.url).status == 200
    with assumed(in_processes, role=bounded) as (_, session):
        assert signed_call(session, api.url).status == 403
    iam.delete_policy(PolicyArn=arn)


def test_the_policy_of_a_session_limits_it(api, in_processes):
    for allowed, status in ((allow(api), 200), (allow(api, "GET/*"), 403)):
        narrowed = {"Policy": document(allowed)}
        with assumed(in_processes, allow(api), **narrowed) as (name, session):
            answer = signed_call(session, api.url)
            assert answer.status == status
            if status == 403:
                who = f"arn:aws:sts::{ACCOUNT}:assumed-role/{name}/one"
                why = "because no session policy allows the execute-api:Invoke action"
                assert answer.json == denial(who, api, why)


def test_conditions_about_who_calls_are_evaluated(api, iam, in_processes):
    named = {"StringLike": {"aws:username": "caller-*"}}
    other = {"StringLike": {"aws:username": "other-*"}}
    of_role = {"ArnLike": {"aws:PrincipalArn": f"arn:aws:iam::{ACCOUNT}:role/caller-*"}}
    for condition, status in ((named, 200), (other, 403), (of_role, 403)):
        with user(iam, {**allow(api), "Condition": condition}) as (_, session):
            assert signed_call(session, api.url).status == status, condition
    with assumed(in_processes, {**allow(api), "Condition": of_role}) as (_, session):
        assert signed_call(session, api.url).status == 200
    # A tag, which the emulator does not look up.
    tagged = {"StringEquals": {"aws:PrincipalTag/team": "a"}}
    with user(iam, {**allow(api), "Condition": tagged}) as (_, session):
        answer = signed_call(session, api.url)
        assert (answer.status, "aws:PrincipalTag/team" in answer.message) == (501, True)
    # Where it cannot change the decision, it is not needed.
    with user(iam, {**allow(api), "Condition": tagged}, allow(api)) as (_, session):
        assert signed_call(session, api.url).status == 200


def test_somebody_of_another_account_may_nothing_without_a_resource_policy(api, in_processes):
    arn = "arn:aws:iam::210987654321:role/theirs"
    key = in_processes.client("sts").assume_role(RoleArn=arn, RoleSessionName="one")["Credentials"]
    answer = signed_call(session_of(key), api.url)
    who = "arn:aws:sts::210987654321:assumed-role/theirs/one"
    why = "because no resource-based policy allows the execute-api:Invoke action"
    assert (answer.status, answer.json) == (403, denial(who, api, why))


def test_who_calls_is_in_the_context(in_processes, endpoint, iam):
    ids = "$context.identity.accountId $context.identity.caller $context.identity.user"
    arn, key = "$context.identity.userArn", "$context.identity.accessKey"
    templates = {"text/plain": ids, "text/css": arn, "text/html": key}
    with (
        signed_api(in_processes, endpoint, templates=templates) as api,
        user(iam, allow(api)) as (name, session),
    ):
        unique = iam.get_user(UserName=name)["User"]["UserId"]
        assert signed_call(session, api.url).json["text"] == f"{ACCOUNT} {unique} {unique}"
        expected = {
            "text/css": f"arn:aws:iam::{ACCOUNT}:user/{name}",
            "text/html": session.get_credentials().access_key,
        }
        for type_, value in expected.items():
            assert signed_call(session, api.url, content_type=type_).json["text"] == value


def test_a_variable_in_the_path_is_named_by_its_value(in_processes, endpoint, iam):
    with (
        signed_api(in_processes, endpoint, "models/{name}") as api,
        user(iam, allow(api, "POST/models/ours")) as (name, session),
    ):
        assert signed_call(session, f"{api.root}/models/ours").status == 200
        answer = signed_call(session, f"{api.root}/models/theirs")
        who = f"arn:aws:iam::{ACCOUNT}:user/{name}"
        assert answer.json == denial(who, api, NO_POLICY, "POST/models/theirs")
        assert signed_call(session, f"{api.root}/models/ours%2Ftheirs").status == 403


def test_gateway_responses_say_it_otherwise(in_processes, endpoint, iam):
    types = ("ACCESS_DENIED", "INVALID_SIGNATURE", "MISSING_AUTHENTICATION_TOKEN")
    template = '{"type": "$context.error.responseType", "said": $context.error.messageString }'
    with signed_api(in_processes, endpoint) as api, user(iam) as (_, session):
        for number, type_ in enumerate(types):
            api.gateway.put_gateway_response(
                restApiId=api.id,
                responseType=type_,
                statusCode=str(410 + number),
                responseTemplates={"application/json": template},
            )
        api.deploy()
        answer = signed_call(session, api.url)
        assert (answer.status, answer.json["type"]) == (410, "ACCESS_DENIED")
        assert "is not authorized to perform" in answer.json["said"]
        assert signed_call(session, api.url, service="sts").status == 411
        assert call(api.url).status == 412


def test_a_key_is_asked_for_after_the_signature(in_processes, endpoint):
    with signed_api(in_processes, endpoint, apiKeyRequired=True) as api:
        made, plan = api.plan()
        api.gateway.create_usage_plan_key(usagePlanId=plan, keyId=made["id"], keyType="API_KEY")
        key = made["value"]
        assert call(api.url, x_api_key=key).json == UNSIGNED
        assert signed_call(in_processes.session, api.url).json == {"message": "Forbidden"}
        assert signed_call(in_processes.session, api.url, x_api_key=key).status == 200


def test_a_method_without_authorization_looks_at_no_signature(in_processes, endpoint):
    with rest_apis.usual(in_processes, endpoint) as api:
        assert signed_call(boto3.Session("a", "b", region_name="x"), api.url).status == 200
        assert call(api.url, authorization="Bearer of nothing").status == 200


@pytest.mark.parametrize("type_", ["CUSTOM", "COGNITO_USER_POOLS", "aws_iam", "OTHER"])
def test_other_authorizers_are_refused_by_name(in_processes, endpoint, type_):
    with signed_api(in_processes, endpoint) as api:
        assert api.gateway.get_method(**api.where)["authorizationType"] == "AWS_IAM"
        patch = [{"op": "replace", "path": "/authorizationType", "value": type_}]
        with pytest.raises(ClientError, match="NotEmulated"):
            api.gateway.update_method(**api.where, patchOperations=patch)
        other = {**api.where, "httpMethod": "GET", "authorizationType": type_}
        with pytest.raises(ClientError, match=f"authorizationType={type_}") as caught:
            api.gateway.put_method(**other)
        assert caught.value.response["Error"]["Code"] == "NotEmulated"


def test_the_credentials_of_the_caller_are_refused_as_those_of_an_integration(
    in_processes, endpoint
):
    with (
        signed_api(in_processes, endpoint) as api,
        pytest.raises(ClientError, match="the caller's own"),
    ):
        api.integrate(credentials="arn:aws:iam::*:user/*")


def test_a_user_with_a_boundary_is_refused(in_processes, iam):
    made = iam.create_policy(
        PolicyName="bound", PolicyDocument=document({**TRUST, "Resource": "*"})
    )
    bounded = {"PermissionsBoundary": made["Policy"]["Arn"]}
    with pytest.raises(ClientError, match="CreateUser with PermissionsBoundary") as caught:
        iam.create_user(UserName="bounded", **bounded)
    assert caught.value.response["Error"]["Code"] == "NotEmulated"
    resources = {"User": {"Type": "AWS::IAM::User", "Properties": bounded}}
    cloudformation = in_processes.client("cloudformation")
    with pytest.raises(ClientError, match="AWS::IAM::User in a template"):
        cloudformation.create_stack(
            StackName="bounded",
            TemplateBody=json.dumps({"Resources": resources}),
            Capabilities=["CAPABILITY_IAM"],
        )
    assert iam.list_users()["Users"] == []
    iam.delete_policy(PolicyArn=made["Policy"]["Arn"])


@pytest.mark.parametrize(
    ("kind", "named"), [("ManagedPolicy", {}), ("Policy", {"PolicyName": "own"})]
)
def test_a_policy_may_come_from_a_stack(api, in_processes, iam, kind, named):
    cloudformation = in_processes.client("cloudformation")
    with user(iam) as (name, session):
        assert signed_call(session, api.url).status == 403
        statements = {"Version": "2012-10-17", "Statement": [allow(api)]}
        properties = {**named, "Users": [name], "PolicyDocument": statements}
        made = {"Type": f"AWS::IAM::{kind}", "Properties": properties}
        cloudformation.create_stack(
            StackName="caller",
            TemplateBody=json.dumps({"Resources": {"Made": made}}),
            Capabilities=["CAPABILITY_IAM"],
        )
        described = cloudformation.describe_stacks(StackName="caller")["Stacks"][0]
        assert described["StackStatus"] == "CREATE_COMPLETE"
        assert signed_call(session, api.url).status == 200
        for one in iam.list_attached_user_policies(UserName=name)["AttachedPolicies"]:
            iam.detach_user_policy(UserName=name, PolicyArn=one["PolicyArn"])
        cloudformation.delete_stack(StackName="caller")
        cloudformation.get_waiter("stack_delete_complete").wait(StackName="caller")
        assert signed_call(session, api.url).status == 403
