"""An endpoint on AWS, or the emulator, for a session of the SDK's."""

import datetime as dt
import functools
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from sagemaker.predictor import Predictor

from byoi_lib import deployment
from byoi_lib.deployment import names, planning, preflight, price, startup, waiting
from byoi_lib.hosting.aws_session import AwsSession

# Forgotten endpoints cost money.
LIFETIME_H = 24.0


def make(  # noqa: PLR0913 - keywords, one caller
    image_uri: str,
    model_data: Path | str | None,
    *,
    session: Any,
    role_arn: str | None,
    instance_type: str,
    environment: Mapping[str, str],
    startup_timeout_s: int | None,
    name: str | None,
    lifetime_h: float | None,
    progress: waiting.Progress,
    is_checked: bool,
) -> Predictor:
    """Create or update an endpoint, or leave it where it is as asked for.

    Arguments and errors are those of `Endpoint.deploy`.
    """
    is_here = model_data is not None and "://" not in str(model_data)
    account = _account(session, needs_bucket=is_here)
    until = dt.datetime.now(dt.UTC) + dt.timedelta(hours=lifetime_h) if lifetime_h else None
    plan = planning.make(
        account,
        name or "unnamed",
        image_uri,
        model_data,
        role_arn=role_arn,
        instance_type=instance_type,
        environment=environment,
        startup_timeout_s=startup_timeout_s,
        expires=until,
    )
    if name is None:
        plan = replace(plan, endpoint_name=names.derive("endpoint", plan.config_name))
    if is_checked:
        findings = preflight.check(account, plan, is_uploaded=not is_here)
        for finding in findings:
            progress(preflight.to_text(finding))
        preflight.require(findings)
        progress(price.line(account, plan))
    planning.upload(account, plan, model_data)
    find_timeout_s = functools.partial(
        startup.find_timeout_s,
        image_uri,
        Path(str(model_data)) if is_here else None,
        environment,
        progress=progress,
    )
    deployment.deploy(account, plan, progress=progress, find_startup_timeout_s=find_timeout_s)
    return Predictor(plan.endpoint_name, sagemaker_session=session)


def _account(session: Any, *, needs_bucket: bool) -> deployment.Account:
    """Return the account of a session; of one made by hand, the one its clients lead to."""
    if isinstance(session, AwsSession):
        return session.account
    # The SDK may ask STS and make a bucket: only where one is needed.
    bucket = {"BYOI_BUCKET": session.default_bucket()} if needs_bucket else {}
    return deployment.Account(
        session.boto_session,
        environ={**os.environ, **bucket},
        clients={
            "sagemaker": session.sagemaker_client,
            "sagemaker-runtime": session.sagemaker_runtime_client,
            "s3": session.s3_client,
        },
    )
