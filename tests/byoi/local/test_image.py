"""What is decided about an image before and after docker builds it; tests/container builds."""

import pytest

from byoi import errors
from byoi.local import image


@pytest.mark.parametrize("tag", ["my-model", "my-model:1", "host.example:5000/team/a_b:V1.x"])
def test_the_name_of_an_image_is_taken(tag) -> None:
    image.require_tag(tag, "byoi:latest")


@pytest.mark.parametrize(
    ("tag", "reason"),
    [
        ("My-Model", "is not a name of an image"),
        ("model:", "is not a name of an image"),
        ("a b", "is not a name of an image"),
        ("--rm", "is not a name of an image"),
        ("model@sha256:" + 64 * "0", "is not a name of an image"),
        ("byoi:mine", "is the name of a serving image"),
        ("host.example/byoi", "is the name of a serving image"),
        ("team/base:latest", "is the name of a serving image"),
    ],
)
def test_another_name_is_refused(tag, reason) -> None:
    with pytest.raises(errors.ConfigurationError, match=reason):
        image.require_tag(tag, "team/base")


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (
            [
                "#5 0.68 ERROR: Could not find a version that satisfies the requirement x==9",
                "#5 0.69 ERROR: No matching distribution found for x==9",
                "#5 0.70 a remark",
                '#5 ERROR: process "/bin/sh -c pip install" did not complete: exit code: 1',
                "ERROR: failed to solve: process did not complete",
            ],
            "ERROR: No matching distribution found for x==9",
        ),
        (
            ["#5 8.1 byoi 0.1.0 has requirement flask>=3, but you have flask 2.", "#5 ERROR: y"],
            "byoi 0.1.0 has requirement flask>=3, but you have flask 2.",
        ),
        (
            ["#5 8.1 Traceback", "#5 8.2 OSError: libx.so.1: cannot open", "#5 ERROR: process"],
            "OSError: libx.so.1: cannot open",
        ),
        (["#1 DONE 0.1s", "ERROR: no space left on device"], "ERROR: no space left on device"),
        ([], "it said nothing"),
    ],
)
def test_the_line_that_says_why_a_build_failed_is_found(lines, told) -> None:
    assert image.telling(lines) == told
