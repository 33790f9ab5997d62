"""The sockets of a network namespace that take connections, read from /proc/net/tcp.

Source: proc_pid_net(5) and the kernel's Documentation/networking/proc_net_tcp: addresses are
hexadecimal words in the byte order of the machine, ports hexadecimal numbers, state 0A is LISTEN.
"""

import ipaddress
import sys
from collections.abc import Iterator

_LISTEN = "0A"
_WORD_DIGITS = 8


def read_listeners(table: str) -> Iterator[tuple[str, int]]:
    """Yield address and port of each listening socket in a table of TCP sockets.

    Args:
        table: The content of /proc/net/tcp or /proc/net/tcp6.
    """
    for line in table.splitlines()[1:]:
        fields = line.split()
        if len(fields) > 3 and fields[3] == _LISTEN:
            address, _, port = fields[1].partition(":")
            yield _address(address), int(port, 16)


def _address(digits: str) -> str:
    words = [digits[at : at + _WORD_DIGITS] for at in range(0, len(digits), _WORD_DIGITS)]
    packed = b"".join(int(word, 16).to_bytes(4, sys.byteorder) for word in words)
    return str(ipaddress.ip_address(packed))
