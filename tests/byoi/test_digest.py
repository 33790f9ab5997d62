"""Digests of files, and manifests that list them."""

import hashlib
import json

import pytest

from byoi import digest, errors
from byoi.digest import FileDigest

AGAIN = "write it again"


def manifest(directory, **content):
    (directory / "manifest.json").write_text(json.dumps(content))


def refused(call, *arguments):
    with pytest.raises(errors.ModelDataError) as caught:
        call(*arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_digest_is_that_of_the_whole_file(tmp_path):
    content = b"0123456789" * 300_000
    (tmp_path / "f").write_bytes(content)
    assert FileDigest.of(tmp_path / "f") == FileDigest(
        hashlib.sha256(content).hexdigest(), 3_000_000
    )


def test_a_file_that_is_not_there_is_named_with_the_way_out(tmp_path):
    with pytest.raises(FileNotFoundError):
        FileDigest.of(tmp_path / "f")
    assert refused(FileDigest.read, tmp_path / "f", AGAIN) == (
        f"{tmp_path}/f: No such file or directory; copy the file there, or write it again"
    )


def test_an_unchanged_file_passes_and_a_changed_one_does_not(tmp_path):
    path = tmp_path / "f"
    path.write_bytes(b"content")
    expected = FileDigest.of(path)
    expected.verify(path, AGAIN)
    path.write_bytes(b"CONTENT")
    received = hashlib.sha256(b"CONTENT").hexdigest()
    assert refused(expected.verify, path, AGAIN) == (
        f"{path}: sha256 {received[:12]}..., manifest.json says {expected.sha256[:12]}...; "
        "copy the file again, or write it again"
    )
    path.write_bytes(b"longer content")
    assert refused(expected.verify, path, AGAIN) == (
        f"{path}: 14 bytes, expected 7; copy the file again, or write it again"
    )


@pytest.mark.parametrize(
    ("name", "is_plain"),
    [
        ("model.onnx", True),
        ("B-2_c.d", True),
        ("7", True),
        ("", False),
        (".", False),
        ("..", False),
        (".hidden", False),
        ("._model.onnx", False),
        ("code/model.onnx", False),
        ("../model.onnx", False),
        ("a b", False),
        ("a\n", False),
    ],
)
def test_a_manifest_lists_files_of_its_own_folder(name, is_plain, tmp_path):
    assert digest.is_plain_name(name) is is_plain
    manifest(tmp_path, format_version=1, files={name: {"sha256": "0", "size_bytes": 1}})
    if is_plain:
        assert digest.read_files(tmp_path, AGAIN) == {name: FileDigest("0", 1)}
    else:
        assert f"manifest.json: lists {name!r}, expected the name of a file" in refused(
            digest.read_files, tmp_path, AGAIN
        )


def test_what_else_a_manifest_holds_is_left_to_its_writer(tmp_path):
    content = {"format_version": 1, "files": {}, "golden": ["x"]}
    manifest(tmp_path, **content)
    assert digest.read_manifest(tmp_path, AGAIN) == content
    assert digest.read_files(tmp_path, AGAIN) == {}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "not JSON (JSONDecodeError); write it again"),
        ("[" * 99_999, "not JSON (RecursionError); write it again"),
        ("[]", "format version None, expected 1; use the byoi that wrote it, or write it again"),
        ('{"format_version": 2}', "format version 2, expected 1; use the byoi that wrote it"),
        ('{"format_version": 1}', "not a manifest (KeyError: 'files'); write it again"),
        ('{"format_version": 1, "files": []}', "not a manifest (AttributeError: "),
        ('{"format_version": 1, "files": {"a": 1}}', "not a manifest (TypeError: "),
        ('{"format_version": 1, "files": {"a": {"sha256": "0"}}}', "not a manifest (TypeError: "),
    ],
)
def test_what_is_not_such_a_manifest_is_refused(content, words, tmp_path):
    (tmp_path / "manifest.json").write_text(content)
    assert f"{tmp_path}/manifest.json: {words}" in refused(digest.read_files, tmp_path, AGAIN)


def test_a_missing_manifest_is_named(tmp_path):
    assert refused(digest.read_manifest, tmp_path, AGAIN) == (
        f"{tmp_path}/manifest.json: No such file or directory; write it again"
    )


@pytest.mark.parametrize(
    ("content", "is_ours"),
    [
        ('{"format_version": 1, "files": {}}', True),
        ('{"format_version": 9, "files": {}}', True),  # of a later byoi: refused, not passed over
        ('{"format_version": "2.1", "layers": 3}', False),
        ('{"files": {}}', False),
        ('["format_version", "files"]', False),
        ("not JSON", False),
        ("[" * 99_999, False),
    ],
)
def test_another_programs_manifest_is_told_from_ours(content, is_ours, tmp_path):
    (tmp_path / "manifest.json").write_text(content)
    assert digest.has_manifest(tmp_path) is is_ours


def test_no_manifest_is_not_one_and_an_unreadable_one_is(tmp_path):
    assert not digest.has_manifest(tmp_path)
    (tmp_path / "manifest.json").mkdir()
    assert digest.has_manifest(tmp_path)
    assert "manifest.json: Is a directory; " in refused(digest.read_manifest, tmp_path, AGAIN)
