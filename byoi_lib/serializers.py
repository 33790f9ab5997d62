"""The client's side: reviews to request bodies, and response bodies to probabilities.

The classes have the methods of the SDK's `BaseSerializer` and `BaseDeserializer`, so
`sagemaker.Predictor` accepts them, and nothing here imports the SDK. The SDK's own JSON,
CSV, JSON Lines and NumPy classes work as well; docs/formats.md shows each.
"""

import json
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from byoi import errors
from byoi.formats import content_types
from byoi_lib.manifest import LABELS
from byoi_lib.request import gather


class Stream(Protocol):
    """The methods of botocore.response.StreamingBody that are used."""

    def read(self) -> bytes:
        """Return the remaining bytes."""

    def close(self) -> None:
        """Release the connection."""


class ReviewSerializer:
    """Serialize reviews as the JSON object `{"instances": [...]}`."""

    CONTENT_TYPE = content_types.JSON

    def serialize(self, data: str | Sequence[Any] | npt.NDArray[Any]) -> bytes:
        """Return the body of POST /invocations.

        Args:
            data: One text, n texts, the token ids of one review, shape (length,), or n
                lists of token ids.

        Raises:
            MalformedBody: `data` is something else, or empty; found before it is sent.
        """
        is_one = isinstance(data, str) or (len(data) > 0 and not hasattr(data[0], "__len__"))
        entries = [data] if is_one else data
        plain = [entry.tolist() if isinstance(entry, np.ndarray) else entry for entry in entries]
        gather(plain, "instance")
        return json.dumps({"instances": plain}).encode("ascii")


class PredictionDeserializer:
    """Deserialize `{"predictions": [...]}` into an array of probabilities."""

    ACCEPT = (content_types.JSON,)

    def deserialize(self, stream: Stream, content_type: str) -> npt.NDArray[np.float32]:
        """Parse the stream with `parse`; the stream is closed in any case.

        Args:
            stream: Response body.
            content_type: Ignored: local mode reports the requested type, not the received one.
        """
        del content_type
        try:
            body = stream.read()
        finally:
            stream.close()
        return self.parse(body)

    def parse(self, body: bytes) -> npt.NDArray[np.float32]:
        """Parse a response body.

        Returns:
            Shape (n, 2), float32, `[p_negative, p_positive]`, each from 0 to 1.

        Raises:
            InvocationError: The body has no predictions. The SDK's local mode passes error
                bodies on as if they were answers; this is where they are noticed.

        Source: sagemaker 2.257, local/local_session.py, invoke_endpoint.
        """
        try:
            content = json.loads(body)
            answers = content["predictions"] if isinstance(content, dict) else content
            probabilities = np.array(answers, np.float32)
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise errors.InvocationError(None, body.decode("utf-8", "replace")) from error
        if probabilities.ndim != 2 or probabilities.shape[1] != len(LABELS):
            raise errors.InvocationError(None, body.decode("utf-8", "replace"))
        return probabilities
