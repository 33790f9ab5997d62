"""What a rule is tested on: the subject, the user's options, and a server that rules share."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self, TypeVar

from byoi import contract, errors
from byoi.conformance import causes, log_lines, missing, waiting
from byoi.conformance.server import Server
from byoi.conformance.subjects import Conditions, Subject
from byoi.conformance.verdict import Broken, Figure, NotTested
from byoi.formats import content_types
from byoi.local.docker import Confinement

Found = TypeVar("Found")
# After this many ends, the shared server is not restarted.
_MOST_ENDS = 2
_MIB = 1 << 20
# Reason not to test a rule that needs a healthy server.
HEALTHY_FIRST = "fix RT-22 first: the server is not healthy"


@dataclass(frozen=True)
class Payload:
    """A request that the model answers.

    Attributes:
        body: The body of the request.
        content_type: The media type of the body.
    """

    body: bytes
    content_type: str

    @property
    def media_type(self) -> str:
        """The content type in lower case, without parameters."""
        return self.content_type.partition(";")[0].strip().lower()

    @classmethod
    def read(cls, file: Path | None, content_type: str | None = None) -> Self | None:
        """Read a request from a file; without a file return None.

        Args:
            file: The file with the body.
            content_type: The media type; by default chosen by the file's extension.

        Raises:
            ConfigurationError: The file does not exist or cannot be read.
        """
        if file is None:
            return None
        try:
            body = file.read_bytes()
        except OSError as error:
            raise errors.ConfigurationError(
                f"the payload {file} cannot be read: {error.strerror}; expected a file with the "
                "body of a request"
            ) from error
        return cls(body, content_type or content_types.of_file(str(file)))


@dataclass(frozen=True)
class Given:
    """The user's options for the check.

    Attributes:
        payload: A request that the model answers, if given.
        slow_payload: A request that takes seconds, if given.
        is_serverless: Whether to test the rules of serverless endpoints.
        is_multi_model: Whether to test the rules of multi-model endpoints.
        is_training: Whether to test the rules of training.
        training_input: Input of a training job that succeeds in about a minute, with the layout of
            /opt/ml/input: `config` and `data/CHANNEL`.
        is_full: Whether to test rules that wait for the platform's time limits.
        memory_bytes: Memory of the instance type; 0 is no limit.
        architecture: Architecture of the instance type, as images name it; "" if not given.
        environment: Variables that the model needs, as on an endpoint.
    """

    payload: Payload | None = None
    slow_payload: Payload | None = None
    is_serverless: bool = False
    is_multi_model: bool = False
    is_training: bool = False
    training_input: Path | None = None
    is_full: bool = False
    memory_bytes: int = 0
    architecture: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Case:
    """What rules are tested on. Close it at the end: it keeps a server that rules share.

    Attributes:
        subject: What is checked.
        given: The user's options.
        ends: The causes of each time that the shared server ended by itself.
        figures: Times that rules have measured.
        late_s: Seconds to wait for a model that is not loaded when /ping is 200 already.
        settle: Waits until the model of a server that was just started answers; None if /ping
            tells when it does.
    """

    subject: Subject
    given: Given = Given()
    ends: list[Broken] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)
    late_s: float = 30.0
    settle: Callable[[Server], None] | None = None
    _kept: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    _server: Server | None = None
    _problem: Broken | None = None
    _other: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    _changed: tuple[Conditions, Server | Broken] | None = None
    _memory: dict[str, Any] = field(default_factory=dict)

    def conditions(self, **changes: Any) -> Conditions:
        """Return the platform's conditions with changes, given as fields of `Conditions`."""
        changes.setdefault("confinement", Confinement(memory_bytes=self.given.memory_bytes))
        environment = {**self.given.environment, **changes.pop("environment", {})}
        return Conditions(environment=environment, **changes)

    def payload(self) -> Payload:
        """Return the user's request.

        Raises:
            NotTested: The user gave none.
        """
        if self.given.payload is None:
            raise NotTested("give a request that the model answers: --payload FILE")
        return self.given.payload

    def slow_payload(self) -> Payload:
        """Return the user's request that takes seconds.

        Raises:
            NotTested: The user gave none.
        """
        if self.given.slow_payload is None:
            raise NotTested("give a request that takes 5 to 55 s: --slow-payload FILE")
        return self.given.slow_payload

    def any_server(self) -> Server:
        """Return the shared server, healthy or not; it is started on the first call.

        Raises:
            Broken: It could not be started.
        """
        if self._server is None and self._problem is None:
            try:
                self._server = self._kept.enter_context(self.subject.launched(self.conditions()))
                self._problem = self._wait(self._server)
            except Broken as broken:
                self._problem = broken
        if self._server is None:
            raise self._problem or NotTested("the server was not started")
        return self._server

    def server(self) -> Server:
        """Return the shared server if it is healthy and still runs.

        Raises:
            NotTested: It is not healthy or has ended; RT-22 or RT-69 reports the cause.
        """
        self._restart_ended()
        try:
            server = self.any_server()
        except Broken as broken:
            raise NotTested("fix RT-22 first: the server did not start") from broken
        if self._lacks_gpu:
            raise NotTested("it needs a GPU, which this check does not have: RT-22")
        if self._problem is not None:
            raise NotTested(HEALTHY_FIRST)
        if server.sight.exit_code() is not None:
            raise NotTested("fix RT-69 first: the server has ended meanwhile")
        return server

    def _restart_ended(self) -> None:
        """Restart the shared server if it has ended by itself, which RT-69 reports."""
        server = self._server
        if server is None or self._problem is not None or server.sight.exit_code() is None:
            return
        if len(self.ends) < _MOST_ENDS:
            self.ends.append(self.subject.explain_end(server))
            self.close()

    @property
    def problem(self) -> Broken | None:
        """Why the shared server is not healthy, None if it is.

        Raises:
            NotTested: This machine cannot run it: it needs a GPU.
        """
        with contextlib.suppress(Broken):
            self.any_server()
        if self._lacks_gpu:
            raise NotTested(f"{self._problem}; {getattr(self._problem, 'remedy', '')}")
        return self._problem

    @property
    def _lacks_gpu(self) -> bool:
        """Whether the check lacks a GPU; the instance types whose memory is known have none."""
        return isinstance(self._problem, missing.NeedsDriver) and not self.given.memory_bytes

    @contextlib.contextmanager
    def launched(self, limit_s: float | None = None, **changes: object) -> Iterator[Server]:
        """Start a separate server under changed conditions, and wait until it is healthy.

        Args:
            limit_s: Seconds to wait; by default as for any other start.
            changes: Fields of `Conditions`.

        Raises:
            Broken: It does not become healthy; the text has the cause.
            NotTested: The subject cannot be started under these conditions.
        """
        conditions = self.conditions(**changes)
        with self.subject.launched(conditions) as server:
            if problem := self._wait(server, conditions.port, limit_s):
                raise problem
            yield server

    def kept(self, **changes: object) -> Server:
        """Return a healthy server under changed conditions, for the rules of one part.

        It is kept until a call with other conditions, so that at most two servers run at a time.

        Raises:
            Broken: It does not become healthy; the text has the cause.
            NotTested: The subject cannot be started under these conditions.
        """
        conditions = self.conditions(**changes)
        if self._changed is None or self._changed[0] != conditions:
            self._other.close()
            self._changed = (conditions, self._start(conditions))
        found = self._changed[1]
        if isinstance(found, Broken):
            raise found
        return found

    def remembered(self, name: str, make: Callable[[], Found]) -> Found:
        """Return the result of `make`, which is called only once for each name.

        Several rules judge the same requests, which are sent only once.
        """
        if name not in self._memory:
            self._memory[name] = make()
        found: Found = self._memory[name]
        return found

    @property
    def ready_s(self) -> float:
        """Seconds until the shared server was healthy, 0 if unknown."""
        return self._server.ready_s or 0.0 if self._server else 0.0

    def measured(self, name: str, rule: str, seconds: float, limit_s: float) -> None:
        """Keep a time that a rule measured, for the report; arguments as of `Figure`."""
        self.figures.append(Figure(name, rule, seconds, limit_s))

    def log(self) -> str:
        """Return the log of the shared server, "" if it has not run or its log cannot be seen."""
        if self._server is not None:
            with contextlib.suppress(NotTested):
                return self._server.sight.log()
        return ""

    def close(self) -> None:
        """End the shared servers."""
        self._other.close()
        self._changed = None
        self._kept.close()
        self._server = None

    def _start(self, conditions: Conditions) -> Server | Broken:
        try:
            server = self._other.enter_context(self.subject.launched(conditions))
        except Broken as broken:
            return broken
        return self._wait(server, conditions.port) or server

    def _wait(
        self, server: Server, port: int = contract.PORT, limit_s: float | None = None
    ) -> Broken | None:
        """Wait until a server is healthy; return the cause if it is not, else None."""
        usual_s = contract.START_TIMEOUT_S if self.given.is_full else self.subject.start_limit_s
        limit_s = usual_s if limit_s is None else min(limit_s, usual_s)
        problem = waiting.wait_until_healthy(
            server, limit_s, explain_end=self.subject.explain_end, port=port
        )
        if problem is None and self.settle is not None:
            self.settle(server)
        if isinstance(problem, causes.OutOfMemory) and self.given.memory_bytes:
            mb = self.given.memory_bytes // _MIB
            return Broken(f"with {mb:,} MB, as the instance type: {problem.seen}", problem.remedy)
        if problem and problem.seen.startswith(causes.NO_NETWORK):
            return Broken(
                f"{problem.seen}; so it is with network isolation and in a VPC without a way out: "
                "RT-21",
                problem.remedy,
            )
        if isinstance(problem, waiting.NotReady | causes.Ended):
            return self._of_model(server, problem)
        return problem

    def _of_model(self, server: Server, problem: Broken) -> Broken:
        """Return a problem of unknown cause with what model data have to do with it, if they do."""
        log = ""
        with contextlib.suppress(NotTested):
            log = server.sight.log()
        end = log_lines.last(log)
        if self.subject.model is not None:
            with contextlib.suppress(NotTested):
                if path := missing.hidden(end, self.subject.read_file):
                    return Broken(
                        f"{problem.seen}; the image has {path}, and the model data hide it",
                        missing.KEEP_ELSEWHERE,
                    )
            return problem
        if self._has_own_model():
            return problem
        if missing.names_model_dir(end):
            return type(problem)(
                f"{problem.seen}; it was started without model data",
                f"give the model data, --model-data FILE; or, if it needs none: {problem.remedy}",
            )
        if missing.may_need_model(end, log):
            return type(problem)(
                f"{problem.seen}; it was started without model data",
                f"{problem.remedy}; or, if it needs model data, give them: --model-data FILE",
            )
        return problem

    def _has_own_model(self) -> bool:
        with contextlib.suppress(NotTested):
            return self.subject.has_files(str(contract.MODEL_DIR))
        return False
