"""docs/configuration.md says what the settings are."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from byoi.server import settings, standard_variables

SCRIPT = Path(__file__).parents[2] / "docs" / "make_configuration.py"


@pytest.fixture(scope="module")
def page():
    spec = importlib.util.spec_from_file_location(SCRIPT.stem, SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.page()


def test_the_page_is_up_to_date(page):
    assert SCRIPT.with_name("configuration.md").read_text(encoding="utf-8") == page


def test_the_command_in_its_docstring_writes_it(page):
    assert subprocess.check_output([sys.executable, SCRIPT], text=True) == page


def test_every_variable_is_on_it(page):
    for variable in [
        *settings.Settings().to_environ(),
        "BYOI_MODEL_DIR",
        *settings.OTHER_VARIABLES,
        *(name for names in standard_variables.OTHER_NAMES.values() for name in names),
        *(name for names in standard_variables.STAND_INS.values() for name in names),
        *standard_variables.NOTHING_TO_DO,
        *standard_variables.REFUSED,
    ]:
        assert f"| `{variable}` |" in page
