"""Copies of what containers mount, where local mode may mount it.

The SDK refuses paths under /root, /etc, ~/.config and others, so that a checkout there
could not use local mode at all, and unpacks an archive next to itself. Source:
sagemaker 2.257, utils.py `_SENSITIVE_SYSTEM_PATHS`, local/image.py `_prepare_serving_volumes`.

The directory of a local session: files staged for containers, and their logs.

Its name says whose it is, because a process that is killed removes nothing.
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
from byoi.local import docker

_PREFIX = "byoi-local-"


def make_session_directory(parent: Path) -> Path:
    """Make a fresh directory of this process."""
    host, _, pid = docker.owner().rpartition(":")
    return Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{host}-{pid}-", dir=parent))


def remove_orphaned_directories(parent: Path) -> None:
    """Remove the directories of processes of this machine that have ended."""
    for directory in parent.glob(f"{_PREFIX}*-*-*"):
        host, pid, _ = directory.name.removeprefix(_PREFIX).rsplit("-", 2)
        if pid.isdecimal() and docker.is_owner_gone(f"{host}:{pid}"):
            # Where it is another user's, it stays.
            shutil.rmtree(directory, ignore_errors=True)


_FILE_SCHEME = "file://"


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
    """Put a model directory's files into `directory`, as the platform does for a container.

    Args:
        location: Archive or model directory, as path, `file://` or `s3://` URI. None leaves
            `directory` empty: the container then uses what is baked into its image.
        directory: Made by this call.
        session: The SDK's session, whose credentials read from S3.

    Raises:
        ModelDataError: Nothing is there, or it is no archive that can be unpacked safely.
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
    path = _download(location, session) if location.startswith("s3://") else local_path(location)
    if path.is_dir():
        shutil.copytree(path, directory)
    elif path.is_file():
        model_data.unpack(path, directory)
    else:
        raise errors.ModelDataError(
            f"{path}: no such model directory or archive; write one with `byoi pack`, and give "
            "it as a path or as file:///absolute/path"
        )


def stage_channel(uri: str, directory: Path) -> str:
    """Return a URI local mode may mount: `uri`, or that of a copy in `directory`."""
    if uri.startswith("s3://"):
        return uri
    path = local_path(uri)
    if not path.exists():
        raise errors.HostingError(f"{path}: no such file or directory, given as input {uri!r}")
    if not is_restricted(path):
        return f"{_FILE_SCHEME}{path}"
    copy = Path(tempfile.mkdtemp(dir=directory)) / path.name
    if path.is_dir():
        shutil.copytree(path, copy)
    else:
        shutil.copy(path, copy)
    return f"{_FILE_SCHEME}{copy}"


def local_path(location: str) -> Path:
    """Return the absolute path of a `file://` URI or plain path.

    Raises:
        ConfigurationError: It is a URI of another scheme.
    """
    scheme, separator, path = location.partition("://")
    if not separator:
        return Path(location).absolute()
    if scheme != "file":
        raise errors.ConfigurationError(
            f"local mode reads a path, a file:// or an s3:// URI, received {location!r}"
        )
    return Path(path).absolute()


def _download(location: str, session: Any) -> Path:
    bucket, _, key = location.removeprefix("s3://").partition("/")
    files = [Path(name) for name in S3DataSource(bucket, "/" + key, session).get_file_list()]
    return files[0] if len(files) == 1 else files[0].parent
