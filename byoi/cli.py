"""The `byoi` command: each verb is one call into the library.

A verb imports what it needs when it runs, so that `byoi serve` starts without
TensorFlow and `byoi --help` without anything. A verb also checks that the packages it needs
are installed before it begins, and names the extra that brings them.

Verbs of a model's own library come from the entry points of the group `byoi.verbs`:
functions that take argparse's subparsers. They can add verbs, not replace one of the tool.
"""

import argparse
import importlib.util
import json
import os
import signal
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from byoi import cli_deployment, contract, errors, extras, terminal

if TYPE_CHECKING:  # http.client, which only invocations need
    from byoi.invocation import Answer

VERBS_GROUP = "byoi.verbs"
# Not moto's own 5000, which a registry or AirPlay may hold.
EMULATOR_PORT = 5556
# Media types by the ending of a file; other files are bytes.
_CONTENT_TYPES = {
    ".json": "application/json",
    ".jsonl": "application/jsonlines",
    ".ndjson": "application/jsonlines",
    ".csv": "text/csv",
    ".txt": "text/plain",
    ".npy": "application/x-npy",
}
_BYTES = "application/octet-stream"
TRACEBACK_VARIABLE = "BYOI_TRACEBACK"
# EX_SOFTWARE of sysexits.h.
UNFORESEEN_STATUS = 70


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb.

    Returns:
        0 on success, 1 on a deliberate error, 2 on a wrong command line, 70 on any other error.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    options = _parser(arguments).parse_args(arguments)
    # TensorFlow's remarks about processors and CUDA would hide what a verb prints.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        return int(options.run(options) or 0)
    except errors.ByoiError as error:
        return _fail(error)
    except ModuleNotFoundError as error:
        missing = extras.explain(error)
        if missing is None:
            raise
        return _fail(missing)
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except BrokenPipeError:
        # What reads the output has ended, such as `head`; what is left must not fail once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except Exception as error:
        if os.environ.get(TRACEBACK_VARIABLE):
            raise
        return _report_unforeseen(error)


def _fail(error: errors.ByoiError) -> int:
    print(terminal.message(f"byoi: error: {error}"), file=sys.stderr)
    return 1


def _report_unforeseen(error: Exception) -> int:
    """Say in one line what went wrong in a way that no code here expected."""
    cause = terminal.one_line(": ".join(filter(None, [type(error).__name__, str(error)])))
    print(
        f"byoi: error: nobody foresaw this: {cause}; {TRACEBACK_VARIABLE}=1 shows where it "
        "happened, `byoi endpoints` what there is now",
        file=sys.stderr,
    )
    return UNFORESEEN_STATUS


def add_plugged_in_verbs(verbs: Any, plugins: Iterable[Any]) -> None:
    """Add the verbs of other libraries; a broken one costs a line on stderr.

    Args:
        verbs: argparse's subparsers, which refuse a verb that is already there.
        plugins: Entry points of `VERBS_GROUP`.
    """
    for plugin in plugins:
        try:
            plugin.load()(verbs)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - the other verbs must work
            cause = terminal.one_line(" ".join(f"{type(error).__name__}: {error}".split()))
            print(f"byoi: the verbs of {plugin.value} are not available: {cause}", file=sys.stderr)


def _parser(arguments: Sequence[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="byoi", description="Bring your own inference to Amazon SageMaker."
    )
    verbs = parser.add_subparsers(required=True, title="verbs", metavar="VERB")

    pack = verbs.add_parser("pack", help="pack a model directory into model.tar.gz")
    pack.add_argument("model_dir", type=Path, metavar="DIR", help="model directory")
    pack.add_argument("archive", type=Path, metavar="FILE.tar.gz", help="archive to write")
    pack.set_defaults(run=_pack)

    serve = verbs.add_parser("serve", help="serve a model directory in the foreground")
    serve.add_argument(
        "--model-dir", required=True, type=Path, metavar="DIR", help="given to model_fn"
    )
    serve.add_argument(
        "--port", type=int, default=contract.PORT, metavar="N", help=f"default: {contract.PORT}"
    )
    serve.add_argument(
        "--module",
        metavar="NAME|FILE.py",
        help="inference module; default: BYOI_INFERENCE_MODULE, else this repository's own",
    )
    serve.set_defaults(run=_serve)

    invoke = verbs.add_parser("invoke", help="send a body to a running endpoint")
    invoke.add_argument(
        "endpoint", metavar="URL|NAME", help="a URL (http://localhost:8080) or an endpoint's name"
    )
    body = invoke.add_mutually_exclusive_group(required=True)
    body.add_argument("text", nargs="?", metavar="TEXT", help="same as --data")
    body.add_argument("--data", metavar="TEXT", help="the body")
    body.add_argument("--file", metavar="FILE", help="a file with the body; - is standard input")
    invoke.add_argument(
        "--content-type",
        metavar="TYPE",
        help="media type of the body; default: from the file's ending; for a text, "
        "application/json if it is JSON, else text/plain",
    )
    invoke.add_argument(
        "--accept", default="", metavar="TYPE", help="wanted media type; default: the endpoint's"
    )
    invoke.set_defaults(run=_invoke)

    cli_deployment.add_verbs(verbs)
    _add_emulator(verbs)
    # Looking for plug-ins takes as long as all the rest, and the tool's own verbs need none.
    if not arguments or arguments[0] not in verbs.choices:
        import importlib.metadata

        add_plugged_in_verbs(verbs, importlib.metadata.entry_points(group=VERBS_GROUP))
    return parser


def _add_emulator(verbs: Any) -> None:
    emulator = verbs.add_parser("emulator", help="run AWS on this machine until Ctrl-C")
    emulator.add_argument(
        "--port", type=int, default=EMULATOR_PORT, metavar="N", help=f"default: {EMULATOR_PORT}"
    )
    emulator.add_argument(
        "--runner",
        choices=("auto", "containers", "processes"),
        default="auto",
        help="what endpoints run; auto: containers if Docker answers, else processes",
    )
    emulator.add_argument(
        "--startup-timeout",
        type=float,
        metavar="S",
        help="seconds in which an endpoint's /ping must turn 200",
    )
    emulator.set_defaults(run=_emulator)
    inside = emulator.add_subparsers(metavar="run -- COMMAND")
    run = inside.add_parser("run", help="run a command that uses the emulator")
    run.add_argument("--log", type=Path, metavar="FILE", help="file for the emulator's log")
    run.add_argument("command", nargs="+", metavar="COMMAND", help="program and arguments")
    run.set_defaults(run=_emulator_run)


def _pack(options: argparse.Namespace) -> None:
    from byoi import model_data

    packed = model_data.pack(options.model_dir, options.archive, needs_manifest=False)
    print(f"{packed.path}\nsha256 {packed.sha256}\n{packed.size_bytes:,} bytes")
    if not packed.has_manifest:
        print(f"no manifest.json: packed all {len(packed.names)} files")


def _serve(options: argparse.Namespace) -> int:
    extras.require("byoi serve", "flask", "gunicorn")
    from byoi import server

    environ = {
        # Reachable from this machine only, unless the user wants more.
        "BYOI_BIND_ADDRESS": "127.0.0.1",
        **os.environ,
        "BYOI_MODEL_DIR": str(options.model_dir.absolute()),
        contract.BIND_TO_PORT_VARIABLE: str(options.port),
    }
    if options.module:
        environ["BYOI_INFERENCE_MODULE"] = options.module
    settings = server.Settings.from_environ(environ)
    if settings.module() == server.DEFAULT_MODULE and "BYOI_INFERENCE_MODULE" not in environ:
        _require_default_module(server.DEFAULT_MODULE)
    return server.serve(settings, environ)


def _require_default_module(name: str) -> None:
    """Raise where the library of the default module is not installed."""
    library = name.partition(".")[0]
    if importlib.util.find_spec(library) is None:
        raise errors.ConfigurationError(
            f"the default inference module is {name}, and {library} is not installed; name "
            "yours: byoi serve --module FILE.py, or set BYOI_INFERENCE_MODULE"
        )


def _invoke(options: argparse.Namespace) -> None:
    if options.file is None:
        text = options.text if options.data is None else options.data
        # As typed, also where the terminal's characters are no UTF-8.
        body = os.fsencode(text)
    else:
        body = _read(options.file)
    content_type = options.content_type or _content_type(options.file, body)
    answer = send(options.endpoint, body, content_type=content_type, accept=options.accept)
    if sys.stdout.isatty():
        # A pipe or a file gets the bytes; a terminal would obey some of them.
        print(terminal.escape(answer.body.decode("utf-8", "replace")))
        return
    sys.stdout.buffer.write(answer.body)
    media_type = answer.headers.get("content-type", "").lower()
    is_text = media_type.startswith("text/") or "json" in media_type
    # A body has no end of line, and a terminal wants one after a text.
    if is_text and not answer.body.endswith(b"\n"):
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


def _content_type(file: str | None, body: bytes) -> str:
    """Return the media type of a file by its ending, and of other bodies by their content."""
    if file not in {None, "-"}:
        return _CONTENT_TYPES.get(Path(str(file)).suffix.lower(), _BYTES)
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return _BYTES
    try:
        json.loads(text)
    except ValueError:
        return _CONTENT_TYPES[".txt"]
    return _CONTENT_TYPES[".json"]


def _read(name: str) -> bytes:
    if name == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(name).read_bytes()
    except OSError as error:
        raise errors.ConfigurationError(f"--file {name}: {error.strerror}") from error


def _emulator(options: argparse.Namespace) -> int:
    extras.require("byoi emulator", *extras.EXTRAS["emulator"])
    from byoi.emulator.process import foreground

    return foreground.serve(
        runner=options.runner,
        port=options.port,
        startup_timeout_s=options.startup_timeout,
        parent=os.getppid(),
        has_report=False,
    )


def _emulator_run(options: argparse.Namespace) -> int:
    from byoi.emulator.process import foreground

    return foreground.run_command(
        options.command,
        runner=options.runner,
        startup_timeout_s=options.startup_timeout,
        log_file=options.log,
    )


if __name__ == "__main__":
    sys.exit(main())
