"""Check that the packages of a script's requirements.txt are installed.

AWS's toolkits install them at each start. Here they belong in the image, and an error names the
missing ones before the script fails at its import.

Sources: pip documentation, "Requirements File Format"; PEP 508 by `packaging`.
"""

import importlib.metadata
import re
from pathlib import Path
from typing import Any

from byoi import errors

FILE = "requirements.txt"
# Options for pip after a requirement, which are not part of it.
_OPTIONS = re.compile(r"\s+(--hash|--config-settings|--global-option)\b.*$")
_COMMENT = re.compile(r"(^|\s)#.*$")


def check(code_dir: Path) -> None:
    """Check that the packages of a script's requirements.txt are installed.

    Args:
        code_dir: The directory of the script; without a requirements.txt nothing is checked.

    Raises:
        ConfigurationError: A package is missing or has another version, or a line cannot be
            parsed; the message names each, and how to install it.
    """
    file = code_dir / FILE
    if not file.is_file():
        return
    # Imported only here: most model data have no such file, and it would slow each cold start.
    from packaging.requirements import InvalidRequirement, Requirement  # noqa: PLC0415

    missing = []
    for line in _lines(file):
        if line.startswith("-"):
            continue  # an option of pip, such as an index or another file
        try:
            requirement = Requirement(line)
        except InvalidRequirement:
            missing.append((line, "which is not a valid package name"))
            continue
        if requirement.marker is not None and not requirement.marker.evaluate():
            continue
        if cause := _lack(requirement):
            missing.append((line, cause))
    if missing:
        named = "; ".join(f"{line} ({cause})" for line, cause in missing)
        packages = " ".join(f"'{line}'" for line, _ in missing)
        raise errors.ConfigurationError(
            f"{file} asks for what is not installed: {named}. Put it into an image of "
            f"your own, by `byoi image` or FROM this one: RUN pip install {packages}. Or set "
            "BYOI_INSTALL_REQUIREMENTS=1, which installs it at each start of a container"
        )


def _lines(file: Path) -> list[str]:
    """Return the non-empty lines, joined if continued, without comments and trailing options."""
    text = file.read_text(encoding="utf-8-sig").replace("\\\n", " ")
    lines = (_OPTIONS.sub("", _COMMENT.sub("", line)).strip() for line in text.splitlines())
    return [line for line in lines if line]


def _lack(requirement: Any) -> str:
    """Return why a package does not meet a Requirement of `packaging`, or ""."""
    try:
        version = importlib.metadata.version(requirement.name)
    except importlib.metadata.PackageNotFoundError:
        return "not there"
    if requirement.specifier.contains(version, prereleases=True):
        return ""
    return f"{version} is there"
