"""What an endpoint's containers have written since a moment, read from CloudWatch Logs.

Source: DG logging-cloudwatch: group /aws/sagemaker/Endpoints/NAME, stream
VARIANT/INSTANCE-ID; made when the first container writes.
"""

import contextlib
import json
import re
from collections import deque
from collections.abc import Mapping
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from byoi_lib.deployment import tags

GROUPS = "/aws/sagemaker/Endpoints/"
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
        self._group = group(endpoint_name)
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
                        resourceArn=arn(entry), tags={tags.ENDPOINT: self._endpoint_name}
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


def group(endpoint_name: str) -> str:
    """Return the log group of an endpoint."""
    return GROUPS + endpoint_name


def arn(entry: Mapping[str, Any]) -> str:
    """Return the ARN that tags want of what DescribeLogGroups shows; that one ends in `:*`."""
    return str(entry["arn"]).removesuffix(":*")
