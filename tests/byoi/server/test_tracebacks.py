"""An error of the user's code: one line of it, and their own frames first."""

import sys

import pytest

from byoi.server import inference_module, tracebacks

HELPER = """
import json

def read(text):
    try:
        return json.loads(text)
    except ValueError as error:
        raise RuntimeError("no \\x1b[31mJSON") from error
"""
MODULE = """
from helper_of_theirs import read

def model_fn(model_dir): return 1
def input_fn(body, content_type): return body

def predict_fn(data, model):
    return read(data)
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "helper_of_theirs.py").write_text(HELPER)
    (tmp_path / "module_of_theirs.py").write_text(MODULE)
    yield tmp_path
    for name in ("helper_of_theirs", "module_of_theirs"):
        sys.modules.pop(name, None)


@pytest.fixture
def error(folder):
    handler = inference_module.find(str(folder / "module_of_theirs.py"))
    with pytest.raises(RuntimeError) as raised:
        handler.answer(1, b"{", "text/plain", "", None)
    return raised.value


def test_one_line_has_the_error_and_the_users_last_line(folder, error):
    text = tracebacks.summary(error, [folder])
    assert text == r"RuntimeError: no \x1b[31mJSON (helper_of_theirs.py, line 8, in read)"


def test_their_frames_come_first_and_the_others_are_counted(folder, error):
    lines = tracebacks.readable(error, [folder]).splitlines()
    assert lines[:5] == [
        r"RuntimeError: no \x1b[31mJSON",
        "  module_of_theirs.py, line 8, in predict_fn",
        "      return read(data)",
        "  helper_of_theirs.py, line 8, in read",
        r'      raise RuntimeError("no \x1b[31mJSON") from error',
    ]
    assert lines[5].startswith("  (frames left out: ")
    assert "byoi" in lines[5]
    assert lines[6] == "caused by:"
    assert lines[7].startswith("json.decoder.JSONDecodeError: ")
    assert lines[8] == "  helper_of_theirs.py, line 6, in read"
    assert any(line.startswith("  raised by ") and "json" in line for line in lines[9:])


def test_an_error_while_another_is_handled_shows_both(folder):
    try:
        try:
            int("no number")
        except ValueError:
            {}["absent"]
    except KeyError as error:
        text = tracebacks.readable(error, [folder])
    assert text.index("KeyError: 'absent'") < text.index("while handling:")
    assert text.index("while handling:") < text.index("ValueError")


def test_an_error_outside_their_code_is_named_alone(folder):
    assert tracebacks.summary(ValueError("a\nb"), [folder]) == r"ValueError: a\nb"


def test_what_is_no_python_is_named_with_file_and_line(folder):
    (folder / "helper_of_theirs.py").write_text("x = 1\ndef (\n")
    with pytest.raises(SyntaxError) as raised:
        inference_module.find(str(folder / "module_of_theirs.py"))
    text = tracebacks.summary(raised.value, [folder])
    assert text == "SyntaxError: invalid syntax (helper_of_theirs.py, line 2)"
    assert "def (" in tracebacks.readable(raised.value, [folder])


def test_packages_in_their_folder_are_not_theirs(folder):
    library = folder / ".venv" / "lib" / "site-packages" / "library"
    library.mkdir(parents=True)
    (library / "__init__.py").write_text("def fail(): raise ValueError('inside')\n")
    names: dict = {}
    exec(
        compile((library / "__init__.py").read_text(), str(library / "__init__.py"), "exec"), names
    )
    try:
        names["fail"]()
    except ValueError as error:
        text = tracebacks.readable(error, [folder])
    assert "library 1" in text
    assert f"raised by {library / '__init__.py'}, line 1, in fail" in text
