"""The rollout of a plan: create, update or replace an endpoint, or leave it as it is.

Sources: API UpdateEndpoint (new instances replace the old ones without a gap; a configuration
must not be deleted while it is in use), CreateEndpoint (a resource may not be found right after
its creation; describing it first makes that unlikely).
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from byoi import errors
from byoi.deployment import resources, tags, waiting
from byoi.deployment.account import Account, aws_errors
from byoi.deployment.plan import Plan
from byoi.deployment.resources import CONFIG, ENDPOINT, MODEL
from byoi.deployment.waiting import ContainerLog

# Attempts, when other deployments of the same endpoint come first.
_ATTEMPTS = 5


class Outcome(StrEnum):
    """The result of `deploy`."""

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
    """Create or update the planned endpoint, and wait until it is in service.

    An endpoint that does not exist is created. One that is as planned stays as it is, and only
    its expiry is renewed. One with our tags and other content is updated: the old containers answer
    until the new ones are healthy, and then what only they needed is deleted. A failed endpoint
    is replaced. A change that is in progress is waited for first. An endpoint without our tags is
    never changed, and no option forces it: choose another name.

    If a creation fails, all of it is deleted; if an update fails, the old endpoint keeps serving
    and the new parts are deleted. If waiting is interrupted, the change continues at AWS, with
    its tags: deploy again to wait for it, or delete the endpoint.

    Args:
        account: Account to deploy to.
        plan: What to deploy.
        progress: Takes one line for each step, and for each line of the new containers' log.
        find_startup_timeout_s: Called before a new configuration is made, if the plan has no
            start-up time-out.

    Raises:
        EndpointFailedError: The new containers did not become healthy; the message has the
            cause and the last lines of their log.
        HostingError: The endpoint is not ours, or AWS refused a call.
    """
    for _ in range(_ATTEMPTS):
        found = _find_settled(account, plan.endpoint_name, progress)
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
        if change.start(find_startup_timeout_s):
            return change.finish()
        progress(f"another deployment of {plan.endpoint_name} was faster")
    raise errors.HostingError(
        f"{plan.endpoint_name} was not deployed: {_ATTEMPTS} times another deployment changed "
        "the endpoint at the same time; check `byoi endpoints`, then deploy again or take another "
        "name"
    )


def _find_settled(account: Account, name: str, progress: waiting.Progress) -> dict[str, Any] | None:
    """Return our endpoint after its status is final, None if there is none."""
    sagemaker = account.sagemaker
    described = waiting.describe(sagemaker, name)
    if described is None:
        return None
    if resources.find_ownership(sagemaker, described["EndpointArn"]) is None:
        raise errors.HostingError(
            f"there is an endpoint {name} that was not created by byoi (it has no tag "
            f"{tags.ENDPOINT}) and is not changed; take another name, or delete it first: "
            f"aws sagemaker delete-endpoint --endpoint-name {name}"
        )
    if described["EndpointStatus"] not in waiting.TRANSIENT:
        return described
    progress(f"waiting for {name}, which is {described['EndpointStatus']}")
    return waiting.wait(sagemaker, name, progress=progress)


@dataclass
class Change:
    """The change from an existing endpoint, or none, to the planned one.

    Attributes:
        account: Account to deploy to.
        plan: The planned endpoint.
        progress: Takes one line for each step.
        old_config: Configuration of the existing endpoint, None if there is none.
    """

    account: Account
    plan: Plan
    progress: waiting.Progress
    old_config: str | None

    def start(self, find_startup_timeout_s: Callable[[], int | None]) -> bool:
        """Start the change; if AWS refuses a part, the parts before it are deleted.

        Returns:
            Whether it was started; False if another deployment was faster.
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
        """Wait until the status is final, and delete what is not needed after that."""
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
        reason = (described or {}).get(
            "FailureReason"
        ) or f"it is {status}, and AWS gives no reason"
        try:
            if not is_serving:
                resources.remove(sagemaker, plan.endpoint_name, self._configs(), self.progress)
                state = "all of it was deleted"
            else:
                self._remove_unused()
                state = "the endpoint keeps serving as before"
        except (ClientError, BotoCoreError, errors.ByoiError) as error:
            state = f"it could not be removed: {error}; try `byoi delete {plan.endpoint_name}`"
        raise errors.EndpointFailedError(self._explain(reason, state))

    def _explain(self, reason: str, state: str) -> str:
        lines = "\n".join(f"  | {line}" for line in self.log.last_lines)
        return (
            f"endpoint {self.plan.endpoint_name} failed: {reason}\n"
            "last lines of the new containers' log:\n"
            f"{lines or '  (its containers wrote no log)'}\n{state}"
        )

    def _ensure(
        self,
        kind: str,
        name: str,
        create: Callable[..., Any],
        request: Callable[[], dict[str, Any]],
    ) -> None:
        """Create a resource unless it exists: its name identifies its content."""
        if resources.describe(self.account.sagemaker, kind, name):
            return
        try:
            create(**request())
        except ClientError as error:
            # Another deployment of the same plan was faster.
            if not waiting.is_present(error):
                raise
        else:
            self.progress(f"created {kind} {name}")
            # The next call names it, and might not find it otherwise.
            resources.describe(self.account.sagemaker, kind, name)

    def _remove_unused(self) -> None:
        """Delete those of the two configurations, and their models, that are not in use."""
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
    """Give endpoint, configuration and models the plan's expiry."""
    sagemaker = account.sagemaker
    wanted = [
        (ENDPOINT, plan.endpoint_name),
        (CONFIG, plan.config_name),
        *((MODEL, name) for name in resources.models_of(sagemaker, plan.config_name)),
    ]
    for kind, name in wanted:
        if described := resources.describe(sagemaker, kind, name):
            arn = resources.arn(kind, described)
            resources.extend(sagemaker, arn, plan.endpoint_name, plan.expires)
