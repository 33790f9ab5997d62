import re

import pytest

from byoi_lib import errors
from byoi_lib.deployment import names

VALID = re.compile(r"^[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}$")


@pytest.mark.parametrize(
    "stem", ["reviews", "byoi-reviews", "x" * 63, "a" * 49 + "-b", "image@sha256:0_1.2", "-", "é"]
)
def test_every_derived_name_is_one_sagemaker_takes(stem: str) -> None:
    name = names.derive(stem, [stem])
    assert VALID.match(name)
    assert len(name) <= 63
    assert name.startswith(names.PREFIX)


def test_a_name_stands_for_its_content() -> None:
    assert names.derive("a", [1, {"x": 2}]) == names.derive("a", [1, {"x": 2}])
    assert names.derive("a", [1]) != names.derive("a", [2])


def test_a_reader_finds_the_stem_once() -> None:
    assert names.derive("byoi-reviews", 1).count("byoi") == 1


@pytest.mark.parametrize("name", ["a", "A-1", "a--b", "x" * 63])
def test_what_sagemaker_takes_is_taken(name: str) -> None:
    assert names.check(name) == name


@pytest.mark.parametrize("name", ["", "-a", "a-", "a_b", "a.b", "x" * 64, "a b", "é"])
def test_what_sagemaker_refuses_is_refused_before_anything_is_made(name: str) -> None:
    with pytest.raises(errors.ConfigurationError, match="letters, digits and hyphens"):
        names.check(name)
