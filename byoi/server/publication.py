"""Write the page's description of the model, in a worker that has loaded it."""

import base64
import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from byoi import errors
from byoi.formats import content_types
from byoi.server import openapi, page
from byoi.server.description import Description
from byoi.server.handler import Handler
from byoi.server.settings import Settings

# A larger sample would make the page slow; the form then takes a file instead.
SAMPLE_BYTES = 2**20


def publisher(settings: Settings, state_dir: Path) -> Callable[[Handler | None, Any], None]:
    """Return a function that writes the model's description for the page.

    Its arguments are the module's functions and the model, or None and the text of the error if
    they cannot be loaded.

    Args:
        settings: The settings of the server.
        state_dir: The server's private directory.

    Raises:
        ConfigurationError: BYOI_SAMPLE_REQUEST names a file that cannot be read.
    """
    folder, shown_sample = page.Folder(state_dir), sample(settings.sample_request)
    last = Description(settings.module(), (), (), (), None)  # until a model is loaded

    def publish(handler: Handler | None, model: Any) -> None:
        nonlocal last, shown_sample
        with suppress(errors.ConfigurationError):  # removed since the start: show the last one
            shown_sample = sample(settings.sample_request)
        failure = str(model) if handler is None else None
        if handler is not None:
            last = Description.of(settings, handler.functions, model)
            folder.write(page.OPENAPI, json.dumps(openapi.document(last, settings), indent=2))
        shown = {**last.to_json(), "sample": shown_sample, "failure": failure}
        folder.write(page.MODEL, json.dumps(shown))

    return publish


def sample(name: str) -> dict[str, str] | None:
    """Return the sample request for the page's form, None if none is configured.

    Args:
        name: Path of the file, from `BYOI_SAMPLE_REQUEST`; "" for none.

    Raises:
        ConfigurationError: The file cannot be read.
    """
    if not name:
        return None
    path = Path(name)
    try:
        body = path.read_bytes()
    except OSError as error:
        raise errors.ConfigurationError(
            f"BYOI_SAMPLE_REQUEST={name!r}: {error.strerror}; name a file with a request body"
        ) from error
    shown = {"name": path.name, "content_type": content_types.of_file(name)}
    if len(body) > SAMPLE_BYTES:
        return shown
    try:
        return {**shown, "text": body.decode("utf-8")}
    except UnicodeDecodeError:
        return {**shown, "base64": base64.b64encode(body).decode("ascii")}
