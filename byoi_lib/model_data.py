"""The archive of a model directory: SageMaker's "model data", model.tar.gz.

Source of its form: API ContainerDefinition.ModelDataUrl (one gzip tar whose content is
extracted as it is under /opt/ml/model, so there is no parent folder).
"""

import gzip
import os
import tarfile
import zlib
from dataclasses import dataclass
from pathlib import Path

from byoi_lib import errors
from byoi_lib.file_digest import FileDigest
from byoi_lib.manifest import MANIFEST_FILE, Manifest

_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class ModelData:
    """A packed model.tar.gz.

    Attributes:
        path: Where the archive lies.
        sha256: Hex digest of the archive.
        size_bytes: Size of the archive.
    """

    path: Path
    sha256: str
    size_bytes: int


def pack(model_dir: Path, archive: Path) -> ModelData:
    """Pack a model directory into the archive SageMaker unpacks to /opt/ml/model.

    It holds the manifest and the files the manifest names, nothing else that may lie
    there. The same files always give the same bytes (sorted, without times and
    owners), so the digest names the content.

    Raises:
        ModelDataError: A file is missing, altered or a symbolic link.
        ConfigurationError: The archive's name does not end in `.tar.gz`.
    """
    if not archive.name.endswith(".tar.gz"):
        message = f"SageMaker takes archives named *.tar.gz, received {archive.name!r}; rename it"
        raise errors.ConfigurationError(message)
    manifest = Manifest.read(model_dir)
    manifest.verify(model_dir)
    names = sorted([MANIFEST_FILE, *manifest.files])
    for name in names:
        if (model_dir / name).is_symlink():
            raise errors.refusal(model_dir / name, "a symbolic link", "put the file itself there")
    archive.parent.mkdir(parents=True, exist_ok=True)
    unfinished = archive.with_name(archive.name + ".part")
    with (
        unfinished.open("wb") as file,
        gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0) as stream,
        tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as tar,
    ):
        for name in names:
            member = tarfile.TarInfo(name)  # mode 0644, owner 0, time 0
            with (model_dir / name).open("rb") as content:
                member.size = os.fstat(content.fileno()).st_size
                tar.addfile(member, content)
    unfinished.replace(archive)
    digest = FileDigest.of(archive)
    return ModelData(archive, digest.sha256, digest.size_bytes)


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
