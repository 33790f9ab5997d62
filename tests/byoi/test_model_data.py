"""Archives of model directories: packed, unpacked, and where model data lies."""

import gzip
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest

from byoi import errors, model_data
from byoi.model_data import Limits, ModelData, local_path, pack, unpack
from byoi_lib.manifest import Manifest

NAMES = ["manifest.json", "model.keras", "model.onnx", "vocabulary.json"]


def refused(call, *arguments, **options):
    with pytest.raises(errors.ModelDataError) as caught:
        call(*arguments, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_archive_is_described_as_it_lies_there(tiny_model_dir, tmp_path):
    packed = pack(tiny_model_dir, tmp_path / "model.tar.gz")
    content = (tmp_path / "model.tar.gz").read_bytes()
    assert packed.path == tmp_path / "model.tar.gz"
    assert packed.sha256 == hashlib.sha256(content).hexdigest()
    assert packed.size_bytes == len(content)


def test_members_are_plain_files_without_times_owners_or_a_folder(tiny_model_dir, tmp_path):
    pack(tiny_model_dir, tmp_path / "model.tar.gz")
    with tarfile.open(tmp_path / "model.tar.gz") as tar:
        members = tar.getmembers()
        assert [member.name for member in members] == NAMES
        for member in members:
            assert member.isreg()
            assert (member.mtime, member.uid, member.gid, member.mode) == (0, 0, 0, 0o644)
            assert (member.uname, member.gname) == ("", "")
            content = (tiny_model_dir / member.name).read_bytes()
            assert tar.extractfile(member).read() == content


def test_the_header_of_the_archive_has_no_time_and_no_name(tiny_model_dir, tmp_path):
    pack(tiny_model_dir, tmp_path / "model.tar.gz")
    header = (tmp_path / "model.tar.gz").read_bytes()[:8]
    assert header == b"\x1f\x8b\x08\x00\x00\x00\x00\x00"


def test_equal_directories_are_equal_archives(tiny_model_dir, tmp_path):
    other = tmp_path / "copy"
    shutil.copytree(tiny_model_dir, other)
    for path in other.iterdir():
        path.chmod(0o600)
    one = pack(tiny_model_dir, tmp_path / "a.tar.gz")
    assert pack(other, tmp_path / "b.tar.gz").sha256 == one.sha256
    assert pack(tiny_model_dir, tmp_path / "a.tar.gz") == one


def test_what_the_manifest_does_not_name_stays_out(tiny_model_dir, tmp_path):
    for name in ("._model.onnx", ".DS_Store", "notes.txt"):
        (tiny_model_dir / name).write_text("stray")
    (tiny_model_dir / "link").symlink_to("notes.txt")
    (tiny_model_dir / "folder").mkdir()
    pack(tiny_model_dir, tmp_path / "model.tar.gz")
    with tarfile.open(tmp_path / "model.tar.gz") as tar:
        assert tar.getnames() == NAMES


def test_an_archive_in_the_model_directory_itself_does_not_hold_itself(tiny_model_dir):
    first = pack(tiny_model_dir, tiny_model_dir / "model.tar.gz")
    assert pack(tiny_model_dir, tiny_model_dir / "model.tar.gz").sha256 == first.sha256


def test_missing_folders_are_made_and_nothing_else_is_left(tiny_model_dir, tmp_path):
    archive = tmp_path / "a" / "b" / "model.tar.gz"
    pack(tiny_model_dir, archive)
    pack(tiny_model_dir, archive)
    assert list(archive.parent.iterdir()) == [archive]


@pytest.mark.parametrize("name", NAMES)
def test_a_symbolic_link_is_refused(name, tiny_model_dir, tmp_path):
    (tiny_model_dir / name).rename(tmp_path / "elsewhere")
    (tiny_model_dir / name).symlink_to(tmp_path / "elsewhere")
    message = refused(pack, tiny_model_dir, tmp_path / "m.tar.gz")
    assert message == f"{tiny_model_dir / name}: a symbolic link; put the file itself there"
    assert not (tmp_path / "m.tar.gz").exists()


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_file_is_refused(name, tiny_model_dir, tmp_path):
    (tiny_model_dir / name).unlink()
    assert f"{name}: No such file" in refused(pack, tiny_model_dir, tmp_path / "m.tar.gz")


def test_an_altered_file_is_refused(tiny_model_dir, tmp_path):
    (tiny_model_dir / "model.keras").write_bytes(b"altered")
    assert "model.keras: 7 bytes, expected" in refused(pack, tiny_model_dir, tmp_path / "m.tar.gz")


@pytest.mark.parametrize("name", ["model.tgz", "model.tar", "modeltar.gz", "model"])
def test_a_name_that_sagemaker_does_not_take_is_refused(name, tiny_model_dir, tmp_path):
    with pytest.raises(errors.ConfigurationError, match=rf"named \*.tar.gz, received '{name}'"):
        pack(tiny_model_dir, tmp_path / name)


def test_an_archive_unpacks_to_what_was_packed(tiny_model_dir, tmp_path):
    pack(tiny_model_dir, tmp_path / "model.tar.gz")
    unpack(tmp_path / "model.tar.gz", tmp_path / "to" / "here")
    assert sorted(path.name for path in (tmp_path / "to" / "here").iterdir()) == NAMES
    Manifest.read(tmp_path / "to" / "here").verify(tmp_path / "to" / "here")
    unpack(tmp_path / "model.tar.gz", tmp_path / "to" / "here")  # over the same files


def archive_of(path, *members):
    with tarfile.open(path, "w:gz") as tar:
        for member, content in members:
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))


def member(name, kind=tarfile.REGTYPE, link=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


def test_folders_are_unpacked_also_where_no_member_names_them(tmp_path):
    archive_of(
        tmp_path / "a",
        (member("code/inference.py"), b"code"),
        (member("empty", tarfile.DIRTYPE), b""),
        (member("code", tarfile.DIRTYPE), b""),
        (member("none"), b""),
        (member("deep/er", tarfile.DIRTYPE), b""),
        (member("deeper/and/file"), b"file"),
    )
    unpack(tmp_path / "a", tmp_path / "out")
    assert (tmp_path / "out" / "code" / "inference.py").read_bytes() == b"code"
    assert (tmp_path / "out" / "empty").is_dir()
    assert (tmp_path / "out" / "none").read_bytes() == b""
    assert (tmp_path / "out" / "deep" / "er").is_dir()
    assert (tmp_path / "out" / "deeper" / "and" / "file").read_bytes() == b"file"


def test_an_archive_of_nothing_is_an_empty_directory(tmp_path):
    archive_of(tmp_path / "a")
    unpack(tmp_path / "a", tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(
    "unsafe",
    [
        member("../escaped"),
        member("a/../../escaped"),
        member("/escaped"),
        member("link", tarfile.SYMTYPE, "/etc/passwd"),
        member("link", tarfile.LNKTYPE, "first"),
        member("pipe", tarfile.FIFOTYPE),
        member("device", tarfile.CHRTYPE),
    ],
    ids=lambda info: f"{info.name}-{info.type.decode()}",
)
def test_an_unsafe_member_is_refused_before_anything_is_written(unsafe, tmp_path):
    archive_of(tmp_path / "a", (member("first"), b"1"), (unsafe, b""))
    message = refused(unpack, tmp_path / "a", tmp_path / "out")
    assert message == (
        f"{tmp_path}/a: unsafe member {unsafe.name!r}; "
        "pack the model directory again with `byoi pack`"
    )
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "escaped").exists()


def test_a_missing_archive_is_refused(tmp_path):
    assert "/a: No such file or directory; pack" in refused(
        unpack, tmp_path / "a", tmp_path / "out"
    )


@pytest.mark.parametrize(
    "content", [b"", b"plain", gzip.compress(b"no tar"), gzip.compress(b"x" * 4096)]
)
def test_what_is_no_gzip_tar_is_refused(content, tmp_path):
    (tmp_path / "a").write_bytes(content)
    message = refused(unpack, tmp_path / "a", tmp_path / "out")
    assert "/a: not a complete gzip tar (" in message
    assert message.endswith("; pack the model directory again with `byoi pack`")


def test_an_archive_cut_short_is_refused(tmp_path):
    noise = hashlib.shake_256(b"").digest(100_000)
    archive_of(tmp_path / "whole", (member("a"), noise))
    whole = (tmp_path / "whole").read_bytes()
    for size in (len(whole) // 2, len(whole) - 8):
        (tmp_path / "a").write_bytes(whole[:size])
        assert "not a complete gzip tar" in refused(unpack, tmp_path / "a", tmp_path / "out")


def test_an_archive_with_flipped_bits_is_refused(tmp_path):
    archive_of(tmp_path / "a", (member("a"), hashlib.shake_256(b"").digest(100_000)))
    content = bytearray((tmp_path / "a").read_bytes())
    content[len(content) // 2] ^= 0xFF
    (tmp_path / "a").write_bytes(content)
    assert "not a complete gzip tar (CRC" in refused(unpack, tmp_path / "a", tmp_path / "out")


def test_a_file_where_the_directory_should_be_is_refused(tiny_model_dir, tmp_path):
    pack(tiny_model_dir, tmp_path / "m.tar.gz")
    (tmp_path / "out").write_text("a file")
    assert "File exists" in refused(unpack, tmp_path / "m.tar.gz", tmp_path / "out")


def test_packing_needs_the_standard_library_only():
    code = "import sys, byoi.model_data; print('numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


@pytest.fixture
def any_dir(tmp_path):
    """A model directory of another program: folders in folders, and no manifest of ours."""
    directory = tmp_path / "any"
    (directory / "code" / "deep").mkdir(parents=True)
    (directory / "empty").mkdir()
    (directory / "weights.bin").write_bytes(b"weights")
    (directory / "code" / "inference.py").write_text("code")
    (directory / "code" / "deep" / "caf\u00e9.txt").write_text("deep")
    (directory / ".hidden").touch()
    return directory


ALL = [".hidden", "code/deep/caf\u00e9.txt", "code/inference.py", "weights.bin"]


def pack_any(directory, archive):
    return pack(directory, archive, needs_manifest=False)


def names_in(archive):
    with tarfile.open(archive) as tar:
        return tar.getnames()


def test_a_directory_without_a_manifest_is_refused_where_one_is_needed(any_dir, tmp_path):
    assert "manifest.json: No such file or directory; write the model directory again" in refused(
        pack, any_dir, tmp_path / "m.tar.gz"
    )


def test_every_file_of_a_directory_without_a_manifest_is_packed(any_dir, tmp_path):
    packed = pack_any(any_dir, tmp_path / "m.tar.gz")
    assert list(packed.names) == names_in(packed.path) == ALL
    assert not packed.has_manifest
    unpack(packed.path, tmp_path / "out")
    for name in ALL:
        assert (tmp_path / "out" / name).read_bytes() == (any_dir / name).read_bytes()


def test_the_same_files_give_the_same_bytes_whatever_their_times_and_modes(any_dir, tmp_path):
    one = pack_any(any_dir, tmp_path / "a.tar.gz")
    other = tmp_path / "copy"
    shutil.copytree(any_dir, other)
    for name in ALL:
        (other / name).chmod(0o600)
        os.utime(other / name, (1, 1))
    assert pack_any(other, tmp_path / "b.tar.gz").sha256 == one.sha256
    (other / "weights.bin").write_bytes(b"Weights")
    assert pack_any(other, tmp_path / "b.tar.gz").sha256 != one.sha256


@pytest.mark.parametrize("target", ["weights.bin", "code", "/etc/passwd", "nowhere"])
def test_a_link_in_any_directory_is_refused(any_dir, tmp_path, target):
    (any_dir / "code" / "link").symlink_to(target)
    message = refused(pack_any, any_dir, tmp_path / "m.tar.gz")
    assert message == f"{any_dir}/code/link: a symbolic link; put the file itself there"
    assert not (tmp_path / "m.tar.gz").exists()


def test_a_named_pipe_is_refused_instead_of_waited_for(any_dir, tmp_path):
    os.mkfifo(any_dir / "pipe")
    assert "/pipe: not a regular file; move it" in refused(pack_any, any_dir, tmp_path / "m.tar.gz")


@pytest.mark.parametrize(
    "content", ["{}", "not JSON", '{"format_version": "2.1", "layers": 3}', '{"files": {"a": 1}}']
)
def test_another_programs_manifest_is_a_file_as_any_other(any_dir, tmp_path, content):
    (any_dir / "manifest.json").write_text(content)
    packed = pack_any(any_dir, tmp_path / "m.tar.gz")
    assert list(packed.names) == sorted([*ALL, "manifest.json"])
    assert not packed.has_manifest


def test_a_manifest_of_ours_counts_also_where_none_is_needed(tiny_model_dir, tmp_path):
    (tiny_model_dir / "notes.txt").write_text("stray")
    packed = pack_any(tiny_model_dir, tmp_path / "m.tar.gz")
    assert list(packed.names) == NAMES
    assert packed.has_manifest
    assert packed == pack(tiny_model_dir, tmp_path / "m.tar.gz")
    (tiny_model_dir / "model.onnx").write_bytes(b"altered")
    assert "model.onnx: 7 bytes, expected" in refused(pack_any, tiny_model_dir, packed.path)


def test_a_manifest_of_a_later_byoi_is_refused(any_dir, tmp_path):
    (any_dir / "manifest.json").write_text(json.dumps({"format_version": 2, "files": {}}))
    assert "format version 2, expected 1" in refused(pack_any, any_dir, tmp_path / "m.tar.gz")


def test_an_archive_in_the_directory_it_is_made_of_is_left_out(any_dir, monkeypatch):
    first = pack_any(any_dir, any_dir / "m.tar.gz")
    assert list(first.names) == ALL
    (any_dir / "m.tar.gz.part").write_bytes(b"left by a run that was killed")
    assert pack_any(any_dir, any_dir / "m.tar.gz") == first
    # By another way to the same file.
    monkeypatch.chdir(any_dir)
    assert pack_any(Path(), Path("code") / ".." / "m.tar.gz").sha256 == first.sha256


def test_an_empty_directory_and_no_directory_are_refused(tmp_path):
    (tmp_path / "empty" / "folder").mkdir(parents=True)
    for name in ("empty", "none"):
        assert refused(pack_any, tmp_path / name, tmp_path / "m.tar.gz") == (
            f"{tmp_path}/{name}: no files in it, or no such directory; name a model directory"
        )
    (tmp_path / "file").touch()
    assert "file/manifest.json: Not a directory" in refused(
        pack_any, tmp_path / "file", tmp_path / "m.tar.gz"
    )


def test_a_name_longer_than_tar_once_allowed_survives(tmp_path):
    directory = tmp_path / "any"
    deep = directory.joinpath(*["d" * 90] * 4)
    deep.mkdir(parents=True)
    (deep / "f").write_text("deep")
    unpack(pack_any(directory, tmp_path / "m.tar.gz").path, tmp_path / "out")
    assert (tmp_path / "out" / deep.relative_to(directory) / "f").read_text() == "deep"


@pytest.mark.parametrize(
    ("location", "path"),
    [
        (None, None),
        ("s3://bucket/key/model.tar.gz", None),
        ("/data/model.tar.gz", Path("/data/model.tar.gz")),
        ("data/model", Path.cwd() / "data" / "model"),
        (Path("data"), Path.cwd() / "data"),
        ("file:///data/a b.tar.gz", Path("/data/a b.tar.gz")),
        ("file://data/model", Path.cwd() / "data" / "model"),
        (ModelData(Path("m.tar.gz"), "", 0), Path.cwd() / "m.tar.gz"),
    ],
)
def test_model_data_on_this_machine_has_a_path(location, path):
    assert local_path(location) == path


@pytest.mark.parametrize("location", ["https://host/model.tar.gz", "hdfs://host/model"])
def test_model_data_of_another_scheme_is_refused(location):
    with pytest.raises(errors.ConfigurationError, match=rf"s3:// URI, received '{location}'"):
        local_path(location)


def written_archive(path, *members, mode="w:gz", **options):
    """Write an archive of members: name and content, or a TarInfo and content."""
    with tarfile.open(path, mode, **options) as tar:
        for member, content in members:
            info = member if isinstance(member, tarfile.TarInfo) else tarfile.TarInfo(member)
            if content is not None and not info.size:
                info.size = len(content)
            tar.addfile(info, None if content is None else io.BytesIO(content))
    return path


def left(tmp_path):
    """Return what an attempt to unpack left, beside the archive."""
    return sorted(path.name for path in tmp_path.iterdir() if path.name != "a.tar.gz")


@pytest.mark.parametrize(
    ("limits", "members", "words"),
    [
        (
            Limits(written_bytes=10),
            [("a", b"x" * 11)],
            "more than 10 bytes; BYOI_UNPACK_LIMIT_BYTES",
        ),
        (
            Limits(written_bytes=10),
            [("a", b"x" * 6), ("b", b"x" * 6)],
            "more than 10 bytes; BYOI_UNPACK_LIMIT_BYTES",
        ),
        (
            Limits(members=2),
            [("a", b""), ("b", b""), ("c", b"")],
            "more than 2 files and folders; BYOI_UNPACK_LIMIT_MEMBERS",
        ),
        (
            Limits(depth=3),
            [("a/b/c/d", b"")],
            "more than 3 folders in one another; BYOI_UNPACK_LIMIT_DEPTH",
        ),
    ],
)
def test_an_archive_beyond_a_limit_is_refused_and_nothing_stays(tmp_path, limits, members, words):
    archive = written_archive(tmp_path / "a.tar.gz", *members)
    with pytest.raises(errors.ModelDataError) as caught:
        unpack(archive, tmp_path / "out", limits=limits)
    assert words in str(caught.value)
    assert left(tmp_path) == []


def test_what_is_within_the_limits_is_unpacked(tmp_path):
    archive = written_archive(tmp_path / "a.tar.gz", ("a/b/c", b"x" * 10), ("d", b""))
    unpack(archive, tmp_path / "out", limits=Limits(written_bytes=10, members=2, depth=3))
    assert (tmp_path / "out" / "a" / "b" / "c").read_bytes() == b"x" * 10
    assert left(tmp_path) == ["out"]


def test_a_file_is_written_in_pieces(tmp_path):
    content = bytes(range(256)) * 4096 * 3 + b"end"  # 3 MiB and a little
    archive = written_archive(tmp_path / "a.tar.gz", ("a", content))
    unpack(archive, tmp_path / "out")
    assert (tmp_path / "out" / "a").read_bytes() == content


def test_a_bomb_is_refused_before_anything_is_written(tmp_path):
    info = tarfile.TarInfo("zeros")
    info.size = 200 << 20
    with gzip.open(tmp_path / "a.tar.gz", "wb", 1) as stream:
        stream.write(info.tobuf())
        for _ in range(200):
            stream.write(bytes(1 << 20))
    began_s = time.monotonic()
    with pytest.raises(errors.ModelDataError, match="more than 1,000,000 bytes"):
        unpack(tmp_path / "a.tar.gz", tmp_path / "out", limits=Limits(written_bytes=1_000_000))
    assert time.monotonic() - began_s < 10
    assert left(tmp_path) == []


def test_bytes_behind_the_last_member_count_too(tmp_path):
    archive = written_archive(tmp_path / "a.tar.gz", ("a", b""))
    with gzip.open(archive, "ab", 1) as stream:
        for _ in range(16):
            stream.write(bytes(1 << 20))
    with pytest.raises(errors.ModelDataError, match="more than"):
        unpack(archive, tmp_path / "out", limits=Limits(written_bytes=1000, members=10))


def test_an_archive_that_does_not_fit_on_the_disk_is_refused(tmp_path):
    info = tarfile.TarInfo("large")
    info.size = 1 << 39
    archive = tmp_path / "a.tar.gz"
    with gzip.open(archive, "wb") as stream:
        stream.write(info.tobuf())
    with pytest.raises(errors.ModelDataError):
        unpack(archive, tmp_path / "out")
    with pytest.raises(errors.ModelDataError, match=r"becomes 1,\d+.* bytes, and .* has .* left"):
        model_data._require_space(archive, 1 << 60, tmp_path)
    assert left(tmp_path) == []


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (tarfile.SYMTYPE, "unsafe member"),
        (tarfile.LNKTYPE, "unsafe member"),
        (tarfile.CHRTYPE, "unsafe member"),
        (tarfile.BLKTYPE, "unsafe member"),
        (tarfile.FIFOTYPE, "unsafe member"),
    ],
)
def test_what_is_no_file_is_refused_and_nothing_stays(tmp_path, kind, words):
    info = tarfile.TarInfo("special")
    info.type, info.linkname = kind, "/etc/passwd"
    archive = written_archive(tmp_path / "a.tar.gz", ("before", b"x"), (info, None))
    with pytest.raises(errors.ModelDataError, match=words):
        unpack(archive, tmp_path / "out")
    assert left(tmp_path) == []


def test_names_with_control_characters_are_shown_in_the_message(tmp_path):
    info = tarfile.TarInfo("\x1b]0;owned\x07")
    info.type = tarfile.SYMTYPE
    archive = written_archive(tmp_path / "a.tar.gz", (info, None))
    with pytest.raises(errors.ModelDataError) as caught:
        unpack(archive, tmp_path / "out")
    assert "\x1b" not in str(caught.value)
    assert r"\x1b]0;owned" in str(caught.value)


def test_a_header_as_large_as_a_model_is_not_read(tmp_path):
    info = tarfile.TarInfo("pax")
    info.type, info.size = tarfile.XHDTYPE, 64 << 20
    with gzip.open(tmp_path / "a.tar.gz", "wb", 1) as stream:
        stream.write(info.tobuf(tarfile.USTAR_FORMAT))
        for _ in range(65):
            stream.write(bytes(1 << 20))
    with pytest.raises(errors.ModelDataError, match=r"a header of more than 1,048,576 bytes"):
        unpack(tmp_path / "a.tar.gz", tmp_path / "out")


def test_headers_about_headers_end(tmp_path):
    info = tarfile.TarInfo("longname")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 1
    with gzip.open(tmp_path / "a.tar.gz", "wb") as stream:
        for _ in range(5000):
            stream.write(info.tobuf(tarfile.USTAR_FORMAT) + bytes(512))
    with pytest.raises(errors.ModelDataError, match="headers that never end"):
        unpack(tmp_path / "a.tar.gz", tmp_path / "out")
    assert left(tmp_path) == []


def test_a_second_archive_that_is_refused_leaves_the_first_ones_files(tmp_path):
    unpack(written_archive(tmp_path / "a.tar.gz", ("a", b"1")), tmp_path / "out")
    archive = written_archive(tmp_path / "a.tar.gz", ("a", b"2"), ("../b", b"3"))
    with pytest.raises(errors.ModelDataError, match="unsafe member"):
        unpack(archive, tmp_path / "out")
    assert (tmp_path / "out" / "a").read_bytes() == b"1"
    assert left(tmp_path) == ["out"]


def test_limits_are_variables():
    environ = {"BYOI_UNPACK_LIMIT_BYTES": "10", "BYOI_UNPACK_LIMIT_DEPTH": " 3 "}
    assert Limits.from_environ(environ) == Limits(written_bytes=10, depth=3)
    assert Limits.from_environ({}) == Limits()
    for text in ("0", "-1", "1e9", "much"):
        with pytest.raises(errors.ConfigurationError, match="BYOI_UNPACK_LIMIT_MEMBERS='"):
            Limits.from_environ({"BYOI_UNPACK_LIMIT_MEMBERS": text})


def test_pythons_bytecode_is_not_packed(tmp_path):
    (tmp_path / "model" / "code" / "__pycache__").mkdir(parents=True)
    (tmp_path / "model" / "code" / "__pycache__" / "a.cpython-311.pyc").touch()
    (tmp_path / "model" / "code" / "a.py").touch()
    packed = pack(tmp_path / "model", tmp_path / "m.tar.gz", needs_manifest=False)
    assert packed.names == ("code/a.py",)


def test_a_link_in_a_directory_is_named(tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "link").symlink_to("/etc/passwd")
    with pytest.raises(errors.ModelDataError, match="deep/link: a symbolic link"):
        model_data.require_no_links(tmp_path)


@pytest.mark.parametrize("name", ["manifest.json", "model.onnx"])
def test_a_named_pipe_is_refused_and_not_waited_for(tiny_model_dir, tmp_path, name):
    directory = tmp_path / "pipes"
    shutil.copytree(tiny_model_dir, directory)
    (directory / name).unlink()
    os.mkfifo(directory / name)
    for needs_manifest in (True, False):
        with pytest.raises(errors.ModelDataError, match=f"{name}: not a regular file"):
            pack(directory, tmp_path / "m.tar.gz", needs_manifest=needs_manifest)
