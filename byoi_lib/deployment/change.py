"""One step of an endpoint: from what there is, or nothing, to what is planned.

Sources: API UpdateEndpoint (new instances take over from the old ones without a gap; a
configuration must not be deleted while it is in use), CreateEndpoint (what was just made may
not be found yet; looking at it first makes that unlikely).
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from byoi_lib import errors
from byoi_lib.deployment import ownership, removing, waiting
from byoi_lib.deployment.account import Account
from byoi_lib.deployment.container_log import ContainerLog
from byoi_lib.deployment.ownership import CONFIG, ENDPOINT, MODEL
from byoi_lib.deployment.plan import Plan


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
                removing.remove(sagemaker, plan.endpoint_name, self._configs(), self.progress)
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
            # What names it next may otherwise not find it yet.
            ownership.describe(self.account.sagemaker, kind, name)

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


def renew(account: Account, plan: Plan) -> None:
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
