"""One step of an endpoint: from what there is, or nothing, to what is planned.

Sources: API UpdateEndpoint (new instances take over from the old ones without a gap; a
configuration must not be deleted while it is in use), CreateEndpoint (what was just made may
not be found yet; looking at it first makes that unlikely).

Deploying: whatever is there already, afterwards the endpoint is as planned, or as before.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from byoi import errors
from byoi.deployment import resources, waiting
from byoi.deployment.account import Account, aws_errors
from byoi.deployment.plan import Plan
from byoi.deployment.resources import CONFIG, ENDPOINT, MODEL
from byoi.deployment.waiting import ContainerLog


class Outcome(StrEnum):
    """What `deploy` did."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"


@dataclass
class Change:
    """The step from the endpoint there is, or none, to the one that is planned."""

    account: Account
    plan: Plan
    progress: waiting.Progress
    old_config: str | None

    def make(self, find_startup_timeout_s: Callable[[], int | None]) -> bool:
        """Start it; where AWS refuses a part, the parts before it are taken back.

        Returns:
            Whether it was started; False: another deployment was faster.
        """
        sagemaker, plan = self.account.sagemaker, self.plan
        self.log = ContainerLog(self.account.client("logs"), plan.endpoint_name)
        try:
            self._ensure(MODEL, plan.model_name, sagemaker.create_model, plan.model_request)
            self._ensure(
                CONFIG,
                plan.config_name,
                sagemaker.create_endpoint_config,
                lambda: plan.config_request(
                    None if plan.startup_timeout_s else find_startup_timeout_s()
                ),
            )
            if self.old_config is None:
                self.progress(f"creating endpoint {plan.endpoint_name}")
                sagemaker.create_endpoint(**plan.endpoint_request())
            else:
                self.progress(f"updating endpoint {plan.endpoint_name}; the old one answers")
                sagemaker.update_endpoint(
                    EndpointName=plan.endpoint_name, EndpointConfigName=plan.config_name
                )
        except ClientError as error:
            if waiting.is_present(error) or waiting.is_busy(error):
                return False
            self._remove_unused()
            raise
        except Exception:
            self._remove_unused()
            raise
        return True

    def finish(self) -> Outcome:
        """Wait for the end and remove what is not needed after it."""
        sagemaker, plan = self.account.sagemaker, self.plan
        described = waiting.wait(
            sagemaker, plan.endpoint_name, log=self.log, progress=self.progress
        )
        self.log.tag()
        status = described["EndpointStatus"] if described else "gone"
        is_serving = status == "InService"
        if described and is_serving and described["EndpointConfigName"] == plan.config_name:
            renew(self.account, plan)
            self._remove_unused()
            return Outcome.UPDATED if self.old_config else Outcome.CREATED
        reason = (described or {}).get("FailureReason") or f"it is {status}, and nobody says why"
        try:
            if not is_serving:
                resources.remove(sagemaker, plan.endpoint_name, self._configs(), self.progress)
                state = "nothing of it was left"
            else:
                self._remove_unused()
                state = "the endpoint serves on as it was before"
        except (ClientError, BotoCoreError, errors.ByoiError) as error:
            state = f"it could not be removed: {error}; try `byoi delete {plan.endpoint_name}`"
        raise errors.EndpointFailedError(self._explain(reason, state))

    def _explain(self, reason: str, state: str) -> str:
        lines = list(self.log.last_lines)
        said = "\n".join(f"  | {line}" for line in lines) or "  (its containers wrote no log)"
        return (
            f"endpoint {self.plan.endpoint_name} failed: {reason}\n"
            f"last lines of the new containers' log:\n{said}\n{state}"
        )

    def _ensure(
        self,
        kind: str,
        name: str,
        create: Callable[..., Any],
        request: Callable[[], dict[str, Any]],
    ) -> None:
        """Create a thing unless it is there: its name stands for its content."""
        if resources.describe(self.account.sagemaker, kind, name):
            return
        try:
            create(**request())
        except ClientError as error:
            # Another deployment of the same was faster.
            if not waiting.is_present(error):
                raise
        else:
            self.progress(f"created {kind} {name}")
            # What names it next may otherwise not find it yet.
            resources.describe(self.account.sagemaker, kind, name)

    def _remove_unused(self) -> None:
        """Remove those of the two configurations, and their models, that nothing uses now."""
        resources.remove_unused(
            self.account.sagemaker,
            self.plan.endpoint_name,
            configs=self._configs(),
            models=[self.plan.model_name],
            progress=self.progress,
        )

    def _configs(self) -> list[str]:
        return [self.plan.config_name, *([self.old_config] if self.old_config else [])]


def renew(account: Account, plan: Plan) -> None:
    """Give endpoint, configuration and model the plan's expiry."""
    sagemaker = account.sagemaker
    things = [
        (ENDPOINT, plan.endpoint_name),
        (CONFIG, plan.config_name),
        *((MODEL, name) for name in resources.models_of(sagemaker, plan.config_name)),
    ]
    for kind, name in things:
        if described := resources.describe(sagemaker, kind, name):
            arn = resources.arn(kind, described)
            resources.extend(sagemaker, arn, plan.endpoint_name, plan.expires)


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
            resources.remove(account.sagemaker, plan.endpoint_name, configs, progress)
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
    if resources.find_ownership(sagemaker, described["EndpointArn"]) is None:
        raise errors.HostingError(
            f"there is an endpoint {name} that was not made here (it has no tag "
            "byoi:endpoint), and it is left as it is; take another name, or delete it first: "
            f"aws sagemaker delete-endpoint --endpoint-name {name}"
        )
    if described["EndpointStatus"] not in waiting.TRANSIENT:
        return described
    progress(f"waiting for what goes on with {name}")
    return waiting.wait(sagemaker, name, progress=progress)
