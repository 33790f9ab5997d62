"""Audit the lock of what serves, and list its licences.

    .venv/bin/python requirements/audit.py [--lock requirements/serve.txt] [--strict]

pip-audit, in the environment of `audit.txt`, asks a service for known vulnerabilities of each
locked version. It calls a run in which the service knew no package a success; here that is NOT
AUDITED, with the reason. Licences are those that the metadata of the installed packages state; a
version other than the locked one is named.

Exit status: 1 for a known vulnerability, with `--strict` also where something was not audited.
"""

import argparse
import importlib.metadata
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = ROOT / "build" / "audit" / "bin" / "pip-audit"
_PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^ \\\n]+)", re.MULTILINE)
_CLASSIFIER = "License :: "
# Some packages have the whole text of their licence in that field.
_SHOWN_CHARACTERS = 60


@dataclass(frozen=True)
class Audit:
    """What an audit found.

    Attributes:
        audited: Packages that the service knows.
        skipped: Of each other one, why it was not audited.
        vulnerable: `NAME VERSION: ID, mended in VERSIONS` for each vulnerability.
    """

    audited: tuple[str, ...]
    skipped: dict[str, str]
    vulnerable: tuple[str, ...]

    @classmethod
    def of(cls, document: dict[str, Any]) -> "Audit":
        """Read the JSON that pip-audit writes."""
        packages = document["dependencies"]
        return cls(
            tuple(one["name"] for one in packages if "skip_reason" not in one),
            {one["name"]: one["skip_reason"] for one in packages if "skip_reason" in one},
            tuple(
                f"{one['name']} {one['version']}: {found['id']}, mended in "
                f"{', '.join(found['fix_versions']) or 'no version'}"
                for one in packages
                for found in one.get("vulns", ())
            ),
        )

    def lines(self, lock: str) -> Iterator[str]:
        """Yield the result in words; the last line says whether it was an audit.

        Args:
            lock: The name of what was audited.
        """
        yield from (f"VULNERABLE: {one}" for one in self.vulnerable)
        total = len(self.audited) + len(self.skipped)
        if self.skipped:
            reason = next(iter(self.skipped.values()))
            yield (
                f"NOT AUDITED: {len(self.skipped)} of the {total} packages of {lock}, "
                f"{', '.join(self.skipped)}; the first because: {reason}"
            )
        else:
            yield f"{lock}: {total} packages audited, {len(self.vulnerable)} vulnerabilities known"


def audit(lock: Path, program: Path = PROGRAM) -> Audit:
    """Ask pip-audit about each version of a lock.

    Args:
        lock: A file of requirements with hashes.
        program: pip-audit.
    """
    asked = ["--disable-pip", "--require-hashes", "--progress-spinner=off", "--format=json"]
    try:
        done = subprocess.run(
            [program, *asked, "--requirement", lock], capture_output=True, text=True, check=False
        )
        return Audit.of(json.loads(done.stdout))
    except OSError as error:
        reason = f"pip-audit cannot be run ({error}); `make audit` installs it"
    except ValueError:
        # Status 1 is that of a vulnerability, too; without JSON it was no audit.
        last = (done.stderr.strip().splitlines() or [f"status {done.returncode}"])[-1]
        reason = f"pip-audit said: {last}"
    return Audit((), dict.fromkeys(pins(lock), reason), ())


def pins(lock: Path) -> dict[str, list[str]]:
    """Return the locked versions of each package; several where they depend on the Python."""
    found: dict[str, list[str]] = {}
    for name, version in _PIN.findall(lock.read_text(encoding="utf-8")):
        found.setdefault(name, []).append(version)
    return found


def licences(lock: Path) -> Iterator[str]:
    """Yield a line for each package of a lock: name, version, licence."""
    for name, versions in pins(lock).items():
        try:
            metadata = importlib.metadata.metadata(name)
        except importlib.metadata.PackageNotFoundError:
            yield f"{name} {' or '.join(versions)}: not installed here, licence not known"
            continue
        version = metadata["Version"]
        note = "" if version in versions else f" (locked is {' or '.join(versions)})"
        yield f"{name} {version}{note}: {licence(metadata)}"


def licence(metadata: Any) -> str:
    """Return the licence that a package states: an SPDX expression, a classifier or a text."""
    if stated := metadata.get("License-Expression"):
        return str(stated)
    classifiers = [
        one.rpartition(" :: ")[2]
        for one in metadata.get_all("Classifier") or ()
        if one.startswith(_CLASSIFIER)
    ]
    text = " ".join((metadata.get("License") or "").split())
    return ", ".join(classifiers) or text[:_SHOWN_CHARACTERS] or "not stated"


def main() -> None:
    """Print licences and audit."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--lock", type=Path, default=ROOT / "requirements" / "serve.txt")
    parser.add_argument("--strict", action="store_true", help="fail where something is not audited")
    options = parser.parse_args()
    print("Licences, as the packages' own metadata state them:")
    for line in licences(options.lock):
        print(f"  {line}")
    found = audit(options.lock)
    print("\n".join(found.lines(options.lock.name)))
    sys.exit(bool(found.vulnerable) or (options.strict and bool(found.skipped)))


if __name__ == "__main__":
    main()
