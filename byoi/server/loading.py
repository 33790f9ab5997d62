"""Loading the model in a worker: heartbeats meanwhile, and messages about a failure."""

import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from byoi import errors
from byoi.server import inference_module, logs, tracebacks
from byoi.server.settings import Settings


@contextmanager
def signs_of_life(notify: Callable[[], None]) -> Iterator[None]:
    """Call `notify` each second, so that gunicorn waits while a large model loads."""
    loaded = threading.Event()

    def go_on() -> None:
        while not loaded.wait(1.0):
            notify()

    thread = threading.Thread(target=go_on, daemon=True)
    thread.start()
    try:
        yield
    finally:
        loaded.set()
        thread.join()


def text(error: BaseException, settings: Settings) -> str:
    """Return the message on stderr for a model that cannot be loaded: a log line or a text."""
    return (as_text if sys.stderr.isatty() else as_line)(error, settings)


def as_line(error: BaseException, settings: Settings) -> str:
    """Return the log line for a model that cannot be loaded.

    The message of a deliberate error is enough; for any other error the line has type, text and
    traceback.
    """
    if isinstance(error, errors.ByoiError):
        return logs.line("error", str(error))
    return logs.line(
        "error", _failure(error, settings), traceback="".join(traceback.format_exception(error))
    )


def as_text(error: BaseException, settings: Settings) -> str:
    """Return the message for a terminal: the user's own frames first."""
    if isinstance(error, errors.ByoiError):
        return logs.text("error", str(error))
    folders = inference_module.folders_of(settings)
    return (
        logs.text("error", _failure(error, settings)) + tracebacks.readable(error, folders) + "\n"
    )


def _failure(error: BaseException, settings: Settings) -> str:
    return (
        f"{settings.module()} cannot load {settings.model_directory()}: "
        f"{type(error).__name__}: {error}; the traceback shows where. "
        "BYOI_MODEL_DIR and BYOI_INFERENCE_MODULE select another model or module"
    )
