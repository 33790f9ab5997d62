"""Find a module by name or path, and check its functions."""

import sys

import pytest

from byoi import errors
from byoi.server import inference_module

FOUR = "\n".join(f"def {name}(*_): return {name!r}" for name in inference_module.FUNCTIONS)


@pytest.fixture(autouse=True)
def imports(monkeypatch):
    """Leave `sys.path` and `sys.modules` as they were."""
    monkeypatch.setattr(sys, "path", sys.path[:])
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        del sys.modules[name]


def test_a_dotted_name_is_imported(tmp_path):
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "inside.py").write_text(FOUR)
    sys.path.insert(0, str(tmp_path))
    assert inference_module.find("package.inside").load("/m") == "model_fn"


def test_a_file_is_imported_and_may_import_its_neighbours(tmp_path):
    folder = tmp_path / "with space"
    folder.mkdir()
    (folder / "neighbour_of_it.py").write_text("ANSWER = 42\n")
    (folder / "some_module.py").write_text("from neighbour_of_it import ANSWER\n" + FOUR)
    for _ in range(2):
        inference_module.find(str(folder / "some_module.py"))
        assert sys.modules["some_module"].ANSWER == 42
    assert sys.path.count(str(folder)) == 1


def test_a_function_without_a_default_is_named_where_it_is_missing(tmp_path):
    path = tmp_path / "partial.py"
    path.write_text(FOUR.replace("def model_fn(", "def other_model_fn("))
    with pytest.raises(errors.ConfigurationError, match=r"partial\.py defines no model_fn, which"):
        inference_module.find(str(path))


@pytest.mark.parametrize("name", ["no_such_thing", "json.no_such_thing", "no_such.thing.at_all"])
def test_a_name_that_does_not_exist_is_the_operators_error(name):
    with pytest.raises(errors.ConfigurationError, match="cannot be found: no module named"):
        inference_module.find(name)


def test_a_path_that_does_not_exist_tells_where_it_was_looked_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(errors.ConfigurationError, match=f"no such file in {tmp_path}"):
        inference_module.find("absent.py")


def test_what_the_module_itself_cannot_import_is_its_own_error(tmp_path):
    (tmp_path / "needs_more.py").write_text("import not_installed_here\n")
    sys.path.insert(0, str(tmp_path))
    with pytest.raises(ModuleNotFoundError, match="not_installed_here"):
        inference_module.find("needs_more")
