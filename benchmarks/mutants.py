"""Do the tests notice when the code is wrong? One small fault at a time, counted.

    .venv/bin/python benchmarks/mutants.py [MODULE ...]

MODULE is a dotted name; the tests of `a.b.c` are `tests/a/b/test_c.py`. Each fault (mutant)
is one operator, comparison, condition, number, text, or result of a module replaced by
another; the module's own tests then run in a forked process and must fail. Not mutated:
docstrings, annotations, and the words of error messages. Prints every fault that no test
noticed, and the share that was noticed; ends with 1 if the share of a module is below 80 %.
"""

import argparse
import ast
import contextlib
import copy
import importlib.util
import io
import itertools
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MODULES = (
    "byoi.digest",
    "byoi.formats.content_types",
    "byoi.formats.decoder",
    "byoi.formats.encoder",
    "byoi.model_data",
    "byoi_lib.manifest",
    "byoi_lib.preprocessing",
    "byoi_lib.request",
    "byoi_lib.vocabulary",
)
AT_LEAST = 0.8
# Many times what a module's tests take: a fault that makes a loop endless is noticed, too.
TIMEOUT_S = 60

OPTIONS = [
    "-x",
    "-q",
    "--assert=plain",
    "-p",
    "no:cacheprovider",
    "-c",
    os.devnull,
    "--rootdir",
    ".",
    # Modules that several folders of tests share, as in pyproject.toml.
    "-o",
    "pythonpath=tests tests/byoi_lib",
]
# Left out: what starts another process or imports Keras, and the real data, which
# `make test` measures; golden rows must do.
DESELECT = "not keras and not standard_library and not thousand"

SWAPS: dict[type[ast.AST], type[ast.AST]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.FloorDiv, ast.Div: ast.Mult,
    ast.LShift: ast.RShift, ast.BitOr: ast.BitAnd, ast.And: ast.Or, ast.Or: ast.And,
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Not: ast.UAdd, ast.USub: ast.UAdd,
}  # fmt: skip


def mutants(tree: ast.Module) -> Iterator[tuple[int, str, ast.Module]]:
    """Yield line, description and a faulty copy of a module, one fault each."""
    for index, (node, skip) in enumerate(walk(tree)):
        if skip:
            continue
        for number in range(len(list(faults(copy.deepcopy(node))))):
            faulty = copy.deepcopy(tree)
            target = list(walk(faulty))[index][0]
            before = ast.unparse(target).split("\n")[0]
            # Faults are made in place, one after the other: take the one that is wanted.
            description = next(itertools.islice(faults(target), number, None))
            line = getattr(target, "lineno", 0)
            yield line, f"{before}  ->  {description}", ast.fix_missing_locations(faulty)


def walk(tree: ast.AST, skip: bool = False) -> Iterator[tuple[ast.AST, bool]]:
    """Yield every node and whether it is left alone, in one order for equal trees."""
    yield tree, skip
    for name, value in ast.iter_fields(tree):
        parts = value if isinstance(value, list) else [value]
        for part in parts:
            if isinstance(part, ast.AST):
                yield from walk(part, skip or is_left_alone(tree, name, part))


def is_left_alone(parent: ast.AST, field: str, node: ast.AST) -> bool:
    """Tell annotations, docstrings and messages from code."""
    if field in ("annotation", "returns", "decorator_list", "bases"):
        return True
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return True
    # The arguments of an error, and what is put together for them.
    is_message = isinstance(parent, ast.Raise) or (
        isinstance(parent, ast.Assign)
        and isinstance(parent.targets[0], ast.Name)
        and parent.targets[0].id in ("message", "cause", "remedy")
    )
    return is_message or isinstance(parent, ast.FormattedValue | ast.Import | ast.ImportFrom)


def faults(node: ast.AST) -> Iterator[str]:  # noqa: C901 - a list of kinds reads best as one
    """Make one fault after the other in `node`, saying which."""
    if isinstance(node, ast.BinOp | ast.BoolOp | ast.UnaryOp) and type(node.op) in SWAPS:
        node.op = SWAPS[type(node.op)]()
        yield ast.unparse(node)
    elif isinstance(node, ast.Compare):
        kinds = [type(op) for op in node.ops]
        for at, kind in enumerate(kinds):
            node.ops = [k() for k in kinds]
            node.ops[at] = SWAPS[kind]()  # type: ignore[call-overload]
            yield ast.unparse(node)
    elif isinstance(node, ast.Constant):
        value = node.value
        others = {
            bool: lambda: [not value], int: lambda: [value + 1, value - 1],
            float: lambda: [value * 2], str: lambda: [value + "X"], bytes: lambda: [value + b"X"],
        }.get(type(value), list)  # fmt: skip
        for other in others():
            node.value = other
            yield repr(other)
    elif isinstance(node, ast.If | ast.IfExp | ast.While):
        test = node.test
        node.test = ast.UnaryOp(ast.Not(), test)
        yield f"not ({ast.unparse(test)})"
    elif isinstance(node, ast.comprehension) and node.ifs:
        node.ifs = []
        yield "no condition"
    elif isinstance(node, ast.Return) and node.value is not None:
        node.value = ast.Constant(None)
        yield "return None"
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        node.value = ast.Constant(None)
        yield "no call"
    elif isinstance(node, ast.Slice):
        for part in ("lower", "upper", "step"):
            if (kept := getattr(node, part)) is not None:
                setattr(node, part, None)
                yield f"without its {part}"
                setattr(node, part, kept)


def is_noticed(module: str, source: str, tests: list[str]) -> bool:
    """Run a module's tests on other source, in a process of its own."""
    child = os.fork()
    if child == 0:
        signal.alarm(TIMEOUT_S)
        import pytest  # noqa: PLC0415 - as a script, this file is no test and needs none

        out = io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
            try:
                load(module, source)
                status = pytest.main([*OPTIONS, *tests])
            except BaseException:  # noqa: BLE001 - a module that does not load is noticed
                status = 1
        os._exit(int(status))
    return os.waitpid(child, 0)[1] != 0


def load(module: str, source: str) -> None:
    """Put `source` in the place of a module, which its dotted name identifies."""
    spec = importlib.util.spec_from_file_location(module, path_of(module))
    made = importlib.util.module_from_spec(spec)
    sys.modules[module] = made
    exec(compile(source, spec.origin, "exec"), made.__dict__)
    package, _, name = module.rpartition(".")
    setattr(importlib.import_module(package), name, made)


def path_of(module: str) -> Path:
    """Return the file of a module."""
    return ROOT.joinpath(*module.split(".")).with_suffix(".py")


def tests_of(module: str) -> Path:
    """Return the file of a module's tests, relative to the root: the same tree."""
    *packages, name = module.split(".")
    return Path("tests", *packages, f"test_{name}.py")


def main() -> int:
    """Count the faults the tests notice."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("modules", nargs="*", default=MODULES, metavar="MODULE")
    modules = parser.parse_args().modules
    os.chdir(ROOT)
    # Imported once, before the forks; not the modules that change.
    for name in ("numpy", "onnx", "onnxruntime", "pytest", "werkzeug.http"):
        importlib.import_module(name)
    # None of the installed plug-ins has to do with these tests, and each costs time.
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"

    worst = 1.0
    for module in modules:
        began = time.monotonic()
        source = path_of(module).read_text(encoding="utf-8")
        tests = [str(tests_of(module)), "-k", DESELECT]
        if is_noticed(module, source, tests):
            print(f"{module}: its tests fail without any fault; run them first", file=sys.stderr)
            return 2
        found = list(mutants(ast.parse(source)))
        noticed = 0
        for line, description, faulty in found:
            if is_noticed(module, ast.unparse(faulty), tests):
                noticed += 1
            else:
                print(f"  {module}:{line}: {description}", flush=True)
        share, seconds = noticed / len(found), time.monotonic() - began
        print(f"{module}: {noticed} of {len(found)} noticed, {share:.1%}, {seconds:.0f} s")
        worst = min(worst, share)
    return 0 if worst >= AT_LEAST else 1


if __name__ == "__main__":
    sys.exit(main())
