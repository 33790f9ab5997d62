"""The sessions of a server: each is a folder that all workers see.

A client asks for a session, the module opens one, and SageMaker sends all requests with its id to
the same instance, where any worker may get them. So the data of a session is in a folder of the
state directory, not in a worker's memory.

Sources: SageMaker Developer Guide, stateful-sessions; botocore 1.44, sagemaker-runtime
(NewSessionResponseHeader, SessionIdHeader); model-hosting-container-standards 0.1.16,
sessions/models.py (the header of a new session).
"""

import re
import shutil
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from byoi import errors

SESSION_HEADER = "X-Amzn-SageMaker-Session-Id"
# The guide has the first name, AWS's own package the second: both are sent.
NEW_SESSION_HEADERS = (SESSION_HEADER, "X-Amzn-SageMaker-New-Session-Id")
CLOSED_SESSION_HEADER = "X-Amzn-SageMaker-Closed-Session-Id"
NEW_SESSION = "NEW_SESSION"
HEADER_CHARACTERS = 256
_ID = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9])*")


def checked(session_id: str) -> str:
    """Return the id of a session if it is valid.

    Raises:
        MalformedBody: The id is not valid.
    """
    if len(session_id) > HEADER_CHARACTERS or not _ID.fullmatch(session_id):
        raise errors.MalformedBody(
            f"received {SESSION_HEADER} {session_id!r:.300}, expected {NEW_SESSION}, or at most "
            f"{HEADER_CHARACTERS} letters, digits and hyphens between them"
        )
    return session_id


def new_session_value(session_id: str, until_s: float) -> str:
    """Return the value of the headers of a new session.

    Args:
        session_id: Letters, digits, and hyphens between them.
        until_s: When it expires, in seconds since the epoch.

    Raises:
        ValueError: The id has other characters, or the value would be too long.
    """
    value = f"{session_id}; Expires={datetime.fromtimestamp(until_s, UTC):%Y-%m-%dT%H:%M:%SZ}"
    if not _ID.fullmatch(session_id) or len(value) > HEADER_CHARACTERS:
        raise ValueError(
            f"{session_id!r:.300} cannot be the id of a session: expected letters, digits and "
            f"hyphens between them, with `; Expires=...` at most {HEADER_CHARACTERS} characters"
        )
    return value


class Sessions:
    """The open sessions in one folder.

    Args:
        folder: The folder; created when it is needed.
        clock: Returns seconds since the epoch.
    """

    def __init__(self, folder: Path, *, clock: Callable[[], float] = time.time) -> None:
        self._folder = folder
        self._clock = clock

    def open(self, session_id: str, until_s: float) -> None:
        """Create the folder of a session, and remove the folders of expired sessions.

        Args:
            session_id: As `new_session_value` takes it.
            until_s: When it expires, in whole seconds since the epoch.

        Raises:
            ValueError: A session with this id is open.
        """
        self._folder.mkdir(mode=0o700, exist_ok=True)
        for found in self._folder.iterdir():
            if _until_s(found) <= self._clock():
                shutil.rmtree(found, ignore_errors=True)
        if self.folder(session_id) is not None:
            raise ValueError(f"the session {session_id} is open; give another id, or none")
        (self._folder / f"{session_id}.{int(until_s)}").mkdir(mode=0o700)

    def folder(self, session_id: str) -> Path | None:
        """Return the folder of a session, None if it is not open here or has expired."""
        for found in self._folder.glob(f"{session_id}.*"):
            if _until_s(found) > self._clock():
                return found
        return None

    def close(self, session_id: str) -> None:
        """Remove the folder of a session, if there is one."""
        for found in self._folder.glob(f"{session_id}.*"):
            shutil.rmtree(found, ignore_errors=True)


def _until_s(folder: Path) -> int:
    return int(folder.suffix[1:])
