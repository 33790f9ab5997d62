"""The templates are valid, and the policies say what their page says of them."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

INFRA = Path(__file__).resolve().parents[2] / "infra"
TEMPLATES = sorted(INFRA.glob("*.yaml"))


def statements(name: str) -> list[dict]:
    return json.loads((INFRA / name).read_text(encoding="utf-8"))["Statement"]


def actions(name: str) -> list[str]:
    found = []
    for one in statements(name):
        found += one["Action"] if isinstance(one["Action"], list) else [one["Action"]]
    return found


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_templates_are_clean(template: Path) -> None:
    program = Path(sys.executable).with_name("cfn-lint")
    done = subprocess.run([program, template], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_templates_are_found() -> None:
    assert {"api_gateway.yaml", "execution_role.yaml"} <= {path.name for path in TEMPLATES}


def test_the_page_gives_a_reason_for_every_action_of_the_policy_and_for_no_other() -> None:
    page = (INFRA / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([a-z0-9]+:\w+)` \| (.+) \| (.+) \|$", page, re.MULTILINE)
    assert sorted(row[0] for row in rows) == sorted(set(actions("deployer_policy.json")))
    for action, call, where in rows:
        for path in re.findall(r"`([\w/]+\.(?:py|sh|yaml))`", where):
            root = (
                INFRA.parent if path.startswith(("infra/", "build_")) else (INFRA.parent / "byoi")
            )
            assert (root / path).is_file(), f"{action}: {path}"
        assert call


def test_every_file_is_on_the_page() -> None:
    page = (INFRA / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"^\| `([\w.]+)` \|", page, re.MULTILINE))
    assert {path.name for path in INFRA.iterdir()} - {"README.md"} <= named


@pytest.mark.parametrize("policy", ["deployer_policy.json", "boundary.json"])
def test_policies_name_their_actions_and_fit_into_iam(policy: str) -> None:
    assert not [action for action in actions(policy) if "*" in action]
    # IAM and STS quotas: 6,144 characters of a managed policy, without white space.
    text = (INFRA / policy).read_text(encoding="utf-8")
    assert len(re.sub(r"\s", "", text)) <= 6144


def test_whoever_makes_a_role_makes_it_within_the_boundary() -> None:
    makers = ("iam:CreateRole", "iam:PutRolePolicy")
    found = [one for one in statements("deployer_policy.json") if set(makers) & set(one["Action"])]
    wanted = "arn:aws:iam::${aws:PrincipalAccount}:policy/byoi-boundary"
    assert [one["Condition"]["StringEquals"] for one in found] == [
        {"iam:PermissionsBoundary": wanted}
    ]
    # Nor can they change a boundary, or what the policy of that name says.
    ruling = re.compile(r"iam:.*(Boundary|PolicyVersion|CreatePolicy|AttachRole|AssumeRole)")
    assert not [action for action in actions("deployer_policy.json") if ruling.match(action)]


def test_the_boundary_holds_what_the_roles_may_and_no_more() -> None:
    texts = [path.read_text(encoding="utf-8") for path in TEMPLATES]
    actions_of = re.compile(r"\b((?:s3|ecr|logs|cloudwatch|sagemaker):[A-Z]\w+)$", re.MULTILINE)
    granted = {action for text in texts for action in actions_of.findall(text)}
    assert granted == set(actions("boundary.json"))
