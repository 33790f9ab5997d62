"""Observe a container from outside: its log, sockets, file changes, processes and end."""

import contextlib
import os
import re
import signal
from pathlib import Path

from byoi import errors
from byoi.conformance.causes import NO_PROGRAM
from byoi.conformance.proc import (
    Process,
    read_handler,
    read_listeners,
    read_processes,
    read_unix_sockets,
)
from byoi.conformance.server import Listener
from byoi.conformance.verdict import NotTested
from byoi.local.docker import Engine

# The title that nginx gives its first process, with its arguments; and where Debian has its files.
_NGINX = "nginx: master process"
_CONFIGURATION = re.compile(r"-c ?(/\S+)")
_CONFIGURATIONS = (
    "/etc/nginx/nginx.conf",
    "/etc/nginx/conf.d/default.conf",
    "/etc/nginx/sites-enabled/default",
)
_OOM_KILLS = re.compile(r"^oom_kill (\d+)$", re.MULTILINE)
_LOG_LINES = 20_000
_LONG_LINE_CHARACTERS = 10_000
_NEEDS_PROC = "run the check on the engine's own machine, as root, or give the image a `cat`"
# Tables of the sockets in a container's network namespace, IPv4 and IPv6.
_TABLES = ("/proc/net/tcp", "/proc/net/tcp6")
_NEEDS_SHELL = (
    "run the check on the engine's own machine, as root, or give the image a `sh` and a `cat`"
)


class ContainerSight:
    """A container of this machine."""

    sees_start = True

    def __init__(self, engine: Engine, name: str) -> None:
        """Remember the container."""
        self.engine = engine
        self.name = name

    def log(self) -> str:
        """Return its whole log; of very long lines only the beginning."""
        log = self.engine.log(self.name, _LOG_LINES)
        if len(log) < _LONG_LINE_CHARACTERS:
            return log
        return "\n".join(line[:_LONG_LINE_CHARACTERS] for line in log.split("\n"))

    def listeners(self) -> list[Listener]:
        """Return the listening sockets of its network namespace."""
        pid = self.engine.process_id(self.name)
        tables = [self._proc(pid, path) for path in _TABLES]
        if not any(tables):
            raise NotTested(_NEEDS_PROC)
        return [Listener(*found) for table in tables for found in read_listeners(table)]

    def unix_sockets(self) -> list[str]:
        """Return the paths of the listening Unix sockets of its network namespace."""
        return read_unix_sockets(self._proc(self.engine.process_id(self.name), "/proc/net/unix"))

    def nginx_configuration(self) -> str:
        """Return the files of its nginx's configuration, "" if none runs."""
        lines = self.engine.command_lines(self.name)
        titles = [line for line in lines if _NGINX in line]
        if not titles:
            return ""
        named = _CONFIGURATION.search(titles[0])
        paths = [named[1]] if named else list(_CONFIGURATIONS)
        files = [self.engine.read_file(self.name, path) or b"" for path in paths]
        return b"\n".join(files).decode("utf-8", "replace")

    def changes(self) -> list[str]:
        """Return the paths that it created, changed or deleted outside of mounts."""
        return self.engine.changes(self.name)

    def terminate(self, grace_s: int) -> None:
        """Send SIGTERM, and SIGKILL if it has not ended `grace_s` seconds later."""
        self.engine.stop([self.name], grace_s)

    def exit_code(self) -> int | None:
        """Return its exit status, None while it runs."""
        state = self.engine.state(self.name)
        return state.exit_code if state.has_ended else None

    def is_out_of_memory(self) -> bool:
        """Whether the kernel killed one of its processes because of its memory limit."""
        state = self.engine.state(self.name)
        if state.is_out_of_memory or state.has_ended:
            return state.is_out_of_memory
        # The engine reports only the first process.
        pid = self.engine.process_id(self.name)
        return bool(pid) and self._is_here(pid) and _has_killed_for_memory(pid)

    def handles(self, number: int) -> bool:
        """Whether its first process has a handler for a signal."""
        status = self._proc(self.engine.process_id(self.name), "/proc/1/status")
        if not status:
            raise NotTested(_NEEDS_PROC)
        return read_handler(status, number)

    def children(self) -> list[Process]:
        """Return the running children of its first process."""
        if first := self._visible_id():
            return [one for one in read_processes(_all_stats()) if one.parent == first]
        # If a process ends meanwhile, `cat` fails, but still prints the others.
        _, text = self._shell("cat /proc/[0-9]*/stat")
        return [one for one in read_processes(text) if one.parent == 1]

    def kill(self, process: Process) -> None:
        """Send SIGKILL to one of its processes."""
        if first := self._visible_id():
            # Not another process that has got the same id meanwhile.
            if process in read_processes(_all_stats()) and process.parent == first:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process.pid, signal.SIGKILL)
            return
        self._shell(f"kill -9 {process.pid}")

    def _visible_id(self) -> int:
        """Return the id of its first process on this machine; 0 if this user cannot signal it."""
        pid = self.engine.process_id(self.name)
        return pid if pid and os.geteuid() == 0 and self._is_here(pid) else 0

    def _shell(self, command: str) -> tuple[int, str]:
        try:
            status, text = self.engine.run_in(self.name, ["sh", "-c", command])
        except errors.EngineRefusedError as error:
            raise NotTested(_NEEDS_SHELL) from error
        if status in NO_PROGRAM:
            raise NotTested(_NEEDS_SHELL)
        return status, text

    def _proc(self, pid: int, path: str) -> str:
        """Return a file of /proc as the container sees it, "" if it cannot be read."""
        # If the engine runs in a virtual machine, the process with that id on this machine is
        # another one.
        if pid and self._is_here(pid):
            with contextlib.suppress(OSError):
                return Path(
                    f"/proc/{pid}/{path.removeprefix('/proc/').removeprefix('1/')}"
                ).read_text()
        with contextlib.suppress(errors.EngineRefusedError):
            status, text = self.engine.run_in(self.name, ["cat", path])
            return text if status == 0 else ""
        return ""

    def _is_here(self, pid: int) -> bool:
        with contextlib.suppress(OSError):
            cgroups = Path(f"/proc/{pid}/cgroup").read_text()
            mounts = Path(f"/proc/{pid}/mountinfo").read_text()
            return self.engine.container_id(self.name) in cgroups + mounts
        return False


def _has_killed_for_memory(pid: int) -> bool:
    """Whether the kernel has killed a process of a control group because of its memory limit.

    Source: the kernel's cgroup-v1/memory.rst (memory.oom_control) and cgroup-v2.rst
    (memory.events): `oom_kill` and its number.

    Args:
        pid: A process of the group.
    """
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if "memory" in controllers.split(","):
                file = Path(f"/sys/fs/cgroup/memory{path}/memory.oom_control")
            elif not controllers:
                file = Path(f"/sys/fs/cgroup{path}/memory.events")
            else:
                continue
            if file.exists() and (found := _OOM_KILLS.search(file.read_text())):
                return int(found[1]) > 0
    return False


def _all_stats() -> str:
    """Return /proc/PID/stat of all processes of this machine."""
    found = []
    for file in Path("/proc").glob("[0-9]*/stat"):
        # A process may end meanwhile.
        with contextlib.suppress(OSError):
            found.append(file.read_text(errors="replace"))
    return "\n".join(found)
