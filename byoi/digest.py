"""What identifies the content of a file, and the check that a file is still that one."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from byoi import errors


@dataclass(frozen=True)
class FileDigest:
    """What identifies the content of one file.

    Attributes:
        sha256: Hex digest.
        size_bytes: Size.
    """

    sha256: str
    size_bytes: int

    @classmethod
    def of(cls, path: Path) -> Self:
        """Read the file at `path`; raises OSError where that fails."""
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            return cls(sha256, file.tell())

    @classmethod
    def read(cls, path: Path, remedy: str) -> Self:
        """As `of`, with the error that names the file and the way out.

        Raises:
            ModelDataError: The file is missing or cannot be read.
        """
        try:
            return cls.of(path)
        except OSError as error:
            raise errors.refusal(
                path, str(error.strerror), f"copy the file there, or {remedy}"
            ) from error

    def verify(self, path: Path, listed_in: str, remedy: str) -> None:
        """Compare a file with this digest.

        Args:
            path: The file.
            listed_in: Name of the file that this digest was read from, for the message.
            remedy: The way out beside copying the file again.

        Raises:
            ModelDataError: The file is missing, or has another content.
        """
        received = type(self).read(path, remedy)
        if received.size_bytes != self.size_bytes:
            cause = f"{received.size_bytes} bytes, expected {self.size_bytes}"
            raise errors.refusal(path, cause, f"copy the file again, or {remedy}")
        if received != self:
            cause = f"sha256 {received.sha256[:12]}..., {listed_in} says {self.sha256[:12]}..."
            raise errors.refusal(path, cause, f"copy the file again, or {remedy}")
