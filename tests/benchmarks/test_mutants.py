import ast
import importlib.util
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "mutants.py"


@pytest.fixture(scope="module")
def mutants():
    spec = importlib.util.spec_from_file_location("mutants", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_module_and_its_tests_are_there(mutants):
    for module in mutants.MODULES:
        assert mutants.path_of(module).is_file()
        assert (mutants.ROOT / mutants.tests_of(module)).is_file()


def faulty(mutants, source):
    return [ast.unparse(tree) for _, _, tree in mutants.mutants(ast.parse(source))]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("a + b", {"a - b"}),
        ("a < b <= c", {"a <= b <= c", "a < b < c"}),
        ("a and b", {"a or b"}),
        ("f(5)", {"None", "f(6)", "f(4)"}),
        ("x = 'a'", {"x = 'aX'"}),
        ("x = a[1:]", {"x = a[:]", "x = a[2:]", "x = a[0:]"}),
        ("x = [i for i in a if i]", {"x = [i for i in a]"}),
        ("if a:\n    b", {"if not a:\n    b"}),
        ("def f():\n    return a", {"def f():\n    return None"}),
    ],
)
def test_each_kind_of_fault_is_made_once(source, expected, mutants):
    made = faulty(mutants, source)
    assert sorted(made) == sorted(expected)


@pytest.mark.parametrize(
    "source",
    [
        '"""A docstring of 5 words."""',
        "x: int | None",
        "raise E(f'{a + 1} is wrong')",
        "message = f'{1} and ' + a",
        "import a",
    ],
)
def test_what_is_no_behaviour_is_left_alone(source, mutants):
    assert faulty(mutants, source) == []
