"""The container log, read from a CloudWatch Logs of a few streams."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from byoi.deployment.waiting import ContainerLog

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
