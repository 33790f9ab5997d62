"""What the image needs of the server: in the package, and under its name in container/."""

from pathlib import Path

import pytest

from byoi.server import master, nginx

CONTAINER = Path(__file__).resolve().parents[3] / "container"


@pytest.mark.parametrize("file", [nginx.TEMPLATE_FILE, master.CONFIGURATION_FILE])
def test_the_files_travel_in_the_package(file):
    assert file.is_file()
    assert file.parent == Path(master.__file__).parent


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("nginx.conf.in", nginx.TEMPLATE_FILE),
        ("gunicorn.conf.py", master.CONFIGURATION_FILE),
        ("wsgi.py", Path(master.__file__).with_name("wsgi.py")),
    ],
)
def test_the_container_folder_has_the_same_file(name, file):
    assert (CONTAINER / name).resolve() == file


def test_the_links_are_relative_so_that_they_hold_in_the_image():
    links = [path for path in CONTAINER.iterdir() if path.is_symlink()]
    assert links
    assert all(not path.readlink().is_absolute() for path in links)
