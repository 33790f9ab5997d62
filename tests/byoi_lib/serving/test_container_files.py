"""The container folder, in a wheel and in a checkout."""

import pytest

from byoi_lib.serving import container_files


def test_the_checkouts_folder_is_found():
    assert container_files.find("nginx.conf.in").parent.name == "container"


def test_the_wheels_folder_comes_first(tmp_path):
    package = tmp_path / "byoi_lib"
    for folder in (package / "_container", tmp_path / "container"):
        folder.mkdir(parents=True)
        (folder / "serve").touch()
    assert container_files.find("serve", package) == package / "_container" / "serve"


def test_a_file_nobody_has_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="serve is neither in"):
        container_files.find("serve", tmp_path / "byoi_lib")
