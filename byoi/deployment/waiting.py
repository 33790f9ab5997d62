"""Waiting for an endpoint, with what happens meanwhile: its states, and its containers' log.

Source: API DescribeEndpoint (EndpointStatus, FailureReason).

What an endpoint's containers have written since a moment, read from CloudWatch Logs.

Source: DG logging-cloudwatch: group /aws/sagemaker/Endpoints/NAME, stream
VARIANT/INSTANCE-ID; made when the first container writes.
"""

import contextlib
import json
import re
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from byoi import errors
from byoi.deployment import tags

LOG_GROUPS = "/aws/sagemaker/Endpoints/"
# What a failure shows of it.
_LAST_LINES = 15
# One a second while it starts, of whichever server.
_HEALTH_CHECK = re.compile(r'GET /ping |"path": ?"/ping"')
_ABSENT = "ResourceNotFoundException"


class ContainerLog:
    """The log streams that instances open after this object is made.

    An update's old instances go on writing into theirs; those are not read.

    Attributes:
        last_lines: The newest lines of all that was read.
    """

    def __init__(self, logs: Any, endpoint_name: str) -> None:
        """Remember which streams are there already.

        Args:
            logs: boto3's client of that name.
            endpoint_name: The endpoint's name.
        """
        self._logs = logs
        self._endpoint_name = endpoint_name
        self._group = log_group(endpoint_name)
        # Stream to where reading goes on.
        self._tokens: dict[str, str | None] = {}
        self._is_readable = True
        self.last_lines: deque[str] = deque(maxlen=_LAST_LINES)
        self._old = set(self._streams())

    def read(self) -> list[str]:
        """Return the lines that were written since the last call."""
        lines: list[str] = []
        for stream in self._streams():
            if stream not in self._old:
                lines += self._read(stream)
        self.last_lines.extend(lines)
        return lines

    def tag(self) -> None:
        """Mark the log group as ours, where there is one and this is allowed.

        AWS keeps it when the endpoint is gone, and clean-up has to know whose it is.
        """
        with contextlib.suppress(ClientError, BotoCoreError):
            answer = self._logs.describe_log_groups(logGroupNamePrefix=self._group)
            for entry in answer["logGroups"]:
                if entry["logGroupName"] == self._group:
                    self._logs.tag_resource(
                        resourceArn=log_group_arn(entry), tags={tags.ENDPOINT: self._endpoint_name}
                    )

    def _streams(self) -> list[str]:
        names: list[str] = []
        if not self._is_readable:
            return names
        try:
            pages = self._logs.get_paginator("describe_log_streams")
            for page in pages.paginate(logGroupName=self._group):
                names += [stream["logStreamName"] for stream in page["logStreams"]]
        except (ClientError, BotoCoreError) as error:
            self._excuse(error)
        return names

    def _read(self, stream: str) -> list[str]:
        lines: list[str] = []
        while True:
            token = self._tokens.get(stream)
            place: dict[str, Any] = {"nextToken": token} if token else {"startFromHead": True}
            try:
                answer = self._logs.get_log_events(
                    logGroupName=self._group, logStreamName=stream, **place
                )
            except (ClientError, BotoCoreError) as error:
                self._excuse(error)
                return lines
            lines += filter(None, (_readable(event["message"]) for event in answer["events"]))
            self._tokens[stream] = answer["nextForwardToken"]
            # The end gives the token it was asked with; an empty answer need not be the end
            # (API GetLogEvents).
            if answer["nextForwardToken"] == token:
                return lines

    def _excuse(self, error: Exception) -> None:
        """Deploying goes on without a log, and says once why it shows none."""
        if isinstance(error, ClientError) and error.response["Error"]["Code"] == _ABSENT:
            return
        self._is_readable = False
        self.last_lines.append(f"(the container's log cannot be read: {error})")


def _readable(line: str) -> str:
    """Return a line as it is shown: without JSON around its words; "" hides a health check."""
    if _HEALTH_CHECK.search(line):
        return ""
    try:
        event = json.loads(line)
        return f"{event['level']}: {event['message']}"
    except (ValueError, KeyError, TypeError):
        return line.rstrip("\n")


def log_group(endpoint_name: str) -> str:
    """Return the log group of an endpoint."""
    return LOG_GROUPS + endpoint_name


def log_group_arn(entry: Mapping[str, Any]) -> str:
    """Return the ARN that tags want of what DescribeLogGroups shows; that one ends in `:*`."""
    return str(entry["arn"]).removesuffix(":*")


# Something goes on in these; any other is an end.
TRANSIENT = frozenset({"Creating", "Updating", "SystemUpdating", "RollingBack", "Deleting"})
# An emulator is ready in a second, AWS in minutes: ask often first, then seldom.
_FIRST_INTERVAL_S = 0.2
_LAST_INTERVAL_S = 5.0
_GROWTH = 1.3
# AWS waits up to an hour for the containers, after as long for image and model data.
TIMEOUT_S = 2 * 3600 + 600

Progress = Callable[[str], None]


def silent(_line: str) -> None:
    """Take a line of progress and show nothing."""


def describe(sagemaker: Any, name: str) -> dict[str, Any] | None:
    """Return what DescribeEndpoint says, None where there is no such endpoint."""
    try:
        return dict(sagemaker.describe_endpoint(EndpointName=name))
    except ClientError as error:
        if is_absent(error):
            return None
        raise


def is_absent(error: ClientError) -> bool:
    """Whether AWS says that there is no such thing.

    SageMaker has a code of its own for few calls; the others say it in words.
    """
    details = error.response["Error"]
    if details["Code"] in {"ResourceNotFound", "ResourceNotFoundException"}:
        return True
    return details["Code"] == "ValidationException" and "Could not find" in _words(error)


def is_present(error: ClientError) -> bool:
    """Whether AWS refuses to create what is there already."""
    return "already existing" in _words(error) or "already exists" in _words(error)


def is_busy(error: ClientError) -> bool:
    """Whether AWS refuses a change because another one goes on."""
    return "in-progress" in _words(error)


def _words(error: ClientError) -> str:
    return str(error.response["Error"].get("Message", ""))


def wait(  # noqa: PLR0913 - keywords with a default
    sagemaker: Any,
    name: str,
    *,
    log: ContainerLog | None = None,
    progress: Progress = silent,
    timeout_s: float = TIMEOUT_S,
    sleep: Callable[[float], None] = time.sleep,
) -> dict[str, Any] | None:
    """Wait until nothing goes on with an endpoint.

    Args:
        sagemaker: boto3's client of that name.
        name: The endpoint's name.
        log: Read while waiting; its lines go to `progress`.
        progress: Takes one line for each change of state and each line of the log.
        timeout_s: Seconds after which waiting is given up; the endpoint is left as it is.
        sleep: Waits so many seconds.

    Returns:
        What DescribeEndpoint says at the end, None where the endpoint is gone.

    Raises:
        HostingError: It did not come to an end in time.
        ClientError: AWS refused a call.
    """
    started_s = time.monotonic()
    interval_s = _FIRST_INTERVAL_S
    shown = ""
    while True:
        described = describe(sagemaker, name)
        status = described["EndpointStatus"] if described else "gone"
        waited_s = time.monotonic() - started_s
        for line in log.read() if log else ():
            progress(f"  | {line}")
        if status != shown:
            progress(f"{name}: {status} ({waited_s:.0f} s)")
            shown = status
        if status not in TRANSIENT:
            return described
        if waited_s > timeout_s:
            raise errors.HostingError(
                f"{name} is still {status} after {waited_s:.0f} s and is left so; look at it with "
                f"`byoi endpoints`, delete it with `byoi delete {name}` once nothing goes on"
            )
        sleep(interval_s)
        interval_s = min(interval_s * _GROWTH, _LAST_INTERVAL_S)
