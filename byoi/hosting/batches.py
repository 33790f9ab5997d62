"""The input files of a batch transform, in pieces that are sent to the container.

Sources: API TransformInput (SplitType, CompressionType), CreateTransformJob (BatchStrategy,
MaxPayloadInMB). The SDK's own (sagemaker 2.257, local/data.py) reads text in the encoding of the
machine, cannot send several records that are no text, and leaves out folders in the folder.
"""

import gzip
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from byoi import errors

_MIB = 1024 * 1024

# Turns a record into what was read of it, and the bytes that are sent for it.
Prepare = Callable[[bytes], tuple[list[Any], bytes]]


@dataclass(frozen=True)
class Batching:
    """How files become invocations.

    Attributes:
        is_split: Whether each line of a file is a record, API SplitType `Line`.
        is_compressed: Whether files are compressed, API CompressionType `Gzip`.
        has_several: Whether an invocation has as many records as its limit allows, API
            BatchStrategy `MultiRecord`.
        limit_mib: MiB of one invocation, API MaxPayloadInMB; 0 is no limit.
    """

    is_split: bool
    is_compressed: bool
    has_several: bool
    limit_mib: int

    def read(self, file: Path) -> Iterator[bytes]:
        """Yield the records of a file: its lines with their ends, or all of it.

        Raises:
            JobFailedError: It is not compressed by gzip.
        """
        try:
            with gzip.open(file) if self.is_compressed else file.open("rb") as stream:
                if self.is_split:
                    yield from stream
                else:
                    yield stream.read()
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise errors.JobFailedError(
                f"compression_type='Gzip', and the file cannot be read as gzip: {error}"
            ) from error

    def gather(
        self, records: Iterable[bytes], prepare: Prepare
    ) -> Iterator[tuple[list[Any], bytes]]:
        """Yield what `prepare` made of the records, as much at once as one invocation takes.

        Args:
            records: As `read` yields them.
            prepare: Applied to each.

        Raises:
            JobFailedError: What is sent for one record alone is larger than the limit.
        """
        limit_bytes = self.limit_mib * _MIB
        values: list[Any] = []
        body = bytearray()
        for record in records:
            read, sent = prepare(record)
            if limit_bytes and len(sent) > limit_bytes:
                raise errors.JobFailedError(
                    f"a record of {len(sent)} bytes is larger than max_payload={self.limit_mib} "
                    'MB; raise it, or make records of the lines by split_type="Line"'
                )
            is_full = bool(limit_bytes) and len(body) + len(sent) > limit_bytes
            if body and (is_full or not self.has_several):
                yield values, bytes(body)
                values, body = [], bytearray()
            values += read
            body += sent
        if body:
            yield values, bytes(body)


def find_files(place: Path) -> list[tuple[Path, Path]]:
    """Return each file below a folder with its path relative to it, in the order of S3's keys.

    Args:
        place: The folder, or one file.
    """
    if place.is_file():
        return [(place, Path(place.name))]
    found = [(path, path.relative_to(place)) for path in place.rglob("*") if path.is_file()]
    return sorted(found, key=lambda pair: pair[1].as_posix().encode())
