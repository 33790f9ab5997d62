"""Endpoints through the SageMaker Python SDK: local mode, and AWS by the same calls.

The only part of the library that imports the SDK. What it adds to the SDK's own
local mode, and why, stands in the module that does it:

* `aws_session`: the SDK's session for AWS, or the emulator
* `LocalSession`: the SDK's session, offline and without credentials
* `Endpoint`, `endpoint`: what `Model.deploy` made, with a clean-up
* `predictor`: the SDK's Predictor for any URL that speaks the container contract
"""

import logging
import os

# The SDK prints two lines and warns of its version 3 while it is imported, and warns again
# for each class used, so this cannot wait for a call. pyproject.toml holds it below 3.
os.environ.setdefault("SAGEMAKER_SUPPRESS_V2_WARNING", "1")
logging.getLogger("sagemaker.config").setLevel(logging.ERROR)

from byoi.hosting.endpoint import Endpoint, endpoint  # noqa: E402 - after the lines above
from byoi.hosting.runtime_client import predictor  # noqa: E402
from byoi.hosting.sessions import LOCAL_ROLE, LocalSession, aws_session  # noqa: E402

__all__ = ["LOCAL_ROLE", "Endpoint", "LocalSession", "aws_session", "endpoint", "predictor"]
