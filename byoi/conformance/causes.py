"""Causes of a container that does not start or has ended, where the engine reports a symptom.

Sources: signal(7); exec(3) of shells (126, 127); error messages of Python, boto3, Node.js, Go,
Java, curl, pip and Alpine's wget.
"""

import re
import signal
from collections.abc import Mapping
from typing import Any

from byoi import contract
from byoi.conformance import log_lines, missing, programs
from byoi.conformance.programs import BadProgram, ReadFile, ReadStatus
from byoi.conformance.verdict import Broken

# Beginning of the message about calls of other hosts: endpoints without isolation allow them.
NO_NETWORK = "it calls another host, and there is no network"
_READ_ONLY = re.compile(r"read-only file system|Errno 30|EROFS|ReadOnlyFileSystem", re.IGNORECASE)
_NO_NETWORK = re.compile(
    r"Name or service not known|Temporary failure (?:in name resolution|resolving)|"
    r"Network is unreachable|No route to host|Could not resolve host|getaddrinfo failed|"
    r"No address associated with hostname|getaddrinfo E\w+|failed to lookup address information|"
    r"dial tcp: lookup |UnknownHostException|unable to resolve host|wget: bad address|"
    r"Could not connect to the endpoint URL|couldn't connect to 'https?:|"
    r"Failed to establish a new connection: \[Errno -\d\]"
)
_NO_CREDENTIALS = re.compile(
    r"NoCredentialsError|Unable to locate credentials|NoRegionError|"
    r"Unable to load credentials|no EC2 IMDS role found|CredentialsProviderError|"
    r"Could not load credentials from any providers"
)
_NO_ADDRESS = re.compile(r"EADDRNOTAVAIL|Cannot assign requested address", re.IGNORECASE)
# Names of variables; a name without an underscore could also be a log level.
_NAME, _LONG_NAME = r"([A-Z][A-Z0-9_]{2,})", r"([A-Z][A-Z0-9]*_[A-Z0-9_]+)"
_NO_VARIABLE = re.compile(
    rf"KeyError: ['\"]{_NAME}['\"]"
    rf"|\b{_LONG_NAME}\b[^\n]{{0,40}}(?:not set|be set|required|missing|undefined|not defined)"
    rf"|\b{_NAME}: (?:unbound variable|parameter (?:null or )?not set)"
    rf"|(?:[Mm]issing|[Rr]equired?|[Ss]et|[Nn]eeds?) (?:the )?(?:env|environment)(?: variable)?"
    rf"[: ]+['\"`$]*{_NAME}\b"
)
_NOT_EXECUTABLE = re.compile(
    r"permission denied|executable file not found|is a directory", re.IGNORECASE
)
_DENIED_PROGRAM = re.compile(
    r"(?:exec: )?([\w./+-]+): (?:[Pp]ermission denied|cannot execute|[Ii]s a directory)"
    r"|PermissionError: \[Errno 13\] Permission denied: '([\w./+-]+)'"
    r"|spawn ([\w./+-]+) EACCES"
)
_LAST_LINES_TELL = (
    "the last lines have the cause: fix it, and let `serve` run as long as the container should"
)
# Beginning of the message about a server that had to be killed.
SIGTERM_IGNORED = "SIGTERM did not end it"
# A status above this means a signal.
SIGNALLED = 128
# Statuses of shells and engines for a program that is missing or cannot be executed.
NO_PROGRAM = {126, 127}
# Statuses of shells and of Docker for a program that did not start, or a script that a shell could
# not read.
_NOT_STARTED = NO_PROGRAM | {2, 255}


class Ended(Broken):
    """The server ended by itself, and only its last log lines may show the cause."""


class OutOfMemory(Broken):
    """The kernel killed a process because of the container's memory limit."""


def of_refusal(
    refusal: str,
    described: Mapping[str, Any],
    read_file: ReadFile,
    read_status: ReadStatus = lambda _: None,
) -> Broken:
    """Return why the engine could not start an image.

    Args:
        refusal: The engine's error message.
        described: The image, as `docker inspect` shows it.
        read_file: Reads a file of the image.
        read_status: Reads the permissions of a file of the image.
    """
    problem = programs.problem(described, read_file)
    if problem is None or problem.is_missing:
        # A directory has no content, so that it seems to be missing.
        problem = programs.not_permitted(described, read_file, read_status) or problem
    # So says the engine also of a program on the PATH that has no execute bit.
    if problem is None and _NOT_EXECUTABLE.search(refusal):
        problem = programs.not_executable(described, read_file)
    if problem is not None:
        return problem
    return Broken(
        f"the engine says: {refusal}",
        "the platform starts the image as `docker run IMAGE serve`; make that run",
    )


def known_of_end(  # noqa: PLR0913 - keywords of one end
    exit_code: int,
    log: str,
    *,
    is_out_of_memory: bool,
    described: Mapping[str, Any],
    read_file: ReadFile,
    read_status: ReadStatus = lambda _: None,
) -> Broken | None:
    """Return why a container ended by itself, None if no known cause is found.

    Args:
        exit_code: Its exit status.
        log: Its log.
        is_out_of_memory: Whether the kernel killed it because of its memory limit.
        described: The image, as `docker inspect` shows it.
        read_file: Reads a file of the image.
        read_status: Reads the permissions of a file of the image.
    """
    last = log_lines.last(log)
    if is_out_of_memory:
        return out_of_memory(log)
    if problem := missing.driver(last) or problem_in_log(log):
        return problem
    if problem := _denied_program(last, described, read_file, read_status):
        return problem
    if "exec " in last or exit_code in _NOT_STARTED:
        return programs.problem(described, read_file)
    return None


def _denied_program(
    last: str, described: Mapping[str, Any], read_file: ReadFile, read_status: ReadStatus
) -> BadProgram | None:
    """Return the problem of a program that a script may not execute, by the end of its log."""
    for found in _DENIED_PROGRAM.finditer(last):
        name = next(one for one in found.groups() if one)
        # A file of data that may not be read is denied, too: only programs count.
        if programs.is_program(described, read_file, name):
            problem = programs.not_permitted(described, read_file, read_status, name)
            if problem is not None:
                return problem
    return None


def out_of_memory(log: str) -> OutOfMemory:
    """Return the problem that the kernel killed a process because of the memory limit.

    Args:
        log: The container's log.
    """
    return OutOfMemory(
        f"the kernel ended it for its memory limit; its last lines: {log_lines.last(log)}",
        "choose a larger instance type, or load less: fewer workers, a smaller model",
    )


def of_end(exit_code: int, log: str) -> Broken:
    """Return the problem that a container ended by itself, with its last log lines.

    Args:
        exit_code: Its exit status.
        log: Its log.
    """
    how = f"status {exit_code}"
    if exit_code - SIGNALLED in set(signal.Signals):
        how = f"{signal.Signals(exit_code - SIGNALLED).name}, status {exit_code}"
    last = log_lines.last(log)
    if needs_driver := missing.driver(last):
        return needs_driver
    remedy = cause = ""
    if not exit_code:
        remedy = (
            "let process 1 be the server, in the foreground: a container ends with its process 1, "
            "even if that has started a server in the background"
        )
    if log_lines.first(_NO_ADDRESS, log):
        remedy = (
            f"bind to 0.0.0.0:{contract.PORT}: the container does not have the address "
            "that the server binds to, such as ::1 without IPv6"
        )
    if unset := missing_variables(log):
        remedy = (
            f"have a default for {unset[0]}; or, if the model's environment sets it, give it "
            f"to the check: --env {unset[0]}=VALUE"
        )
    if absent := missing.in_image(last):
        cause, remedy = f"{absent[0]}: ", absent[1]
    seen = f"{cause}the server ended with {how}; its last lines: {last}"
    if remedy or exit_code in NO_PROGRAM:
        return Broken(seen, remedy or _LAST_LINES_TELL)
    return Ended(seen, _LAST_LINES_TELL)


def of_ignored_sigterm(seconds: float, limit_s: float = contract.STOP_GRACE_S) -> Broken:
    """Return the problem that SIGTERM did not end a server, so that it was killed.

    Args:
        seconds: Seconds from SIGTERM to its end.
        limit_s: Seconds from SIGTERM to SIGKILL.
    """
    return Broken(
        f"{SIGTERM_IGNORED}: it was killed (SIGKILL) after {seconds:.0f} s; the limit is "
        f"{limit_s:g} s",
        "let process 1 be the server, by exec form and by `exec` in scripts, and handle SIGTERM: "
        "process 1 ignores it unless it has a handler",
    )


def refuses(argument: str, exit_code: int, log: str) -> bool:
    """Whether a container has ended because it does not accept its argument."""
    told = re.compile(
        r"usage|expected|unrecogni[sz]ed|unknown|invalid|not found|no such", re.IGNORECASE
    )
    name = re.compile(rf"\b{argument}\b(?![\w./-])", re.IGNORECASE)
    return exit_code in NO_PROGRAM or any(
        name.search(line[found.end() :])
        for line in log_lines.matching(told, log)
        for found in told.finditer(line)
    )


def missing_variables(log: str) -> list[str]:
    """Return the names of environment variables that are missing according to a log."""
    lines = "\n".join(log_lines.matching(_NO_VARIABLE, log))
    return list(
        dict.fromkeys(
            next(name for name in found.groups() if name) for found in _NO_VARIABLE.finditer(lines)
        )
    )


def problem_in_log(log: str) -> Broken | None:
    """Return a broken rule that a log shows: a write to the model folder, or a network call."""
    for line in log_lines.matching(_READ_ONLY, log):
        if str(contract.MODEL_DIR) in line:
            return Broken(
                f"{contract.MODEL_DIR} is read-only, and it writes there: {line[:300]}",
                "write below /tmp only; the platform mounts the model read-only",
            )
    if line := log_lines.first(_NO_CREDENTIALS, log):
        return Broken(
            f"{NO_NETWORK}, and there are no credentials of AWS: {line[:300]}",
            "take what it needs from the image or the model data: under network isolation an "
            "endpoint has neither",
        )
    if line := log_lines.first(_NO_NETWORK, log):
        return Broken(
            f"{NO_NETWORK}: {line[:300]}",
            "put what it fetches at start into the image or the model data; an endpoint may have "
            "no network at all",
        )
    return None
