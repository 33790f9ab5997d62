"""Authorization of a call by IAM: who signed it, and whether that one may call the method.

A request is signed as it is sent: with the host and the whole path that it goes to. Here that
path begins with `/restapis`, on AWS with the stage.

Sources: API Gateway Developer Guide, "Control access to a REST API with IAM permissions" (the
action `execute-api:Invoke` and the form of a method's ARN), "Gateway response types"; IAM User
Guide, create-signed-request.html. AWS's words are those of its answers quoted in public issues:
mhart/aws4 33 (another signature) and 118 (five minutes), aws-amplify/aws-sdk-android 253 (403
for an expired one), kndt84/aws-api-gateway-client 31 (a wrong token), and for the denial, which
masks the account, aws/serverless-application-model 480 and serverless/serverless 11808.
"""

import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from werkzeug.wrappers import Request

from byoi import policy
from byoi.emulator import answers, door, signatures
from byoi.emulator.answers import DeniedError
from byoi.emulator.api_gateway.call import Call
from byoi.emulator.api_gateway.gateway_responses import GatewayError
from byoi.emulator.aws import account, iam
from byoi.emulator.aws.iam import Principal
from byoi.emulator.door import Door
from byoi.emulator.signatures import Signature, SigV4

AWS_IAM = "AWS_IAM"
ACTION = "execute-api:Invoke"
SERVICE = "execute-api"
# API Gateway names them itself: "... is now earlier than ... (... - 5 min.)".
SKEW_S = 5 * 60
_TIME = "%Y%m%dT%H%M%SZ"
_WRONG_TOKEN = "The security token included in the request is invalid."  # noqa: S105 - a sentence
_EXPIRED_TOKEN = "The security token included in the request is expired"  # noqa: S105
_WRONG = (
    "The request signature we calculated does not match the signature you provided. Check your "
    "AWS Secret Access Key and signing method. Consult the service documentation for details."
)
# The door's reasons to API Gateway's: type of the gateway response, error type, and message; ""
# is the door's own, which says more where AWS's words do not fit.
_REFUSALS: dict[tuple[str, str, str], tuple[str, str | None, str]] = {
    answers.UNSUPPORTED: ("INVALID_SIGNATURE", "IncompleteSignatureException", ""),
    answers.EXPIRED_KEY: ("EXPIRED_TOKEN", None, _EXPIRED_TOKEN),
    answers.WRONG: ("INVALID_SIGNATURE", None, _WRONG),
    answers.UNKNOWN_KEY: ("INVALID_SIGNATURE", "UnrecognizedClientException", _WRONG_TOKEN),
    answers.WRONG_TOKEN: ("INVALID_SIGNATURE", "UnrecognizedClientException", _WRONG_TOKEN),
}


@dataclass(frozen=True)
class Authorization:
    """Lets those call a method of an API who may.

    Attributes:
        door: Knows the keys that are accepted, and the time.
    """

    door: Door

    def require(self, call: Call, request: Request, path: str) -> None:
        """Check that a call may reach its method, and add to its context who calls.

        Args:
            call: The call.
            request: Its request.
            path: Path below the stage, percent-encoded as received.

        Raises:
            GatewayError: The method asks for IAM's authorization, and the request has no valid
                signature, or whoever signed it may not call the method.
            NotEmulatedError: A policy has a condition that cannot be evaluated.
        """
        if call.route.method.get("authorizationType") != AWS_IAM:
            return
        access_key = self._signer(call, request)
        principal = iam.find_principal(access_key)
        call.context["identity"].update(
            accessKey=access_key,
            accountId=principal.account,
            caller=principal.unique_id,
            user=principal.unique_id,
            userArn=principal.arn,
        )
        if denial := _explain_denial(principal, call, path):
            raise GatewayError("ACCESS_DENIED", denial)

    def _signer(self, call: Call, request: Request) -> str:
        """Return the access key that signed a call."""
        try:
            return self._checked(signatures.read(request), call, request.get_data())
        except DeniedError as denied:
            raise _refusal(denied) from denied

    def _checked(self, signature: Signature | None, call: Call, sent: bytes) -> str:
        if signature is None:
            raise GatewayError("MISSING_AUTHENTICATION_TOKEN", cause="the request is not signed")
        if not isinstance(signature, SigV4):
            raise DeniedError(answers.UNSUPPORTED, "signature version 2 is S3's own")
        if words := _misdirected(signature, call.api.region):
            raise GatewayError("INVALID_SIGNATURE", words)
        try:
            key = self.door.key_of(signature, skew_s=SKEW_S)
        except DeniedError as denied:
            if denied.codes not in {answers.WRONG_TIME, answers.EXPIRED_URL}:
                raise
            words = _wrong_time(signature, self.door.now()) or denied.message
            raise GatewayError("INVALID_SIGNATURE", words, cause=denied.message) from denied
        # As it was sent: the body of the call is what a content coding hid.
        digest = hashlib.sha256(sent).hexdigest()
        # What a header says of the body is signed in its place; only S3 takes another than it is.
        if signature.content not in {None, digest}:
            raise DeniedError(answers.WRONG, "the body has another SHA-256 than was signed")
        door.require(signature.value, signature.expected(key, digest))
        return key.access_key


def _refusal(denied: DeniedError) -> GatewayError:
    """Return API Gateway's error for what the door refuses."""
    type_, code, message = _REFUSALS.get(denied.codes, ("INVALID_SIGNATURE", None, ""))
    return GatewayError(type_, message or denied.message, cause=denied.message, code=code)


def method_arn(
    region: str, context: Mapping[str, Any], path: str, number: str = account.NUMBER
) -> str:
    """Return the ARN of the method that a call reaches, as a policy names it.

    Args:
        region: The API's.
        context: The members of `$context`.
        path: Path below the stage, percent-encoded as received.
        number: The account's, or what stands for it.
    """
    # What is routed alike is named alike: decoded, and without empty segments.
    named = "/".join(unquote(part) for part in path.split("/") if part)
    return (
        f"arn:aws:execute-api:{region}:{number}:{context['apiId']}/{context['stage']}/"
        f"{context['httpMethod']}/{named}"
    )


def _explain_denial(principal: Principal, call: Call, path: str) -> str | None:
    """Return why a principal may not make a call, in AWS's words; None if it may."""
    number = account.NUMBER
    masked = f"{'*' * (len(number) - 4)}{number[-4:]}"
    shown = method_arn(call.api.region, call.context, path, masked)
    if principal.account != number:
        return (
            f"User: {principal.arn} is not authorized to perform: {ACTION} on resource: {shown} "
            f"because no resource-based policy allows the {ACTION} action"
        )
    context = {**principal.context, "aws:SourceIp": str(call.context["identity"]["sourceIp"])}
    arn = method_arn(call.api.region, call.context, path)
    request = policy.Request(ACTION, arn, context=context)
    return iam.explain(principal, request, shown=shown)


def _wrong_time(signature: SigV4, now_s: float) -> str:
    """Return AWS's words for a signature that is not valid now, "" where its time has no fault."""
    try:
        made_s = signatures.seconds(signature.timestamp)
    except DeniedError:
        return ""
    valid_s = SKEW_S if signature.expires_s is None else signature.expires_s
    if made_s > now_s + SKEW_S:
        first, bound_s, tolerance = "not yet current", now_s + SKEW_S, f"+ {SKEW_S / 60:g}"
    elif made_s < now_s - valid_s:
        first, bound_s, tolerance = "expired", now_s - valid_s, f"- {valid_s / 60:g}"
    else:
        return ""
    then = "still later" if made_s > now_s else "now earlier"
    now, bound = (time.strftime(_TIME, time.gmtime(one)) for one in (now_s, bound_s))
    return (
        f"Signature {first}: {signature.timestamp} is {then} than {bound} ({now} {tolerance} min.)"
    )


def _misdirected(signature: SigV4, region: str) -> str:
    """Return AWS's words for a signature of another region or service, "" for one of these."""
    scope, words = signature.scope, ""
    if scope.region != region:
        words = f"Credential should be scoped to a valid region, not '{scope.region}'. "
    if scope.service != SERVICE:
        words += f"Credential should be scoped to correct service: '{SERVICE}'. "
    return words
