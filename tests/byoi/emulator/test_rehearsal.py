"""The line at the top of a notebook: an emulator, the one around it, or AWS."""

import os

import boto3
import pytest

from byoi import emulator, errors

ENVIRON = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")}
ROLE = "arn:aws:iam::123456789012:role/mine"


def test_it_starts_an_emulator_and_puts_the_environment_back():
    environ = dict(ENVIRON)
    rehearsal = emulator.rehearse(environ)
    session = boto3.Session(
        environ["AWS_ACCESS_KEY_ID"],
        environ["AWS_SECRET_ACCESS_KEY"],
        region_name=environ["AWS_DEFAULT_REGION"],
    )
    sagemaker = session.client("sagemaker", endpoint_url=environ["AWS_ENDPOINT_URL"])
    try:
        assert rehearsal.is_emulated
        assert sagemaker.list_endpoints()["Endpoints"] == []
    finally:
        rehearsal.stop()
        sagemaker.close()
    assert environ == ENVIRON


def test_inside_an_emulator_it_starts_no_second_one(in_processes):
    inside = {
        **ENVIRON,
        **{name: value for name, value in in_processes.emulator.variables.items() if value},
    }
    environ = dict(inside)
    rehearsal = emulator.rehearse(environ)
    assert rehearsal.is_emulated
    rehearsal.stop()
    assert environ == inside
    assert in_processes.endpoints() == []


def test_without_an_engine_no_image_is_run():
    environ = {**ENVIRON, "DOCKER_HOST": "unix:///nowhere.sock"}
    environ["AWS_ENDPOINT_URL"] = "http://127.0.0.1:1"
    environ |= {"BYOI_ROLE_ARN": ROLE, "BYOI_BUCKET": "mine"}
    assert not emulator.rehearse(environ).runs_images


def test_on_aws_nothing_is_started_and_nothing_set():
    environ = {**ENVIRON, "BYOI_PLATFORM": "aws", "BYOI_ROLE_ARN": ROLE, "BYOI_BUCKET": "mine"}
    before = dict(environ)
    rehearsal = emulator.rehearse(environ)
    assert not rehearsal.is_emulated
    assert rehearsal.runs_images
    rehearsal.stop()
    assert environ == before


def test_on_aws_what_is_missing_is_named_once():
    with pytest.raises(errors.ConfigurationError) as caught:
        emulator.rehearse({**ENVIRON, "BYOI_PLATFORM": "aws"})
    assert "BYOI_ROLE_ARN" in str(caught.value)
    assert "BYOI_BUCKET" in str(caught.value)
    assert "leave BYOI_PLATFORM out" in str(caught.value)


def test_another_platform_is_refused():
    with pytest.raises(errors.ConfigurationError, match=r"BYOI_PLATFORM='AWS'.*`aws`"):
        emulator.rehearse({**ENVIRON, "BYOI_PLATFORM": "AWS"})
