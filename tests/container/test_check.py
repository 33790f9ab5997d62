"""`byoi check` in whole: images with one fault each, and this project's own image.

`make check-all` runs the faults of all rules; ten causes are in every test run.
"""

import json
import os
import subprocess
import sys

import pytest
from containers import docker
from images import REPOSITORY, current

from byoi.conformance import Case, Given, ImageSubject, Payload, Verdict, all_rules, check, selected
from byoi.local import Engine

PAYLOAD = Payload(b"[1, 2]", "application/json")


@pytest.fixture
def faulty_image(request):
    """Build an image with one fault in a layer of its own, and remove it afterwards."""
    made = []

    def build(lines: str) -> str:
        tag = f"{REPOSITORY}-fault-{len(made)}:latest"
        subprocess.run(
            ["docker", "build", "--quiet", "--tag", tag, "-"],
            input=f"FROM {current('faulty')}\n{lines}\n",
            text=True,
            check=True,
            capture_output=True,
        )
        made.append(tag)
        return tag

    yield build
    docker("rmi", "--force", *made, check=False)


def asked(image, *only, given=None, model=None):
    case = Case(ImageSubject(Engine(os.environ), image, model), given or Given(payload=PAYLOAD))
    report = check(case, selected(all_rules(), only))
    return {result.rule.id: result for result in report.results}


CRLF = """RUN printf '#!/bin/sh\\r\\nexec python3 /faulty.py serve\\r\\n' > /usr/bin/begin \\
 && chmod +x /usr/bin/begin
ENTRYPOINT ["/usr/bin/begin"]"""
# What is wrong with the image: the rule that fails, and words that must stand in what was seen.
CAUSES = {
    "crlf": (CRLF, "RT-22", ["CRLF", "/usr/bin/begin"]),
    "loopback": ("ENV FAULT=loopback", "RT-15", ["127.0.0.1"]),
    "port": ("ENV FAULT='port 5000'", "RT-15", ["5000", "8080"]),
    "slow_ping": ("ENV FAULT='slow_ping 3'", "RT-22", ["the limit is 2 s", "3."]),
    "no_invocations": ("ENV FAULT=no_invocations", "RT-31", ["404"]),
    "limit": ("ENV FAULT='limit 1048576'", "RT-34", ["413"]),
    "no_serve": ("ENTRYPOINT []\nENV PATH=/bin", "RT-22", ["serve"]),
    "write_model": ("ENV FAULT=write_model", "RT-58", ["read-only", "/opt/ml/model/cache"]),
    "ignores_sigterm": ("ENV FAULT=ignores_sigterm", "RT-67", ["SIGTERM"]),
    "shell_form": ("ENTRYPOINT python3 /faulty.py serve", "RT-03", ["shell form"]),
    "downloads": ("ENV FAULT=downloads", "RT-22", ["no network"]),
}


@pytest.mark.parametrize("fault", CAUSES)
def test_the_cause_is_named(faulty_image, fault):
    lines, rule, words = CAUSES[fault]
    image = faulty_image(lines)
    result = asked(image, rule)[rule]
    assert result.verdict is Verdict.FAIL, result
    assert [word for word in words if word not in result.seen] == [], result.seen
    assert result.remedy


def test_an_image_without_a_fault_keeps_every_rule_that_is_tested():
    results = asked(current("faulty"))
    assert [one for one in results.values() if one.verdict is Verdict.FAIL] == []
    assert results["RT-31"].verdict is Verdict.PASS


def test_the_command_prints_the_table_and_writes_the_reports(faulty_image, tmp_path):
    image = faulty_image("ENV FAULT='limit 1048576'")
    files = {name: tmp_path / f"report.{name}" for name in ("json", "junit", "html")}
    options = [f"--{name}={file}" for name, file in files.items()]
    done = subprocess.run(
        [sys.executable, "-m", "byoi.cli", "check", image, "--only", "RT-22,RT-34", *options],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("RT-22  pass")
    assert lines[1].startswith("RT-34  fail")
    assert "client_max_body_size" in lines[2]
    assert lines[-1] == "2 of 2 rules tested, 1 failed, 0 not tested"
    assert json.loads(files["json"].read_text())["summary"] == lines[-1]
    assert 'failures="1"' in files["junit"].read_text()
    assert "RT-34" in files["html"].read_text()


def test_an_image_that_is_not_here_cannot_be_checked():
    done = subprocess.run(
        [sys.executable, "-m", "byoi.cli", "check", "byoi-no-such-image:latest"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "no image byoi-no-such-image:latest" in done.stderr
