"""The source of an inference module: which parts can change without reloading the model.

The functions that answer requests run after the model was loaded, so it does not depend on them.
They are replaced inside the module, which keeps the variables that `model_fn` set and the classes
of the model. If anything else changed, the model is reloaded.
"""

import ast
import os
from types import CodeType, FunctionType, ModuleType
from typing import Any, Self, TypeGuard

ANSWERING = ("input_fn", "predict_fn", "output_fn", "transform_fn")
_Function = ast.FunctionDef | ast.AsyncFunctionDef
# Nodes whose code has line numbers, which a traceback shows.
_WITH_CODE = (*(ast.FunctionDef, ast.AsyncFunctionDef), ast.ClassDef, ast.Lambda)


class Source:
    """One version of a module's source.

    Args:
        text: The source.
        file: Its path, for messages and tracebacks.

    Attributes:
        around: A text for each statement that the model may depend on, to compare versions.

    Raises:
        SyntaxError: The text is not valid Python.
        ValueError: The text has a null character.
    """

    def __init__(self, text: bytes, file: str) -> None:
        self._file = file
        self._tree = ast.parse(text, file)
        self._answering = [
            node
            for node in self._tree.body
            if isinstance(node, _Function) and node.name in ANSWERING
        ]
        around = [
            node
            for node in self._tree.body
            if node not in self._answering and not _is_of_a_program(node)
        ]
        uses_them = any(
            isinstance(node, ast.Name) and node.id in ANSWERING
            for part in around
            for node in ast.walk(part)
        )
        # If other code uses a function that answers, the model may depend on it.
        self.around = [_text(node) for node in (self._tree.body if uses_them else around)]

    @classmethod
    def read(cls, file: str) -> Self:
        """Read a file.

        Raises:
            OSError: The file cannot be read.
            SyntaxError: As for the class; the same for ValueError.
        """
        with open(file, "rb") as opened:  # noqa: PTH123 - the path is Python's own text
            return cls(opened.read(), os.fspath(file))

    def leaves_the_model(self, other: "Source") -> bool:
        """Whether the other version differs only in the functions that answer, if at all."""
        return self.around == other.around

    def put_into(self, module: ModuleType) -> None:
        """Replace the functions that answer in a module made from an earlier version.

        Args:
            module: Made from a version for which `leaves_the_model` is true.
        """
        future = [
            node
            for node in self._tree.body
            if isinstance(node, ast.ImportFrom) and node.module == "__future__"
        ]
        names = vars(module)
        replaced = ast.Module([*future, *self._answering], type_ignores=[])
        code = compile(replaced, self._file, "exec", dont_inherit=True)
        exec(code, names)  # noqa: S102 - the user's own module, which they have just saved
        for name in set(ANSWERING) - {node.name for node in self._answering}:
            if _is_from(names.get(name), self._file):
                del names[name]
        self._move_lines(names)

    def _move_lines(self, names: dict[str, Any]) -> None:
        """Update the line numbers of the other functions."""
        whole = compile(self._tree, self._file, "exec", dont_inherit=True)
        for code in whole.co_consts:
            if isinstance(code, CodeType) and code.co_name not in ANSWERING:
                function = names.get(code.co_name)
                if _is_from(function, self._file) and function.__code__.co_name == code.co_name:
                    function.__code__ = code


def _is_of_a_program(node: ast.stmt) -> bool:
    """Whether a statement is `if __name__ == "__main__":`, which a server never runs."""
    return isinstance(node, ast.If) and ast.unparse(node.test) == "__name__ == '__main__'"


def _text(node: ast.stmt) -> str:
    """Return a text that differs if the node's code differs.

    A plain function may move, because `put_into` updates its line numbers. For other code with
    line numbers, moving counts as a change.
    """
    is_plain = (
        isinstance(node, _Function)
        and not node.decorator_list
        and not node.args.defaults
        and not any(node.args.kw_defaults)
    )
    parts = ast.walk(node)
    has_lines = not is_plain and any(isinstance(part, _WITH_CODE) for part in parts)
    return ast.dump(node, include_attributes=has_lines)


def _is_from(function: Any, file: str) -> TypeGuard[FunctionType]:
    return isinstance(function, FunctionType) and function.__code__.co_filename == file
