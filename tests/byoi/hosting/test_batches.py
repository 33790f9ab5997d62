"""Files of a batch transform in pieces: lines, everything, gzip, and the limit of an invocation."""

import gzip
from pathlib import Path
from typing import Any

import pytest

from byoi import errors
from byoi.hosting.batches import Batching, find_files

MIB = 1024 * 1024


def batching(**changes: Any) -> Batching:
    settings = {"is_split": True, "is_compressed": False, "has_several": True, "limit_mib": 6}
    return Batching(**{**settings, **changes})


def bodies(of: Batching, records: list[bytes]) -> list[bytes]:
    return [body for _, body in of.gather(records, lambda record: ([], record))]


@pytest.mark.parametrize("content", [b"a\nb\r\nc", b"a\nb\r\nc\n", b"\xff\x00\n\xfe"])
def test_lines_keep_their_bytes_and_ends(tmp_path: Path, content: bytes):
    (tmp_path / "file").write_bytes(content)
    records = list(batching().read(tmp_path / "file"))
    assert records == content.splitlines(keepends=True)
    assert list(batching(is_split=False).read(tmp_path / "file")) == [content]


def test_a_compressed_file_is_read_as_what_it_holds(tmp_path: Path):
    (tmp_path / "file.gz").write_bytes(gzip.compress(b"a\nb\n"))
    assert list(batching(is_compressed=True).read(tmp_path / "file.gz")) == [b"a\n", b"b\n"]


@pytest.mark.parametrize("content", [b"a\n", gzip.compress(b"a\n" * 999)[:-9], b"\x1f\x8b\x08"])
def test_what_is_no_gzip_fails_the_job(tmp_path: Path, content: bytes):
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(errors.JobFailedError, match="compression_type='Gzip'"):
        list(batching(is_compressed=True).read(tmp_path / "file"))


def test_as_many_records_go_together_as_the_limit_allows():
    half = b"x" * (MIB // 2)
    assert bodies(batching(limit_mib=1), [half] * 5) == [half * 2, half * 2, half]
    assert bodies(batching(limit_mib=0), [half] * 5) == [half * 5]
    assert bodies(batching(has_several=False), [b"a\n", b"b\n"]) == [b"a\n", b"b\n"]
    assert bodies(batching(), []) == []


def test_records_that_are_no_text_go_together_too():
    assert bodies(batching(), [b"\xff", b"\x00"]) == [b"\xff\x00"]


def test_the_limit_holds_for_what_is_sent_and_not_for_what_was_read():
    long, several = b"y" * (2 * MIB), batching(limit_mib=1)
    made = list(several.gather([long, long], lambda record: ([record], b"short")))
    assert made == [([long, long], b"shortshort")]


@pytest.mark.parametrize("has_several", [True, False])
def test_a_record_that_is_larger_alone_fails_the_job(has_several: bool):
    limited = batching(limit_mib=1, has_several=has_several)
    assert len(bodies(limited, [b"x" * MIB])) == 1
    with pytest.raises(errors.JobFailedError, match=r"1048577 bytes .* max_payload=1 MB"):
        bodies(limited, [b"x" * (MIB + 1)])


def test_folders_are_searched_as_a_prefix_of_s3_is(tmp_path: Path):
    for name in ("b", "a/z", "a/b/c", "B"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = find_files(tmp_path)
    assert [str(name) for _, name in found] == ["B", "a/b/c", "a/z", "b"]
    assert find_files(tmp_path / "b") == [(tmp_path / "b", Path("b"))]
