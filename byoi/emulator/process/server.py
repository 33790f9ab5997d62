"""The emulator itself: moto's AWS APIs and the endpoints behind them, on one port of this machine.

`RequestHandler` stands between a socket and the WSGI application: moto's own, without its delay
and without what it leaves open.
"""

import contextlib
import io
import os
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from werkzeug.serving import make_server

from byoi import contract, errors
from byoi.emulator.api_gateway.rest_apis import RestApis
from byoi.emulator.application import Application
from byoi.emulator.aws import (
    account,
    bucket_policies,
    cloudformation,
    iam,
    image_registry,
    logs,
    patches,
    sagemaker,
    sagemaker_resources,
    simulation,
    stack_resources,
)
from byoi.emulator.aws.clients import Clients
from byoi.emulator.aws.image_registry import ImageRegistry
from byoi.emulator.aws.stacks import ANSWER_S, Stacks
from byoi.emulator.calls import Calls
from byoi.emulator.credentials import Credentials, Key
from byoi.emulator.door import Door
from byoi.emulator.endpoints.container_logs import ContainerLogs
from byoi.emulator.endpoints.endpoints import Endpoints
from byoi.emulator.endpoints.model_source import ModelSource
from byoi.emulator.process import belongings, environment
from byoi.emulator.runners import ContainerRunner, ProcessRunner, Runner
from byoi.emulator.runtime.invocations import Invocations
from byoi.local.docker import Engine

HOST = "127.0.0.1"
REGION = "us-east-1"
RUNNERS = ("auto", "containers", "processes")
# AWS waits 8 minutes unless an endpoint configuration says otherwise; on one machine a container
# that takes so long has failed.
STARTUP_TIMEOUT_S = 30.0


class RequestHandler(MotoRequestHandler):
    """Answers the request of one connection."""

    # Headers and body are written one after the other: without this the second waits 40 ms
    # for the first one's acknowledgement.
    disable_nagle_algorithm = True
    protocol_version = "HTTP/1.1"

    def setup(self) -> None:
        """Prepare for one connection."""
        super().setup()
        self.rfile = _Sent(self.rfile.detach())

    def handle_expect_100(self) -> bool:
        """Leave the client waiting for its turn to send; `make_environ` lets it."""
        return True

    def run_wsgi(self) -> None:
        """Answer one request."""
        self._waits = self.headers.get("Expect", "").strip().lower() == "100-continue"
        # Otherwise werkzeug asks for the body of a request that may be refused.
        del self.headers["Expect"]
        super().run_wsgi()

    def make_environ(self) -> dict[str, Any]:
        """Return the environment, whose body is asked for when it is read first."""
        environ: dict[str, Any] = super().make_environ()
        if self._waits:
            environ["wsgi.input"] = _Awaited(environ["wsgi.input"], self.wfile)
        return environ

    def log(self, type: str, message: str, *arguments: Any) -> None:  # noqa: A002
        """Say nothing: `Application` logs each call in words."""


class _Sent(io.BufferedReader):
    """What a client sends; one that broke off has sent all of it.

    After each answer werkzeug reads on for what is left, and an error there, as after a caller
    that closed a response unread, leaves it a descriptor open until Python's garbage is
    collected (2.3 to 3.1, serving.py, `execute`).
    """

    def read(self, size: int | None = -1, /) -> bytes:
        """Return up to `size` bytes."""
        try:
            return super().read(size)
        except ConnectionError:
            return b""


class _Awaited(io.RawIOBase):
    """A body that the client sends when it is told to go on (RFC 9110, 10.1.1)."""

    def __init__(self, body: Any, answers: Any) -> None:
        self._body = body
        self._answers: Any = answers

    def readable(self) -> bool:
        """Whether it can be read."""
        return True

    def readinto(self, buffer: Any, /) -> int:
        """Read into a buffer and return how many bytes."""
        if self._answers is not None:
            self._answers.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self._answers = None
        return int(self._body.readinto(buffer))


class Emulator:
    """AWS on this machine, until `stop`. One at a time in a process: moto keeps global state.

    Attributes:
        url: Where the APIs answer.
        notice: One line on what endpoints run.
        variables: The environment that leads to it; None is a variable to unset.
        variables_file: The same as commands of a shell, for this user only.
    """

    def __init__(  # noqa: PLR0913 - keywords with a default
        self,
        *,
        runner: str = "auto",
        port: int = 0,
        region: str = REGION,
        startup_timeout_s: float = STARTUP_TIMEOUT_S,
        timeout_s: float = contract.INVOCATION_TIMEOUT_S,
        stream_timeout_s: float = contract.STREAM_TIMEOUT_S,
        stacks_answer_s: float = ANSWER_S,
        log: Callable[[str], None] = lambda _line: None,
        calls_file: Path | None = None,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        """Start, after removing what a killed emulator left.

        Args:
            runner: `containers`, `processes`, or `auto`: containers where an engine answers.
            port: TCP port; 0 is any free one.
            region: The default region; endpoints may be in any.
            startup_timeout_s: Seconds for /ping to turn 200 where an endpoint configuration
                names none.
            timeout_s: Seconds for the answer of an invocation.
            stream_timeout_s: Seconds for a streamed answer.
            stacks_answer_s: Seconds until a call of CloudFormation is answered though its work
                continues.
            log: Takes one line for each event, from several threads.
            calls_file: Receives each call as a line of JSON, as `Calls` writes it; by default
                the file that `BYOI_CALLS_FILE` names, if it names one.
            environ: The environment now, which `variables` are to replace.

        Raises:
            MissingProgramError: Containers are asked for and no engine answers.
            OSError: The port is taken.
        """
        self._stack = contextlib.ExitStack()
        with contextlib.ExitStack() as stack:
            engine = Engine(environ)
            no_engine = _why_without(runner, engine)
            for line in belongings.clear(None if no_engine else engine, log_out=engine.log_out):
                log(f"removed what a killed emulator left: {line}")
            owned = belongings.Belongings()
            stack.callback(owned.remove)
            registry = ImageRegistry(owned.folder, engine=engine, remember=owned.remember)
            stack.callback(registry.stop)
            chosen: Runner = (
                ProcessRunner(no_engine, remember=owned.remember)
                if no_engine
                else ContainerRunner(engine, registry.find_login)
            )
            stack.callback(chosen.close)
            account.reset()
            container_logs = ContainerLogs()
            stack.callback(container_logs.close)
            source = ModelSource(account.read_object, account.list_keys)
            fleets = Endpoints(chosen, source, container_logs, folder=owned.folder, log=log)
            stack.enter_context(patches.replaced(sagemaker.replacements(fleets, startup_timeout_s)))
            stack.enter_context(patches.replaced(logs.replacements()))
            stack.enter_context(patches.replaced(account.replacements()))
            stack.enter_context(patches.replaced(image_registry.replacements(registry)))
            stack.enter_context(patches.replaced(bucket_policies.replacements()))
            stack.enter_context(patches.replaced(simulation.replacements()))
            stack.enter_context(patches.replaced(iam.replacements()))
            late = contextlib.ExitStack()
            stack.enter_context(late)
            moto = DomainDispatcherApplication(create_backend_app)
            clients = Clients(moto)
            stacks = Stacks(
                lambda: (
                    *stack_resources.types(clients),
                    *sagemaker_resources.types(clients, fleets),
                    *apis.stack_types(),
                ),
                answer_s=stacks_answer_s,
                log=log,
            )
            # What stacks wait for ends first, and what they need of moto last.
            stack.callback(stacks.wait)
            stack.callback(fleets.stop)
            invocations = Invocations(
                fleets.find,
                account=account.NUMBER,
                log=log,
                timeout_s=timeout_s,
                stream_timeout_s=stream_timeout_s,
            )
            key = Key.random()
            self.variables_file = environment.file(owned.folder)
            door = Door(Credentials(key), region=region, variables_file=self.variables_file)
            calls = Calls(calls_file or _file_named(environ))
            apis = RestApis(
                invocations.answer, door=door, record=calls.write_invoke, stack=late, log=log
            )
            application = Application(
                moto,
                invocations,
                apis,
                door=door,
                before={
                    "apigateway": apis.load,
                    "cloudformation": lambda: (
                        apis.load(),
                        late.enter_context(patches.replaced(cloudformation.replacements(stacks))),
                    ),
                },
                logs=container_logs,
                log=log,
                calls=calls,
            )
            server = make_server(
                HOST, port, application, threaded=True, request_handler=RequestHandler
            )
            stack.callback(server.server_close)
            thread = threading.Thread(target=server.serve_forever, name="emulator", daemon=True)
            thread.start()
            stack.callback(thread.join)
            stack.callback(server.shutdown)
            self.url = f"http://{HOST}:{server.server_port}"
            self.notice = chosen.notice
            self.variables = environment.variables(
                url=self.url,
                key=key,
                region=region,
                role_arn=account.make_role(),
                bucket=account.make_bucket(region),
                folder=owned.folder,
                environ=environ,
            )
            environment.write(self.variables, owned.folder)
            self._stack = stack.pop_all()

    def stop(self) -> None:
        """Stop everything and remove all of it; a second call does nothing."""
        self._stack.close()


def _file_named(environ: Mapping[str, str]) -> Path | None:
    name = environ.get("BYOI_CALLS_FILE")
    return Path(name) if name else None


def _why_without(runner: str, engine: Engine) -> str:
    """Return why endpoints run without a container engine, "" if they run with one."""
    if runner not in RUNNERS:
        raise errors.ConfigurationError(f"received runner {runner!r}, expected one of {RUNNERS}")
    if runner == "processes":
        return "processes were asked for"
    try:
        engine.require()
    except errors.MissingProgramError as error:
        if runner == "containers":
            raise
        return str(error)
    return ""
