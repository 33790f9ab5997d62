"""Why a container, not started by the check, is not healthy or did not stop, in one line.

Uses the causes of the check, for the emulator's FailureReason and log and for local mode's
messages.
"""

import signal
import time
import urllib.parse
from collections.abc import Iterable

from byoi import contract, errors
from byoi.conformance import causes, ping_answer, programs, waiting
from byoi.conformance.container import ContainerSight
from byoi.conformance.server import Server
from byoi.conformance.verdict import Broken, NotTested
from byoi.local.docker import Engine


def of_container(engine: Engine, container: str, image: str, url: str) -> str:
    """Return the cause and the remedy, "" if no cause is found.

    Args:
        engine: The engine that runs the container.
        container: Name of the container, which may have ended.
        image: Its image.
        url: `http://host:port` where it should answer.
    """
    parts = urllib.parse.urlsplit(url)
    sight = ContainerSight(engine, container)
    try:
        if (code := sight.exit_code()) is not None:
            found = causes.known_of_end(
                code,
                sight.log(),
                is_out_of_memory=sight.is_out_of_memory(),
                described=engine.describe_image(image),
                read_file=lambda path: engine.read_image_file(image, path),
                read_status=lambda path: engine.image_file_status(image, path),
            )
        else:
            server = Server(parts.hostname or "", parts.port or contract.PORT, sight)
            found = _of_running(server)
    # The caller reports the symptom in any case.
    except (errors.ByoiError, NotTested):
        return ""
    return told(found)


def of_refusal(engine: Engine, image: str) -> str:
    """Return the problem of the program that an image starts with, "" if none is found.

    Args:
        engine: The engine that could not start the image.
        image: The image.
    """
    try:
        described = engine.describe_image(image)

        def read_file(path: str) -> bytes | None:
            return engine.read_image_file(image, path)

        found = programs.problem(described, read_file)
        if found is None or found.is_missing:
            found = (
                programs.not_permitted(
                    described, read_file, lambda path: engine.image_file_status(image, path)
                )
                or found
            )
        return told(found)
    except errors.ByoiError:
        return ""


def stopped(engine: Engine, containers: Iterable[str], grace_s: int) -> dict[str, str]:
    """Stop containers in parallel, as the platform does, and return problems of their ends.

    Containers that have already ended are ignored.

    Args:
        engine: The engine that runs them.
        containers: Names of the containers; they are not removed.
        grace_s: Seconds from SIGTERM to SIGKILL.

    Returns:
        The problem of each container that had one, by name.

    Raises:
        HostingError: The engine does not answer.
    """
    running = [one for one in containers if engine.state(one).status == "running"]
    asked_s = time.monotonic()
    engine.stop(running, grace_s)
    seconds = time.monotonic() - asked_s
    found = {one: of_stop(engine.state(one).exit_code, seconds, grace_s) for one in running}
    return {one: problem for one, problem in found.items() if problem}


def of_stop(exit_code: int, seconds: float, grace_s: float) -> str:
    """Return the problem of the end of a server that ran until SIGTERM, "" without one.

    Args:
        exit_code: Exit status, in the form of a shell or of Python.
        seconds: Seconds from SIGTERM to its end.
        grace_s: Seconds from SIGTERM to SIGKILL; an earlier SIGKILL was sent by something else.
    """
    is_killed = exit_code in {causes.SIGNALLED + signal.SIGKILL, -signal.SIGKILL}
    if not is_killed or seconds < grace_s:
        return ""
    found = causes.of_ignored_sigterm(seconds, grace_s)
    return f"{found.seen}: {found.remedy}"


def told(found: Broken | None) -> str:
    """Return a cause and its remedy as the end of a sentence, "" without a cause."""
    return f"; {found.seen}: {found.remedy}" if found else ""


def _of_running(server: Server) -> Broken | None:
    if slow := ping_answer.slow(server):
        return slow
    if found := waiting.wrong_listeners(server.sight.listeners(), contract.PORT):
        return found
    return causes.problem_in_log(server.sight.log())
