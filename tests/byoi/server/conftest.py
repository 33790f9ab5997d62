"""Stacks of processes around small inference modules."""

from contextlib import ExitStack
from pathlib import Path

import contract_cases
import pytest

from byoi.local.processes import ProcessStack


@pytest.fixture
def start(tmp_path):
    """Start a stack of the toy module, or of the module in `source`; stopped afterwards."""
    with ExitStack() as stacks:

        def start(source=None, *, wait=True, **environ):
            module = contract_cases.ECHO
            if source is not None:
                module = tmp_path / "own_module.py"
                module.write_text(source)
            model_dir = tmp_path / "a model"
            model_dir.mkdir(exist_ok=True)
            environ = {"BYOI_INFERENCE_MODULE": str(module)} | environ
            stack = ProcessStack(model_dir, environ=environ, log_file=tmp_path / "log")
            stacks.callback(stack.stop)
            stack.start()
            if wait:
                stack.wait()
            stack.target = contract_cases.PortTarget("127.0.0.1", stack.port, lambda: stack.log)
            return stack

        yield start


@pytest.fixture
def children_of():
    """Return the process ids of the children of a process."""

    def children_of(pid):
        path = Path(f"/proc/{pid}/task/{pid}/children")
        return [int(child) for child in path.read_text().split()] if path.exists() else []

    return children_of


@pytest.fixture
def command_of():
    def command_of(pid):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()

    return command_of
