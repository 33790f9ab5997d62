"""Why a model could not be loaded: one line of JSON, or a text for a terminal."""

import io
import json
import sys

import pytest

from byoi import errors
from byoi.server import loading
from byoi.server.settings import Settings


def raised(function):
    """Return what a function raises, with its traceback."""
    with pytest.raises(BaseException) as caught:  # noqa: PT011 - whatever it is
        function()
    return caught.value


def test_an_error_of_byoi_says_itself_what_to_do():
    error = errors.ModelDataError("/m/x: damaged; pack it anew")
    (line,) = loading.as_line(error, Settings()).splitlines()
    entry = json.loads(line)
    assert (entry["level"], entry["message"]) == ("error", "/m/x: damaged; pack it anew")
    assert "traceback" not in entry
    text = loading.as_text(error, Settings())
    assert "/m/x: damaged; pack it anew" in text
    assert "Traceback" not in text


@pytest.mark.parametrize("kind", [KeyError, SystemExit, KeyboardInterrupt])
def test_any_other_gets_module_directory_and_remedy_added(tmp_path, kind):
    settings = Settings(model_dir=tmp_path, inference_module="some.module")

    def load():
        raise kind("weights")

    error = raised(load)
    (line,) = loading.as_line(error, settings).splitlines()
    entry = json.loads(line)
    for word in (
        *("some.module", str(tmp_path), f"{kind.__name__}: ", "weights"),
        *("BYOI_MODEL_DIR", "BYOI_INFERENCE_MODULE"),
    ):
        assert word in entry["message"]
    assert kind.__name__ in entry["traceback"]
    assert "in load" in entry["traceback"]


def test_a_terminal_gets_the_same_as_text_with_the_users_own_lines(tmp_path):
    module = tmp_path / "own.py"
    module.write_text("def model_fn(model_dir):\n    return {}['weights']\n")
    names = {}
    exec(compile(module.read_text(), str(module), "exec"), names)
    settings = Settings(model_dir=tmp_path, inference_module=str(module))
    text = loading.as_text(raised(lambda: names["model_fn"]("/m")), settings)
    assert f"{module} cannot load {tmp_path}: KeyError: 'weights'" in text
    assert "return {}['weights']" in text
    assert text.endswith("\n")
    with pytest.raises(json.JSONDecodeError):
        json.loads(text)


@pytest.mark.parametrize("is_terminal", [True, False])
def test_the_form_is_that_of_where_stderr_goes(monkeypatch, is_terminal):
    class Stderr(io.StringIO):
        def isatty(self):
            return is_terminal

    monkeypatch.setattr(sys, "stderr", Stderr())
    error = errors.ModelDataError("damaged")
    written = loading.text(error, Settings())
    assert written.startswith("{") != is_terminal
    assert "damaged" in written
