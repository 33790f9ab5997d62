"""Model data: a model directory as the archive that SageMaker unpacks, model.tar.gz.

Source of the format: API ContainerDefinition.ModelDataUrl (one gzip tar, extracted as it is
under /opt/ml/model, so without a parent folder).
"""

import gzip
import os
import tarfile
import zlib
from dataclasses import dataclass
from pathlib import Path

from byoi import digest, errors, names

_CHUNK_BYTES = 1 << 20
_REWRITE = "write the model directory again"
_REPACK = "pack the model directory again with `byoi pack`"


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
    if not archive.name.endswith(".tar.gz"):
        message = f"SageMaker takes archives named *.tar.gz, received {archive.name!r}; rename it"
        raise errors.ConfigurationError(message)
    has_manifest = needs_manifest or digest.has_manifest(model_dir)
    packed = _list_manifest(model_dir) if has_manifest else _list_all(model_dir, archive)
    for name in packed:
        path = model_dir / name
        if path.is_symlink():
            raise errors.refusal(path, "a symbolic link", "put the file itself there")
        if not path.is_file():  # opening a named pipe would never return
            raise errors.refusal(path, "not a regular file", "move it out of the directory")
    archive.parent.mkdir(parents=True, exist_ok=True)
    unfinished = archive.with_name(archive.name + ".part")
    with (
        unfinished.open("wb") as file,
        gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0) as stream,
        # Equal to ustar, but for names and sizes (8 GiB and more) that this cannot express.
        tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for name in packed:
            member = tarfile.TarInfo(name)  # mode 0644, owner 0, time 0
            with (model_dir / name).open("rb") as content:
                member.size = os.fstat(content.fileno()).st_size
                tar.addfile(member, content)
    unfinished.replace(archive)
    written = digest.FileDigest.of(archive)
    return ModelData(archive, written.sha256, written.size_bytes, tuple(packed), has_manifest)


def unpack(archive: Path, directory: Path) -> None:
    """Extract an archive into `directory`, which is created if necessary.

    Nothing is written unless every member is a file or folder that stays inside.

    Raises:
        ModelDataError: `archive` is missing, not a gzip tar or cut short, or has a member
            that is a link or leads outside `directory`.
    """
    try:
        # Only reading to the end compares the checksum; tarfile stops before it, and takes an
        # archive that was cut short for a smaller one.
        with gzip.open(archive) as stream:
            while stream.read(_CHUNK_BYTES):
                pass
        with tarfile.open(archive, "r:gz") as tar:
            members = tar.getmembers()
            for member in members:
                parts = Path(member.name).parts
                if not (member.isreg() or member.isdir()) or "/" in parts or ".." in parts:
                    raise errors.refusal(archive, f"unsafe member {member.name!r}", _REPACK)
            directory.mkdir(parents=True, exist_ok=True)
            for member in members:
                target = directory / member.name
                if member.isdir():
                    target.mkdir(parents=True, exist_ok=True)
                    continue
                target.parent.mkdir(parents=True, exist_ok=True)
                content = tar.extractfile(member)
                target.write_bytes(content.read() if content else b"")
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise errors.refusal(archive, f"not a complete gzip tar ({error})", _REPACK) from error
    except OSError as error:
        raise errors.refusal(archive, str(error.strerror), _REPACK) from error


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


def _list_manifest(model_dir: Path) -> list[str]:
    """Return the files that the manifest lists, verified, and the manifest; sorted."""
    listed = digest.read_files(model_dir, _REWRITE)
    for name, expected in listed.items():
        expected.verify(model_dir / name, _REWRITE)
    return sorted([digest.MANIFEST_FILE, *listed])


def _list_all(model_dir: Path, archive: Path) -> list[str]:
    """Return every file, sorted, as a path relative to `model_dir`.

    The archive may lie in the directory it is made of; it does not contain itself.
    """
    folder = archive.parent.resolve()
    own = {folder / archive.name, folder / f"{archive.name}.part"}
    found = sorted(
        path.relative_to(model_dir).as_posix()
        for path in model_dir.rglob("*")
        if (path.is_symlink() or not path.is_dir()) and path.parent.resolve() / path.name not in own
    )
    if not found:
        raise errors.refusal(
            model_dir, "no files in it, or no such directory", "name a model directory"
        )
    return found
