"""The audit of the lock and the bill of materials of the image, with what their sources answer."""

import importlib.util
import json
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def script(*parts):
    path = ROOT.joinpath(*parts)
    spec = importlib.util.spec_from_file_location(f"script_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


audit = script("requirements", "audit.py")
sbom = script("container", "sbom.py")
KNOWN = {"name": "flask", "version": "3.1.3", "vulns": []}
BROKEN = {
    "name": "numpy",
    "version": "2.0",
    "vulns": [{"id": "X-1", "fix_versions": ["2.1"]}, {"id": "X-2", "fix_versions": []}],
}
SKIPPED = {"name": "click", "skip_reason": "not found"}


def lines_of(*packages):
    return list(audit.Audit.of({"dependencies": list(packages)}).lines("serve.txt"))


def test_a_package_that_the_service_does_not_know_is_not_audited():
    (line,) = lines_of(KNOWN, SKIPPED)
    assert line == (
        "NOT AUDITED: 1 of the 2 packages of serve.txt, click; the first because: not found"
    )


def test_each_vulnerability_is_named_with_its_remedy():
    assert lines_of(KNOWN, BROKEN) == [
        "VULNERABLE: numpy 2.0: X-1, mended in 2.1",
        "VULNERABLE: numpy 2.0: X-2, mended in no version",
        "serve.txt: 2 packages audited, 2 vulnerabilities known",
    ]


@pytest.fixture
def lock(tmp_path):
    path = tmp_path / "some.txt"
    path.write_text("flask==3.1.3 \\\n    --hash=sha256:00\nno-such==1.0 ; x\n")
    return path


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("echo no network >&2; exit 1", "pip-audit said: no network"),
        ("exit 7", "pip-audit said: status 7"),
    ],
)
def test_a_pip_audit_that_fails_audits_nothing(tmp_path, lock, source, reason):
    program = tmp_path / "pip-audit"
    program.write_text(f"#!/bin/sh\n{source}\n")
    program.chmod(0o755)
    found = audit.audit(lock, program)
    assert found.skipped == {"flask": reason, "no-such": reason}


def test_a_missing_pip_audit_audits_nothing(tmp_path, lock):
    reasons = audit.audit(lock, tmp_path / "none").skipped
    assert "`make audit` installs it" in reasons["flask"]


def test_what_pip_audit_writes_is_read(tmp_path, lock):
    program = tmp_path / "pip-audit"
    document = json.dumps({"dependencies": [BROKEN]})
    program.write_text(f"#!/bin/sh\necho '{document}'\nexit 1\n")
    program.chmod(0o755)
    assert len(audit.audit(lock, program).vulnerable) == 2


def test_licences_are_listed_and_what_is_not_here_is_named(lock):
    assert list(audit.licences(lock))[1] == "no-such 1.0: not installed here, licence not known"
    assert re.fullmatch(r"flask \S+.*: BSD-3-Clause", next(audit.licences(lock)))
    shipped = list(audit.licences(ROOT / "requirements" / "serve.txt"))
    assert len(shipped) > 10
    assert [one for one in shipped if "not stated" in one or "not known" in one] == []


PYTHON = json.dumps([["Flask", "3.1.3", "BSD-3-Clause"], ["byoi", "1", None], ["byoi", "1", None]])
DEBIAN = "nginx\t1.26-1\tamd64\nlibc6\t2.41\tamd64\n"


def test_the_bill_of_materials_has_every_package_once():
    components = [*sbom.python_components(PYTHON), *sbom.debian_components(DEBIAN)]
    described = {"Id": "sha256:12", "Architecture": "amd64"}
    document = json.loads(sbom.document("byoi:latest", described, components))
    assert document["bomFormat"] == "CycloneDX"
    assert document["metadata"]["component"]["name"] == "byoi"
    assert document["metadata"]["component"]["version"] == "sha256:12"
    assert {one["purl"] for one in document["components"]} == {
        *("pkg:pypi/flask@3.1.3", "pkg:pypi/byoi@1", "pkg:deb/debian/nginx@1.26-1?arch=amd64"),
        "pkg:deb/debian/libc6@2.41?arch=amd64",
    }
    flask = next(one for one in document["components"] if one["name"] == "Flask")
    assert flask["licenses"] == [{"license": {"id": "BSD-3-Clause"}}]


def test_an_image_that_is_not_there_is_told_in_one_line(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("DOCKER", str(tmp_path / "docker"))
    monkeypatch.setattr(sys, "argv", ["sbom.py", "none:1", str(tmp_path / "bom.json")])
    with pytest.raises(SystemExit, match="no bill of materials of none:1 was written: "):
        sbom.main()
    assert list(tmp_path.iterdir()) == []
    assert capsys.readouterr().out == ""
