"""Record the calls that an emulator answered, one line of JSON each: what a policy must allow."""

import io
import json
import threading
from pathlib import Path
from typing import Any

from werkzeug.wrappers import Request, Response

from byoi.emulator.door import Caller

# Of a query: with these, someone else could send the call again.
_SIGNATURES = frozenset({"signature", "x-amz-signature", "x-amz-security-token"})


class Calls:
    """A file of calls, or nothing.

    A line has `key` (the caller's access key id), `service` (as the signature names it),
    `action` (its name, or method and path), `query`, `parameters` (of the JSON and query
    protocols, else empty) and `status`. Of a signed call of a REST API, `action` is `Invoke` and
    the ARN of its method.

    Args:
        file: Lines are appended to it; None records nothing.
    """

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._lock = threading.Lock()

    def parameters(self, request: Request) -> dict[str, Any]:
        """Return what a call asks for; moto can still read it."""
        is_form = request.mimetype == "application/x-www-form-urlencoded"
        is_action = request.path == "/" and (is_form or "X-Amz-Target" in request.headers)
        if self._file is None or not is_action:
            return {}
        body = request.get_data()
        request.environ["wsgi.input"] = io.BytesIO(body)
        if not is_form:
            return dict(json.loads(body or b"{}"))
        # A request of its own, because reading the form would use up this one's body.
        copy = Request({**request.environ, "wsgi.input": io.BytesIO(body)})
        return {name: value for name, value in copy.form.items() if name != "Action"}

    def write_invoke(self, request: Request, caller: Caller, arn: str, response: Response) -> None:
        """Record a signed call of a REST API, whose method has an ARN."""
        self.write(request, caller, f"Invoke {arn}", {}, response.status_code)

    def write(
        self,
        request: Request,
        caller: Caller,
        action: str,
        parameters: dict[str, Any],
        status: int,
    ) -> None:
        """Record a call that was answered with `status`."""
        if self._file is None:
            return
        query = request.query_string.decode().split("&")
        call = {
            "key": caller.access_key,
            "service": caller.service,
            "action": action,
            "query": "&".join(
                one for one in query if one.partition("=")[0].lower() not in _SIGNATURES
            ),
            "parameters": parameters,
            "status": status,
        }
        with self._lock, self._file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(call) + "\n")
