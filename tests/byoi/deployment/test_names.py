import re

import pytest

from byoi import errors
from byoi.deployment import plan

VALID = re.compile(r"^[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}$")


@pytest.mark.parametrize(
    "stem", ["reviews", "byoi-reviews", "x" * 63, "a" * 49 + "-b", "image@sha256:0_1.2", "-", "é"]
)
def test_every_derived_name_is_one_sagemaker_takes(stem: str) -> None:
    name = plan.derive_name(stem, [stem])
    assert VALID.match(name)
    assert len(name) <= 63
    assert name.startswith(plan.NAME_PREFIX)


def test_a_name_stands_for_its_content() -> None:
    assert plan.derive_name("a", [1, {"x": 2}]) == plan.derive_name("a", [1, {"x": 2}])
    assert plan.derive_name("a", [1]) != plan.derive_name("a", [2])


def test_a_reader_finds_the_stem_once() -> None:
    assert plan.derive_name("byoi-reviews", 1).count("byoi") == 1


@pytest.mark.parametrize("name", ["a", "A-1", "a--b", "x" * 63])
def test_what_sagemaker_takes_is_taken(name: str) -> None:
    assert plan.check_endpoint_name(name) == name


@pytest.mark.parametrize("name", ["", "-a", "a-", "a_b", "a.b", "x" * 64, "a b", "é"])
def test_what_sagemaker_refuses_is_refused_before_anything_is_made(name: str) -> None:
    with pytest.raises(errors.ConfigurationError, match="letters, digits and hyphens"):
        plan.check_endpoint_name(name)
