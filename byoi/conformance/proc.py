"""Parse files of /proc about processes and listening sockets.

Sources: proc(5), /proc/PID/stat and /proc/PID/status; proc_pid_net(5) and the kernel's
Documentation/networking/proc_net_tcp (/proc/net/tcp: addresses are hexadecimal words in the byte
order of the machine, ports hexadecimal numbers, state 0A is LISTEN).
"""

import ipaddress
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass

_LISTEN = "0A"
_WORD_DIGITS = 8
_UNIX_FIELDS, _ACCEPTS = 8, 0x10000


@dataclass(frozen=True)
class Process:
    """A process of a server.

    Attributes:
        pid: Its process id, as the server sees it.
        parent: The process id of its parent.
        name: Name of its program, at most 15 characters.
    """

    pid: int
    parent: int
    name: str


def read_processes(text: str) -> list[Process]:
    """Return the processes in lines of /proc/PID/stat, without zombies.

    Source: proc(5): pid, the name in parentheses, the state, the parent's pid.
    """
    found = []
    for line in text.splitlines():
        # A name may contain blanks and parentheses.
        pid, _, rest = line.partition(" (")
        name, _, fields = rest.rpartition(") ")
        state, _, others = fields.partition(" ")
        parent = others.partition(" ")[0]
        if pid.isdigit() and parent.isdigit() and state != "Z":
            found.append(Process(int(pid), int(parent), name))
    return found


def read_unix_sockets(text: str) -> list[str]:
    """Return the paths of the listening Unix sockets in /proc/net/unix.

    Source: proc_pid_net(5): address, references, protocol, flags, type, state, inode, path; flag
    0x10000 is __SO_ACCEPTCON.
    """
    rows = [line.split(maxsplit=7) for line in text.splitlines()[1:]]
    return [row[7] for row in rows if len(row) == _UNIX_FIELDS and int(row[3], 16) & _ACCEPTS]


def read_handler(status: str, number: int) -> bool:
    """Whether a process handles a signal, from the text of its /proc/PID/status.

    Source: proc(5), SigCgt: a mask in hexadecimal, whose lowest bit is signal 1.
    """
    found = re.search(r"^SigCgt:\s*([0-9a-f]+)$", status, re.MULTILINE)
    return found is not None and bool(int(found[1], 16) >> (number - 1) & 1)


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
