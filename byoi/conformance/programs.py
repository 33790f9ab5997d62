"""Problems of the program that an image starts with, found in its files.

Docker reports "exec /usr/bin/serve: no such file or directory" also for a file that exists, if its
interpreter or loader does not exist: for example because the first line ends with a carriage
return.

Sources: execve(2), "ENOENT" for a missing interpreter and "ENOEXEC"; elf(5); the Docker engine's
messages, as version 28.2 writes them.
"""

import platform
import struct
from collections.abc import Callable, Mapping
from typing import Any

from byoi.conformance.verdict import Broken

# Returns a file of the image by its absolute path, None if it does not exist.
ReadFile = Callable[[str], bytes | None]

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


def not_executable(described: Mapping[str, Any], read_file: ReadFile) -> BadProgram:
    """Return the problem that the program lacks execute permission.

    Args:
        described: The image, as `docker inspect` shows it.
        read_file: Reads a file of the image.
    """
    image = _Image(described, read_file)
    program, _ = image.find(image.entry[0])
    return BadProgram(
        f"{program} cannot be executed: permission denied",
        f"make it executable: RUN chmod +x {program}",
    )


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
