"""The SDK's Predictor for a URL: a process stack or container, without Docker or AWS."""

from typing import Any

import sagemaker
from sagemaker.predictor import Predictor

from byoi_lib.hosting import offline
from byoi_lib.hosting.runtime_client import READ_TIMEOUT_S, RuntimeClient


def predictor(
    url: str,
    *,
    serializer: Any = None,
    deserializer: Any = None,
    read_timeout_s: float = READ_TIMEOUT_S,
) -> Predictor:
    """Return a `sagemaker.predictor.Predictor` that posts to `url`/invocations.

    Args:
        url: `http://host:port` of something that speaks the container contract.
        serializer: An SDK serializer; None sends bytes as they are.
        deserializer: An SDK deserializer; None returns the body's bytes.
        read_timeout_s: Seconds to wait for an answer.

    Its `predict` raises what `RuntimeClient.invoke_endpoint` raises.
    """
    boto_session = offline.boto_session()
    session = sagemaker.Session(
        boto_session=boto_session,
        sagemaker_runtime_client=RuntimeClient(
            lambda _name: url,
            boto_session=boto_session,
            find_log=lambda _name: f"the log of the server at {url}",
            read_timeout_s=read_timeout_s,
        ),
        sagemaker_config=offline.SDK_CONFIG,
    )
    made = Predictor("url", sagemaker_session=session)
    if serializer is not None:
        made.serializer = serializer
    if deserializer is not None:
        made.deserializer = deserializer
    return made
