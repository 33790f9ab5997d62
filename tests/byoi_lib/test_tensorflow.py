"""Importing TensorFlow: silent when it works, and as loud as ever when it does not."""

import subprocess
import sys


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_nothing_is_printed_while_it_loads() -> None:
    done = run("from byoi_lib._tensorflow import keras, tf; print(tf.constant(1).numpy())")
    assert done.stdout == "1\n"
    assert done.stderr == ""


def test_stderr_is_itself_again_afterwards() -> None:
    done = run("import byoi_lib._tensorflow, os; os.write(2, b'after')")
    assert done.stderr == "after"


def test_a_failing_import_says_why() -> None:
    done = run(
        "import os, sys\n"
        "class Broken:\n"
        "    def find_spec(self, name, path, target=None):\n"
        "        if name == 'keras':\n"
        "            os.write(2, b'library is damaged\\n')\n"
        "            raise ImportError('no keras here')\n"
        "sys.meta_path.insert(0, Broken())\n"
        "import byoi_lib._tensorflow\n"
    )
    assert done.returncode == 1
    assert "library is damaged" in done.stderr
    assert "no keras here" in done.stderr
