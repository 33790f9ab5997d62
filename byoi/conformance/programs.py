"""Problems of the program that an image starts with, found in its files.

Docker reports "exec /usr/bin/serve: no such file or directory" also for a file that exists, if its
interpreter or loader does not exist: for example because the first line ends with a carriage
return.

Sources: execve(2), "ENOENT" for a missing interpreter and "ENOEXEC"; elf(5); the Docker engine's
messages, as version 28.2 writes them.
"""

import platform
import stat
import struct
from collections.abc import Callable, Mapping
from typing import Any

from byoi.conformance.verdict import Broken
from byoi.local.docker import FileStatus

# Returns a file of the image by its absolute path, None if it does not exist.
ReadFile = Callable[[str], bytes | None]
# Returns the permissions of a file or directory of the image, None if it does not exist.
ReadStatus = Callable[[str], FileStatus | None]

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# Names of processors in the operating system, and in images.
_ARCHITECTURES = {"x86_64": "amd64", "AMD64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
# elf(5), e_machine: the processor of a program; and processors that also run programs of another.
_MACHINES = {3: "386", 21: "ppc64le", 22: "s390x", 40: "arm", 62: "amd64", 183: "arm64"}
_MACHINES[243] = "riscv64"
_RUNS_TOO = {"amd64": {"386"}, "arm64": {"arm"}}
_ELF = b"\x7fELF"
_ELF_HEAD_BYTES, _ELF_64_LITTLE = 64, b"\x02\x01"
_LOADER = 3
_ANY_EXECUTE = stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH
_LEAST_FIELDS = 4
_SHELLS = {"sh", "bash", "dash", "ash"}


class BadProgram(Broken):
    """The program that an image starts with cannot be run.

    Attributes:
        is_missing: Whether the program does not exist.
        is_foreign: Whether it is for another processor than this machine's.
    """

    def __init__(
        self, seen: str, remedy: str, *, is_missing: bool = False, is_foreign: bool = False
    ) -> None:
        """Store the observation and the remedy."""
        super().__init__(seen, remedy)
        self.is_missing = is_missing
        self.is_foreign = is_foreign


def machine() -> str:
    """Return the processor of this machine as images name it, "" if unknown."""
    return _ARCHITECTURES.get(platform.machine(), "")


def problem(described: Mapping[str, Any], read_file: ReadFile) -> BadProgram | None:
    """Return the problem of the program that an image starts with, None if none is found.

    Args:
        described: The image, as `docker inspect` shows it.
        read_file: Reads a file of the image.
    """
    image = _Image(described, read_file)
    made_for = str(described.get("Architecture") or "")
    if made_for and made_for != image.machine:
        return BadProgram(
            f"the image is for {made_for}, and this machine is {image.machine}: another "
            "architecture",
            f"build it for the instance: docker build --platform linux/{image.machine} ...",
            is_foreign=True,
        )
    program, content = image.find(image.entry[0])
    if content is None:
        return _missing(program, described)
    return image.problem_of(program, content) or image.problem_of_arguments()


def not_executable(described: Mapping[str, Any], read_file: ReadFile) -> BadProgram | None:
    """Return the problem that the program lacks execute permission, None if it does not exist.

    Args:
        described: The image, as `docker inspect` shows it.
        read_file: Reads a file of the image.
    """
    image = _Image(described, read_file)
    program, content = image.find(image.entry[0])
    if content is None:
        return None
    return BadProgram(f"{program} cannot be executed: permission denied", _chmod(program))


def not_permitted(
    described: Mapping[str, Any], read_file: ReadFile, read_status: ReadStatus, name: str = ""
) -> BadProgram | None:
    """Return why a program that exists may not be executed by the image's user, else None.

    Args:
        described: The image, as `docker inspect` shows it.
        read_file: Reads a file of the image.
        read_status: Reads the permissions of a file of the image.
        name: Name or path of the program; by default the one that the image starts with.
    """
    image = _Image(described, read_file)
    user = _User(str((described.get("Config") or {}).get("User") or ""), read_file)
    found = None
    for path in image.places(name or image.entry[0]):
        status = read_status(path)
        if status is None:
            continue
        problem = _not_permitted(path, status, user, read_status)
        if problem is None:
            interpreter = image.interpreter(path)
            status = read_status(interpreter) if interpreter else None
            if status is not None:
                problem = _not_permitted(interpreter, status, user, read_status)
        # A shell takes the first program on the PATH that can be executed.
        if problem is None:
            return None
        found = found or problem
    return found


def is_program(described: Mapping[str, Any], read_file: ReadFile, name: str) -> bool:
    """Whether an image has a program of this name or path: a binary, or a script that says so."""
    _, content = _Image(described, read_file).find(name)
    return content is not None and content.startswith((_ELF, b"#!"))


def _not_permitted(
    path: str, status: FileStatus, user: "_User", read_status: ReadStatus
) -> BadProgram | None:
    if status.is_directory:
        return BadProgram(
            f"{path} is a directory, and it is started as a program",
            "name the program in it, or put a program in its place: a COPY of a folder copies what "
            "is in it",
        )
    who = f" by USER {user.name}" if user.name else ""
    parent = path.rpartition("/")[0]
    while not user.is_root and parent:
        folder = read_status(parent)
        if folder is not None and not user.may_execute(folder):
            return BadProgram(
                f"{path} cannot be executed{who}: permission denied, the folder {parent} has mode "
                f"{folder.mode:04o} and owner {folder.uid}",
                f"let each user into the folder: RUN chmod a+rx {parent}",
            )
        parent = parent.rpartition("/")[0]
    if user.may_execute(status):
        return None
    why = f"its mode is {status.mode:04o}, without the execute bit"
    if status.mode & _ANY_EXECUTE:
        why = f"its mode is {status.mode:04o}, its owner {status.uid}, its group {status.gid}"
    return BadProgram(f"{path} cannot be executed{who}: permission denied, {why}", _chmod(path))


def _chmod(path: str) -> str:
    return f"make it executable: RUN chmod +x {path}, or COPY --chmod=755 in the Dockerfile"


class _User:
    """The user that an image runs as, by the numbers of its /etc/passwd and /etc/group.

    Attributes:
        name: USER of the image, "" for root.
        is_root: Whether it is root.
    """

    def __init__(self, user: str, read_file: ReadFile) -> None:
        owner, _, group = user.partition(":")
        self._passwd = _table(read_file("/etc/passwd")) if owner else []
        groups = _table(read_file("/etc/group")) if owner else []
        row = next((row for row in self._passwd if owner in {row[0], row[2]}), None)
        self._uid = row[2] if row else owner
        name = row[0] if row else owner
        self._gids = {row[2] for row in groups if name in row[-1].split(",")}
        if row and not group:
            self._gids.add(row[3])
        self._gids |= {row[2] for row in groups if group and group in {row[0], row[2]}}
        self._gids |= {group} if group.isdigit() else set()
        self.is_root = not owner or self._uid == "0"
        self.name = "" if self.is_root else user

    def may_execute(self, status: FileStatus) -> bool:
        """Whether it has the execute bit of a file: the owner's, else the group's, else all's."""
        if self.is_root:
            return bool(status.mode & _ANY_EXECUTE) or status.is_directory
        if str(status.uid) == self._uid:
            return bool(status.mode & stat.S_IXUSR)
        if str(status.gid) in self._gids:
            return bool(status.mode & stat.S_IXGRP)
        return bool(status.mode & stat.S_IXOTH)


def _table(content: bytes | None) -> list[list[str]]:
    """Return the rows of /etc/passwd or /etc/group: at least name, password, number, and more."""
    rows = [line.split(":") for line in (content or b"").decode("utf-8", "replace").splitlines()]
    return [row for row in rows if len(row) >= _LEAST_FIELDS]


def _missing(program: str, described: Mapping[str, Any]) -> BadProgram:
    config = described.get("Config") or {}
    replaced = ""
    if config.get("Cmd") and not config.get("Entrypoint"):
        replaced = f"; its CMD {config['Cmd']} is replaced by `serve`"
    return BadProgram(
        f"there is no program {program!r} in the image{replaced}",
        "the platform runs `docker run IMAGE serve`: put a program `serve` on the PATH, or an "
        "ENTRYPOINT that takes the argument `serve`",
        is_missing=True,
    )


class _Image:
    """The files of an image.

    Attributes:
        machine: The processor of this machine, as images name it.
        entry: The ENTRYPOINT, or `serve` without one.
    """

    def __init__(self, described: Mapping[str, Any], read_file: ReadFile) -> None:
        config = described.get("Config") or {}
        self._read = read_file
        self._folder = str(config.get("WorkingDir") or "/").rstrip("/")
        variables = dict(one.partition("=")[::2] for one in config.get("Env") or ())
        self._path = variables.get("PATH", _PATH).split(":")
        self.entry = [str(one) for one in config.get("Entrypoint") or ["serve"]]
        self.machine = machine() or str(described.get("Architecture") or "")

    def find(self, name: str) -> tuple[str, bytes | None]:
        """Return the path and the content of a program; None as content if it does not exist."""
        if "/" in name:
            path = name if name.startswith("/") else f"{self._folder}/{name}"
            return path, self._read(path)
        for folder in self._path:
            path = f"{folder.rstrip('/')}/{name}"
            if (content := self._read(path)) is not None:
                return path, content
        return name, None

    def places(self, name: str) -> list[str]:
        """Return the paths at which a program of this name may be, in their order."""
        if "/" in name:
            return [name if name.startswith("/") else f"{self._folder}/{name.removeprefix('./')}"]
        return [f"{folder.rstrip('/')}/{name}" for folder in self._path]

    def interpreter(self, program: str) -> str:
        """Return the path of a script's interpreter, "" if the program is not a script."""
        first = (self._read(program) or b"").partition(b"\n")[0]
        line = first[2:].decode("latin-1").split() if first.startswith(b"#!") else []
        return line[0] if line else ""

    def problem_of(self, program: str, content: bytes) -> BadProgram | None:
        if content.startswith(_ELF):
            return self._problem_of_binary(program, content)
        first = content.partition(b"\n")[0]
        if not first.startswith(b"#!"):
            return BadProgram(
                f"{program} is neither a program nor a script with a first line such as "
                f"#!/bin/sh: {content[:40]!r}",
                "begin the script with the line of its interpreter, with nothing before it",
            )
        if first.endswith(b"\r"):
            return _windows(program, first, "names a program whose name ends in a carriage return")
        shown = first.decode("latin-1")
        line = shown[2:].split()
        # `#!/usr/bin/env python3` needs both programs.
        needed = line[:2] if line and line[0].endswith("/env") else line[:1]
        for name in needed:
            path, found = self.find(name)
            if found is None:
                return BadProgram(
                    f"{program} begins with {shown!r}, and there is no {name} in the image",
                    f"install {name} in the image, or name an interpreter that it has",
                )
            if found.startswith(_ELF) and (problem := self._problem_of_binary(path, found)):
                return problem
        return None

    def problem_of_arguments(self) -> BadProgram | None:
        """Return the problem of the script that a shell of the ENTRYPOINT reads."""
        if self.entry[0].rpartition("/")[2] not in _SHELLS:
            return None
        name = next(iter(self.entry[1:]), "-")
        if name.startswith("-"):
            return None
        _, content = self.find(name if name.startswith("/") else f"./{name.lstrip('./')}")
        first = (content or b"").partition(b"\n")[0]
        if not first.endswith(b"\r"):
            return None
        return _windows(name, first, "and all others end in a carriage return")

    def _problem_of_binary(self, program: str, content: bytes) -> BadProgram | None:
        if len(content) < _ELF_HEAD_BYTES:
            return None
        is_little = content[5] == 1
        number = int.from_bytes(content[18:20], "little" if is_little else "big")
        made_for = _MACHINES.get(number, f"processor {number} of elf(5)")
        if made_for != self.machine and made_for not in _RUNS_TOO.get(self.machine, ()):
            return BadProgram(
                f"{program} is a program for {made_for}, and this machine is {self.machine}: "
                "another architecture",
                f"compile or download it for linux/{self.machine}",
            )
        loader = _loader(content)
        if loader and self._read(loader) is None:
            return BadProgram(
                f"{program} needs {loader}, which is not in the image",
                "link it statically, or use a base image with the C library that it was built "
                "for: Debian's are for glibc, Alpine's for musl",
            )
        return None


def _windows(program: str, first: bytes, what: str) -> BadProgram:
    return BadProgram(
        f"{program} has Windows line ends (CRLF): its first line {first.decode('latin-1')!r} "
        f"{what}",
        "convert it, for example with `sed -i 's/\\r$//'`, and keep it so: "
        "`*.sh text eol=lf` in .gitattributes",
    )


def _loader(content: bytes) -> str:
    """Return the dynamic loader of a binary, "" without one."""
    if content[4:6] != _ELF_64_LITTLE:
        return ""
    (start,) = struct.unpack_from("<Q", content, 32)
    size, count = struct.unpack_from("<HH", content, 54)
    for at in range(start, min(start + size * count, len(content) - 39), size or 56):
        kind, _, offset, _, _, length = struct.unpack_from("<IIQQQQ", content, at)
        if kind == _LOADER:
            return content[offset : offset + length].rstrip(b"\0").decode("latin-1")
    return ""
