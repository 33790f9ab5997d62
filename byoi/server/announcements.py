"""Log lines about the server itself: the settings chosen at this start, and its readiness."""

from byoi import contract
from byoi.server import sizing
from byoi.server.logs import say
from byoi.server.readiness import Readiness
from byoi.server.settings import THREADS_VARIABLE, Settings
from byoi.server.sizing import Sizing


class Announcements:
    """Writes these lines if the log level includes them.

    Args:
        settings: Of the server.
        chosen: How many workers there are, and why.
        readiness: Has the workers that have loaded the model, and those that are unwell.
    """

    def __init__(self, settings: Settings, chosen: Sizing, readiness: Readiness) -> None:
        self._settings = settings
        self._chosen = chosen
        self._readiness = readiness

    def choices(self) -> None:
        """Log what was chosen, once ready: a start that fails logs only its reason."""
        level, text = sizing.told(
            self._chosen, sizing.taken_bytes(self._readiness.reported_workers())
        )
        tells_all = self._settings.log_level in {"DEBUG", "INFO"}
        if tells_all or level == "warning":
            say(level, text)
        if self._settings.is_batch and tells_all:
            say("info", transform(self._settings))

    def readiness(self, *, is_ready: bool, unreachable: str | None) -> None:
        """Log that the server is ready, or why it is not.

        Args:
            is_ready: Whether the server is ready.
            unreachable: As `Readiness.unreachable`.
        """
        if not is_ready and unreachable is not None:
            say(
                "error",
                f"not ready: nginx cannot connect to {self._readiness.socket}: "
                f"{unreachable}; /ping answers 503 until it can: start the server again",
            )
        elif not is_ready and (workers := self._readiness.unwell()):
            say(
                "error",
                f"not ready: ping_fn of {self._settings.module()} says no in worker "
                f"{', '.join(map(str, workers))}; /ping answers 503 until it says yes in all",
            )
        elif not is_ready:
            say("error", "not ready: no loaded worker is alive; /ping answers 503 until one is")
        elif self._settings.log_level in {"DEBUG", "INFO"}:
            text = f"ready: {self._settings.module()} on port {self._settings.port}"
            if self._settings.page == "on":
                text += f"; its page is http://127.0.0.1:{self._settings.port}/"
            say("info", text)


def transform(settings: Settings) -> str:
    """Return the line about a batch transform: its limits, and the variables that set them."""
    limit_bytes = settings.body_limit_bytes
    # The platform sets whole MB.
    size = f"up to {limit_bytes / 2**20:g} MB" if limit_bytes else "of any size"
    text = (
        f"batch transform: {settings.invocation_timeout_s:g} s for an invocation, beside the time "
        "that it waits for a worker (BYOI_INVOCATION_TIMEOUT_S: the platform does not tell the "
        f"job's InvocationsTimeoutInSeconds); bodies {size} ({contract.PAYLOAD_VARIABLE}, else "
        "BYOI_BODY_LIMIT_BYTES)"
    )
    ends, assembled = ("with", "None") if settings.line_end else ("without", "Line")
    text += (
        f"; texts end {ends} a line break, for AssembleWith {assembled} (BYOI_TRANSFORM_LINE_END)"
    )
    if settings.strategy:
        text += f"; {settings.strategy}"
    if at_once := settings.concurrent_transforms:
        text += f"; {at_once} requests at once"
        if at_once > settings.workers * max(1, settings.threads):
            text += (
                f", and {settings.workers} workers: more run at once with "
                f"SAGEMAKER_MODEL_SERVER_WORKERS, or {THREADS_VARIABLE} if the module allows it"
            )
    return text
