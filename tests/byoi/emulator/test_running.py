"""An emulator's life: its environment, its start, and its end however that comes."""

import os
import signal
import socket
import struct
import subprocess
import sys
from pathlib import Path

import boto3
import pytest
from emulated_aws import PATIENCE_S, Aws, wait_for
from leftovers import children_of, containers_of, everything_at_rest, is_alive, networks_of

from byoi import emulator, errors
from byoi.emulator.process import running

ENVIRON = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")}


def folders(directory):
    return sorted(path.name for path in directory.glob("byoi-emulator-*"))


def test_the_environment_leads_to_it_and_is_put_back(tmp_path):
    before = {
        **ENVIRON,
        "AWS_PROFILE": "work",
        "AWS_DEFAULT_REGION": "eu-west-3",
        "AWS_ENDPOINT_URL_S3": "https://elsewhere.example",
        "BYOI_BUCKET": "mine",
        "no_proxy": "example.org",
    }
    environ = dict(before)
    with emulator.running(runner="processes", environ=environ) as running:
        assert environ["AWS_ENDPOINT_URL"] == running.url
        assert "AWS_PROFILE" not in environ
        assert "AWS_ENDPOINT_URL_S3" not in environ
        assert environ["AWS_DEFAULT_REGION"] == "us-east-1"
        assert environ["AWS_EC2_METADATA_DISABLED"] == "true"
        assert environ["no_proxy"] == "example.org,127.0.0.1,localhost"
        assert "TelemetryOptOut" in Path(environ["SAGEMAKER_USER_CONFIG_OVERRIDE"]).read_text()
        aws = Aws(running)
        aws.s3.head_bucket(Bucket=environ["BYOI_BUCKET"])
        name = environ["BYOI_ROLE_ARN"].rpartition("/")[2]
        role = aws.client("iam").get_role(RoleName=name)["Role"]
        assert role["Arn"] == environ["BYOI_ROLE_ARN"]
        principal = role["AssumeRolePolicyDocument"]["Statement"][0]["Principal"]
        assert principal == {"Service": "sagemaker.amazonaws.com"}
    assert environ == before


def test_other_credentials_of_the_environment_do_not_get_in_the_way():
    environ = {
        **ENVIRON,
        "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "of an account",
        "AWS_SESSION_TOKEN": "of a session",
        "AWS_SECURITY_TOKEN": "of a session, by its old name",
        "AWS_CREDENTIAL_EXPIRATION": "2020-01-01T00:00:00Z",
        "AWS_AUTH_SCHEME_PREFERENCE": "sigv4a,httpBearerAuth",
        "AWS_BEARER_TOKEN_BEDROCK": "a token",
        "HTTP_PROXY": "http://127.0.0.1:1",
        "http_proxy": "http://127.0.0.1:1",
    }
    code = (
        "import boto3; boto3.client('s3').list_buckets(); boto3.client('sts').get_caller_identity()"
    )
    with emulator.running(runner="processes", environ=environ):
        subprocess.run([sys.executable, "-c", code], env=environ, check=True, timeout=PATIENCE_S)


def test_a_report_goes_into_a_pipe_alone(tmp_path):
    command = [sys.executable, "-m", "byoi.emulator", "--runner=processes", "--report"]
    with (tmp_path / "report").open("wb") as report:
        done = subprocess.run(
            command, stdout=report, stderr=subprocess.PIPE, text=True, check=False, timeout=60
        )
    assert done.returncode == 1
    assert "only into a pipe" in done.stderr
    assert (tmp_path / "report").read_bytes() == b""


def test_unmodified_boto3_and_sdk_find_everything_in_the_environment(in_processes, monkeypatch):
    import sagemaker

    # As in a process of its own: boto3's default session keeps the keys of an earlier test.
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    for name, value in in_processes.emulator.variables.items():
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)
    identity = boto3.client("sts").get_caller_identity()
    assert identity["Account"] == "123456789012"
    assert sagemaker.Session().default_bucket() == "byoi-emulator"


def test_boto3s_default_session_follows_each_start(monkeypatch):
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    for _ in range(2):
        with emulator.running(runner="processes"):
            assert boto3.client("sts").get_caller_identity()["Account"] == "123456789012"


def test_what_does_not_start_says_why(free_port):
    with (
        emulator.running(runner="processes", port=free_port, environ=dict(ENVIRON)) as first,
        pytest.raises(errors.HostingError, match="did not start"),
        emulator.running(runner="processes", port=free_port, environ=dict(ENVIRON)),
    ):
        pytest.fail(f"two emulators at {first.url}")
    with (
        pytest.raises(errors.HostingError, match=r"docker does not answer \(unix:///nowhere.sock"),
        emulator.running(
            runner="containers", environ={**ENVIRON, "DOCKER_HOST": "unix:///nowhere.sock"}
        ),
    ):
        pytest.fail("no engine, and containers")


def test_what_hangs_while_it_starts_is_ended_and_heard():
    before = children_of(os.getpid())
    # Takes connections and answers none of them, as an engine does that hangs.
    with socket.create_server(("127.0.0.1", 0)) as engine:
        environ = {**ENVIRON, "DOCKER_HOST": f"tcp://127.0.0.1:{engine.getsockname()[1]}"}
        with (
            pytest.raises(errors.HostingError, match="did not start within 2 s; it said"),
            emulator.running(runner="containers", start_timeout_s=2, environ=environ) as running,
        ):
            pytest.fail(f"it answers at {running.url}")
    assert children_of(os.getpid()) == before


def test_without_an_engine_it_says_that_no_image_is_run():
    environ = {**ENVIRON, "DOCKER_HOST": "unix:///nowhere.sock"}
    with emulator.running(environ=environ) as running:
        assert running.notice.startswith("NO IMAGE IS RUN (")


PARENT = """
import sys, time
from byoi import emulator
from emulated_aws import Aws
from pathlib import Path
with emulator.running(runner=sys.argv[1]) as running:
    aws = Aws(running)
    config = aws.config(aws.model(aws.upload(Path(sys.argv[2]))))
    isolated = sys.argv[1] == "containers"
    cut_off = aws.config(aws.model(aws.upload(Path(sys.argv[2])), EnableNetworkIsolation=isolated))
    for name, one in (("one", config), ("two", cut_off)):
        aws.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=one)
    for name in ("one", "two"):
        described = aws.settled(name)
        assert described["EndpointStatus"] == "InService", described
    print(running.pid, flush=True)
    time.sleep(600)
"""


@pytest.fixture(params=[pytest.param("containers", marks=pytest.mark.needs("docker")), "processes"])
def abandoned(request, archive, tmp_path):
    """Start a process that has an emulator with an endpoint: the process, and what is below."""
    if request.param == "containers":
        request.getfixturevalue("image")
    environ = {
        **os.environ,
        "TMPDIR": str(tmp_path),
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    command = [sys.executable, "-c", PARENT, request.param, str(archive)]
    complaint = tmp_path / "complaint"
    with complaint.open("wb") as stderr:
        process = subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=stderr)
    try:
        pid = int(process.stdout.readline() or 0)
        assert pid, complaint.read_text()
        below = children_of(process.pid)
        assert pid in below
        has_containers = request.param == "containers"
        assert len(containers_of(pid)) == 2 * has_containers
        assert len(networks_of(pid)) == has_containers
        yield process, pid, below
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_outlives_the_parent(abandoned, tmp_path, number):
    process, pid, below = abandoned
    assert len(folders(tmp_path)) == 2
    process.send_signal(number)
    process.wait(PATIENCE_S)
    wait_for(lambda: not [one for one in below if is_alive(one)], "processes are left")
    assert not folders(tmp_path)
    assert not containers_of(pid)
    assert not networks_of(pid)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_nothing_outlives_the_emulator(abandoned, tmp_path, number):
    _, pid, below = abandoned
    os.kill(pid, number)
    wait_for(lambda: not any(is_alive(one) for one in below), "processes are left")
    assert len(folders(tmp_path)) == 1  # the log, which its parent may want to read
    assert not containers_of(pid)
    assert not networks_of(pid)


def test_the_next_start_clears_what_a_killed_emulator_left(abandoned, tmp_path):
    process, pid, below = abandoned
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not is_alive(pid), "the emulator is alive")
    process.kill()
    process.wait()
    left = folders(tmp_path)
    assert len(left) == 2
    environ = {**os.environ, "TMPDIR": str(tmp_path)}
    with emulator.running(environ=environ) as running:
        log = running.log_file.read_text()
        for name in left:
            assert f"removed what a killed emulator left: folder {tmp_path}/{name}" in log
        wait_for(lambda: not [one for one in below if is_alive(one)], "processes are left")
        assert not containers_of(pid)
        assert not networks_of(pid)
        assert not set(left) & set(folders(tmp_path))


def test_a_client_that_breaks_off_leaves_nothing_behind(in_processes):
    host, port = in_processes.emulator.url.removeprefix("http://").split(":")
    before = everything_at_rest(in_processes.emulator)
    for _ in range(3):
        client = socket.create_connection((host, int(port)))
        client.sendall(b"GET /nothing HTTP/1.1\r\nHost: here\r\n\r\n")
        assert client.recv(1)
        # What closing a response unread does: the rest is refused.
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
    assert everything_at_rest(in_processes.emulator) == before


@pytest.mark.parametrize(
    ("runner", "cycles"),
    # 50 in containers take two minutes: benchmarks/cycles.py.
    [pytest.param("containers", 10, marks=pytest.mark.needs("docker")), ("processes", 50)],
)
def test_cycles_of_endpoints_leave_nothing_behind(request, archive, runner, cycles):
    aws = request.getfixturevalue(f"in_{runner}")
    config = aws.config(aws.model(aws.upload(archive)))

    def run(cycles):
        for _ in range(cycles):
            with aws.endpoint(config) as name:
                aws.invoke(name)
        return everything_at_rest(aws.emulator)

    # What the first one makes for all, such as a network, is there before.
    before = run(1)
    assert run(cycles) == before


def test_every_package_the_emulator_needs_is_here() -> None:
    running.require_packages()


def test_a_missing_package_is_named_with_its_extra() -> None:
    with pytest.raises(
        errors.MissingPackageError, match=r"package moto, .*checkout: pip install '\.\[emul"
    ):
        running.require_packages(lambda name: None if name == "moto" else object())
