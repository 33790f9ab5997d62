"""Deploying: whatever is there already, afterwards the endpoint is as planned, or as before."""

from collections.abc import Callable
from typing import Any

from byoi_lib import errors
from byoi_lib.deployment import ownership, removing, waiting
from byoi_lib.deployment.account import Account, aws_errors
from byoi_lib.deployment.change import Change, Outcome, renew
from byoi_lib.deployment.plan import Plan

# How often somebody else may be faster.
_ATTEMPTS = 5


def no_timeout() -> int | None:
    """Leave the start-up time-out to AWS, which waits 8 minutes."""
    return None


@aws_errors("it was not deployed")
def deploy(
    account: Account,
    plan: Plan,
    *,
    progress: waiting.Progress = waiting.silent,
    find_startup_timeout_s: Callable[[], int | None] = no_timeout,
) -> Outcome:
    """Make the endpoint what the plan says, and wait until it is.

    Without such an endpoint it is created. One that is as planned is left alone, only its
    expiry is renewed. One of ours with other content is updated: the old one answers until
    the new one is healthy, and what the old one alone needed is deleted then. One that
    failed is replaced. What goes on with it is waited for first. One that is not ours by
    its tags is never touched, and there is no switch to force it: take another name.

    Where a creation fails, nothing of it stays; where an update fails, the old endpoint
    goes on serving and what was new is deleted. Where waiting is interrupted, what was
    begun goes on at AWS, with its tags: deploy again to wait for it, or delete it.

    Args:
        account: Where.
        plan: What.
        progress: Takes one line for each thing that happens, and for each line of the
            new containers' log.
        find_startup_timeout_s: Called before a new configuration is made, where the plan
            names no time-out.

    Raises:
        EndpointFailedError: The new containers did not become healthy; the message has the
            cause and the last lines of their log.
        HostingError: The endpoint is not ours, or AWS refused a call.
    """
    for _ in range(_ATTEMPTS):
        found = _settled(account, plan.endpoint_name, progress)
        if found and found["EndpointStatus"] != "InService":
            progress(f"{plan.endpoint_name} is {found['EndpointStatus']} and is replaced")
            configs = [found["EndpointConfigName"]]
            removing.remove(account.sagemaker, plan.endpoint_name, configs, progress)
            found = None
        if found and found["EndpointConfigName"] == plan.config_name:
            renew(account, plan)
            return Outcome.UNCHANGED
        old_config = found["EndpointConfigName"] if found else None
        change = Change(account, plan, progress, old_config)
        if change.make(find_startup_timeout_s):
            return change.finish()
        progress(f"another deployment of {plan.endpoint_name} was faster")
    raise errors.HostingError(
        f"{plan.endpoint_name} was not deployed: others deployed it {_ATTEMPTS} times meanwhile; "
        "look who does with `byoi endpoints`, or take another name"
    )


def _settled(account: Account, name: str, progress: waiting.Progress) -> dict[str, Any] | None:
    """Return an endpoint of ours with which nothing goes on, None where there is none."""
    sagemaker = account.sagemaker
    described = waiting.describe(sagemaker, name)
    if described is None:
        return None
    if ownership.find(sagemaker, described["EndpointArn"]) is None:
        raise errors.HostingError(
            f"there is an endpoint {name} that was not made here (it has no tag "
            "byoi:endpoint), and it is left as it is; take another name, or delete it first: "
            f"aws sagemaker delete-endpoint --endpoint-name {name}"
        )
    if described["EndpointStatus"] not in waiting.TRANSIENT:
        return described
    progress(f"waiting for what goes on with {name}")
    return waiting.wait(sagemaker, name, progress=progress)
