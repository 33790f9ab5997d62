"""The answer to GET /execution-parameters: how a batch transform should send its requests.

The platform asks before its first request, and uses the answer for what the job does not set. The
operator or the inference module sets the parameters. A worker that has loaded the module writes
them into the state directory, so that nginx can answer while all workers are busy.

Source: SageMaker Developer Guide, your-algorithms-batch-code; API CreateTransformJob (limits).
"""

import json
import os
from pathlib import Path
from typing import Any

from byoi import contract, errors

VARIABLE = "BYOI_EXECUTION_PARAMETERS"
# The guide's example has the second spelling; the API and SDK version 2 know only the first.
STRATEGIES = ("SingleRecord", "MultiRecord", "SINGLE_RECORD", "MULTI_RECORD")
EXPECTED = (
    "an object of JSON with one or more of MaxConcurrentTransforms (a whole number from 1 to 100), "
    f"BatchStrategy ({', '.join(STRATEGIES)}) and MaxPayloadInMB (a whole number from 0 to "
    f"{contract.TRANSFORM_PAYLOAD_MB}, 0 for any size), the two numbers multiplied at most "
    f"{contract.TRANSFORM_PAYLOAD_MB}"
)


def parse(text: str) -> str:
    """Parse the parameters as an operator sets them; blank for none.

    Returns:
        The JSON text to answer, "" for none.

    Raises:
        ValueError: The parameters are not as described in `EXPECTED`.
    """
    if not text.strip():
        return ""
    try:
        return _checked(json.loads(text))
    except (ValueError, RecursionError):
        raise ValueError(EXPECTED) from None


def of_module(module: Any, name: str) -> str:
    """Return the JSON text of a module's own parameters, "" without any.

    Args:
        module: May have a dict `BYOI_EXECUTION_PARAMETERS`.
        name: Name of the module, for messages.

    Raises:
        ConfigurationError: The parameters are not as described in `EXPECTED`.
    """
    found = getattr(module, VARIABLE, None)
    if found is None:
        return ""
    try:
        return _checked(found)
    except ValueError:
        raise errors.ConfigurationError(
            f"{name} has {VARIABLE} = {found!r:.200}, expected {EXPECTED}"
        ) from None


def payload_bytes(text: str) -> int | None:
    """Return `MaxPayloadInMB` in bytes, 0 for any size, None if it is not set."""
    wanted = json.loads(text).get("MaxPayloadInMB") if text else None
    return None if wanted is None else int(wanted) * 2**20


def require_room(text: str, limit_bytes: int) -> None:
    """Check that the server accepts bodies as large as a module's parameters ask for.

    Args:
        text: The module's parameters, as `of_module` returns them.
        limit_bytes: The server's limit, 0 for none.

    Raises:
        ConfigurationError: The server's limit, set before the module is loaded, is smaller.
    """
    wanted = payload_bytes(text)
    if wanted is None or not limit_bytes or 0 < wanted <= limit_bytes:
        return
    raise errors.ConfigurationError(
        f"the inference module has {VARIABLE} = {text}, and the limit of a body is {limit_bytes} "
        "bytes: it is set before the module is loaded; set the variable "
        f"{VARIABLE} to the same text"
    )


def file(state_dir: Path) -> Path:
    """Return the path of the file that `publish` writes."""
    return state_dir / "execution-parameters.json"


def publish(text: str, state_dir: Path) -> None:
    """Write the answer in one step, or remove it.

    Args:
        text: The JSON text, "" for none.
        state_dir: The server's private directory.
    """
    if not text:
        file(state_dir).unlink(missing_ok=True)
        return
    written = state_dir / f"execution-parameters.{os.getpid()}"
    written.write_text(text, encoding="utf-8")
    written.replace(file(state_dir))


def _checked(parameters: Any) -> str:
    """Return parameters as JSON.

    Raises:
        ValueError: They are not as described in `EXPECTED`.
    """
    known = {"MaxConcurrentTransforms", "BatchStrategy", "MaxPayloadInMB"}
    if not isinstance(parameters, dict) or not parameters or parameters.keys() - known:
        raise ValueError
    transforms = parameters.get("MaxConcurrentTransforms", 1)
    payload_mb = parameters.get("MaxPayloadInMB", 0)
    limit = contract.TRANSFORM_PAYLOAD_MB
    if (
        not _is_whole(transforms, 1, 100)
        or not _is_whole(payload_mb, 0, limit)
        or transforms * payload_mb > limit
        or parameters.get("BatchStrategy", STRATEGIES[0]) not in STRATEGIES
    ):
        raise ValueError
    return json.dumps(parameters)


def _is_whole(number: Any, low: int, high: int) -> bool:
    return type(number) is int and low <= number <= high
