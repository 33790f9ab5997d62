"""Each package has a face: names for users, imported when they are used; notebooks keep to them."""

import ast
import importlib
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
FACES = (
    *("byoi", "byoi.deployment", "byoi.emulator", "byoi.formats", "byoi.hosting", "byoi.local"),
    *("byoi.models", "byoi.server", "byoi_lib"),
)
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.py"))
# Programs of ours that use the tool as a user does.
USERS = [*NOTEBOOKS, ROOT / "byoi_lib" / "demo.py"]


def face(package: str) -> tuple[str, ast.Module]:
    source = ROOT.joinpath(*package.split("."), "__init__.py").read_text(encoding="utf-8")
    return source, ast.parse(source)


def seen_by_type_checkers(package: str) -> dict[str, str]:
    """Name to home, as written in `_face.make`, of the imports under `TYPE_CHECKING`."""
    (block,) = (node for node in face(package)[1].body if isinstance(node, ast.If))
    homes = {}
    for node in block.body:
        assert isinstance(node, ast.ImportFrom)
        module = (node.module or "").removeprefix(package).removeprefix(".")
        for alias in node.names:
            home = f"{module}:{alias.name}" if alias.asname else module or alias.name
            homes[alias.asname or alias.name] = home
    return homes


def seen_by_python(package: str) -> dict[str, str]:
    (block,) = (node for node in face(package)[1].body if isinstance(node, ast.If))
    (assignment,) = block.orelse
    assert isinstance(assignment, ast.Assign)
    assert isinstance(assignment.value, ast.Call)
    homes: dict[str, str] = ast.literal_eval(assignment.value.args[1])
    return homes


@pytest.mark.parametrize("package", FACES)
def test_type_checkers_and_python_see_the_same_names(package: str) -> None:
    assert seen_by_type_checkers(package) == seen_by_python(package)
    assert sorted(importlib.import_module(package).__all__) == sorted(seen_by_python(package))


@pytest.mark.parametrize("package", FACES)
def test_every_name_of_a_face_is_there(package: str) -> None:
    module = importlib.import_module(package)
    assert len(module.__all__) > 3
    for name in module.__all__:
        assert getattr(module, name) is not None
        assert name in dir(module)


@pytest.mark.parametrize("package", FACES)
def test_no_name_of_a_face_hides_behind_a_submodule(package: str) -> None:
    """Importing `package.name` sets the attribute `name`, before the face is ever asked."""
    folder = ROOT.joinpath(*package.split("."))
    for name, home in seen_by_python(package).items():
        if name != home:
            assert not (folder / name).is_dir(), name
            assert not (folder / f"{name}.py").exists(), name


@pytest.mark.parametrize("package", FACES)
def test_the_docstring_says_what_is_inside(package: str) -> None:
    source, tree = face(package)
    text = ast.get_docstring(tree)
    assert text
    assert 8 <= len(text.splitlines()) <= 20
    named = set(re.findall(r"`(\w+)`", text))
    assert set(seen_by_python(package)) <= named, source[:100]


@pytest.mark.parametrize("package", FACES)
def test_a_name_that_is_not_there_is_an_attribute_error(package: str) -> None:
    with pytest.raises(AttributeError, match=f"'{package}' has no attribute 'nothing'"):
        importlib.import_module(package).nothing  # noqa: B018


def loaded(code: str) -> set[str]:
    """Modules a program loads that are not of the standard library."""
    program = f"import sys; before = set(sys.modules)\n{code}\nprint(*set(sys.modules) - before)"
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    names = done.stdout.splitlines()[-1].split()
    return {name for name in names if name.split(".")[0] not in sys.stdlib_module_names}


@pytest.mark.parametrize("package", FACES)
def test_importing_a_package_loads_only_its_face(package: str) -> None:
    parents = {"byoi", package} if package.startswith("byoi.") else {package, "byoi"}
    assert loaded(f"import {package}") == {*parents, "byoi._face"}


def test_help_of_every_verb_loads_only_this_project() -> None:
    """Neither NumPy nor TensorFlow, the SDK, boto3, moto, Docker's SDK or Flask."""
    code = (
        "from byoi import cli\n"
        "for arguments in (['--help'], ['deploy', '--help'], ['emulator', '--help'], ['-x']):\n"
        "    try: cli.main(arguments)\n    except SystemExit: pass\n"
    )
    others = {name for name in loaded(code) if name.split(".")[0] not in {"byoi", "byoi_lib"}}
    assert others == set()


def bindings(tree: ast.Module) -> dict[str, str]:
    """Names a program binds to faces, as in `from byoi import deployment`."""
    return {
        alias.asname or alias.name: f"{node.module}.{alias.name}"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if f"{node.module}.{alias.name}" in FACES
    }


@pytest.mark.parametrize("path", USERS, ids=lambda path: path.stem)
def test_what_users_need_is_in_the_faces(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            assert not any(alias.name.split(".")[0] in FACES for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in FACES:
            assert node.module in FACES, f"{path.name} imports from {node.module}"
            exported = importlib.import_module(node.module).__all__
            for alias in node.names:
                assert alias.name in exported, f"{path.name}: {node.module}.{alias.name}"
    faces = bindings(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            package = faces.get(node.value.id)
            if package:
                exported = importlib.import_module(package).__all__
                assert node.attr in exported, f"{path.name}: {package}.{node.attr}"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_imports_from_few_places(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    places = [
        node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in FACES
    ]
    assert 1 <= len(places) <= 4, places


def find(name: str) -> object:
    """What a dotted name of the docs stands for."""
    found: ModuleType | object = importlib.import_module(name.split(".", maxsplit=1)[0])
    for depth, part in enumerate(name.split(".")[1:], start=2):
        if not hasattr(found, part):
            importlib.import_module(".".join(name.split(".")[:depth]))
        found = getattr(found, part)
    return found


PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_dotted_names_of_the_docs_are_there(page: Path) -> None:
    for name in re.findall(r"`((?:byoi|byoi_lib)(?:\.[A-Za-z_]\w*)+)", page.read_text("utf-8")):
        assert find(name) is not None
