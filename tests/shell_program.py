"""Programs of the tests' own, put where the real ones would be looked for."""

from pathlib import Path


def write(directory: Path, name: str, *lines: str) -> None:
    """Write a program of these lines of shell."""
    path = directory / name
    path.write_text("\n".join(["#!/bin/sh", *lines, ""]))
    path.chmod(0o755)
