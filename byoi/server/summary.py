"""What the server has chosen for this start, in one line each."""

from byoi import contract
from byoi.server.settings import THREADS_VARIABLE, Settings


def transform(settings: Settings) -> str:
    """Return the line about a batch transform: its limits, and which variables say them."""
    limit_bytes = settings.body_limit_bytes
    # What the platform says is whole MB.
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
