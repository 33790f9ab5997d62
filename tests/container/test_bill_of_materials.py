"""The bill of materials that `make image` writes, of the image itself."""

import json
import re
import subprocess
import sys

from containers import ROOT


def test_it_has_the_locked_packages_and_debians(image, tmp_path):
    file = tmp_path / "image.cdx.json"
    command = [sys.executable, ROOT / "container" / "sbom.py", image, file]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    listed = {
        (one["purl"].partition("/")[0], one["name"].lower(), one["version"])
        for one in json.loads(file.read_text())["components"]
    }
    assert f"{len(listed)} packages of {image} are listed in {file}" in done.stdout
    lock = (ROOT / "requirements" / "serve.txt").read_text(encoding="utf-8")
    assert ("pkg:pypi", "flask", re.search(r"^flask==(\S+)", lock, re.MULTILINE)[1]) in listed
    assert {"nginx", "python3"} <= {name for kind, name, _ in listed if kind == "pkg:deb"}
    # What it was written with is not in the image.
    assert "cyclonedx-python-lib" not in {name for _, name, _ in listed}
