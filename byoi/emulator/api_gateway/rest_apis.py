"""REST APIs, loaded when API Gateway is first used, because its imports take two seconds.

They are those of a library that moto's API Gateway needs, and no other service.
"""

import re
import threading
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from typing import Any

from werkzeug.wrappers import Request, Response

from byoi.emulator.aws import patches
from byoi.emulator.aws.resource_types import ResourceType
from byoi.emulator.door import Caller, Door

# The form of URL that byoi.deployment.account makes; other emulators have the same.
_URL = re.compile(r"/restapis/[^/]+/[^/]+/_user_request_(/|$)")


class RestApis:
    """API Gateway, loaded when it is first needed.

    Args:
        invocations: Answers a request to SageMaker Runtime in a region.
        door: Knows the keys that a call may be signed with.
        record: Keeps a call that was signed, as `Calls.write_invoke` does.
        stack: Restores what is replaced in moto when it ends.
        log: Takes one line.
    """

    def __init__(
        self,
        invocations: Callable[[Request, str], Response],
        *,
        door: Door,
        record: Callable[[Request, Caller, str, Response], None],
        stack: ExitStack,
        log: Callable[[str], None],
    ) -> None:
        self._invocations = invocations
        self._door = door
        self._record = record
        self._stack = stack
        self._log = log
        self._lock = threading.Lock()
        self._gateway: Any = None

    @staticmethod
    def is_call(path: str) -> bool:
        """Return whether a path is that of a call of an API, not of API Gateway's own API."""
        return _URL.match(path) is not None

    def load(self) -> Any:
        """Return the gateway; the first call loads it and patches moto's API Gateway."""
        with self._lock:
            if self._gateway is None:
                from byoi.emulator.api_gateway import backend, gateway  # noqa: PLC0415 - seconds

                self._stack.enter_context(patches.replaced(backend.replacements()))
                self._gateway = gateway.ApiGateway(
                    self._invocations, door=self._door, record=self._record, log=self._log
                )
        return self._gateway

    def stack_types(self) -> Iterable[ResourceType]:
        """Return the types of resources that a stack can have."""
        self.load()
        from byoi.emulator.api_gateway import stack_resources  # noqa: PLC0415 - as above

        return stack_resources.types()

    def answer(self, request: Request) -> Response:
        """Answer one call of an API."""
        response: Response = self.load().answer(request)
        return response
