"""What a script's requirements.txt asks for, against the packages that are installed."""

import importlib.metadata

import pytest

from byoi import errors
from byoi.server import requirements

NUMPY = importlib.metadata.version("numpy")


def check(folder, text):
    (folder / "requirements.txt").write_text(text, encoding="utf-8")
    requirements.check(folder)


def test_without_a_file_nothing_is_asked_for(tmp_path):
    requirements.check(tmp_path)
    requirements.check(tmp_path / "absent")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# nothing\n\n",
        "numpy\nFlask>=3  # the server\n",
        f"numpy=={NUMPY} \\\n    --hash=sha256:00 \\\n    --hash=sha256:11\n",
        "no-such-package; python_version < '3'\n",
        "--extra-index-url https://example.com/simple\n-r other.txt\nnumpy\n",
        "\ufeffnumpy\n",
        "NumPy>=1,<99",
    ],
)
def test_what_is_there_is_enough(tmp_path, text):
    check(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("no-such-package>=2\n", "no-such-package>=2 (not there)"),
        ("numpy==0.1\n", f"numpy==0.1 ({NUMPY} is there)"),
        ("numpy>=99\nabsent-too", f"numpy>=99 ({NUMPY} is there); absent-too (not there)"),
        ("./wheels/own.whl\n", "./wheels/own.whl (which is not a valid package name)"),
    ],
)
def test_what_is_missing_is_named_with_the_command_that_installs_it(tmp_path, text, words):
    with pytest.raises(errors.ConfigurationError) as caught:
        check(tmp_path, text)
    message = str(caught.value)
    assert f"requirements.txt asks for what is not installed: {words}." in message
    assert f"install '{text.splitlines()[0]}'" in message
    assert "\n" not in message
