"""The `byoi` command: each verb is one call into the library.

A verb imports what it needs when it runs, so that `byoi serve` starts without
TensorFlow and `byoi --help` without anything. Verbs of a model's own library come from
the entry points of the group `byoi.verbs`: functions that take argparse's subparsers.
"""

import argparse
import importlib.metadata
import json
import os
import signal
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from byoi import cli_deployment, contract, errors

VERBS_GROUP = "byoi.verbs"
# Not moto's own 5000, which a registry or AirPlay may hold.
EMULATOR_PORT = 5556
# What a file's ending says of its content; other files are bytes.
_CONTENT_TYPES = {
    ".json": "application/json",
    ".jsonl": "application/jsonlines",
    ".csv": "text/csv",
    ".txt": "text/plain",
    ".npy": "application/x-npy",
}
_BYTES = "application/octet-stream"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; 0 on success, 1 on a deliberate error, 2 on a wrong command line."""
    options = _parser().parse_args(arguments)
    # TensorFlow's remarks about processors and CUDA would hide what a verb prints.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        return int(options.run(options) or 0)
    except errors.ByoiError as error:
        print(f"byoi: error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 128 + signal.SIGINT


def add_plugged_in_verbs(verbs: Any, plugins: Iterable[Any]) -> None:
    """Add the verbs of other libraries; one that is broken costs a line on stderr.

    Args:
        verbs: argparse's subparsers.
        plugins: Entry points of `VERBS_GROUP`.
    """
    for plugin in plugins:
        try:
            plugin.load()(verbs)
        except Exception as error:  # noqa: BLE001 - whatever it is, the other verbs work
            cause = " ".join(f"{type(error).__name__}: {error}".split())
            print(f"byoi: the verbs of {plugin.value} are not available: {cause}", file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="byoi", description="Bring your own inference to Amazon SageMaker."
    )
    verbs = parser.add_subparsers(required=True, metavar="VERB")

    pack = verbs.add_parser("pack", help="pack a model directory into model.tar.gz")
    pack.add_argument("model_dir", type=Path, metavar="DIR")
    pack.add_argument("archive", type=Path, metavar="FILE.tar.gz")
    pack.set_defaults(run=_pack)

    serve = verbs.add_parser("serve", help="serve a model directory in the foreground")
    serve.add_argument("--model-dir", required=True, type=Path, metavar="DIR")
    serve.add_argument("--port", type=int, default=contract.PORT, metavar="N")
    serve.add_argument(
        "--module", help="inference module, a name or a .py file; default: the setting's"
    )
    serve.set_defaults(run=_serve)

    invoke = verbs.add_parser("invoke", help="send a body to a running endpoint")
    invoke.add_argument(
        "url", metavar="URL|NAME", help="for example http://localhost:8080, or an endpoint's name"
    )
    body = invoke.add_mutually_exclusive_group(required=True)
    body.add_argument("text", nargs="?", metavar="TEXT", help="as --data")
    body.add_argument("--data", metavar="TEXT", help="the body")
    body.add_argument("--file", metavar="FILE", help="a file with the body; - is standard input")
    invoke.add_argument(
        "--content-type",
        metavar="TYPE",
        help="default: what the file's ending says; of a text, application/json where it is JSON, "
        "else text/plain",
    )
    invoke.add_argument("--accept", default="", metavar="TYPE", help="wanted type of the answer")
    invoke.set_defaults(run=_invoke)

    cli_deployment.add_verbs(verbs)
    _add_emulator(verbs)
    add_plugged_in_verbs(verbs, importlib.metadata.entry_points(group=VERBS_GROUP))
    return parser


def _add_emulator(verbs: Any) -> None:
    emulator = verbs.add_parser("emulator", help="run AWS on this machine, until Ctrl-C")
    emulator.add_argument("--port", type=int, default=EMULATOR_PORT, metavar="N")
    emulator.add_argument(
        "--runner",
        choices=("auto", "containers", "processes"),
        default="auto",
        help="what endpoints run; auto: containers where Docker answers",
    )
    emulator.add_argument(
        "--startup-timeout", type=float, metavar="S", help="seconds for /ping to turn 200"
    )
    emulator.set_defaults(run=_emulator)
    inside = emulator.add_subparsers(metavar="run -- COMMAND")
    run = inside.add_parser("run", help="run a command that finds it in its environment")
    run.add_argument("--log", type=Path, metavar="FILE", help="where the emulator's log goes")
    run.add_argument("command", nargs="+", metavar="COMMAND")
    run.set_defaults(run=_emulator_run)


def _pack(options: argparse.Namespace) -> None:
    from byoi import model_data

    packed = model_data.pack(options.model_dir, options.archive, needs_manifest=False)
    print(f"{packed.path}\nsha256 {packed.sha256}\n{packed.size_bytes:,} bytes")
    if not packed.has_manifest:
        print(f"without manifest.json: packed all {len(packed.names)} files")


def _serve(options: argparse.Namespace) -> int:
    from byoi.server import settings, supervisor

    environ = {
        # Reachable from this machine only, unless the user wants more.
        "BYOI_BIND_ADDRESS": "127.0.0.1",
        **os.environ,
        "BYOI_MODEL_DIR": str(options.model_dir.absolute()),
        contract.BIND_TO_PORT_VARIABLE: str(options.port),
    }
    if options.module:
        environ["BYOI_INFERENCE_MODULE"] = options.module
    return supervisor.serve(settings.Settings.from_environ(environ), environ)


def _invoke(options: argparse.Namespace) -> None:
    from byoi import invocation

    if options.file is None:
        text = options.text if options.data is None else options.data
        body, content_type = text.encode(), "application/json" if _is_json(text) else "text/plain"
    else:
        body = _read(options.file)
        content_type = _CONTENT_TYPES.get(Path(options.file).suffix.lower(), _BYTES)
    content_type = options.content_type or content_type
    # A URL has a colon, a name of SageMaker's none.
    if ":" in options.url:
        answer = invocation.invoke(
            options.url, body, content_type=content_type, accept=options.accept
        )
    else:
        from byoi import deployment
        from byoi.deployment.invocation import invoke

        runtime = deployment.connect().runtime
        answer = invoke(
            runtime, options.url, body, content_type=content_type, accept=options.accept
        )
    # Bytes as they came; a text gets the end of line that bodies have not.
    is_text = answer.headers.get("content-type", "").startswith(("text/", "application/json"))
    sys.stdout.buffer.write(answer.body + (b"\n" if is_text else b""))


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _read(name: str) -> bytes:
    if name == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(name).read_bytes()
    except OSError as error:
        raise errors.ConfigurationError(f"--file {name}: {error.strerror}") from error


def _emulator(options: argparse.Namespace) -> int:
    from byoi.emulator.process import foreground

    return foreground.serve(
        runner=options.runner,
        port=options.port,
        startup_timeout_s=options.startup_timeout,
        parent=os.getppid(),
        has_report=False,
    )


def _emulator_run(options: argparse.Namespace) -> int:
    from byoi.emulator.process import command

    return command.run(
        options.command,
        runner=options.runner,
        startup_timeout_s=options.startup_timeout,
        log_file=options.log,
    )


if __name__ == "__main__":
    sys.exit(main())
