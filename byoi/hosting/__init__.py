"""Endpoints through the SageMaker Python SDK: local mode, and AWS by the same calls.

* `LocalSession`: the SDK's session for local mode, offline and without credentials
* `LOCAL_ROLE`: an execution role for it, which local mode never uses
* `aws_session`: the SDK's session for AWS, or for the emulator
* `Endpoint`: what `Model.deploy` made, with a clean-up; `Endpoint.deploy` makes one
* `endpoint`: the same as a context manager
* `predictor`: the SDK's Predictor for any URL that speaks the container contract

The only part of the tool that imports the SDK. What it changes in the SDK's own local mode,
and why, is written in the module that does it.
"""

import logging
import os
from typing import TYPE_CHECKING

from byoi import _face

# The SDK prints two lines and warns of its version 3 while it is imported, and warns again
# for each class used, so this cannot wait for a call. pyproject.toml holds it below 3.
os.environ.setdefault("SAGEMAKER_SUPPRESS_V2_WARNING", "1")
logging.getLogger("sagemaker.config").setLevel(logging.ERROR)


def _require_sdk() -> None:
    """Check that the SDK is there, in version 2: the traceback of an import would not say so."""
    from byoi import extras  # noqa: PLC0415 - importing the package loads only its face

    extras.require("byoi.hosting", "sagemaker")


if TYPE_CHECKING:
    from byoi.hosting._endpoint import Endpoint, endpoint
    from byoi.hosting.runtime_client import predictor
    from byoi.hosting.sessions import LOCAL_ROLE, LocalSession, aws_session
else:
    __getattr__, __dir__ = _face.make(
        __name__,
        {
            "Endpoint": "_endpoint",
            "LOCAL_ROLE": "sessions",
            "LocalSession": "sessions",
            "aws_session": "sessions",
            "endpoint": "_endpoint",
            "predictor": "runtime_client",
        },
        before=_require_sdk,
    )

__all__ = [
    "LOCAL_ROLE",
    "Endpoint",
    "LocalSession",
    "aws_session",
    "endpoint",
    "predictor",
]
