"""Waiting, against a SageMaker that is told what to say."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from byoi import errors
from byoi.deployment import waiting
from byoi.deployment.waiting import ContainerLog


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


PAGE_SIZE = 2


class Logs:
    """What is asked of boto3's client; two events or streams at a time."""

    def __init__(self) -> None:
        self.streams: dict[str, list[str]] = {}
        self.refusal = ""
        self.tagged: list[dict[str, Any]] = []

    def get_paginator(self, _call: str) -> "Logs":
        return self

    def paginate(self, logGroupName: str) -> list[dict[str, Any]]:  # noqa: N803 - boto3's
        assert logGroupName == "/aws/sagemaker/Endpoints/mine"
        if self.refusal or not self.streams:
            code = self.refusal or "ResourceNotFoundException"
            raise ClientError({"Error": {"Code": code, "Message": "no"}}, "DescribeLogStreams")
        names = [{"logStreamName": name} for name in self.streams]
        starts = range(0, len(names), PAGE_SIZE)
        return [{"logStreams": names[start : start + PAGE_SIZE]} for start in starts]

    def get_log_events(self, logStreamName: str, **place: Any) -> dict[str, Any]:  # noqa: N803
        if "nextToken" not in place:
            return {"events": [], "nextForwardToken": "0"}  # which is not the end
        start = int(place["nextToken"])
        messages = self.streams[logStreamName][start : start + PAGE_SIZE]
        events = [{"message": message} for message in messages]
        return {"events": events, "nextForwardToken": str(start + len(messages))}

    def describe_log_groups(self, **_: Any) -> dict[str, Any]:
        arn = "arn:aws:logs:us-east-1:1:log-group:/aws/sagemaker/Endpoints/mine"
        names = ["/aws/sagemaker/Endpoints/mine", "/aws/sagemaker/Endpoints/mine-2"]
        return {
            "logGroups": [
                {"logGroupName": name, "arn": arn + name.removeprefix(names[0]) + ":*"}
                for name in names
            ]
        }

    def tag_resource(self, **asked: Any) -> None:
        self.tagged.append(asked)


@pytest.fixture
def logs() -> Logs:
    return Logs()


def test_there_is_no_log_until_a_container_writes(logs: Logs) -> None:
    log = ContainerLog(logs, "mine")
    assert log.read() == []
    logs.streams["AllTraffic/i-1"] = ["one", "two", "three"]
    assert log.read() == ["one", "two", "three"]
    assert log.read() == []
    logs.streams["AllTraffic/i-1"].append("four")
    assert log.read() == ["four"]
    assert list(log.last_lines) == ["one", "two", "three", "four"]


def test_old_instances_are_not_read(logs: Logs) -> None:
    logs.streams = {f"AllTraffic/i-{number}": ["old"] for number in range(3)}
    log = ContainerLog(logs, "mine")
    for lines in logs.streams.values():
        lines.append("still old")
    logs.streams["AllTraffic/i-9"] = ["new"]
    assert log.read() == ["new"]


def test_health_checks_are_not_shown(logs: Logs) -> None:
    log = ContainerLog(logs, "mine")
    logs.streams["a"] = [
        json.dumps({"method": "GET", "path": "/ping", "status": 503}),
        '{"path":"/ping"}',
        '10.0.0.1 - - "GET /ping HTTP/1.1" 200',
        "GET /pings",
    ]
    assert log.read() == ["GET /pings"]


def test_json_is_shown_as_its_words(logs: Logs) -> None:
    log = ContainerLog(logs, "mine")
    plain = ['{"a": 1}', "[1]", "{not json", "1"]
    logs.streams["a"] = [json.dumps({"level": "error", "message": "no model", "time": 1}), *plain]
    assert log.read() == ["error: no model", *plain]


def test_a_log_that_may_not_be_read_is_said_once(logs: Logs) -> None:
    logs.refusal = "AccessDeniedException"
    log = ContainerLog(logs, "mine")
    assert log.read() == log.read() == []
    assert len(log.last_lines) == 1
    assert "AccessDenied" in log.last_lines[0]


def test_a_failure_shows_the_end(logs: Logs) -> None:
    log = ContainerLog(logs, "mine")
    logs.streams["a"] = [str(number) for number in range(100)]
    assert len(log.read()) == 100
    assert list(log.last_lines)[-1] == "99"
    assert len(log.last_lines) < 30


def test_only_its_own_group_is_marked(logs: Logs) -> None:
    ContainerLog(logs, "mine").tag()
    arn = "arn:aws:logs:us-east-1:1:log-group:/aws/sagemaker/Endpoints/mine"
    assert logs.tagged == [{"resourceArn": arn, "tags": {"byoi:endpoint": "mine"}}]
