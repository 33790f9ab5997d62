"""Listening sockets, as the kernel writes them."""

import socket
from pathlib import Path

import pytest

from byoi.conformance.proc import read_listeners


@pytest.mark.parametrize(
    ("family", "address"),
    [
        (socket.AF_INET, "127.0.0.1"),
        (socket.AF_INET, "0.0.0.0"),
        (socket.AF_INET6, "::1"),
        (socket.AF_INET6, "::"),
    ],
)
def test_a_listening_socket_is_found(family, address):
    table = Path("/proc/net/tcp6" if family == socket.AF_INET6 else "/proc/net/tcp")
    if not table.exists():
        pytest.skip("no /proc/net here")
    with socket.socket(family) as listener:
        try:
            listener.bind((address, 0))
        except OSError:
            pytest.skip("this machine has no IPv6")
        port = listener.getsockname()[1]
        assert (address, port) not in list(read_listeners(table.read_text()))
        listener.listen()
        assert (address, port) in list(read_listeners(table.read_text()))


def test_a_table_without_sockets_is_empty():
    assert list(read_listeners("  sl  local_address rem_address   st\n")) == []
    assert list(read_listeners("")) == []
