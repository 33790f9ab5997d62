"""Record the calls that an emulator answered, one line of JSON each: what a policy must allow."""

import json
import threading
from dataclasses import dataclass
from pathlib import Path

from werkzeug.wrappers import Request, Response

from byoi.emulator import answer_shapes
from byoi.emulator.door import Caller
from byoi.emulator.operations import Operation

# Of a query: with these, someone else could send the call again.
_SIGNATURES = frozenset({"signature", "x-amz-signature", "x-amz-security-token"})


@dataclass
class Call:
    """A call while it is answered.

    Attributes:
        caller: Who sent it.
        action: Its name, or method and path.
        service: As boto3 names it.
        operation: What it asks for, None where that cannot be read.
        unforeseen: What went wrong in the emulator, "" where nothing did.
    """

    caller: Caller
    action: str
    service: str
    operation: Operation | None = None
    unforeseen: str = ""


class Calls:
    """A file of calls, or nothing.

    A line has `key` (the caller's access key id), `service` (as the signature names it),
    `action` (its name, or method and path), `query`, `operation` (service and action as boto3
    names them), `parameters` (without those of a body that is not JSON or a query), `status`,
    `unforeseen` (a failure of the emulator itself) and `deviations` (what its answer has that the
    service's model does not allow). Of a signed call of a REST API, `action` is `Invoke`
    and the ARN of its method.

    Args:
        file: Lines are appended to it; None records nothing.
    """

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._lock = threading.Lock()

    def write(self, request: Request, call: Call, response: Response) -> None:
        """Record a call that was answered."""
        if self._file is None:
            return
        query = request.query_string.decode().split("&")
        operation = call.operation
        line = {
            "key": call.caller.access_key,
            "service": call.caller.service,
            "action": call.action,
            "query": "&".join(
                one for one in query if one.partition("=")[0].lower() not in _SIGNATURES
            ),
            "operation": [operation.service, operation.action] if operation else None,
            "parameters": dict(operation.sent) if operation else {},
            "status": response.status_code,
            "unforeseen": call.unforeseen,
            "deviations": answer_shapes.deviations(operation, response) if operation else [],
        }
        with self._lock, self._file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def write_invoke(self, request: Request, caller: Caller, arn: str, response: Response) -> None:
        """Record a signed call of a REST API, whose method has an ARN."""
        self.write(request, Call(caller, f"Invoke {arn}", "execute-api"), response)
