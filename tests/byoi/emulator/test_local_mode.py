"""Endpoints of the emulator and of the SDK's local mode, side by side on one machine."""

import contextlib
import json
import os

import pytest
from containers import docker
from emulated_aws import ECHO, OWN_IMAGE

from byoi import hosting
from byoi.local.docker import Engine
from byoi.local.orphans import OWNER_LABEL

pytestmark = pytest.mark.needs("docker", "compose")


def of_owners(labels, *owners):
    """What belongs to some processes; others may run containers on the same engine."""
    return [name for name, label in labels.items() if int(label.split(":")[1]) in owners]


def published_ports(engine, *owners):
    containers = of_owners(engine.find_labels(OWNER_LABEL), *owners)
    form = "{{range .NetworkSettings.Ports}}{{range .}}{{.HostPort}} {{end}}{{end}}"
    return docker("container", "inspect", "--format", form, *containers).split()


def test_they_share_neither_port_nor_network(in_containers, archive):
    aws, engine = in_containers, Engine(os.environ)
    owners = (os.getpid(), aws.emulator.pid)
    before = engine.find_networks(OWNER_LABEL)
    config = aws.config(aws.model(aws.upload(archive)))
    isolated = aws.config(aws.model(aws.upload(archive), EnableNetworkIsolation=True))
    local = hosting.LocalSession(startup_timeout_s=60)
    with contextlib.ExitStack() as stack:
        names = [stack.enter_context(aws.endpoint(one)) for one in (config, isolated)]
        predictor = stack.enter_context(
            hosting.endpoint(OWN_IMAGE, archive, session=local, environment=ECHO)
        )
        # One more that came after those of local mode.
        names.append(stack.enter_context(aws.endpoint(config)))
        ports = published_ports(engine, *owners)
        answers = [aws.invoke(name, b"hello")["Body"].read() for name in names]
        answers.append(predictor.predict(b"hello", initial_args={"ContentType": "text/plain"}))
    seen = [json.loads(answer) for answer in answers]
    assert [one["text"] for one in seen] == ["hello"] * 4
    assert len({one["host"] for one in seen}) == 4
    # The isolated one publishes none.
    assert len(set(ports)) == len(ports) == 3
    new = set(of_owners(engine.find_networks(OWNER_LABEL), *owners)) - before.keys()
    assert all(name.startswith("byoi-isolated-") for name in new)
