"""Digests of files, and the manifest that lists them for one directory.

A manifest is a JSON object with `format_version` and, under `files`, the digest of each other
file of its directory. What else it holds is the business of whoever wrote it; docs/formats.md
has the one that `byoi_lib` writes.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from byoi import errors

MANIFEST_FILE = "manifest.json"
FORMAT_VERSION = 1
# No folder, no hidden file, and so none of macOS's `._*` companions.
_PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class FileDigest:
    """The digest and the size of one file's content.

    Attributes:
        sha256: Hex digest.
        size_bytes: Size.
    """

    sha256: str
    size_bytes: int

    @classmethod
    def of(cls, path: Path) -> Self:
        """Read the file at `path`.

        Raises:
            OSError: The file cannot be read.
        """
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            return cls(sha256, file.tell())

    @classmethod
    def read(cls, path: Path, remedy: str) -> Self:
        """Read the file at `path`, with an error that names the file and the way out.

        Args:
            path: The file.
            remedy: The way out besides copying the file again.

        Raises:
            ModelDataError: The file is missing or cannot be read.
        """
        try:
            return cls.of(path)
        except OSError as error:
            raise errors.refusal(
                path, str(error.strerror), f"copy the file there, or {remedy}"
            ) from error

    def verify(self, path: Path, remedy: str) -> None:
        """Compare a file with this digest, which its directory's manifest lists.

        Args:
            path: The file.
            remedy: The way out besides copying the file again.

        Raises:
            ModelDataError: The file is missing, or its content differs.
        """
        received = type(self).read(path, remedy)
        if received == self:
            return
        if received.size_bytes != self.size_bytes:
            cause = f"{received.size_bytes} bytes, expected {self.size_bytes}"
        else:
            cause = f"sha256 {received.sha256[:12]}..., {MANIFEST_FILE} says {self.sha256[:12]}..."
        raise errors.refusal(path, cause, f"copy the file again, or {remedy}")


def is_plain_name(name: str) -> bool:
    """Whether a manifest may list a file of this name: no folder, no leading dot."""
    return _PLAIN_NAME.fullmatch(name) is not None


def has_manifest(directory: Path) -> bool:
    """Whether a directory has a manifest of this kind; another program's does not count.

    A file that cannot be opened counts, so that reading it reports the reason.
    """
    try:
        content = json.loads((directory / MANIFEST_FILE).read_bytes())
    except OSError as error:
        return not isinstance(error, FileNotFoundError)
    except (ValueError, RecursionError):
        return False
    return isinstance(content, dict) and {"format_version", "files"} <= content.keys()


def read_manifest(directory: Path, remedy: str) -> dict[str, Any]:
    """Return the content of a directory's manifest.

    Args:
        directory: Where `MANIFEST_FILE` lies.
        remedy: The way out, for the message.

    Raises:
        ModelDataError: The file is missing, not JSON, or of another format version.
    """
    path = directory / MANIFEST_FILE
    try:
        content = json.loads(path.read_bytes())
    except OSError as error:
        raise errors.refusal(path, str(error.strerror), remedy) from error
    except (ValueError, RecursionError) as error:
        raise errors.refusal(path, f"not JSON ({type(error).__name__})", remedy) from error
    version = content.get("format_version") if isinstance(content, dict) else None
    if version != FORMAT_VERSION:
        cause = f"format version {version!r}, expected {FORMAT_VERSION}"
        raise errors.refusal(path, cause, f"use the byoi that wrote it, or {remedy}")
    found: dict[str, Any] = content
    return found


def parse_files(content: Mapping[str, Any]) -> dict[str, FileDigest]:
    """Return the digests that the content of a manifest lists, by file name.

    Raises:
        KeyError, TypeError, AttributeError: There is no list, or an entry is not a digest.
    """
    return {name: FileDigest(**entry) for name, entry in content["files"].items()}


def read_files(directory: Path, remedy: str) -> dict[str, FileDigest]:
    """Return the digests that a directory's manifest lists, by file name.

    Args:
        directory: Where `MANIFEST_FILE` lies.
        remedy: The way out, for the message.

    Raises:
        ModelDataError: As in `read_manifest`, or the list of files is not one.
    """
    content, path = read_manifest(directory, remedy), directory / MANIFEST_FILE
    try:
        files = parse_files(content)
    except (KeyError, TypeError, AttributeError) as error:
        cause = f"not a manifest ({type(error).__name__}: {error})"
        raise errors.refusal(path, cause, remedy) from error
    for name in files:
        if not is_plain_name(name):
            cause = f"lists {name!r}, expected the name of a file without folder and leading dot"
            raise errors.refusal(path, cause, remedy)
    return files
