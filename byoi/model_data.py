"""The archive of a model directory: SageMaker's "model data", model.tar.gz.

Source of its form: API ContainerDefinition.ModelDataUrl (one gzip tar whose content is
extracted as it is under /opt/ml/model, so there is no parent folder).
"""

import gzip
import json
import os
import tarfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from byoi import errors, names
from byoi.digest import FileDigest

_CHUNK_BYTES = 1 << 20
# Lists the files of a model directory with their digests (docs/formats.md), where there is one.
MANIFEST_FILE = "manifest.json"
_FORMAT_VERSION = 1
_AGAIN = "write the model directory again"


@dataclass(frozen=True)
class ModelData:
    """A packed model.tar.gz.

    Attributes:
        path: Where the archive lies.
        sha256: Hex digest of the archive.
        size_bytes: Size of the archive.
        names: The files in it, sorted.
    """

    path: Path
    sha256: str
    size_bytes: int
    names: tuple[str, ...] = ()


def pack(model_dir: Path, archive: Path, *, needs_manifest: bool = True) -> ModelData:
    """Pack a model directory into the archive SageMaker unpacks to /opt/ml/model.

    With a manifest it holds that and the files it names, nothing else that may lie there;
    without one it holds every file. The same files always give the same bytes (sorted,
    without times and owners), so the digest names the content.

    Args:
        model_dir: The directory.
        archive: Where the archive goes, a name that ends in `.tar.gz`.
        needs_manifest: Refuse a directory without a manifest instead of packing all of it.

    Raises:
        ModelDataError: A file is missing, altered or a symbolic link, or there is none.
        ConfigurationError: The archive's name does not end in `.tar.gz`.
    """
    if not archive.name.endswith(".tar.gz"):
        message = f"SageMaker takes archives named *.tar.gz, received {archive.name!r}; rename it"
        raise errors.ConfigurationError(message)
    packed = _find_names(model_dir, archive, needs_manifest=needs_manifest)
    for name in packed:
        if (model_dir / name).is_symlink():
            raise errors.refusal(model_dir / name, "a symbolic link", "put the file itself there")
    archive.parent.mkdir(parents=True, exist_ok=True)
    unfinished = archive.with_name(archive.name + ".part")
    with (
        unfinished.open("wb") as file,
        gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0) as stream,
        tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as tar,
    ):
        for name in packed:
            member = tarfile.TarInfo(name)  # mode 0644, owner 0, time 0
            with (model_dir / name).open("rb") as content:
                member.size = os.fstat(content.fileno()).st_size
                tar.addfile(member, content)
    unfinished.replace(archive)
    digest = FileDigest.of(archive)
    return ModelData(archive, digest.sha256, digest.size_bytes, tuple(packed))


def unpack(archive: Path, directory: Path) -> None:
    """Extract an archive of files into `directory`, which is made where absent.

    Nothing is written unless every member is a file or folder that stays inside.

    Raises:
        ModelDataError: `archive` is missing, no gzip tar, cut short, or has a member
            that is a link or leads outside `directory`.
    """
    remedy = "pack the model directory again with `byoi pack`"
    try:
        # Only reading to the end compares the checksum; tarfile stops before, and takes an
        # archive that was cut short for a shorter one.
        with gzip.open(archive) as stream:
            while stream.read(_CHUNK_BYTES):
                pass
        with tarfile.open(archive, "r:gz") as tar:
            members = tar.getmembers()
            for member in members:
                parts = Path(member.name).parts
                if not (member.isreg() or member.isdir()) or "/" in parts or ".." in parts:
                    raise errors.refusal(archive, f"unsafe member {member.name!r}", remedy)
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
        raise errors.refusal(archive, f"not a complete gzip tar ({error})", remedy) from error
    except OSError as error:
        raise errors.refusal(archive, str(error.strerror), remedy) from error


def _find_names(model_dir: Path, archive: Path, *, needs_manifest: bool) -> list[str]:
    """Return the names of the files to pack, relative to `model_dir`, sorted."""
    listed = _read_listing(model_dir / MANIFEST_FILE, is_needed=needs_manifest)
    if listed is not None:
        for name, digest in listed.items():
            digest.verify(model_dir / name, MANIFEST_FILE, _AGAIN)
        return sorted([MANIFEST_FILE, *listed])
    own = {archive.absolute(), archive.with_name(archive.name + ".part").absolute()}
    names = sorted(
        path.relative_to(model_dir).as_posix()
        for path in model_dir.rglob("*")
        if (path.is_symlink() or not path.is_dir()) and path.absolute() not in own
    )
    if not names:
        raise errors.refusal(
            model_dir, "no files in it, or no such directory", "name a model directory"
        )
    return names


def _read_listing(path: Path, *, is_needed: bool) -> dict[str, FileDigest] | None:
    """Return the digests that a manifest lists, None where the directory has no manifest.

    Another program's file of that name is no manifest; where one is needed, it is refused.
    """
    try:
        content = json.loads(path.read_bytes())
    except OSError as error:
        if isinstance(error, FileNotFoundError) and not is_needed:
            return None
        raise errors.refusal(path, str(error.strerror), _AGAIN) from error
    except (ValueError, RecursionError) as error:
        if not is_needed:
            return None
        raise errors.refusal(path, f"not JSON ({type(error).__name__})", _AGAIN) from error
    version = content.get("format_version") if isinstance(content, dict) else None
    if version is None and not is_needed:
        return None
    if version != _FORMAT_VERSION:
        cause = f"format version {version!r}, expected {_FORMAT_VERSION}"
        raise errors.refusal(path, cause, f"use the byoi that wrote it, or {_AGAIN}")
    return _listed(content, path)


def _listed(content: dict[str, Any], path: Path) -> dict[str, FileDigest]:
    try:
        listed = {name: FileDigest(**entry) for name, entry in content["files"].items()}
    except (KeyError, TypeError, AttributeError) as error:
        cause = f"not a manifest ({type(error).__name__}: {error})"
        raise errors.refusal(path, cause, _AGAIN) from error
    for name in listed:
        if name in {"", ".", ".."} or "/" in name:
            raise errors.refusal(path, f"lists {name!r}, which is not a file's name", _AGAIN)
    return listed


def local_path(location: "ModelData | Path | str | None") -> Path | None:
    """Return where model data lies on this machine, None where it does not lie here.

    The one answer to "is this model data on this machine?", for local mode and for AWS.

    Args:
        location: What `pack` returned, a path, a `file://` or `s3://` URI, or None: baked into
            the image.

    Raises:
        ConfigurationError: It is a URI of another scheme.
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
