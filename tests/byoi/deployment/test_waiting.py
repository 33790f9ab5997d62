"""Waiting, against a SageMaker that is told what to say."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from byoi import errors
from byoi.deployment import waiting


def refusal(code: str, message: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, "DescribeEndpoint")


GONE = refusal("ValidationException", 'Could not find endpoint "arn".')


class SageMaker:
    """What is asked of boto3's client: one status after the other, the last one for ever."""

    def __init__(self, *statuses: str | ClientError) -> None:
        self.statuses = list(statuses)

    def describe_endpoint(self, EndpointName: str) -> dict[str, Any]:  # noqa: N803 - boto3's
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        if isinstance(status, ClientError):
            raise status
        return {"EndpointName": EndpointName, "EndpointStatus": status}


class Log:
    """What is asked of a ContainerLog."""

    def __init__(self, *reads: list[str]) -> None:
        self.reads: Iterator[list[str]] = iter(reads)

    def read(self) -> list[str]:
        return next(self.reads, [])


@pytest.fixture
def sleep() -> Callable[[float], None]:
    """A clock that only writes down."""
    slept: list[float] = []

    def wait(seconds: float) -> None:
        slept.append(seconds)

    wait.slept = slept  # type: ignore[attr-defined]
    return wait


def test_each_state_and_each_line_is_said_once(sleep: Any) -> None:
    said: list[str] = []
    sagemaker = SageMaker("Creating", "Creating", "Creating", "InService")
    log: Any = Log([], ["loading"], [], ["ready"])
    found = waiting.wait(sagemaker, "mine", log=log, progress=said.append, sleep=sleep)
    assert found == {"EndpointName": "mine", "EndpointStatus": "InService"}
    assert [line.partition(" (")[0] for line in said] == [
        "mine: Creating",
        "  | loading",
        "  | ready",
        "mine: InService",
    ]


@pytest.mark.parametrize("status", ["InService", "Failed", "OutOfService", "UpdateRollbackFailed"])
def test_an_end_is_an_end(status: str, sleep: Any) -> None:
    found = waiting.wait(SageMaker(status), "mine", sleep=sleep)
    assert found is not None
    assert found["EndpointStatus"] == status
    assert sleep.slept == []


def test_a_deletion_ends_with_nothing(sleep: Any) -> None:
    assert waiting.wait(SageMaker("Deleting", "Deleting", GONE), "mine", sleep=sleep) is None
    assert len(sleep.slept) == 2


def test_it_looks_often_first_and_then_seldom(sleep: Any) -> None:
    waiting.wait(SageMaker(*["Creating"] * 40, "InService"), "mine", sleep=sleep)
    assert sleep.slept[0] < 0.5
    assert sleep.slept == sorted(sleep.slept)
    assert sleep.slept[-1] == 5


def test_it_gives_up_and_says_how_it_goes_on(sleep: Any) -> None:
    with pytest.raises(errors.HostingError, match=r"still Creating .*`byoi delete mine`"):
        waiting.wait(SageMaker("Creating"), "mine", timeout_s=-1, sleep=sleep)


def test_a_refused_look_is_not_taken_for_gone(sleep: Any) -> None:
    denied = refusal("AccessDeniedException", "Could not find a way")
    with pytest.raises(ClientError, match="AccessDenied"):
        waiting.wait(SageMaker("Creating", denied), "mine", sleep=sleep)


@pytest.mark.parametrize(
    ("error", "is_absent", "is_present"),
    [
        (GONE, True, False),
        (refusal("ResourceNotFound", "gone"), True, False),
        (refusal("ValidationException", 'Cannot update in-progress endpoint "x".'), False, False),
        (
            refusal("ValidationException", 'Cannot create already existing model "x".'),
            False,
            True,
        ),
    ],
)
def test_what_sagemaker_says_in_words_is_understood(
    error: ClientError, is_absent: bool, is_present: bool
) -> None:
    assert waiting.is_absent(error) == is_absent
    assert waiting.is_present(error) == is_present
