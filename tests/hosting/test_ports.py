"""Ports that are free, and who has those that are not."""

import os
import socket

import pytest

from byoi_lib import errors, free_port
from byoi_lib.hosting import ports
from byoi_lib.hosting.compose_engine import ComposeEngine

pytestmark = pytest.mark.needs("docker")


def test_a_free_port_is_taken_as_it_is():
    ports.require_free(free_port.find(), ComposeEngine(os.environ))


def test_a_port_of_another_program_is_refused():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(errors.HostingError, match=f"port {port} cannot be used"):
            ports.require_free(port, ComposeEngine(os.environ))
