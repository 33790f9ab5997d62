"""The verbs of `byoi` for a running server: `serve`, `invoke`.

As in `cli`, a verb imports what it needs when it runs.
"""

import argparse
import codecs
import importlib.util
import os
import sys
from collections.abc import Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from byoi import contract, errors, extras, terminal

if TYPE_CHECKING:  # http.client, which only invocations need
    from byoi.invocation import Answer, Stream
    from byoi.server import Settings

_LOOPBACK = "127.0.0.1"


def add_verbs(verbs: Any) -> None:
    """Add the verbs to argparse's subparsers."""
    serve = verbs.add_parser("serve", help="serve a model directory in the foreground")
    serve.add_argument(
        "folder",
        nargs="?",
        type=Path,
        metavar="DIR",
        help="a project's folder, with inference.py, model/ and sample_request; default: this one",
    )
    serve.add_argument(
        "--model-dir",
        type=Path,
        metavar="DIR",
        help="model directory, passed to model_fn; default: the project's",
    )
    serve.add_argument(
        "--port", type=int, default=contract.PORT, metavar="N", help=f"default: {contract.PORT}"
    )
    serve.add_argument(
        "--module",
        metavar="NAME|FILE.py",
        help="inference module; default: BYOI_INFERENCE_MODULE, the project's, or the one that "
        "fits the model directory",
    )
    serve.add_argument(
        "--reload",
        action="store_true",
        help="reload changed code before the next request, and the model if necessary",
    )
    serve.set_defaults(run=_serve)

    invoke = verbs.add_parser("invoke", help="send a body to a running endpoint")
    invoke.add_argument(
        "endpoint", metavar="URL|NAME", help="a URL (http://localhost:8080) or an endpoint's name"
    )
    body = invoke.add_mutually_exclusive_group()
    body.add_argument(
        "text",
        nargs="?",
        metavar="TEXT",
        help="same as --data; default: sample_request of the project in this folder",
    )
    body.add_argument("--data", metavar="TEXT", help="the body")
    body.add_argument("--file", metavar="FILE", help="a file with the body; - is standard input")
    invoke.add_argument(
        "--content-type",
        metavar="TYPE",
        help="media type of the body; default: from the file's ending; for a text, "
        "application/json if it is JSON, else text/plain",
    )
    invoke.add_argument(
        "--accept",
        default="",
        metavar="TYPE",
        help="media type of the response; default: the endpoint's",
    )
    invoke.add_argument(
        "--stream", action="store_true", help="print each piece of the answer when it comes"
    )
    invoke.set_defaults(run=_invoke)


def _serve(options: argparse.Namespace) -> int:
    extras.require("byoi serve", "flask", "gunicorn")
    from byoi import server

    of_project = _project_environ(options)
    address = os.environ.get("BYOI_BIND_ADDRESS", _LOOPBACK)
    environ = {
        # Reachable from this machine only, and with a page, unless the user wants otherwise.
        "BYOI_BIND_ADDRESS": address,
        # While it is on, other machines are refused.
        "BYOI_PAGE": "on" if address == _LOOPBACK else "off",
        **of_project,
        **os.environ,
        # A folder that is named counts more than a variable, one that is found less.
        **(of_project if options.folder else {}),
        contract.BIND_TO_PORT_VARIABLE: str(options.port),
    }
    if options.model_dir:
        environ["BYOI_MODEL_DIR"] = str(options.model_dir.absolute())
    if options.module:
        environ["BYOI_INFERENCE_MODULE"] = options.module
    if options.reload:
        environ["BYOI_RELOAD"] = "on"
        # One loads and shows errors once; more work as well, where they are asked for.
        environ.setdefault("SAGEMAKER_MODEL_SERVER_WORKERS", "1")
    settings = server.Settings.from_environ(environ)
    if settings.module() == server.DEFAULT_MODULE and "BYOI_INFERENCE_MODULE" not in environ:
        _require_default_module(server.DEFAULT_MODULE)
    is_asked = "BYOI_PRELOAD" in environ
    if not is_asked:
        import dataclasses

        settings = dataclasses.replace(settings, preload=",".join(_preloaded(settings)))
    return server.serve(settings, environ, is_preload_required=is_asked)


def _preloaded(settings: "Settings") -> list[str]:
    """Return the libraries that workers would each import for themselves."""
    from byoi import preloading, server

    name = settings.module()
    if name.endswith(".py"):
        return preloading.for_module(Path(name))
    if name == server.MODELS_MODULE:
        return preloading.for_model(settings.model_directory())
    return []


def _project_environ(options: argparse.Namespace) -> dict[str, str]:
    """Return the variables of the parts of a project's folder, below those of the user.

    `--model-dir` without a folder serves that directory alone, whatever lies here.

    Raises:
        ConfigurationError: The folder has no part that could be served, and no option names one.
    """
    from byoi import project

    if options.model_dir and options.folder is None:
        return {}
    found = project.Project.find(options.folder or Path())
    folder = found.folder.absolute()
    variables = os.environ.keys() & {"BYOI_INFERENCE_MODULE", "BYOI_MODEL_DIR"}
    named = options.module or options.model_dir or variables
    if found.module is None and found.model_dir is None and not named:
        raise errors.ConfigurationError(
            f"{folder} has no inference.py, no code/inference.py and no folder model; "
            "name a project's folder: byoi serve DIR, or the parts: "
            "byoi serve --module FILE.py --model-dir DIR"
        )
    # Also where it does not exist yet: not every model_fn reads it, and one that does says so.
    environ = {"BYOI_MODEL_DIR": str(folder / project.MODEL_DIR)}
    if found.module is not None:
        environ["BYOI_INFERENCE_MODULE"] = str(found.module.absolute())
    if found.sample is not None:
        environ["BYOI_SAMPLE_REQUEST"] = str(found.sample.absolute())
    return environ


def _require_default_module(name: str) -> None:
    """Raise where the library of the default module is not installed."""
    library = name.partition(".")[0]
    if importlib.util.find_spec(library) is None:
        raise errors.ConfigurationError(
            f"the default inference module is {name}, and {library} is not installed; name "
            "yours: byoi serve --module FILE.py, or set BYOI_INFERENCE_MODULE"
        )


def _invoke(options: argparse.Namespace) -> None:
    body, content_type = _body(options)
    asked = {"content_type": options.content_type or content_type, "accept": options.accept}
    if options.stream:
        with stream(options.endpoint, body, **asked) as answer:
            _print(answer.content_type, answer.pieces)
        return
    received = send(options.endpoint, body, **asked)
    _print(received.headers.get("content-type", ""), [received.body])


def _body(options: argparse.Namespace) -> tuple[bytes, str]:
    """Return the body to send, and its media type by its content or its file's name.

    Raises:
        ConfigurationError: There is none, or it cannot be read.
    """
    from byoi.formats import content_types

    text = options.text if options.data is None else options.data
    if text is not None:
        # As typed, also where the terminal's characters are no UTF-8.
        body = os.fsencode(text)
        return body, content_types.of_body(body)
    file = options.file or _sample()
    body = _read(file)
    return body, content_types.of_body(body) if file == "-" else content_types.of_file(file)


def _sample() -> str:
    """Return the name of the sample request of the project in this folder."""
    from byoi import project

    sample = project.Project.find(Path()).sample
    if sample is None:
        raise errors.ConfigurationError(
            f"nothing to send: there is no {project.SAMPLE}.* in this folder; give a text, "
            "--file FILE, or --file - for standard input"
        )
    return str(sample)


def _print(content_type: str, pieces: Iterable[bytes]) -> None:
    """Print an answer, each piece when it is there."""
    is_terminal = sys.stdout.isatty()
    # A pipe or a file gets the bytes; a terminal would obey some of them. A piece may end in the
    # middle of a character.
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    last = b""
    try:
        for piece in pieces:
            shown = terminal.escape(decoder.decode(piece)).encode() if is_terminal else piece
            sys.stdout.buffer.write(shown)
            sys.stdout.buffer.flush()
            last = piece or last
    finally:
        if is_terminal:
            sys.stdout.buffer.write(decoder.decode(b"", final=True).encode())
        media_type = content_type.lower()
        is_text = is_terminal or media_type.startswith("text/") or "json" in media_type
        # A body has no end of line, and a terminal wants one after a text, also of half of one.
        if is_text and not last.endswith(b"\n"):
            sys.stdout.buffer.write(b"\n")
        sys.stdout.buffer.flush()


def send(endpoint: str, body: bytes, *, content_type: str, accept: str = "") -> "Answer":
    """Invoke an endpoint by its URL or its name.

    Args:
        endpoint: The URL of a running container, or the name of an endpoint on AWS or the
            emulator.
        body: Request body.
        content_type: Media type of `body`.
        accept: Wanted media type of the answer; empty leaves the choice to the container.

    Raises:
        InvocationError: The container answered with an error status.
        HostingError: The endpoint does not answer.
        MissingPackageError: A name needs boto3, which is not installed.
    """
    # A URL has a colon, and a name of SageMaker's cannot have one.
    if ":" in endpoint:
        from byoi import invocation

        return invocation.invoke(endpoint, body, content_type=content_type, accept=accept)
    extras.require("an endpoint's name", "boto3")
    from byoi import deployment

    runtime = deployment.connect().runtime
    return deployment.invoke(runtime, endpoint, body, content_type=content_type, accept=accept)


def stream(
    endpoint: str, body: bytes, *, content_type: str, accept: str = ""
) -> "AbstractContextManager[Stream]":
    """Invoke an endpoint, and supply the pieces of its answer as they come.

    Arguments and errors as in `send`.
    """
    if ":" in endpoint:
        from byoi import invocation

        return invocation.streamed(endpoint, body, content_type=content_type, accept=accept)
    extras.require("an endpoint's name", "boto3")
    from byoi import deployment

    runtime = deployment.connect().runtime
    return deployment.streamed(runtime, endpoint, body, content_type=content_type, accept=accept)


def _read(name: str) -> bytes:
    if name == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(name).read_bytes()
    except OSError as error:
        raise errors.ConfigurationError(f"--file {name}: {error.strerror}") from error
