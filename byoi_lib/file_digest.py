"""What identifies the content of a file."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Self


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
