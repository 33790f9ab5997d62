"""A container that SIGTERM does not end: in the emulator's log, its own, and at its deletion."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from deployed import left_as_found, plan
from emulated_aws import PATIENCE_S, Aws, wait_for
from tiny_model import write_tiny_model

from byoi import deployment
from byoi.conformance import causes, diagnosis
from byoi.deployment import inventory
from byoi.emulator.endpoints.instances import Instance, VariantConfig
from byoi.emulator.endpoints.variants import Platform, Variants
from byoi.emulator.runners import ProcessRunner

SAID = f"{causes.SIGTERM_IGNORED}: it was killed (SIGKILL) after "


@pytest.fixture
def account(in_processes: Aws) -> Iterator[deployment.Account]:
    with left_as_found(in_processes) as found:
        yield found


def is_stopped(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


def test_the_log_has_it_and_nothing_is_left(tmp_path: Path) -> None:
    leaders: list[int] = []
    said: list[str] = []
    logged: list[str] = []
    platform = Platform(
        ProcessRunner("for a test", remember=leaders.append),
        stage=lambda _container, directory, _timeout_s: write_tiny_model(directory),
        watch=lambda _instance: None,
        release=lambda instances: logged.extend(one.log_file.read_text() for one in instances),
        log=said.append,
    )
    config = VariantConfig(
        "one", 1, 1.0, {"Image": "byoi:latest"}, is_isolated=False, startup_timeout_s=PATIENCE_S
    )
    variants = Variants("config", [config], folder=tmp_path / "instances", platform=platform)
    variants.start()
    (leader,) = leaders
    os.kill(leader, signal.SIGSTOP)
    wait_for(lambda: is_stopped(leader), "the supervisor runs on")
    variants.stop(1)
    (line,) = said
    assert line.startswith("one/i-")
    assert f"{SAID}1 s; the limit is 1 s: let process 1 be the server" in line
    assert f"\nbyoi emulator: {SAID}" in logged[0]
    wait_for(lambda: not has_members(leader), "processes of the group are left")


def has_members(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize(
    ("exit_code", "seconds", "is_told"),
    [(137, 30.1, True), (-9, 30.1, True), (137, 2.0, False), (0, 29.0, False), (143, 1.0, False)],
)
def test_only_who_was_killed_after_the_time_ignored_it(
    exit_code: int, seconds: float, is_told: bool
) -> None:
    told = diagnosis.of_stop(exit_code, seconds, 30)
    assert bool(told) is is_told
    if told:
        assert told.startswith(f"{SAID}30 s; the limit is 30 s: ")


def test_the_words_are_those_of_the_check() -> None:
    broken = causes.of_ignored_sigterm(30.0)
    assert diagnosis.of_stop(137, 30.0, 30) == f"{broken.seen}: {broken.remedy}"


def test_a_deletion_prints_what_the_log_has_of_it(
    account: deployment.Account, archive: Path
) -> None:
    deployment.deploy(account, plan(account, archive, "stubborn"))
    logs, group = account.client("logs"), "/aws/sagemaker/Endpoints/stubborn"
    (stream,) = logs.describe_log_streams(logGroupName=group)["logStreams"]

    def write(line: str, seconds: float) -> None:
        event = {"timestamp": int((time.time() + seconds) * 1000), "message": line}
        name = stream["logStreamName"]
        logs.put_log_events(logGroupName=group, logStreamName=name, logEvents=[event])

    # In place of 30 s of waiting: what an instance's end would add, and what one added before.
    write(f"byoi emulator: {SAID}30 s; long ago", -60)
    write(f"byoi emulator: {SAID}30 s; the limit is 30 s", 60)
    said: list[str] = []
    inventory.delete_endpoints(account, ["stubborn"], progress=said.append)
    at = said.index("deleted endpoint stubborn")
    assert said[at + 1] == f"  | byoi emulator: {SAID}30 s; the limit is 30 s"
    assert not [line for line in said if "long ago" in line]


def test_an_instance_that_was_never_started_has_no_problem(tmp_path: Path) -> None:
    config = VariantConfig("one", 1, 1.0, {}, is_isolated=False, startup_timeout_s=1)
    assert Instance(config, tmp_path).stop(30) == ""
