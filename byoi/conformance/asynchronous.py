"""Contract 4B: asynchronous endpoints."""

from byoi.conformance import health_check
from byoi.conformance.case import Case
from byoi.conformance.rule import Kind, rule


@rule(Kind.PLATFORM)
def as_01(case: Case) -> str:  # noqa: ARG001 - RT-22 and RT-31 test it
    """An asynchronous endpoint asks its container as a real-time one does.

    So RT-22 and RT-31 test it.

    Source: DG async-inference.
    """
    return ""


@rule(Kind.OURS)
def as_02(case: Case) -> str:  # noqa: ARG001 - each image has its own setting for it
    """A payload has 1 GB at most, for which the container's own limit can be raised.

    Tested is that nginx gets the limit that is set, or none: tests/byoi/server/test_nginx.py. No
    test sends 1 GB.

    Source: DG async-inference.
    """
    return ""


@rule(Kind.PLATFORM)
def as_03(case: Case) -> str:  # noqa: ARG001 - no image can break it
    """A payload of 128,000 bytes at most may be given with the call instead of in S3.

    Source: DG async-inference-invoke-endpoint; BC AsyncBodyBlob.
    """
    return ""


@rule(Kind.PLATFORM)
def as_04(case: Case) -> str:  # noqa: ARG001 - no image can break it
    """InvocationTimeoutSeconds is 900 s by default, and 1 to 3600 s.

    Source: BC.
    """
    return ""


@rule(Kind.PLATFORM)
def as_05(case: Case) -> str:  # noqa: ARG001 - no image can break it
    """RequestTTLSeconds is 21,600 s by default, and 60 to 21,600 s.

    Source: BC.
    """
    return ""


@rule(Kind.OURS)
def as_06(case: Case) -> str:  # noqa: ARG001 - each image has its own settings for them
    """The container's time-outs can be raised to 3600 s, and its limit of a body to 1 GB.

    Tested is that nginx gets the limits that are set: tests/byoi/server/test_nginx.py. No test
    waits 3600 s or sends 1 GB.

    Source: DG async-inference-troubleshooting, question 3.
    """
    return ""


@rule(Kind.PAYLOAD)
def as_07(case: Case) -> str:
    """/ping answers within 2 s during invocations that take minutes.

    Source: DG async-inference-troubleshooting, question 6.
    """
    return health_check.ping_while_busy(case)


@rule(Kind.PLATFORM)
def as_08(case: Case) -> str:  # noqa: ARG001 - no image can break it
    """MaxConcurrentInvocationsPerInstance, 1 to 1000, limits what a container gets at a time.

    Source: BC; DG async-inference-troubleshooting, question 7.
    """
    return ""


@rule(Kind.PLATFORM)
def as_09(case: Case) -> str:  # noqa: ARG001 - no image can break it
    """What a container answers with 5xx is not sent again; the error goes to S3FailurePath.

    Source: DG async-inference-troubleshooting, question 8.
    """
    return ""


@rule(Kind.PLATFORM)
def as_10(case: Case) -> str:  # noqa: ARG001 - no image can break it
    """The call is answered with 202, before the container is asked.

    Source: BC.
    """
    return ""
