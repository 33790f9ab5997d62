"""What is missing is named with the command that gets it."""

import pytest

from byoi import errors
from byoi.emulator.process import installation


def test_here_all_is_there() -> None:
    installation.require()


def test_a_missing_package_is_named() -> None:
    with pytest.raises(
        errors.MissingPackageError, match=r"package moto, .*checkout: pip install '\.\[emul"
    ):
        installation.require(lambda name: None if name == "moto" else object())
