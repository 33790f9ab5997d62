"""infra/api_gateway.yaml is a template that CloudFormation's own schemas have nothing against."""

import subprocess
import sys
from pathlib import Path

TEMPLATE = Path(__file__).resolve().parent.parent / "infra" / "api_gateway.yaml"


def lint(path: Path) -> "subprocess.CompletedProcess[str]":
    program = Path(sys.executable).with_name("cfn-lint")
    command = [str(program), "--non-zero-exit-code", "informational", str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def test_cfn_lint_is_content() -> None:
    done = lint(TEMPLATE)
    assert done.returncode == 0, done.stdout + done.stderr


def test_cfn_lint_would_notice(tmp_path: Path) -> None:
    broken = tmp_path / "broken.yaml"
    text = TEMPLATE.read_text(encoding="utf-8")
    broken.write_text(text.replace("PassthroughBehavior: WHEN", "PassthroughBehavior: SO"))
    assert lint(broken).returncode != 0
