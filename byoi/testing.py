"""Tests of a model of one's own: ask it in this process, at a URL, or in an image.

    from byoi import testing

    def test_one_row():
        with testing.model("my-model") as model:
            assert model.invoke([[5.1, 3.5, 1.4, 0.2]]).json() == [0]

    def test_the_image():
        testing.conforms("my-model:latest", payload=Path("sample_request.json"))

What answers is the application that serves in a container, with the same module, the same
defaults and the same errors; `endpoint` and `image` ask the whole server.

`conforms` checks an image against SageMaker's container contract, as `byoi check` does.
`byoi.pytest_plugin` has fixtures for both.
"""

import contextlib
import io
import json
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from byoi import contract, errors, extras, invocation
from byoi.formats import content_types
from byoi.project import Project

if TYPE_CHECKING:
    from byoi.conformance import Report

# Enough to load a large model on a busy machine.
STARTUP_TIMEOUT_S = 120.0


@dataclass(frozen=True)
class Answer:
    """What a model answered.

    Attributes:
        status: HTTP status.
        body: As received.
        headers: By their names in lower case.
    """

    status: int
    body: bytes
    headers: Mapping[str, str]

    @property
    def content_type(self) -> str:
        """The media type of the body, "" where the answer names none."""
        return self.headers.get("content-type", "")

    @property
    def text(self) -> str:
        """The body as text in UTF-8."""
        return self.body.decode()

    def json(self) -> Any:
        """Return what the body says in JSON."""
        return json.loads(self.body)


class Model(Protocol):
    """A model that can be asked, wherever it runs."""

    def send(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Send one POST /invocations and return whatever comes back."""

    def is_ready(self) -> bool:
        """Whether GET /ping answers 200."""


class Asked:
    """A model, and the ways to ask it.

    Args:
        model: Where it runs.
    """

    def __init__(self, model: Model) -> None:
        self._model = model

    def invoke(
        self,
        body: Any,
        *,
        content_type: str = "",
        accept: str = "",
        headers: Mapping[str, str] | None = None,
        check: bool = True,
    ) -> Answer:
        """Ask for one prediction, as InvokeEndpoint does.

        Args:
            body: Bytes or text are sent as they are, a path is the file's content, and all else
                is written as JSON.
            content_type: Of the body; by default that of the file's ending, application/json
                for what was written as JSON, and for bytes and text what they look like.
            accept: Wanted media type of the answer; empty leaves the choice to the model.
            headers: More headers, for example `X-Amzn-SageMaker-Custom-Attributes`.
            check: Raise where the answer is an error; False returns it.

        Raises:
            InvocationError: The answer is an error.
        """
        sent, found = _to_body(body)
        named = {"Content-Type": content_type or found, **({"Accept": accept} if accept else {})}
        answer = self._model.send(sent, {**named, **(headers or {})})
        if check and answer.status >= 400:
            raise errors.InvocationError(answer.status, answer.body.decode("utf-8", "replace"))
        return answer

    def predict(self, data: Any, *, serializer: Any, deserializer: Any = None) -> Any:
        """Ask for one prediction, as `sagemaker.predictor.Predictor` does.

        Args:
            data: What the serializer takes.
            serializer: One of `sagemaker.serializers`, or of that form: `serialize(data)` and
                `CONTENT_TYPE`.
            deserializer: One of `sagemaker.deserializers`, or of that form:
                `deserialize(stream, content_type)` and `ACCEPT`; by default the answer's bytes
                are returned.

        Raises:
            InvocationError: The answer is an error.
        """
        body = serializer.serialize(data)
        accept = ", ".join(getattr(deserializer, "ACCEPT", ()))
        answer = self.invoke(body, content_type=serializer.CONTENT_TYPE, accept=accept)
        if deserializer is None:
            return answer.body
        return deserializer.deserialize(io.BytesIO(answer.body), answer.content_type)

    def is_ready(self) -> bool:
        """Whether GET /ping answers 200."""
        return self._model.is_ready()


@contextlib.contextmanager
def model(
    source: str | Path = ".",
    model_dir: str | Path | None = None,
    *,
    environ: Mapping[str, str] | None = None,
) -> Iterator[Asked]:
    """Load a model in this process, and answer as the server does.

    Args:
        source: The folder of a project, the `.py` file of an inference module, or its dotted
            name; "" for model data that need none.
        model_dir: What `model_fn` gets; by default the project's `model`.
        environ: Variables of the server, such as `BYOI_ALLOW_PICKLE`; by default none.

    Yields:
        The model, until the end of the block; what its module imported is forgotten then.

    Raises:
        ConfigurationError: There is no such module or model directory; or what the module's own
            functions raise.
    """
    extras.require("byoi.testing.model", "flask")
    from byoi import server  # noqa: PLC0415 - Flask, which a URL or an image does not need
    from byoi.server import app, inference_module  # noqa: PLC0415
    from byoi.server.sessions import Sessions  # noqa: PLC0415

    settings = server.Settings.from_environ({**(environ or {}), **_variables(source, model_dir)})
    with (
        _own_modules(inference_module.folders_of(settings)),
        tempfile.TemporaryDirectory(prefix="byoi-sessions-") as folder,
    ):
        handler = inference_module.find(
            settings.module(), settings.code_directory(), batch_size=settings.batch_size
        )
        loaded = handler.load(str(settings.model_directory()))
        application = app.create_app(
            settings,
            handler=handler,
            model=loaded,
            ready=lambda: bool(handler.ping(loaded)),
            sessions=Sessions(Path(folder)),
        )
        yield Asked(_InProcess(application))


def endpoint(url: str) -> Asked:
    """Return the model that is served at a URL, such as `http://localhost:8080`."""
    return Asked(_AtUrl(url))


@contextlib.contextmanager
def image(
    name: str,
    model_dir: str | Path | None = None,
    *,
    environment: Mapping[str, str] | None = None,
    startup_timeout_s: float = STARTUP_TIMEOUT_S,
) -> Iterator[Asked]:
    """Run an image of this machine, and remove its container at the end of the block.

    Args:
        name: Of the image; nothing is pulled.
        model_dir: Mounted at /opt/ml/model; by default what is baked into the image.
        environment: Variables of the container.
        startup_timeout_s: Seconds for /ping to turn 200.

    Raises:
        EndpointFailedError: The container did not become healthy.
        HostingError: It did not start.
    """
    from byoi.local import containers, docker  # noqa: PLC0415 - docker's package

    with containers.serving(
        docker.Engine(os.environ),
        name,
        purpose="testing",
        environment=environment,
        model_dir=Path(model_dir).resolve() if model_dir is not None else None,
        timeout_s=startup_timeout_s,
    ) as url:
        yield endpoint(url)


@dataclass(frozen=True)
class _InProcess:
    """Asks the application of Flask."""

    application: Any

    def send(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        answer = self.application.test_client().post(
            contract.INVOCATIONS_PATH, data=body, headers=dict(headers)
        )
        with contextlib.closing(answer):
            found = {key.lower(): value for key, value in answer.headers.items()}
            return Answer(answer.status_code, answer.get_data(), found)

    def is_ready(self) -> bool:
        answer = self.application.test_client().get(contract.PING_PATH)
        return bool(answer.status_code == 200)


@dataclass(frozen=True)
class _AtUrl:
    """Asks a server at its port."""

    url: str

    def send(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        answer = invocation.post(self.url, body, headers)
        return Answer(answer.status, answer.body, answer.headers)

    def is_ready(self) -> bool:
        from byoi.local import health  # noqa: PLC0415 - as above

        return health.is_healthy(self.url)


def _variables(source: str | Path, model_dir: str | Path | None) -> dict[str, str]:
    """Return the variables of the server for a project or a module.

    Raises:
        ConfigurationError: The model directory does not exist.
    """
    module: str | Path | None = str(source)
    directory = Path(model_dir) if model_dir is not None else None
    if module and Path(source).is_dir():
        project = Project.find(Path(source))
        module, directory = project.module, directory or project.model_dir
        if directory is None:
            raise errors.ConfigurationError(
                f"{project.folder} has no folder model, which training writes; train first, or "
                "name the model directory"
            )
    found = {"BYOI_INFERENCE_MODULE": str(module)} if module else {}
    if directory is None:
        return found
    if not directory.is_dir():
        raise errors.ConfigurationError(f"the model directory {directory} does not exist")
    return {**found, "BYOI_MODEL_DIR": str(directory.resolve())}


def _to_body(body: Any) -> tuple[bytes, str]:
    """Return a request body and its media type."""
    if isinstance(body, Path):
        return body.read_bytes(), content_types.of_file(body.name)
    if isinstance(body, bytes | bytearray):
        return bytes(body), content_types.of_body(bytes(body))
    if isinstance(body, str):
        return body.encode(), content_types.of_body(body.encode())
    return json.dumps(body, default=_listed).encode(), content_types.JSON


def _listed(value: Any) -> Any:
    """Return an array as lists."""
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"a body with {type(value).__name__} in it cannot be written as JSON")


@contextlib.contextmanager
def _own_modules(folders: tuple[Path, ...]) -> Iterator[None]:
    """Forget at the end what was imported from these folders meanwhile.

    Two projects both have a module `inference`, and modules of the same names beside it.
    """
    from byoi.server import watched  # noqa: PLC0415 - as above

    path, modules = sys.path.copy(), sys.modules.copy()
    try:
        yield
    finally:
        sys.path[:] = path
        inside = tuple(f"{folder}{os.sep}" for folder in folders)
        for name, module in sys.modules.copy().items():
            if module is modules.get(name):
                continue
            if watched.place(module).startswith(inside):
                del sys.modules[name]
                if name in modules:
                    sys.modules[name] = modules[name]


def conforms(  # noqa: PLR0913 - keywords with a default
    image: str,
    *,
    model_data: Path | None = None,
    payload: Path | None = None,
    content_type: str = "",
    environment: Mapping[str, str] | None = None,
    only: Iterable[str] = (),
) -> "Report":
    """Check an image of this machine against SageMaker's container contract.

    Args:
        image: Its name.
        model_data: A model.tar.gz, or a model's directory; None: what is in the image.
        payload: A file with a request that the model answers; without one, less can be tested.
        content_type: Of the payload; by default that of the file's ending.
        environment: Variables that the model needs.
        only: Ids of rules or of groups, such as `RT` and `ST-01`; all by default.

    Returns:
        What was found of each rule.

    Raises:
        AssertionError: A rule is broken; the message has what was seen, and the remedies.
        MissingProgramError: No container engine answers.
        ModelDataError: The archive cannot be unpacked.
    """
    from byoi import conformance  # noqa: PLC0415 - Docker's SDK, which most tests do not need
    from byoi.conformance import reports, subjects  # noqa: PLC0415 - as above
    from byoi.local import Engine  # noqa: PLC0415 - as above

    given = conformance.Given(
        payload=conformance.Payload.read(payload, content_type), environment=environment or {}
    )
    engine = Engine(os.environ)
    engine.require()
    with subjects.unpacked(model_data) as model:
        case = conformance.Case(conformance.ImageSubject(engine, image, model), given)
        rules = conformance.selected(conformance.all_rules(), only)
        report = conformance.check(case, rules)
    if report.failures:
        broken = "\n".join(map(reports.line, report.failures))
        raise AssertionError(f"{image} breaks the container contract:\n{broken}")
    return report
