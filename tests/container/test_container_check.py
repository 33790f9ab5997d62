"""What `byoi deploy` finds of an image of this machine, before it makes an endpoint."""

import os

import pytest
from containers import docker
from images import current

from byoi.conformance import Payload
from byoi.deployment import container_check
from byoi.deployment.plan import Plan
from byoi.local import orphans

PAYLOAD = Payload(b"[1, 2]", "application/json")
ROLE = "arn:aws:iam::123456789012:role/byoi"


def findings(image, fault="", *, archive=None, payload=PAYLOAD, model_data_url=None):
    plan = Plan("byoi-check", image, model_data_url, ROLE, environment={"FAULT": fault})
    return list(container_check.check(plan, archive, payload=payload, environ=os.environ))


def test_an_image_without_a_fault_passes():
    [one] = findings(current("faulty"))
    assert one.is_ok is True, one
    assert "0 failed" in one.what


@pytest.mark.parametrize(
    ("fault", "said"),
    [("no_invocations", "404"), ("limit 1048576", "413"), ("loopback", "127.0.0.1")],
)
def test_what_would_make_the_endpoint_fail_or_answer_wrongly_is_a_failure(fault, said):
    found = findings(current("faulty"), fault)
    failures = [one for one in found if one.is_ok is False]
    assert failures
    assert any(said in one.what for one in failures), found
    assert all(one.remedy for one in failures)


def test_a_call_to_another_host_is_told_and_is_no_failure():
    found = findings(current("faulty"), "downloads")
    assert [one for one in found if one.is_ok is False] == []
    assert any("no network" in one.what for one in found)


def test_an_image_that_is_not_here_is_not_tried():
    [one] = findings("byoi-no-such-image:latest")
    assert one.is_ok is None
    assert "not on this machine" in one.remedy


def test_model_data_that_is_not_here_is_not_tried():
    [one] = findings(current("faulty"), model_data_url="s3://bucket/model.tar.gz")
    assert one.is_ok is None
    assert "model data" in one.remedy


def test_a_payload_that_is_refused_is_a_failure():
    found = findings(current("faulty"), payload=Payload(b"no json", "application/json"))
    assert any("400" in one.what for one in found if one.is_ok is False)


def test_nothing_of_it_stays():
    findings(current("faulty"))
    named = ("--filter", "name=byoi-check-", "--format", f'{{{{.Label "{orphans.OWNER_LABEL}"}}}}')
    left = docker("ps", "--all", *named) + docker("network", "ls", *named)
    # Others may check on the same engine; what names no owner would be of this one, too.
    assert [owner for owner in left.splitlines() if owner in {"", orphans.owner()}] == []
