"""docs/configuration.md says what the settings are."""

import subprocess
import sys
from pathlib import Path

from byoi.server import configuration_page, settings

PAGE = Path(__file__).parents[3] / "docs" / "configuration.md"


def test_the_page_is_up_to_date():
    assert PAGE.read_text(encoding="utf-8") == configuration_page.page()


def test_the_command_in_its_docstring_writes_it():
    command = [sys.executable, "-m", "byoi.server.configuration_page"]
    assert subprocess.check_output(command, text=True) == configuration_page.page()


def test_every_variable_is_on_it():
    page = configuration_page.page()
    for variable in [
        *settings.Settings().to_environ(),
        "BYOI_MODEL_DIR",
        *settings.OTHER_VARIABLES,
    ]:
        assert f"| `{variable}` |" in page
