"""gunicorn's master process, forked from the supervisor instead of started as a program.

Source: gunicorn 27, app/wsgiapp.py and arbiter.py.
"""

import gc
import importlib
import importlib.util
import os
import sys
from pathlib import Path

from gunicorn.app.wsgiapp import WSGIApplication
from gunicorn.arbiter import Arbiter

from byoi import errors
from byoi.server import installation, logs
from byoi.server.readiness import Readiness

CONFIGURATION_FILE = Path(__file__).with_name("gunicorn_conf.py")


class Master(Arbiter):  # type: ignore[misc] # gunicorn ships no types
    """An arbiter that starts all workers at once; gunicorn's waits up to 0.1 s after each."""

    def spawn_workers(self) -> None:
        """Start the missing workers; a forked worker never returns from here."""
        for _ in range(self.num_workers - len(self.WORKERS)):
            self.spawn_worker()


class Application(WSGIApplication):  # type: ignore[misc] # as above
    """gunicorn's program with `Master` as its master."""

    def run(self) -> None:
        """Serve until told to stop."""
        Master(self).run()


def run(
    configuration: Path, state_dir: Path, preload: str, *, is_preload_required: bool = True
) -> int:
    """Serve until a signal, which ends it with SystemExit.

    Args:
        configuration: The file with gunicorn's settings.
        state_dir: Where the supervisor looks for the reason of a failure.
        preload: As `Settings.preload`.
        is_preload_required: As in `import_modules`.

    Returns:
        1 if a module to preload cannot be imported.
    """
    gc.disable()  # imports leave no garbage, and looking for it takes time
    if (packages := installation.folder(state_dir)).is_dir():
        # The server's own packages are the image's, whatever a script installs.
        importlib.import_module("byoi.server.app")
        installation.make_importable(packages, sys.path)
    try:
        import_modules(preload, is_required=is_preload_required)
    except errors.ConfigurationError as error:
        Readiness(state_dir).fail(logs.line("error", str(error)))
        return 1
    # gunicorn reads this, and executes it again on SIGUSR2: the same as `python -m gunicorn`.
    program = importlib.util.find_spec("gunicorn.__main__")
    assert program is not None and program.origin is not None  # noqa: PT018, S101
    sys.argv = [program.origin, "--config", str(configuration)]
    application = Application()
    # Garbage collection writes to the objects it visits, and a written page is no longer shared.
    gc.freeze()
    gc.enable()
    application.run()
    return 0


def import_modules(preload: str, *, is_required: bool = True) -> None:
    """Import modules in the master, so that the workers share their memory.

    Args:
        preload: As `Settings.preload`.
        is_required: False warns of a module that cannot be imported, which the model may do
            without.

    Raises:
        ConfigurationError: A module cannot be imported.
    """
    # ONNX Runtime reports its use to its makers unless told not to, by a thread that no fork has.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    for name in filter(None, preload.split(",")):
        try:
            importlib.import_module(name)
        except Exception as error:  # a module may raise anything
            if not is_required:
                cause = f"{type(error).__name__}: {error}"
                logs.say("warning", f"{name} cannot be imported before the workers: {cause}")
                continue
            raise errors.ConfigurationError(
                f"BYOI_PRELOAD names {name}, which cannot be imported: "
                f"{type(error).__name__}: {error}; install it or remove the name"
            ) from error
