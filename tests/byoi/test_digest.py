import hashlib

from byoi.digest import FileDigest


def test_a_digest_is_that_of_the_whole_file(tmp_path):
    content = b"0123456789" * 300_000
    (tmp_path / "f").write_bytes(content)
    assert FileDigest.of(tmp_path / "f") == FileDigest(
        hashlib.sha256(content).hexdigest(), 3_000_000
    )
