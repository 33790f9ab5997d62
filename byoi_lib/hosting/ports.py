"""TCP ports of this machine for local-mode endpoints."""

import socket

from byoi_lib import errors, free_port
from byoi_lib.hosting.compose_engine import ComposeEngine

_REMEDY = "or leave serving_port out of the session's config and a free port is taken"


def choose_url(wanted: int | None, engine: ComposeEngine) -> str:
    """Return the `http://host:port` that a new container can have.

    Args:
        wanted: The port that is asked for; None for any free one.
        engine: Runs the container.

    Raises:
        HostingError: As `require_free`.
    """
    port = wanted or free_port.find()
    require_free(port, engine)
    return f"http://{engine.find_host() or free_port.LOOPBACK}:{port}"


def require_free(port: int, engine: ComposeEngine) -> None:
    """Check that a new container can have the port.

    The SDK does not: compose fails where nobody looks, and the old container answers.

    Raises:
        HostingError: Someone has it; the message says who and how to get it.
    """
    if (holder := engine.holder_of_port(port)) is not None:
        raise errors.HostingError(
            f"port {port} is taken by the container {holder!r}, which would answer in the new "
            f"one's place; remove it with `docker rm -f {holder}`, {_REMEDY}"
        )
    try:
        with socket.socket() as probe:
            # As a server would: a connection that is only fading away is no obstacle.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((free_port.LOOPBACK, port))
    except OSError as error:
        raise errors.HostingError(
            f"port {port} cannot be used ({error.strerror}): another program on this machine "
            f"holds it; end it, {_REMEDY}"
        ) from error
