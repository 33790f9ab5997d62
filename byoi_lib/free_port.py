"""A TCP port of this machine that nothing listens on."""

import socket

LOOPBACK = "127.0.0.1"


def find() -> int:
    """Return such a port; another program may take it before it is used."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])
