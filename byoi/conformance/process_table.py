"""Processes as the kernel tells of them in /proc.

Source: proc(5), /proc/PID/stat and /proc/PID/status.
"""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Process:
    """A process of a server.

    Attributes:
        pid: Its id, as the server sees it.
        parent: The id of the one that started it.
        name: Its program, at most 15 characters.
    """

    pid: int
    parent: int
    name: str


def read_processes(text: str) -> list[Process]:
    """Return the processes in lines of /proc/PID/stat, without those that have ended.

    Source: proc(5): pid, the name in parentheses, the state, the parent's pid.
    """
    found = []
    for line in text.splitlines():
        # A name may have blanks and parentheses itself.
        pid, _, rest = line.partition(" (")
        name, _, fields = rest.rpartition(") ")
        state, _, others = fields.partition(" ")
        parent = others.partition(" ")[0]
        if pid.isdigit() and parent.isdigit() and state != "Z":
            found.append(Process(int(pid), int(parent), name))
    return found


def read_handler(status: str, number: int) -> bool:
    """Whether the text of /proc/PID/status says that a process handles a signal.

    Source: proc(5), SigCgt: a mask in hexadecimal, whose lowest bit is signal 1.
    """
    found = re.search(r"^SigCgt:\s*([0-9a-f]+)$", status, re.MULTILINE)
    return found is not None and bool(int(found[1], 16) >> (number - 1) & 1)
