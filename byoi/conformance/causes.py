"""Why a container does not start, or ended: the cause, where the engine has only a symptom.

"exec /usr/bin/serve: no such file or directory" is what Docker says of a file that is there and
whose first line names a program that is not: one that ends in a carriage return, for example.

Sources: execve(2), "ENOENT" for a missing interpreter and "ENOEXEC"; signal(7); the Docker
engine's messages, as version 28.2 writes them.
"""

import platform
import re
import signal
from collections.abc import Callable, Mapping
from typing import Any

from byoi import contract
from byoi.conformance.rule import Broken
from byoi.local import health

# A file of the image, by its absolute path; None where there is none.
ReadFile = Callable[[str], bytes | None]

# How what was seen of such a container begins: an endpoint without isolation has a network.
NO_NETWORK = "it calls another host, and there is no network"
_LAST_LINES = 3
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_READ_ONLY = re.compile(
    rf"[^\n]*(?:read-only file system|Errno 30|EROFS)[^\n]*{contract.MODEL_DIR}[^\n]*"
    rf"|[^\n]*{contract.MODEL_DIR}[^\n]*(?:read-only file system|Errno 30|EROFS)[^\n]*",
    re.IGNORECASE,
)
_NO_NETWORK = re.compile(
    r"[^\n]*(?:Name or service not known|Temporary failure in name resolution|"
    r"Network is unreachable|Could not resolve host|getaddrinfo failed)[^\n]*"
)
# How what is said of a server that had to be killed begins.
SIGTERM_IGNORED = "SIGTERM did not end it"
# As Linux names processors, and as images do.
_ARCHITECTURES = {"x86_64": "amd64", "AMD64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
# A status above it is that of a signal.
SIGNALLED = 128
# What a shell, or an engine, says of a program that is not there or cannot be executed.
NO_PROGRAM = {126, 127}
# Of shells and of Docker: a program that could not be executed, was not found, did not start.
_NOT_STARTED = NO_PROGRAM | {255}


def of_refusal(refusal: str, described: Mapping[str, Any], read_file: ReadFile) -> Broken:
    """Return why the engine could not start an image.

    Args:
        refusal: The engine's words.
        described: The image, as `docker inspect` shows it.
        read_file: Reads a file of the image.
    """
    if problem := known_of_program(described, read_file):
        return problem
    return Broken(
        f"the engine says: {refusal}",
        "the platform starts the image as `docker run IMAGE serve`; make that run",
    )


def known_of_program(described: Mapping[str, Any], read_file: ReadFile) -> Broken | None:
    """Return what is wrong with the program that an image starts with, None where nothing is seen.

    Args:
        described: The image, as `docker inspect` shows it.
        read_file: Reads a file of the image.
    """
    program, content = _first_program(described, read_file)
    return _problem_of_program(program, content, described, read_file)


def known_of_end(
    exit_code: int,
    log: str,
    *,
    is_out_of_memory: bool,
    described: Mapping[str, Any],
    read_file: ReadFile,
) -> Broken | None:
    """Return why a container ended by itself, None where only its own lines can tell.

    Args:
        exit_code: Its exit status.
        log: What it wrote.
        is_out_of_memory: Whether the kernel ended it for its memory limit.
        described: The image, as `docker inspect` shows it.
        read_file: Reads a file of the image.
    """
    last = last_lines(log)
    if is_out_of_memory:
        return Broken(
            f"the kernel ended it for its memory limit; its last lines: {last}",
            "choose a larger instance type, or load less: fewer workers, a smaller model",
        )
    if problem := problem_in_log(log):
        return problem
    if "exec " in last or exit_code in _NOT_STARTED:
        return known_of_program(described, read_file)
    return None


def of_end(exit_code: int, log: str) -> Broken:
    """Return that a container ended by itself, with its own last lines.

    Args:
        exit_code: Its exit status.
        log: What it wrote.
    """
    how = f"status {exit_code}"
    if exit_code - SIGNALLED in set(signal.Signals):
        how = f"{signal.Signals(exit_code - SIGNALLED).name}, status {exit_code}"
    return Broken(
        f"the container ended with {how}; its last lines: {last_lines(log)}",
        "the last lines have the cause: mend it, and let `serve` run for as long as it serves",
    )


def of_ignored_sigterm(seconds: float, limit_s: float = contract.STOP_GRACE_S) -> Broken:
    """Return that SIGTERM did not end a server, which was killed after it.

    Args:
        seconds: From SIGTERM to its end.
        limit_s: Seconds from SIGTERM to SIGKILL.
    """
    return Broken(
        f"{SIGTERM_IGNORED}: it was killed (SIGKILL) after {seconds:.0f} s; the limit is "
        f"{limit_s:g} s",
        "let process 1 be the server, by exec form and by `exec` in scripts, and handle SIGTERM: "
        "process 1 ignores it unless it has a handler",
    )


def refuses(argument: str, exit_code: int, log: str) -> bool:
    """Whether a container that has ended did so for its argument, `serve` or `train`."""
    return exit_code in NO_PROGRAM or bool(
        re.search(
            r"[^\n]*(?:usage|expected|unrecogni[sz]ed|unknown|invalid|not found|no such)[^\n]*"
            rf"\b{argument}\b(?![\w./-])",
            log,
            re.IGNORECASE,
        )
    )


def last_lines(log: str) -> str:
    """Return the end of a log in one line."""
    return " | ".join(health.tail(log, _LAST_LINES)) or "it wrote nothing"


def problem_in_log(log: str) -> Broken | None:
    """Return what a log tells of a broken rule: a write into the model folder, a call outside."""
    if found := _READ_ONLY.search(log):
        return Broken(
            f"{contract.MODEL_DIR} is read-only, and it writes there: {found[0].strip()[:300]}",
            "write below /tmp only; the platform mounts the model read-only",
        )
    if found := _NO_NETWORK.search(log):
        return Broken(
            f"{NO_NETWORK}: {found[0].strip()[:300]}",
            "put what it fetches at start into the image or the model data; an endpoint may have "
            "no network at all",
        )
    return None


def _first_program(described: Mapping[str, Any], read_file: ReadFile) -> tuple[str, bytes | None]:
    """Return the program that the image starts with, and its content, None where it lacks it."""
    entry = (described.get("Config") or {}).get("Entrypoint") or []
    return _found(str(entry[0]) if entry else "serve", described, read_file)


def _found(
    name: str, described: Mapping[str, Any], read_file: ReadFile
) -> tuple[str, bytes | None]:
    """Return the path and the content of a program, None where the image has none of the name."""
    config = described.get("Config") or {}
    if name.startswith("/"):
        return name, read_file(name)
    if "/" in name:
        path = f"{config.get('WorkingDir') or '/'}/{name}"
        return path, read_file(path)
    variables = dict(one.partition("=")[::2] for one in config.get("Env") or ())
    for folder in variables.get("PATH", _PATH).split(":"):
        path = f"{folder.rstrip('/')}/{name}"
        if (content := read_file(path)) is not None:
            return path, content
    return name, None


def _problem_of_program(
    program: str, content: bytes | None, described: Mapping[str, Any], read_file: ReadFile
) -> Broken | None:
    machine = str(described.get("Architecture") or "")
    here = _ARCHITECTURES.get(platform.machine(), machine)
    if machine and machine != here:
        return Broken(
            f"the image is for {machine}, and this machine is {here}",
            f"build it for the instance: docker build --platform linux/{here} ...",
        )
    if content is None:
        return Broken(
            f"there is no program {program!r} in the image",
            "the platform runs `docker run IMAGE serve`: put a program `serve` on the PATH, or an "
            "ENTRYPOINT that takes the argument `serve`",
        )
    first = content.partition(b"\n")[0]
    if first.startswith(b"#!") and first.endswith(b"\r"):
        return Broken(
            f"{program} has Windows line ends (CRLF): its first line {first.decode('latin-1')!r} "
            "names a program whose name ends in a carriage return",
            "convert it, for example with `sed -i 's/\\r$//'`, and keep it so: "
            "`*.sh text eol=lf` in .gitattributes",
        )
    if not content.startswith((b"#!", b"\x7fELF")):
        return Broken(
            f"{program} is neither a program nor a script with a first line such as #!/bin/sh: "
            f"{content[:40]!r}",
            "begin the script with the line of its interpreter, with nothing before it",
        )
    if first.startswith(b"#!"):
        line = first[2:].decode("latin-1").split()
        # Of `#!/usr/bin/env python3`, both are needed.
        needed = line[:2] if line and line[0].endswith("/env") else line[:1]
        for name in needed:
            if _found(name, described, read_file)[1] is None:
                return Broken(
                    f"{program} begins with {first.decode('latin-1')!r}, and there is no {name} in "
                    "the image",
                    f"install {name} in the image, or name an interpreter that it has",
                )
    return None
