"""Fixtures of pytest: the project in pytest's root folder, as the server would answer; its image.

    # conftest.py
    pytest_plugins = ["byoi.pytest_plugin"]

    # test_inference.py
    def test_one_row(byoi_model):
        assert byoi_model.invoke([[5.1, 3.5, 1.4, 0.2]]).status == 200

    def test_the_image(byoi_conforms):
        byoi_conforms("my-model:latest")

Apart from `byoi.testing`, because it needs pytest.
"""

import functools
from collections.abc import Callable, Iterator

import pytest

from byoi import testing
from byoi.conformance import Report
from byoi.project import Project


@pytest.fixture(scope="session")
def byoi_model(request: pytest.FixtureRequest) -> Iterator[testing.Asked]:
    """The project in pytest's root folder, loaded once in this process."""
    with testing.model(request.config.rootpath) as model:
        yield model


@pytest.fixture(scope="session")
def byoi_conforms(request: pytest.FixtureRequest) -> Callable[..., Report]:
    """`testing.conforms`, with the sample request of the project in pytest's root folder."""
    sample = Project.find(request.config.rootpath).sample
    return functools.partial(testing.conforms, payload=sample)
