"""Model data that mean harm: archives that must be refused, and leave nothing.

Each is unpacked by `byoi.model_data.unpack`, as every archive is before a container of this
machine gets it; on AWS the platform itself unpacks. A pickle is no harm until it is loaded, and
`byoi.models` refuses that.
"""

import gzip
import io
import os
import pickle
import tarfile
import time
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from byoi import errors, model_data, models

LIMITS = model_data.Limits(written_bytes=50_000_000, members=1_000, depth=16)
_BOMB_BYTES = 200_000_000


@dataclass(frozen=True)
class Refusal:
    """What became of one archive.

    Attributes:
        name: What is hostile in it.
        archive_bytes: Size of the archive.
        took_s: Seconds until it was refused.
        memory_mb: What Python had allocated at most meanwhile.
        message: Of the refusal; empty where it was taken, which must not be.
        left: What stayed of it on the disk.
    """

    name: str
    archive_bytes: int
    took_s: float
    memory_mb: float
    message: str
    left: tuple[str, ...]

    def line(self) -> str:
        """Return the line of the table."""
        # Of Markdown's signs, messages have these two.
        message = self.message.replace("|", " ").replace("`", "'")
        refused = f"`{message}`" if message else "**taken**"
        left = f"**{', '.join(self.left)}**" if self.left else "nothing"
        cells = [self.name, f"{self.archive_bytes:,}", f"{self.took_s:.2f}"]
        return f"| {' | '.join([*cells, f'{self.memory_mb:.1f}', left, refused])} |"


def table(refused: Sequence[Refusal]) -> Iterator[str]:
    """Yield the table."""
    yield "| archive | bytes | refused after, s | memory, MB | left on the disk | message |"
    yield "|---|--:|--:|--:|---|---|"
    for one in refused:
        yield one.line()


def refusals(folder: Path) -> Iterator[Refusal]:
    """Unpack each archive in an empty folder.

    Args:
        folder: An empty directory.
    """
    for number, (name, write) in enumerate(ARCHIVES.items()):
        place = folder / str(number)
        place.mkdir()
        write(place / "model.tar.gz")
        yield _unpacked(name, place)


def _unpacked(name: str, place: Path) -> Refusal:
    archive = place / "model.tar.gz"
    tracemalloc.start()
    began_s = time.perf_counter()
    message = ""
    try:
        model_data.unpack(archive, place / "out", limits=LIMITS)
        models.load(place / "out")
    except errors.ByoiError as error:
        message = str(error).replace(f"{place}/", "")
    took_s = time.perf_counter() - began_s
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # What was unpacked and not loaded, stays: a pickle is a file like another one.
    known = {archive, place / "out", place / "out" / "model.pkl"}
    left = {path for path in place.rglob("*") if path not in known}
    escaped = [path for path in place.parent.iterdir() if not path.name.isdecimal()]
    found = tuple(sorted(str(path.relative_to(place.parent)) for path in [*left, *escaped]))
    size = archive.stat().st_size
    return Refusal(name, size, took_s, peak_bytes / 1e6, message, found)


# The archives.


def _member(
    name: str, kind: bytes = tarfile.REGTYPE, link: str = "", content: bytes = b""
) -> Callable[[Path], None]:
    """Return a writer of an archive with a good file, and a member behind it."""

    def write(archive: Path) -> None:
        with tarfile.open(archive, "w:gz") as tar:
            good = tarfile.TarInfo("model.onnx")
            good.size = 4
            tar.addfile(good, io.BytesIO(b"good"))
            info = tarfile.TarInfo(name)
            info.type, info.linkname, info.size = kind, link, len(content)
            tar.addfile(info, io.BytesIO(content))

    return write


def _behind_a_link(archive: Path) -> None:
    with tarfile.open(archive, "w:gz") as tar:
        link = tarfile.TarInfo("code")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc"
        tar.addfile(link)
        inside = tarfile.TarInfo("code/escaped")
        tar.addfile(inside, io.BytesIO(b""))


def _bomb(archive: Path) -> None:
    info = tarfile.TarInfo("zeros")
    info.size = _BOMB_BYTES
    with gzip.open(archive, "wb", 1) as stream:
        stream.write(info.tobuf())
        for _ in range(_BOMB_BYTES // 1_000_000):
            stream.write(bytes(1_000_000))


def _claims(archive: Path) -> None:
    info = tarfile.TarInfo("claimed")
    info.size = 1 << 42
    with gzip.open(archive, "wb") as stream:
        stream.write(info.tobuf(tarfile.GNU_FORMAT))


def _header(kind: bytes, size: int, times: int) -> Callable[[Path], None]:
    def write(archive: Path) -> None:
        info = tarfile.TarInfo("header")
        info.type, info.size = kind, size
        with gzip.open(archive, "wb", 1) as stream:
            for _ in range(times):
                stream.write(info.tobuf(tarfile.USTAR_FORMAT) + bytes(-(-size // 512) * 512))

    return write


def _many(archive: Path) -> None:
    with tarfile.open(archive, "w:gz") as tar:
        for number in range(LIMITS.members + 1):
            tar.addfile(tarfile.TarInfo(str(number)))


def _cut(archive: Path) -> None:
    _member("weights", content=os.urandom(100_000))(archive)
    whole = archive.read_bytes()
    archive.write_bytes(whole[: len(whole) // 2])


def _flipped(archive: Path) -> None:
    _member("weights", content=os.urandom(100_000))(archive)
    content = bytearray(archive.read_bytes())
    content[len(content) // 2] ^= 0xFF
    archive.write_bytes(content)


def _plain(archive: Path) -> None:
    archive.write_bytes(b"plain")


class _Harm:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
        return os.system, (f"touch {self._folder}/escaped",)


def _pickled(archive: Path) -> None:
    content = pickle.dumps(_Harm(archive.parent))
    with tarfile.open(archive, "w:gz") as tar:
        info = tarfile.TarInfo("model.pkl")
        info.size = len(content)
        tar.addfile(info, io.BytesIO(content))


ARCHIVES: dict[str, Callable[[Path], None]] = {
    "a path that leads out, `../escaped`": _member("../escaped"),
    "the same in the middle, `a/../../escaped`": _member("a/../../escaped"),
    "an absolute path": _member("/escaped"),
    "a symbolic link to /etc/passwd": _member("model.bin", tarfile.SYMTYPE, "/etc/passwd"),
    "a link to a folder, and a file behind it": _behind_a_link,
    "a hard link to /etc/passwd": _member("model.bin", tarfile.LNKTYPE, "/etc/passwd"),
    "a device of characters": _member("null", tarfile.CHRTYPE),
    "a device of blocks": _member("disk", tarfile.BLKTYPE),
    "a named pipe": _member("pipe", tarfile.FIFOTYPE),
    "a sparse file": _member("sparse", tarfile.GNUTYPE_SPARSE),
    "200 MB of zeros, where 50 MB are allowed": _bomb,
    "a header that claims 4 TiB": _claims,
    "a header of 64 MB": _header(tarfile.XHDTYPE, 64 << 20, 1),
    "5,000 headers about headers": _header(tarfile.GNUTYPE_LONGNAME, 1, 5_000),
    "1,001 files, where 1,000 are allowed": _many,
    "17 folders in one another, where 16 are allowed": _member("d/" * 16 + "file"),
    "an archive cut in half": _cut,
    "a flipped byte": _flipped,
    "no archive": _plain,
    "a pickle that runs a command": _pickled,
}
