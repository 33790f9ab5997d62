"""Clients that people have, with the right keys and with others: the AWS CLI and the SDK."""

import os
import subprocess
import sys
from pathlib import Path

import environments
import pytest
import raw_requests
from emulated_aws import Aws

NAMES = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")

# Without the time that installing the client takes, which depends on the machine.
pytestmark = pytest.mark.timeout(300, func_only=True)


@pytest.fixture(scope="session")
def cli() -> list[Path]:
    """The AWS CLI in an environment of its own."""
    folder = environments.installed("cli")
    # Not by its first line, which no folder with a space in its name may stand in.
    return [folder / "bin" / "python", folder / "bin" / "aws"]


def run(program: list[Path], aws: Aws, *arguments: str, **variables: str):
    environ = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")}
    environ |= {name: one for name, one in aws.emulator.variables.items() if one is not None}
    return subprocess.run(
        [*program, *arguments],
        env={**environ, **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_the_aws_cli_works_with_the_emulators_variables(in_processes, cli, tmp_path):
    aws, key = in_processes, "command line/a+b ü.bin"
    (tmp_path / "there").write_bytes(os.urandom(9_000_000))  # in several parts
    uri = f"s3://{aws.bucket}/{key}"
    for arguments in (
        ("sts", "get-caller-identity"),
        ("s3", "cp", "--quiet", str(tmp_path / "there"), uri),
        ("s3", "cp", "--quiet", uri, str(tmp_path / "back")),
        ("s3api", "put-object", "--bucket", aws.bucket, "--key", "one", "--body", __file__),
        ("s3", "ls", f"s3://{aws.bucket}"),
        ("sagemaker", "list-models"),
        ("iam", "list-roles"),
        ("logs", "describe-log-groups"),
        ("apigateway", "get-rest-apis"),
        ("cloudformation", "list-stacks"),
    ):
        done = run(cli, aws, *arguments)
        assert done.returncode == 0, f"{arguments}: {done.stderr}"
    assert (tmp_path / "back").read_bytes() == (tmp_path / "there").read_bytes()
    url = run(cli, aws, "s3", "presign", f"s3://{aws.bucket}/one").stdout.strip()
    target = url.removeprefix(aws.emulator.url)
    assert raw_requests.send(aws.emulator.url, "GET", target).text == Path(__file__).read_text()
    done = run(cli, aws, "s3", "rm", "--quiet", "--recursive", f"s3://{aws.bucket}/command line")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", NAMES)
def test_the_aws_cli_is_told_where_the_keys_are(in_processes, cli, name):
    wrong = {name: "AKIAIOSFODNN7EXAMPLE"}
    for arguments in (("sagemaker", "list-models"), ("s3", "ls")):
        done = run(cli, in_processes, *arguments, **wrong)
        assert done.returncode != 0
        assert str(in_processes.emulator.variables_file) in done.stderr
    done = run(cli, in_processes, "s3", "ls", "--no-sign-request")
    assert done.returncode != 0
    assert "received no signature" in done.stderr


def test_the_sdk_works_with_the_emulators_variables_and_with_no_others(in_processes, tmp_path):
    (tmp_path / "file").write_text("content")
    code = (
        "import sagemaker, sys; session = sagemaker.Session();"
        "print(session.upload_data(sys.argv[1], key_prefix='sdk'));"
        "print(session.sagemaker_client.list_models()['Models'])"
    )
    command = ([Path(sys.executable)], in_processes, "-c", code, str(tmp_path / "file"))
    done = run(*command)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-2:] == [f"s3://{in_processes.bucket}/sdk/file", "[]"]
    for name in NAMES:
        done = run(*command, **{name: "AKIAIOSFODNN7EXAMPLE"})
        assert done.returncode != 0
        # The SDK prints it to either, in lines of a terminal's width.
        assert str(in_processes.emulator.variables_file) in done.stdout + done.stderr
