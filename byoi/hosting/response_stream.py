"""A streamed answer of a container on this machine, as boto3 gives one of AWS's.

Source: API InvokeEndpointWithResponseStream (ResponseStream, ModelStreamError).
"""

from collections.abc import Iterator
from typing import Any

import urllib3
from botocore.exceptions import EventStreamError

_OPERATION = "InvokeEndpointWithResponseStream"


class ResponseStream:
    """Events of one answer, each as soon as its piece is here; in place of botocore's EventStream.

    Iterate over it: each event is `{"PayloadPart": {"Bytes": bytes}}`.
    """

    def __init__(self, answer: Any) -> None:
        """Take over an answer whose body was not read.

        Args:
            answer: urllib3's response; each chunk of its body becomes one event.
        """
        self._answer = answer

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Yield the events.

        Raises:
            EventStreamError: botocore's; the container fell silent, or ended the stream early.
        """
        try:
            for piece in self._answer.stream():
                yield {"PayloadPart": {"Bytes": piece}}
        except urllib3.exceptions.ReadTimeoutError as error:
            raise _error("ModelInvocationTimeExceeded", "nothing came for too long") from error
        except urllib3.exceptions.HTTPError as error:
            raise _error("StreamBroken", f"the container broke the connection: {error}") from error
        finally:
            self.close()

    def close(self) -> None:
        """End the connection; the container notices it."""
        self._answer.close()


def _error(code: str, message: str) -> EventStreamError:
    told = {"Error": {"Code": "ModelStreamError", "Message": message}, "ErrorCode": code}
    return EventStreamError(told, _OPERATION)
