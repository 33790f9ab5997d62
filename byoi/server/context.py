"""The context of one request: its headers and session, and the headers of its response.

The names are those of the context object of AWS's model server, which scripts get there.

Sources: multi-model-server 1.1.11, context.py; API InvokeEndpoint (custom attributes: "the model
must set them"; inference id); Developer Guide, stateful-sessions.
"""

import re
import time
import uuid
from pathlib import Path
from typing import Any

from werkzeug.datastructures import Headers

from byoi import contract
from byoi.server import sessions as names
from byoi.server.sessions import Sessions

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
# A year: sessions last minutes, so a longer time is probably in the wrong unit.
_LONGEST_S = 366 * 86_400
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")


class Context:
    """One request; the last argument of a function that takes one more argument.

    A batch has one request here: wherever AWS's server takes an index, it must be 0.

    Args:
        headers: Headers of the request; names in any case.
        model_dir: The directory that `model_fn` got.
        request_id: The id of the request in the log.
        sessions: The sessions of the server; None if no request is being answered.

    Attributes:
        response_headers: The headers that the module set.
        status: The status that the module set, None by default.
    """

    def __init__(
        self,
        headers: Headers,
        *,
        model_dir: str = "",
        request_id: str = "",
        sessions: Sessions | None = None,
    ) -> None:
        self._headers = headers
        self._sessions = sessions
        self.system_properties: dict[str, Any] = {
            "model_dir": model_dir,
            "gpu_id": None,
            "batch_size": 1,
            "server_name": "byoi",
            "server_version": "1",
        }
        self.request_ids = {0: request_id}
        self.response_headers = Headers()
        self.status: int | None = None
        self._opened: str | None = None

    @property
    def request_processor(self) -> list["Context"]:
        """This request, as AWS's server shows it."""
        return [self]

    @property
    def custom_attributes(self) -> str | None:
        """The custom attributes that the client sent, up to 1,024 characters; None without any."""
        return self._headers.get(contract.CUSTOM_ATTRIBUTES_HEADER)

    @custom_attributes.setter
    def custom_attributes(self, value: str) -> None:
        """Set those of the response."""
        self.set_response_header(0, contract.CUSTOM_ATTRIBUTES_HEADER, value)

    @property
    def inference_id(self) -> str | None:
        """The inference id that the client sent; None without one."""
        return self._headers.get(contract.INFERENCE_ID_HEADER)

    @property
    def asks_session(self) -> bool:
        """Whether the client asks for a new session, by sending `NEW_SESSION` as the id."""
        return self._headers.get(names.SESSION_HEADER) == names.NEW_SESSION

    @property
    def session_id(self) -> str | None:
        """The id of the session that the client names; None without one or for a new session.

        Raises:
            MalformedBody: The value is not a valid id.
        """
        given = self._headers.get(names.SESSION_HEADER)
        return None if given in {None, names.NEW_SESSION} else names.checked(str(given))

    @property
    def session_folder(self) -> Path | None:
        """The folder of the session that this request opened, else of the one the client names.

        All workers of this server see it. None without a session, or if this server has none with
        that id: it was closed, has expired, or the server was restarted.
        """
        session_id = self._opened or self.session_id
        return None if session_id is None else self._all_sessions().folder(session_id)

    def open_session(self, lasts_s: float, session_id: str | None = None) -> str:
        """Open a session, tell the client by headers of the response, and return its id.

        Args:
            lasts_s: Seconds until it expires; a fraction is cut off.
            session_id: Letters, digits, and hyphens between them; by default a new id.

        Raises:
            ValueError: The time or the id cannot be used, or a session with this id is open.
        """
        if not 1 <= lasts_s <= _LONGEST_S:
            raise ValueError(
                f"a session lasts from 1 to {_LONGEST_S} seconds from now on, received {lasts_s!r}"
            )
        session_id = session_id or uuid.uuid4().hex
        until_s = int(time.time() + lasts_s)
        value = names.new_session_value(session_id, until_s)
        self._all_sessions().open(session_id, until_s)
        self._opened = session_id
        for header in names.NEW_SESSION_HEADERS:
            self.set_response_header(0, header, value)
        return session_id

    def close_session(self) -> None:
        """Close the session that the client names, and remove its folder.

        Raises:
            ValueError: The request names no session.
        """
        if (session_id := self.session_id) is None:
            raise ValueError(
                f"there is no session to close: the request has no {names.SESSION_HEADER} with "
                "the id of one; look at context.session_id first"
            )
        self._all_sessions().close(session_id)
        self.set_response_header(0, names.CLOSED_SESSION_HEADER, session_id)

    def _all_sessions(self) -> Sessions:
        if self._sessions is None:
            raise ValueError("sessions are only available while a request is handled")
        return self._sessions

    def get_request_id(self, idx: int = 0) -> str | None:
        """Return the request's id, under which the log has it."""
        return self.request_ids.get(idx)

    def get_request_header(self, idx: int, key: str) -> str | None:
        """Return one header of the request, its name in any case; None without it."""
        self._require_one(idx)
        return self._headers.get(key)

    def get_request_property(self, key: str) -> str | None:
        """Return one header of the request."""
        return self._headers.get(key)

    def get_all_request_header(self, idx: int) -> dict[str, str]:
        """Return all headers of the request."""
        self._require_one(idx)
        return dict(self._headers)

    def get_request_properties(self) -> dict[str, str]:
        """Return all headers of the request."""
        return dict(self._headers)

    def set_response_content_type(self, idx: int, value: str) -> None:
        """Set the media type of the response; it overrides the one that the functions return."""
        self.set_response_header(idx, "Content-Type", value)

    def get_response_content_type(self, idx: int) -> str | None:
        """Return the media type that was set, None by default."""
        self._require_one(idx)
        return self.response_headers.get("Content-Type")

    def set_response_header(self, idx: int, key: str, value: str) -> None:
        """Set one header of the response.

        The server itself sets the headers for length and framing of the body, and for the
        connection; setting them here has no effect.

        Raises:
            ValueError: The name is not a valid header name, or the value has characters that a
                header cannot have (RFC 9110, 5.1 and 5.5).
        """
        self._require_one(idx)
        if not _NAME.fullmatch(key):
            raise ValueError(f"{key!r:.100} cannot be the name of a header")
        if not _VALUE.fullmatch(str(value)):
            raise ValueError(
                f"the header {key} cannot have the value {value!r:.100}: expected one line of "
                "Latin letters; encode others"
            )
        self.response_headers.set(key, value)

    def get_response_headers(self, idx: int = 0) -> dict[str, str]:
        """Return the headers that were set."""
        self._require_one(idx)
        return dict(self.response_headers)

    def set_response_status(self, code: int = 200, phrase: str = "", idx: int = 0) -> None:  # noqa: ARG002 - HTTP/2 has no phrase, and no client here shows it
        """Set the status of the response.

        Raises:
            ValueError: The status is not from 200 to 599.
        """
        self._require_one(idx)
        if not 200 <= int(code) <= 599:
            raise ValueError(f"the status of a response is 200 to 599, received {code!r}")
        self.status = int(code)

    def set_all_response_status(self, code: int = 200, phrase: str = "") -> None:
        """Set the status of the response."""
        self.set_response_status(code, phrase)

    def report_status(self, code: int, reason_phrase: str = "") -> None:
        """Set the status of the response."""
        self.set_response_status(code, reason_phrase)

    def add_response_property(self, key: str, value: str) -> None:
        """Set one header of the response."""
        self.set_response_header(0, key, value)

    def _require_one(self, idx: int) -> None:
        if idx != 0:
            raise IndexError(
                f"the request index must be 0, received {idx}: each call handles one request"
            )
