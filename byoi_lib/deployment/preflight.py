"""What would make a deployment fail, looked for before anything is made.

All of it is looked at, so that one run shows every failure, each with its remedy.
"""

from collections.abc import Iterable

from byoi_lib import errors
from byoi_lib.deployment import image_check, model_data_check, quota, role_check
from byoi_lib.deployment.account import Account
from byoi_lib.deployment.finding import Finding
from byoi_lib.deployment.plan import Plan

_MARKS = {True: "ok", False: "FAILED", None: "not known"}


def check(account: Account, plan: Plan, *, is_uploaded: bool = True) -> list[Finding]:
    """Return what was found; nothing is made, and nothing is raised for what is not as it must be.

    Args:
        account: Where the plan is to be deployed.
        plan: What is to be deployed.
        is_uploaded: Whether the model data are in S3 already; else only their bucket is
            looked at.
    """
    return [
        *role_check.check(account, plan),
        *model_data_check.check(account, plan, is_uploaded=is_uploaded),
        *image_check.check(account, plan),
        *quota.check(account, plan),
    ]


def require(findings: Iterable[Finding]) -> None:
    """Raise where a finding is a failure; what could not be told is none.

    Raises:
        ConfigurationError: Something would make the deployment fail; the message has all of it.
    """
    failures = [finding for finding in findings if finding.is_ok is False]
    if failures:
        lines = "\n".join(to_text(finding) for finding in failures)
        raise errors.ConfigurationError(f"nothing was made, because it would fail:\n{lines}")


def to_text(finding: Finding) -> str:
    """Return a finding as a line or two."""
    line = f"{_MARKS[finding.is_ok]}: {finding.what}"
    return f"{line}\n    {finding.remedy}" if finding.remedy else line
