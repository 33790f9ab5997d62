"""Waiting for an endpoint, with its statuses and the logs of its containers as progress.

Sources: API DescribeEndpoint (EndpointStatus, FailureReason); SageMaker Developer Guide,
logging-cloudwatch: group /aws/sagemaker/Endpoints/NAME, stream VARIANT/INSTANCE-ID, made when
the first container writes; API FilterLogEvents.
"""

import contextlib
import json
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from byoi import errors, terminal
from byoi.conformance import causes
from byoi.deployment import tags
from byoi.deployment.account import error_code
from byoi.local import health

LOG_GROUPS = "/aws/sagemaker/Endpoints/"
# Number of lines that a failure shows.
_LAST_LINES = 15
_ABSENT = "ResourceNotFoundException"
# Transitional statuses; all others are final.
TRANSIENT = frozenset({"Creating", "Updating", "SystemUpdating", "RollingBack", "Deleting"})
# An emulator is ready in a second, AWS in minutes: ask often first, then less often.
_FIRST_INTERVAL_S = 0.2
_LAST_INTERVAL_S = 5.0
_GROWTH = 1.3
# AWS waits up to an hour for the containers, after as long for image and model data.
TIMEOUT_S = 2 * 3600 + 600

Progress = Callable[[str], None]


def silent(_line: str) -> None:
    """Ignore a line of progress."""


class ContainerLog:
    """The log streams that an endpoint's instances open after this object is made.

    The old instances of an update keep writing to their own streams, which are not read.

    Attributes:
        last_lines: The last lines that were read.
    """

    def __init__(self, logs: Any, endpoint_name: str) -> None:
        """Remember the existing streams.

        Args:
            logs: boto3's client of that name.
            endpoint_name: The endpoint's name.
        """
        self._logs = logs
        self._endpoint_name = endpoint_name
        self._group = log_group(endpoint_name)
        # Stream to the token of its next page.
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
        """Tag the log group as ours, if it exists and AWS allows it.

        AWS keeps the group after the endpoint is deleted, and clean-up finds it by the tag.
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
            start: dict[str, Any] = {"nextToken": token} if token else {"startFromHead": True}
            try:
                answer = self._logs.get_log_events(
                    logGroupName=self._group, logStreamName=stream, **start
                )
            except (ClientError, BotoCoreError) as error:
                self._excuse(error)
                return lines
            lines += filter(None, (_readable(event["message"]) for event in answer["events"]))
            self._tokens[stream] = answer["nextForwardToken"]
            # At the end the token stays the same; an empty answer is not always the end
            # (API GetLogEvents).
            if answer["nextForwardToken"] == token:
                return lines

    def _excuse(self, error: Exception) -> None:
        """Continue without a log, and show the reason once."""
        if isinstance(error, ClientError) and error_code(error) == _ABSENT:
            return
        self._is_readable = False
        self.last_lines.append(terminal.one_line(f"(the container's log cannot be read: {error})"))


def find_stop_problems(logs: Any, endpoint_name: str, since_s: float) -> list[str]:
    """Return the lines of an endpoint's log that say that SIGTERM did not end a container.

    The emulator writes them. AWS says nothing of how a container ended, so that none is no proof.

    Args:
        logs: boto3's client of that name.
        endpoint_name: The endpoint's name; it may be gone, its log stays.
        since_s: Only lines after this time, in seconds since 1970.
    """
    pages = logs.get_paginator("filter_log_events").paginate(
        logGroupName=log_group(endpoint_name),
        startTime=int(since_s * 1000),
        filterPattern=f'"{causes.SIGTERM_IGNORED}"',
    )
    # It is told beside the deletion, which has worked.
    with contextlib.suppress(ClientError, BotoCoreError):
        return [_readable(event["message"]) for page in pages for event in page["events"]]
    return []


def wait(  # noqa: PLR0913 - keywords with a default
    sagemaker: Any,
    name: str,
    *,
    log: ContainerLog | None = None,
    progress: Progress = silent,
    timeout_s: float = TIMEOUT_S,
    sleep: Callable[[float], None] = time.sleep,
) -> dict[str, Any] | None:
    """Wait until an endpoint's status is final.

    Args:
        sagemaker: boto3's client of that name.
        name: The endpoint's name.
        log: Read while waiting; its lines go to `progress`.
        progress: Takes one line for each change of status and each line of the log.
        timeout_s: Seconds after which waiting ends; the endpoint is left as it is.
        sleep: Waits for a number of seconds.

    Returns:
        The last answer of DescribeEndpoint, None if the endpoint is gone.

    Raises:
        HostingError: The status is not final after `timeout_s`.
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
            progress(terminal.one_line(f"{name}: {status} ({waited_s:.0f} s)"))
            shown = status
        if status not in TRANSIENT:
            return described
        if waited_s > timeout_s:
            raise errors.HostingError(
                f"{name} is still {status} after {waited_s:.0f} s and is left as it is; once "
                f"`byoi endpoints` shows another status, delete it with `byoi delete {name}`"
            )
        sleep(interval_s)
        interval_s = min(interval_s * _GROWTH, _LAST_INTERVAL_S)


def describe(sagemaker: Any, name: str) -> dict[str, Any] | None:
    """Return the answer of DescribeEndpoint, None if there is no such endpoint."""
    try:
        return dict(sagemaker.describe_endpoint(EndpointName=name))
    except ClientError as error:
        if is_absent(error):
            return None
        raise


def is_absent(error: ClientError) -> bool:
    """Whether AWS answers that a resource does not exist.

    SageMaker has an error code for few calls; the others name it in the message only.
    """
    details = error.response["Error"]
    if details["Code"] in {"ResourceNotFound", "ResourceNotFoundException"}:
        return True
    return details["Code"] == "ValidationException" and "Could not find" in _message(error)


def is_present(error: ClientError) -> bool:
    """Whether AWS refuses to create a resource because it exists."""
    return "already existing" in _message(error) or "already exists" in _message(error)


def is_busy(error: ClientError) -> bool:
    """Whether AWS refuses a change because another one is in progress."""
    return "in-progress" in _message(error)


def log_group(endpoint_name: str) -> str:
    """Return the log group of an endpoint."""
    return LOG_GROUPS + endpoint_name


def log_group_arn(entry: Mapping[str, Any]) -> str:
    """Return the ARN of a log group for its tags; in DescribeLogGroups it ends in `:*`."""
    return str(entry["arn"]).removesuffix(":*")


def _readable(line: str) -> str:
    """Return the text of a log line, taken out of JSON and safe to print; "" for a health check."""
    if health.is_health_check(line):
        return ""
    try:
        event = json.loads(line)
        line = f"{event['level']}: {event['message']}"
    except (ValueError, KeyError, TypeError, RecursionError):
        pass
    return terminal.one_line(line.rstrip("\n"))


def _message(error: ClientError) -> str:
    return str(error.response["Error"].get("Message", ""))
