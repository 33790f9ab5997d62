"""The preparation of a deployment: plan, checks, price, upload and start-up time-out.

`byoi deploy`, `hosting.Endpoint.deploy` and the notebooks all begin here.
"""

import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from byoi import terminal
from byoi.deployment import (
    model_folder,
    model_object,
    preflight,
    price,
    rollout,
    startup,
    waiting,
)
from byoi.deployment.account import Account, aws_errors
from byoi.deployment.finding import Finding
from byoi.deployment.plan import EndpointSpec, Plan, make_plan
from byoi.deployment.rollout import Outcome


@dataclass(frozen=True)
class Preparation:
    """A plan that can be deployed: it was checked, and its model data is in S3.

    Attributes:
        account: Account to deploy to.
        plan: The planned endpoint.
        archive: The model data on this machine, an archive or a directory; None where it is not
            on this machine.
    """

    account: Account
    plan: Plan
    archive: Path | None

    def deploy(self, *, progress: waiting.Progress = waiting.silent) -> Outcome:
        """Create or update the endpoint, and wait until it is in service.

        The start-up time-out is measured on this machine, if the plan has none and a new
        endpoint configuration is needed.

        Args:
            progress: Takes one line for each step, and for each line of the containers' log.

        Raises:
            ByoiError: As `rollout.deploy`.
        """
        progress = terminal.showing(progress)
        return rollout.deploy(
            self.account,
            self.plan,
            progress=progress,
            find_startup_timeout_s=functools.partial(
                startup.find_timeout_s,
                self.plan.image_uri,
                self.archive,
                self.plan.environment,
                progress=progress,
            ),
        )


def _nothing_more(_plan: Plan) -> Iterable[Finding]:
    return ()


def prepare(
    account: Account,
    spec: EndpointSpec,
    *,
    progress: waiting.Progress = waiting.silent,
    try_container: Callable[[Plan], Iterable[Finding]] = _nothing_more,
) -> Preparation:
    """Plan an endpoint, check the plan, and upload its model data.

    Args:
        account: Account to deploy to.
        spec: What the user specified.
        try_container: Called after the checks have found no failure, if the plan is checked at all.
        progress: Takes one line for each finding that is not a failure, for what the plan asks
            for beyond AWS's defaults, for the price, and for the upload.

    Raises:
        ConfigurationError: A value cannot be used or is missing, or a check failed; the message
            has all failures.
        ModelDataError: There is no such archive.
        HostingError: AWS refused a call.
    """
    progress = terminal.showing(progress)
    plan = make_plan(account, spec)
    archive = spec.archive
    if spec.is_checked:
        _require(preflight.check(account, plan, is_uploaded=archive is None), progress)
        _require(try_container(plan), progress)
    for line in plan.lines():
        progress(line)
    progress(price.line(account, plan))
    if sent := upload(account, plan, archive):
        what = f"{sent} files of {archive}" if plan.is_uncompressed else archive
        progress(f"uploaded {what} to {plan.model_data_url}")
    return Preparation(account, plan, archive)


def _require(findings: Iterable[Finding], progress: waiting.Progress) -> None:
    """Show what is no failure, and raise with all failures."""
    found = list(findings)
    for finding in found:
        if finding.is_ok is not False:
            progress(str(finding))
    preflight.require(found)


@aws_errors("the model data was not uploaded")
def upload(account: Account, plan: Plan, archive: Path | None) -> int:
    """Upload model data of this machine to the URI in the plan.

    Returns:
        How many objects were sent; 0 where all of it is there already.

    Raises:
        HostingError: AWS refused it.
    """
    if archive is None or plan.model_data_url is None:
        return 0
    kept: Any = model_folder if plan.is_uncompressed else model_object
    sent = kept.upload(account.client("s3"), plan.model_data_url, archive, plan.placement.kms_key)
    return int(sent)
