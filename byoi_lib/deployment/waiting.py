"""Waiting for an endpoint, with what happens meanwhile: its states, and its containers' log.

Source: API DescribeEndpoint (EndpointStatus, FailureReason).
"""

import time
from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from byoi_lib import errors
from byoi_lib.deployment.container_log import ContainerLog

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
