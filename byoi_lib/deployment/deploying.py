"""Deploying: whatever is there already, afterwards the endpoint is as planned, or as before.

Source: API CreateEndpoint, UpdateEndpoint ("SageMaker AI provisions new instances, switches
to them, and then deletes the old ones"; "you must not delete an EndpointConfig in use").
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from botocore.exceptions import ClientError

from byoi_lib import errors
from byoi_lib.deployment import ownership, removing, waiting
from byoi_lib.deployment.account import Account, aws_errors
from byoi_lib.deployment.container_log import ContainerLog
from byoi_lib.deployment.ownership import CONFIG, ENDPOINT, MODEL
from byoi_lib.deployment.plan import Plan


class Outcome(StrEnum):
    """What `deploy` did."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"


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
    found = _settled(account, plan.endpoint_name, progress)
    if found and found["EndpointStatus"] != "InService":
        progress(f"{plan.endpoint_name} is {found['EndpointStatus']} and is replaced")
        configs = [found["EndpointConfigName"]]
        removing.remove(account.sagemaker, plan.endpoint_name, configs, progress)
        found = None
    if found and found["EndpointConfigName"] == plan.config_name:
        _renew(account, plan)
        return Outcome.UNCHANGED
    old_config = found["EndpointConfigName"] if found else None
    change = _Change(account, plan, progress, old_config)
    change.make(find_startup_timeout_s)
    return change.finish()


@dataclass
class _Change:
    """The step from the endpoint there is, or none, to the one that is planned."""

    account: Account
    plan: Plan
    progress: waiting.Progress
    old_config: str | None

    def make(self, find_startup_timeout_s: Callable[[], int | None]) -> None:
        """Start it; where AWS refuses a part, the parts before it are taken back."""
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
        except Exception:
            self._remove_unused()
            raise

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
            _renew(self.account, plan)
            self._remove_unused()
            return Outcome.UPDATED if self.old_config else Outcome.CREATED
        reason = (described or {}).get("FailureReason") or f"it is {status}, and nobody says why"
        if not is_serving:
            removing.remove(sagemaker, plan.endpoint_name, self._configs(), self.progress)
            state = "nothing of it was left"
        else:
            self._remove_unused()
            state = "the endpoint serves on as it was before"
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
        if ownership.describe(self.account.sagemaker, kind, name):
            return
        try:
            create(**request())
        except ClientError as error:
            # Another deployment of the same was faster.
            if not waiting.is_present(error):
                raise
        else:
            self.progress(f"created {kind} {name}")

    def _remove_unused(self) -> None:
        """Remove those of the two configurations, and their models, that nothing uses now."""
        removing.remove_unused(
            self.account.sagemaker,
            self.plan.endpoint_name,
            configs=self._configs(),
            models=[self.plan.model_name],
            progress=self.progress,
        )

    def _configs(self) -> list[str]:
        return [self.plan.config_name, *([self.old_config] if self.old_config else [])]


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


def _renew(account: Account, plan: Plan) -> None:
    """Give endpoint, configuration and model the plan's expiry."""
    sagemaker = account.sagemaker
    things = [
        (ENDPOINT, plan.endpoint_name),
        (CONFIG, plan.config_name),
        *((MODEL, name) for name in ownership.models_of(sagemaker, plan.config_name)),
    ]
    for kind, name in things:
        if described := ownership.describe(sagemaker, kind, name):
            arn = ownership.arn(kind, described)
            ownership.extend(sagemaker, arn, plan.endpoint_name, plan.expires)
