"""The images of the tests are built outside of tests; a stale one is refused with the remedy."""

import dataclasses

import images
import pytest

pytestmark = pytest.mark.needs("docker")


def test_all_that_the_dockerfile_copies_is_there_and_decides_whether_an_image_is_current() -> None:
    copied = images.copied()
    assert images.ROOT / "container" / "serve" in copied
    assert images.ROOT / "requirements" / "serve.txt" in copied
    assert all(path.exists() for path in copied)


def test_an_image_of_other_files_is_not_current(image, tmp_path) -> None:
    serve = images.IMAGES["serve"]
    assert serve.tag == image
    assert serve.is_current()
    sources = [*serve.sources, images.ROOT / "README.md"]
    assert not dataclasses.replace(serve, sources=sources).is_current()


def test_a_missing_image_is_refused_with_the_command_that_builds_it() -> None:
    absent = dataclasses.replace(images.IMAGES["serve"], tag=f"{images.REPOSITORY}:absent")
    with pytest.raises(pytest.fail.Exception, match="build the images first: tests/run images"):
        absent.require()
