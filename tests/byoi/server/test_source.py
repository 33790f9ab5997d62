"""What of a module's source can change while its model stays, and how the functions change."""

from types import ModuleType

import pytest

from byoi.server.source import Source

BEFORE = """
import json

SCALE = []


def model_fn(model_dir):
    SCALE.append(3)
    return 2


def helper(x):
    return x


def predict_fn(data, model):
    return helper(data) * model * SCALE[0]
"""


def source(text):
    return Source(text.encode(), "module.py")


def made_from(text):
    module = ModuleType("module")
    exec(compile(text, "module.py", "exec"), vars(module))
    return module


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("* model * SCALE[0]", "+ 1"),
        ("def predict_fn(data, model)", "# a comment\n\n\ndef predict_fn(data, model, context)"),
        ("import json\n", "import json  # for later\n\n"),
        ("def predict_fn", "def input_fn(body, content_type):\n    return 1\n\n\ndef predict_fn"),
        ("def predict_fn(data, model):", "@staticmethod\ndef predict_fn(data, model):"),
        ("def helper", "if __name__ == '__main__':\n    print(predict_fn(1, 2))\n\n\ndef helper"),
    ],
)
def test_the_model_stays_where_only_the_functions_that_answer_differ(old, new):
    assert old in BEFORE
    assert source(BEFORE).leaves_the_model(source(BEFORE.replace(old, new)))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("return 2", "return 3"),
        ("SCALE = []", "SCALE = [1]"),
        ("import json", "import math"),
        ("    return x", "    return x + 1"),
        ("def helper(x)", "def helper(x, y=1)"),
        ("def predict_fn", "def other"),
        ("return 2", "return predict_fn(1, 1)"),
    ],
)
def test_the_model_is_loaded_again_where_anything_else_differs(old, new):
    assert old in BEFORE
    assert not source(BEFORE).leaves_the_model(source(BEFORE.replace(old, new)))


def test_a_function_that_the_model_may_use_is_part_of_the_model():
    uses = BEFORE.replace("return 2", "return predict_fn(1, 1)")
    assert not source(uses).leaves_the_model(source(uses.replace("data) *", "data) -")))


def test_a_class_that_moves_is_made_again_because_its_methods_know_their_lines():
    text = "def predict_fn(data, model): return 1\nclass Model:\n    def f(self): pass\n"
    assert not source(text).leaves_the_model(source("\n" + text))


def test_functions_are_replaced_and_what_the_module_holds_stays():
    module = made_from(BEFORE)
    model = module.model_fn("")
    source(BEFORE.replace("SCALE[0]", "SCALE[0] + 100")).put_into(module)
    assert module.predict_fn(1, model) == 106
    assert module.SCALE == [3]


def test_a_function_that_was_removed_is_gone():
    module = made_from(BEFORE)
    source(BEFORE[: BEFORE.index("def predict_fn")]).put_into(module)
    assert not hasattr(module, "predict_fn")


def test_functions_that_moved_tell_the_line_where_they_are():
    module = made_from(BEFORE)
    source("# one more line\n" + BEFORE.replace("SCALE[0]", "SCALE[9]")).put_into(module)
    assert (
        module.helper.__code__.co_firstlineno
        == BEFORE.split("def helper", maxsplit=1)[0].count("\n") + 2
    )
    with pytest.raises(IndexError) as raised:
        module.predict_fn(1, module.model_fn(""))
    assert raised.traceback[-1].lineno + 1 == BEFORE.count("\n") + 1


def test_annotations_of_later_versions_of_python_are_kept():
    text = "from __future__ import annotations\n\ndef predict_fn(data: Unknown, model): return 1\n"
    module = made_from(text)
    source(text.replace("return 1", "return 2")).put_into(module)
    assert module.predict_fn(0, 0) == 2


@pytest.mark.parametrize("text", ["def (", "a = '\0'"])
def test_what_is_no_python_is_an_error(text):
    with pytest.raises((SyntaxError, ValueError)):
        source(text)
