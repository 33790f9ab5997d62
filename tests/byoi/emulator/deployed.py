"""Deploying to an emulator: an account, plans for the echoing model, and what is there of them."""

import contextlib
import json
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from emulated_aws import ECHO, OWN_IMAGE, Aws

from byoi import deployment
from byoi.deployment import inventory
from byoi.deployment.plan import EndpointSpec, make_plan
from byoi.deployment.preparation import upload

TOYS = Path(__file__).resolve().parents[2] / "toys"
BROKEN = {**ECHO, "BYOI_INFERENCE_MODULE": "no_such_module"}


def account_of(aws: Aws) -> deployment.Account:
    """The account that an emulator is."""
    variables = {name: value for name, value in aws.emulator.variables.items() if value}
    return deployment.Account(
        aws.session, environ={**os.environ, **variables}, endpoint_url=aws.emulator.url
    )


def plan(account: deployment.Account, archive: Path, name: str, **changes: Any) -> deployment.Plan:
    """A plan for the echoing model, whose archive is uploaded."""
    wanted = {"environment": ECHO, **changes}
    made = make_plan(account, EndpointSpec(OWN_IMAGE, archive, name=name, **wanted))
    upload(account, made, archive)
    return made


def other_archive(
    folder: Path, old: str = '"text": _start(input_data)', new: str = '"text": "LOUD"'
) -> Path:
    """An archive of another model; by default it shouts whatever it was given."""
    module = (TOYS / "echo.py").read_text(encoding="utf-8")
    assert old in module
    source = folder / "echo.py"
    source.write_text(module.replace(old, new), encoding="utf-8")
    path = folder / "model.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        tar.add(source, "echo.py")
    return path


def ask(account: deployment.Account, name: str) -> str:
    """What the model makes of `hello`."""
    answer = account.runtime.invoke_endpoint(
        EndpointName=name, Body=b"hello", ContentType="text/plain"
    )
    text: str = json.loads(answer["Body"].read())["text"]
    return text


def existing(account: deployment.Account) -> list[str]:
    """The names of all endpoints, configurations and models, whoever made them."""
    sagemaker = account.sagemaker
    return sorted(
        [one["EndpointName"] for one in sagemaker.list_endpoints()["Endpoints"]]
        + [
            one["EndpointConfigName"]
            for one in sagemaker.list_endpoint_configs()["EndpointConfigs"]
        ]
        + [one["ModelName"] for one in sagemaker.list_models()["Models"]]
    )


def clear(account: deployment.Account) -> None:
    """Delete all that was deployed; other tests count endpoints."""
    inventory.delete_endpoints(account, [one.name for one in inventory.find_endpoints(account)])


def objects(aws: Aws) -> set[str]:
    """The keys of the default bucket."""
    pages = aws.s3.get_paginator("list_objects_v2").paginate(Bucket=aws.bucket)
    return {one["Key"] for page in pages for one in page.get("Contents", ())}


@contextlib.contextmanager
def left_as_found(aws: Aws) -> Iterator[deployment.Account]:
    """The account that an emulator is; at the end there is what there was before."""
    account = account_of(aws)
    before, stored = existing(account), objects(aws)
    yield account
    clear(account)
    # What is in the bucket is not uploaded again.
    for key in objects(aws) - stored:
        aws.s3.delete_object(Bucket=aws.bucket, Key=key)
    assert existing(account) == before
