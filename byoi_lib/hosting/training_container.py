"""Containers of a training job in local mode: quiet, and with the reason where they fail."""

import contextlib
import warnings
from pathlib import Path
from typing import Any

from byoi_lib import contract, errors
from byoi_lib.hosting.container import LocalContainer


class TrainingContainer(LocalContainer):
    """The containers of one training job.

    Attributes:
        failure: What they left in /opt/ml/output/failure, or "".
    """

    failure = ""

    def train(self, *arguments: Any) -> str:
        """Run a training job as the SDK does, its output going to `log`; return its model's URI.

        Raises:
            JobFailedError: A container ended with another status than 0; the message has
                what it left in /opt/ml/output/failure.
        """
        with (
            self.log.open("a") as stream,
            contextlib.redirect_stdout(stream),
            warnings.catch_warnings(),
        ):
            # The SDK leaves the pipe to its compose process to the garbage collector.
            warnings.simplefilter("ignore", ResourceWarning)
            try:
                return str(super().train(*arguments))
            except RuntimeError as error:
                status = str(error).rpartition(": ")[2]
            finally:
                self.remove()
                # What the container wrote belongs to root.
                self.place.engine.unlock(self.workspace, self.image)
        reason = self.failure.strip() or (
            f"it ended with status {status} and left no reason in {contract.FAILURE_FILE}"
        )
        raise errors.JobFailedError(
            f"the training job failed: {reason}\nThe container's log is in {self.log}"
        )

    def retrieve_artifacts(self, *arguments: Any) -> str:
        """Pack what training wrote, as the SDK does; the last moment the failure file exists."""
        for host in self.hosts:
            file = Path(self.container_root, host, "output", contract.FAILURE_FILE.name)
            if file.is_file():
                self.failure = file.read_text(errors="replace")[
                    : contract.FAILURE_REASON_CHARACTERS
                ]
        return str(super().retrieve_artifacts(*arguments))
