"""Staging: the directory of a local session, and copies of files that local mode mounts.

The SDK refuses to mount paths under /root, /etc, ~/.config and others, so a checkout there could
not use local mode at all, and it unpacks an archive next to itself. Source: sagemaker 2.257,
utils.py `_SENSITIVE_SYSTEM_PATHS`, local/image.py `_prepare_serving_volumes`.
"""

import os
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sagemaker.local.data import S3DataSource
from sagemaker.utils import _SENSITIVE_SYSTEM_PATHS

from byoi import errors, model_data
from byoi.local import orphans
from byoi.names import S3Uri

# The name goes on with host and process of its owner: a killed process removes nothing.
_PREFIX = "byoi-local-"
_FILE_SCHEME = "file://"


def make_session_directory(parent: Path) -> Path:
    """Make a directory for a session of this process."""
    host, _, pid = orphans.owner().rpartition(":")
    return Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{host}-{pid}-", dir=parent))


def remove_orphaned_directories(parent: Path) -> None:
    """Remove the directories of processes of this machine that have ended."""
    for directory in parent.glob(f"{_PREFIX}*-*-*"):
        host, pid, _ = directory.name.removeprefix(_PREFIX).rsplit("-", 2)
        if pid.isdecimal() and orphans.is_owner_gone(f"{host}:{pid}"):
            # Where it is another user's, it stays.
            shutil.rmtree(directory, ignore_errors=True)


def is_restricted(path: Path, restricted: Iterable[str] = tuple(_SENSITIVE_SYSTEM_PATHS)) -> bool:
    """Whether local mode refuses to mount `path`: it compares text, so /rootfs counts too."""
    return str(path.resolve()).startswith(tuple(restricted))


def find_directory(
    candidates: Iterable[Path | str] = (tempfile.gettempdir(), "/tmp", "/var/tmp"),  # noqa: S108
) -> Path:
    """Return the first directory this user can write to and containers may mount.

    Raises:
        ConfigurationError: No candidate is writable and free to mount.
    """
    tried = [Path(candidate).resolve() for candidate in candidates]
    for directory in tried:
        if not is_restricted(directory) and os.access(directory, os.W_OK):
            return directory
    names = ", ".join(str(directory) for directory in tried)
    raise errors.ConfigurationError(
        f"local mode needs a writable temporary directory outside /root, /etc and ~/.config; "
        f"tried {names}; set TMPDIR to one"
    )


def stage_model_data(location: str | None, directory: Path, session: Any) -> None:
    """Put the files of a model directory or archive into `directory`, as the platform does.

    Args:
        location: Archive or model directory, as path, `file://` or `s3://` URI. None leaves
            `directory` empty: the container uses the model data in its image.
        directory: Made by this call.
        session: The SDK's session, whose credentials read from S3.

    Raises:
        ModelDataError: There is no such file, it is not an archive that is safe to unpack, or the
            directory holds a symbolic link.
        ConfigurationError: The location is of another kind.
    """
    if location is None:
        directory.mkdir()
        return
    if not isinstance(location, str):
        raise errors.ConfigurationError(
            f"local mode takes model data as the path of an archive, received {location!r}; "
            "give `file:///absolute/path/model.tar.gz`"
        )
    path = model_data.local_path(location) or _download(S3Uri.parse(location), session)
    if path.is_dir():
        model_data.require_no_links(path)
        shutil.copytree(path, directory, symlinks=True)
    elif path.is_file():
        model_data.unpack(path, directory)
    else:
        raise errors.ModelDataError(
            f"{path}: no such model directory or archive; write one with `byoi pack`, and give "
            "it as a path or as file:///absolute/path"
        )


def stage_channel(uri: str, directory: Path) -> str:
    """Return a URI that the SDK agrees to mount: `uri`, or that of a copy in `directory`."""
    path = model_data.local_path(uri)
    if path is None:
        return uri
    if not path.exists():
        raise errors.HostingError(f"{path}: no such file or directory, given as input {uri!r}")
    if not is_restricted(path):
        return f"{_FILE_SCHEME}{path}"
    copy = Path(tempfile.mkdtemp(dir=directory)) / path.name
    if path.is_dir():
        # A link stays one, and leads to nothing of this machine in the container.
        shutil.copytree(path, copy, symlinks=True)
    else:
        shutil.copy(path, copy)
    return f"{_FILE_SCHEME}{copy}"


def find_input(uri: str, session: Any) -> Path:
    """Return where the input of a batch transform is on this machine, a folder or a file.

    Args:
        uri: A path, or a `file://` or `s3://` URI; what is in S3 is downloaded.
        session: The SDK's session, whose credentials read from S3.

    Raises:
        HostingError: There is nothing.
        ConfigurationError: The URI is of another kind.
    """
    path = model_data.local_path(uri)
    if path is None:
        location = S3Uri.parse(uri)
        return Path(S3DataSource(location.bucket, f"/{location.key}", session).get_root_dir())
    if not path.exists():
        raise errors.HostingError(f"{path}: no such file or directory, given as input {uri!r}")
    return path


def _download(location: S3Uri, session: Any) -> Path:
    source = S3DataSource(location.bucket, f"/{location.key}", session)
    files = [Path(name) for name in source.get_file_list()]
    return files[0] if len(files) == 1 else files[0].parent
