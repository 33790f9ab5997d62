"""The same notebook with an emulator or on AWS: one line at its top, one at its end."""

import contextlib
import os
from collections.abc import MutableMapping

from byoi import errors
from byoi.emulator.process.running import running
from byoi.local.docker import Engine

_VARIABLE = "BYOI_PLATFORM"
EMULATOR, AWS = "emulator", "aws"
# The emulator sets them; on AWS, the user does.
_NEEDED = {
    "BYOI_ROLE_ARN": "the execution role; infra/README.md has the command that makes one",
    "BYOI_BUCKET": "your bucket for model data, in the region of the endpoint",
}


class Rehearsal:
    """What boto3 and the SDK talk to, until `stop`.

    Attributes:
        is_emulated: Whether that is this machine and not AWS.
        runs_images: Whether endpoints run the image they name; without a container engine
            they run this project's own server as processes.
    """

    def __init__(
        self, stack: contextlib.ExitStack, *, is_emulated: bool, runs_images: bool
    ) -> None:
        self._stack = stack
        self.is_emulated = is_emulated
        self.runs_images = runs_images

    def stop(self) -> None:
        """Stop the emulator if it was started here; what runs on AWS is not touched."""
        self._stack.close()


def rehearse(environ: MutableMapping[str, str] = os.environ) -> Rehearsal:
    """Start an emulator, unless this process is inside one, or BYOI_PLATFORM=aws.

    Args:
        environ: Read, and given the variables that lead boto3 and the SDK to the emulator.

    Raises:
        ConfigurationError: BYOI_PLATFORM is something else, or on AWS a variable is missing.
        HostingError: The emulator did not start.
    """
    platform = environ.get(_VARIABLE, EMULATOR)
    if platform not in {EMULATOR, AWS}:
        raise errors.ConfigurationError(
            f"{_VARIABLE}={platform!r}: expected `{EMULATOR}`, which is free, or "
            f"`{AWS}`, your account"
        )
    stack = contextlib.ExitStack()
    is_inside = "AWS_ENDPOINT_URL" in environ
    if platform == EMULATOR and not is_inside:
        stack.enter_context(running(environ=environ))
    missing = [f"{name} ({what})" for name, what in _NEEDED.items() if not environ.get(name)]
    if missing:
        stack.close()
        raise errors.ConfigurationError(
            f"not set: {'; '.join(missing)}. Set {'them' if len(missing) > 1 else 'it'}, or leave "
            f"{_VARIABLE} out to rehearse on this machine"
        )
    return Rehearsal(
        stack,
        is_emulated=platform == EMULATOR,
        runs_images=platform == AWS or _has_engine(environ),
    )


def _has_engine(environ: MutableMapping[str, str]) -> bool:
    try:
        Engine(environ).require()
    except errors.MissingProgramError:
        return False
    return True
