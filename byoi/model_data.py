"""Model data: a model directory as the archive that SageMaker unpacks, model.tar.gz.

Source of the format: API ContainerDefinition.ModelDataUrl (one gzip tar, extracted as it is
under /opt/ml/model, so without a parent folder).
"""

import gzip
import os
import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from byoi import digest, errors, names

_CHUNK_BYTES = 1 << 20
_REWRITE = "write the model directory again"
_REPACK = "pack the model directory again with `byoi pack`"
# Of `Limits`.
_LIMIT_VARIABLES = {
    "written_bytes": "BYOI_UNPACK_LIMIT_BYTES",
    "members": "BYOI_UNPACK_LIMIT_MEMBERS",
    "depth": "BYOI_UNPACK_LIMIT_DEPTH",
}
# Python writes these beside a module that was served from the directory.
_NOT_PACKED = "__pycache__"


@dataclass(frozen=True)
class ModelData:
    """A packed model.tar.gz.

    Attributes:
        path: Where the archive lies.
        sha256: Hex digest of the archive.
        size_bytes: Size of the archive.
        names: The files in it, sorted.
        has_manifest: Whether these are the files that the directory's manifest lists; without
            one, all files were packed.
    """

    path: Path
    sha256: str
    size_bytes: int
    names: tuple[str, ...] = ()
    has_manifest: bool = True


def pack(model_dir: Path, archive: Path, *, needs_manifest: bool = True) -> ModelData:
    """Pack a model directory into the archive that SageMaker unpacks to /opt/ml/model.

    With a manifest the archive holds that and the files it lists, and nothing else that lies
    in the directory; without one it holds every file. The same files always give the same bytes
    (sorted, without times and owners), so the digest identifies the content.

    Args:
        model_dir: The directory.
        archive: Where the archive goes; its name ends in `.tar.gz`.
        needs_manifest: Refuse a directory without a manifest instead of packing all of it.

    Raises:
        ModelDataError: The directory has no files, or one is missing, altered, a symbolic
            link or another special file.
        ConfigurationError: The archive's name does not end in `.tar.gz`.
    """
    require_name(archive)
    files, has_manifest = files_of(model_dir, archive, needs_manifest=needs_manifest)
    return write(files, archive, has_manifest=has_manifest)


def require_name(archive: Path) -> None:
    """Check the name of an archive before anything is read.

    Raises:
        ConfigurationError: It does not end in `.tar.gz`.
    """
    if not archive.name.endswith(".tar.gz"):
        message = f"SageMaker takes archives named *.tar.gz, received {archive.name!r}; rename it"
        raise errors.ConfigurationError(message)


def files_of(
    model_dir: Path, archive: Path, *, needs_manifest: bool = False
) -> tuple[dict[str, Path], bool]:
    """Return what `pack` packs of a directory, and whether its manifest says so.

    Args:
        model_dir: The directory.
        archive: Where the archive goes, which is not a part of itself.
        needs_manifest: As in `pack`.

    Raises:
        ModelDataError: As in `pack`.
    """
    _require_regular(model_dir / digest.MANIFEST_FILE)
    has_manifest = needs_manifest or digest.has_manifest(model_dir)
    packed = _list_manifest(model_dir) if has_manifest else _list_all(model_dir, archive)
    return {name: model_dir / name for name in packed}, has_manifest


def write(files: Mapping[str, Path], archive: Path, *, has_manifest: bool = False) -> ModelData:
    """Write an archive; where that fails, nothing of it stays.

    Args:
        files: The files, by the names that they get in the archive.
        archive: Where the archive goes.
        has_manifest: For what is returned.

    Raises:
        ModelDataError: One is a symbolic link or another special file, or cannot be read; or the
            archive cannot be written.
    """
    for path in files.values():
        _require_regular(path)
    unfinished = archive.with_name(archive.name + ".part")
    try:
        archive.parent.mkdir(parents=True, exist_ok=True)
        _write_members(files, unfinished)
        unfinished.replace(archive)
    except OSError as error:
        where = Path(str(error.filename or archive))
        raise errors.refusal(
            where, str(error.strerror or error), "make it readable, or name another place"
        ) from error
    finally:
        # Not there after success. Of a failure, or Ctrl-C, nothing is to be taken for an archive.
        if unfinished.is_file():
            unfinished.unlink()
    written = digest.FileDigest.of(archive)
    return ModelData(
        archive, written.sha256, written.size_bytes, tuple(sorted(files)), has_manifest
    )


def _write_members(files: Mapping[str, Path], archive: Path) -> None:
    with (
        archive.open("wb") as file,
        gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0) as stream,
        # Equal to ustar, but for names and sizes (8 GiB and more) that this cannot express.
        tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for name in sorted(files):
            member = tarfile.TarInfo(name)  # mode 0644, owner 0, time 0
            with files[name].open("rb") as content:
                member.size = os.fstat(content.fileno()).st_size
                tar.addfile(member, content)


@dataclass(frozen=True)
class Limits:
    """What an archive may become at most; the defaults are above any real model.

    Attributes:
        written_bytes: Bytes of all files together. SageMaker's own limit for an archive is that
            of an instance's volume, at most 16 TiB; 1 TiB is above any model that is packed.
        members: Files and folders.
        depth: Folders in one another.
    """

    written_bytes: int = 1 << 40
    members: int = 100_000
    depth: int = 64

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Self:
        """Read the limits from variables.

        Raises:
            ConfigurationError: A value is no whole number from 1 on; the message names it.
        """
        found = {}
        for name, variable in _LIMIT_VARIABLES.items():
            text = environ.get(variable, "").strip()
            if text and not (text.isdecimal() and int(text) > 0):
                raise errors.ConfigurationError(
                    f"{variable}={text!r}: expected a whole number from 1 on"
                )
            if text:
                found[name] = int(text)
        return cls(**found)


def unpack(archive: Path, directory: Path, *, limits: Limits | None = None) -> None:
    """Extract an archive into `directory`, which is created if necessary.

    Nothing is written unless every member is a file or folder that stays inside, and all of them
    are within the limits and fit on the disk. What a header says is not believed: bytes are
    counted while they are written. Of a refused archive nothing stays.

    Args:
        archive: A tar, compressed by gzip.
        directory: Files of the same names are replaced, others stay.
        limits: By default those of the environment.

    Raises:
        ModelDataError: `archive` is missing, not a gzip tar or cut short, has a member that is a
            link or leads outside `directory`, or is beyond a limit.
    """
    limits = limits or Limits.from_environ(os.environ)
    parent = directory.absolute().parent
    try:
        members = _read_members(archive, limits)
        parent.mkdir(parents=True, exist_ok=True)
        _require_space(archive, sum(member.size for member in members), parent)
        with tempfile.TemporaryDirectory(prefix=f".{directory.name}-", dir=parent) as folder:
            _extract(archive, members, Path(folder), limits)
            _move(Path(folder), directory)
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile, ValueError) as error:
        raise errors.refusal(archive, f"not a complete gzip tar ({error})", _REPACK) from error
    except RecursionError as error:
        raise errors.refusal(archive, "headers that never end", _REPACK) from error
    except OSError as error:
        raise errors.refusal(archive, str(error.strerror or error), _REPACK) from error


class _Stream:
    """What an archive unpacks to, read at most up to a limit, and never much of it at once."""

    def __init__(self, stream: gzip.GzipFile, archive: Path, limit_bytes: int) -> None:
        self._stream = stream
        self._archive = archive
        self._limit_bytes = limit_bytes

    def read(self, size: int = -1) -> bytes:
        # tarfile reads a header of any size at once, and content in pieces that are ours.
        if not 0 <= size <= _CHUNK_BYTES:
            raise errors.refusal(
                self._archive, f"a header of more than {_CHUNK_BYTES:,} bytes", _REPACK
            )
        content = self._stream.read(size)
        self._require_within()
        return content

    def seek(self, position: int) -> int:
        # In pieces, so that a header which points far away is not followed to there.
        while self._stream.tell() < position:
            step = min(position, self._stream.tell() + _CHUNK_BYTES)
            if self._stream.seek(step) < step:
                break
            self._require_within()
        return self._stream.seek(position)

    def tell(self) -> int:
        return self._stream.tell()

    def _require_within(self) -> None:
        if self._stream.tell() > self._limit_bytes:
            raise _beyond(self._archive, f"{self._limit_bytes:,} bytes", "written_bytes")


def _read_members(archive: Path, limits: Limits) -> list[tarfile.TarInfo]:
    """Return the members of an archive, all of which are allowed; read to its very end."""
    # A member needs 512 bytes, and a name that is long up to 1.5 kB more.
    # The end is padded to the size of a tape record, which is 10 kB by default.
    limit_bytes = limits.written_bytes + limits.members * 4096 + _CHUNK_BYTES
    members: list[tarfile.TarInfo] = []
    written_bytes = 0
    with gzip.open(archive) as stream:
        guarded: Any = _Stream(stream, archive, limit_bytes)
        with tarfile.open(fileobj=guarded, mode="r:") as tar:
            for member in tar:
                _require_safe(archive, member, limits)
                members.append(member)
                written_bytes += member.size
                if len(members) > limits.members:
                    raise _beyond(archive, f"{limits.members:,} files and folders", "members")
                if written_bytes > limits.written_bytes:
                    raise _beyond(archive, f"{limits.written_bytes:,} bytes", "written_bytes")
        # Only reading to the end compares the checksum; tarfile stops before it, and takes an
        # archive that was cut short for a smaller one.
        while guarded.read(_CHUNK_BYTES):
            pass
    return members


def _require_safe(archive: Path, member: tarfile.TarInfo, limits: Limits) -> None:
    parts = Path(member.name).parts
    if not (member.isreg() or member.isdir()) or "/" in parts or ".." in parts:
        raise errors.refusal(archive, f"unsafe member {member.name!r:.300}", _REPACK)
    if member.issparse():
        raise errors.refusal(
            archive, f"{member.name!r:.300} is a sparse file", "pack it without --sparse"
        )
    if member.size < 0:
        raise errors.refusal(archive, f"{member.name!r:.300} has a negative size", _REPACK)
    if len(parts) > limits.depth:
        raise _beyond(archive, f"{limits.depth} folders in one another", "depth")


def _require_space(archive: Path, needed_bytes: int, parent: Path) -> None:
    free_bytes = shutil.disk_usage(parent).free
    if needed_bytes > free_bytes:
        raise errors.refusal(
            archive,
            f"it becomes {needed_bytes:,} bytes, and {parent} has {free_bytes:,} left",
            "make room there, or set TMPDIR to a larger disk",
        )


def _extract(
    archive: Path, members: Sequence[tarfile.TarInfo], folder: Path, limits: Limits
) -> None:
    """Write the members of an archive into an empty folder, in pieces."""
    left_bytes = limits.written_bytes
    with gzip.open(archive) as stream, tarfile.open(fileobj=stream, mode="r:") as tar:
        for member in members:
            target = folder / member.name
            if member.isdir():
                target.mkdir(parents=True, exist_ok=True)
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            content = tar.extractfile(member)
            with target.open("wb") as file:
                while content is not None and (piece := content.read(_CHUNK_BYTES)):
                    left_bytes -= len(piece)
                    if left_bytes < 0:
                        raise _beyond(archive, f"{limits.written_bytes:,} bytes", "written_bytes")
                    file.write(piece)


def _move(folder: Path, directory: Path) -> None:
    """Move what is in a folder into a directory; files of the same names are replaced."""
    directory.mkdir(parents=True, exist_ok=True)
    for path in sorted(folder.rglob("*")):
        target = directory / path.relative_to(folder)
        if path.is_dir():
            target.mkdir(exist_ok=True)
        else:
            path.replace(target)


def _beyond(archive: Path, limit: str, name: str) -> errors.ModelDataError:
    return errors.refusal(
        archive,
        f"more than {limit}",
        f"{_LIMIT_VARIABLES[name]} raises the limit, if the archive is to be trusted",
    )


def require_no_links(directory: Path) -> None:
    """Check that a directory holds no symbolic link, which could lead to any file of this machine.

    Raises:
        ModelDataError: There is one; the message names it.
    """
    for path in sorted(directory.rglob("*")):
        _require_no_link(path)


def local_path(location: "ModelData | Path | str | None") -> Path | None:
    """Return the path of model data on this machine; None if it is not on this machine.

    The one answer to "is this model data on this machine?", for local mode and for AWS.

    Args:
        location: What `pack` returned, a path, a `file://` or `s3://` URI, or None for model
            data baked into the image.

    Raises:
        ConfigurationError: `location` is a URI of another scheme.
    """
    if isinstance(location, ModelData):
        return location.path.absolute()
    if location is None or names.is_s3_uri(location):
        return None
    scheme, separator, path = str(location).partition("://")
    if not separator or isinstance(location, Path):
        return Path(location).absolute()
    if scheme != "file":
        raise errors.ConfigurationError(
            f"model data is a path, a file:// or an s3:// URI, received {location!r}"
        )
    return Path(path).absolute()


def _require_regular(path: Path) -> None:
    """Refuse what is no regular file, before it is opened; what is absent is reported later."""
    _require_no_link(path)
    if path.exists() and not path.is_file():  # opening a named pipe would never return
        raise errors.refusal(path, "not a regular file", "move it out of the directory")


def _require_no_link(path: Path) -> None:
    if path.is_symlink():
        raise errors.refusal(path, "a symbolic link", "put the file itself there")


def _list_manifest(model_dir: Path) -> list[str]:
    """Return the files that the manifest lists, verified, and the manifest; sorted."""
    listed = digest.read_files(model_dir, _REWRITE)
    for name, expected in listed.items():
        _require_regular(model_dir / name)
        expected.verify(model_dir / name, _REWRITE)
    return sorted([digest.MANIFEST_FILE, *listed])


def _list_all(model_dir: Path, archive: Path) -> list[str]:
    """Return every file but Python's bytecode, sorted, as a path relative to `model_dir`.

    The archive may lie in the directory it is made of; it does not contain itself.
    """
    folder = archive.parent.resolve()
    own = {folder / archive.name, folder / f"{archive.name}.part"}
    found = sorted(
        path.relative_to(model_dir).as_posix()
        for path in model_dir.rglob("*")
        if (path.is_symlink() or not path.is_dir())
        and path.parent.resolve() / path.name not in own
        and _NOT_PACKED not in path.relative_to(model_dir).parts
    )
    if not found:
        raise errors.refusal(
            model_dir, "no files in it, or no such directory", "name a model directory"
        )
    return found
