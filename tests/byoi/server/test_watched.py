"""Which files a loaded module depends on."""

import importlib
import os
import sys
import sysconfig
from pathlib import Path

import pytest

from byoi.server import watched


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def write(path: Path, text=""):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_the_modules_of_the_users_folder_are_found_and_no_others(folder):
    write(folder / "own_one.py", "import own_package.inside, own_library\n")
    write(folder / "own_package" / "__init__.py")
    write(folder / "own_package" / "inside.py")
    library = folder / ".venv" / "site-packages"
    write(library / "own_library.py")
    sys.path.append(str(library))
    try:
        importlib.import_module("own_one")
    finally:
        sys.path.remove(str(library))
    found = watched.modules_below([folder], without=())
    assert found.keys() == {"own_one", "own_package", "own_package.inside"}
    assert watched.modules_below([folder], without=["own_one"]).keys() == found.keys() - {"own_one"}


def test_a_package_with_native_code_is_not_loaded_again(folder):
    name = f"native{sysconfig.get_config_var('EXT_SUFFIX')}"
    write(folder / "own_native" / "__init__.py")
    write(folder / "own_native" / name)
    module = importlib.import_module("own_native")
    part = type(sys)("own_native.native")
    part.__file__ = str(folder / "own_native" / name)
    sys.modules["own_native.native"] = part
    assert module.__file__.startswith(str(folder))
    assert watched.modules_below([folder], without=()) == {}


def test_the_tool_itself_is_never_the_users():
    root = Path(watched.__file__).parents[2]
    names = watched.modules_below([root], without=())
    assert not [name for name in names if name.startswith("byoi.")]


def test_files_below_a_folder_without_the_hidden_and_those_of_packages(tmp_path):
    for name in ("a", "b/c", ".hidden", ".git/d", "__pycache__/e", "code/f", "g/code/h"):
        write(tmp_path / name)
    found = watched.files_below(tmp_path, without=[tmp_path / "code"])
    assert {os.path.relpath(file, tmp_path) for file in found} == {"a", "b/c", "g/code/h"}
    assert list(watched.files_below(tmp_path / "absent")) == []


def test_a_file_that_is_replaced_by_one_of_the_same_size_has_another_stamp(tmp_path):
    write(tmp_path / "a", "1")
    before = watched.stamps([str(tmp_path / "a"), str(tmp_path / "absent")])
    assert len(before) == 1
    write(tmp_path / "b", "2")
    os.utime(tmp_path / "b", ns=(before[str(tmp_path / "a")][0],) * 2)
    (tmp_path / "b").replace(tmp_path / "a")
    assert watched.stamps([str(tmp_path / "a")]) != before
