"""Ports that are free, and who has those that are not."""

import os
import socket

import pytest

from byoi import errors
from byoi.hosting import container
from byoi.local import processes
from byoi.local.docker import ComposeEngine

pytestmark = pytest.mark.needs("docker")


def test_a_free_port_is_taken_as_it_is():
    container.require_free(processes.find_free_port(), ComposeEngine(os.environ))


def test_a_port_of_another_program_is_refused():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(errors.HostingError, match=f"port {port} cannot be used"):
            container.require_free(port, ComposeEngine(os.environ))
