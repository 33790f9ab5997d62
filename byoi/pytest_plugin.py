"""A fixture of pytest: the project in pytest's root folder, as the server would answer.

    # conftest.py
    pytest_plugins = ["byoi.pytest_plugin"]

    # test_inference.py
    def test_one_row(byoi_model):
        assert byoi_model.invoke([[5.1, 3.5, 1.4, 0.2]]).status == 200

Apart from `byoi.testing`, because it needs pytest.
"""

from collections.abc import Iterator

import pytest

from byoi import testing


@pytest.fixture(scope="session")
def byoi_model(request: pytest.FixtureRequest) -> Iterator[testing.Asked]:
    """The project in pytest's root folder, loaded once in this process."""
    with testing.model(request.config.rootpath) as model:
        yield model
