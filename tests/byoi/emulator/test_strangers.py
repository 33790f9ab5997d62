"""Who found the port and has no key: a web page, and another user of this machine."""

import contextlib
import http.server
import os
import shutil
import subprocess
import tarfile
import tempfile
import threading
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

import pytest
from emulated_aws import OWN_IMAGE

PAGE = b"""<!doctype html><title>a page of another origin</title>
<form method="post" enctype="multipart/form-data">
<input name="key" value="stolen/model.tar.gz"><input type="file" name="file"><button>go</button>
</form>"""

# What leads from an upload to a Python file that runs as the emulator's user.
CHAIN = """
async ({url, mode, bucket, role, image}) => {
    const data = `s3://${bucket}/stolen/model.tar.gz`;
    const scope = `AKIAIOSFODNN7EXAMPLE/20260101/us-east-1`;
    const call = (action, body) => [`${url}/`, "POST", "sagemaker", action, JSON.stringify(body)];
    const steps = [
        [`${url}/${bucket}/stolen/model.tar.gz`, "PUT", "s3", null, "archive"],
        [`${url}/${bucket}/stolen/model.tar.gz`, "POST", "s3", null, new FormData()],
        call("CreateModel", {ModelName: "stolen", ExecutionRoleArn: role,
            PrimaryContainer: {Image: image, ModelDataUrl: data}}),
        call("CreateEndpointConfig", {EndpointConfigName: "stolen", ProductionVariants: [
            {VariantName: "one", ModelName: "stolen", InstanceType: "ml.m5.large",
             InitialInstanceCount: 1}]}),
        call("CreateEndpoint", {EndpointName: "stolen", EndpointConfigName: "stolen"}),
        [`${url}/endpoints/stolen/invocations`, "POST", "sagemaker", null, "hello"],
        [`${url}/moto-api/reset`, "POST", "sagemaker", null, ""],
        [`${url}/?Action=ListUsers&Version=2010-05-08`, "GET", "iam", null, undefined],
    ];
    const ends = [];
    for (const [target, method, service, action, body] of steps) {
        // A page may send no other methods and no headers of its own without being asked.
        const asks = mode === "no-cors"
            ? {method: method === "GET" ? "GET" : "POST"}
            : {method, headers: {
                Authorization: `AWS4-HMAC-SHA256 Credential=${scope}/${service}/aws4_request, ` +
                    "SignedHeaders=host, Signature=abc",
                ...(action ? {"X-Amz-Target": `SageMaker.${action}`,
                              "Content-Type": "application/x-amz-json-1.1"} : {})}};
        try {
            const answer = await fetch(target, {mode, body, ...asks});
            ends.push(`${answer.type} ${answer.status}`);
        } catch (error) {
            ends.push(error.name);
        }
    }
    return ends;
}
"""
STEPS = 8


@pytest.fixture(scope="module")
def archive_of_theirs() -> Iterator[Path]:
    """An archive that anybody may read, which pytest's own folders do not allow."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "echo.py").write_text("raise SystemExit('stolen')\n")
        with tarfile.open(folder / "model.tar.gz", "w:gz") as tar:
            tar.add(folder / "echo.py", "echo.py")
        yield folder / "model.tar.gz"


@pytest.fixture(autouse=True)
def nothing_was_made(in_processes):
    yield
    aws = in_processes
    assert "Contents" not in aws.s3.list_objects_v2(Bucket=aws.bucket, Prefix="stolen")
    for kind in ("Models", "EndpointConfigs", "Endpoints"):
        call = {"Models": "models", "EndpointConfigs": "endpoint_configs"}.get(kind, "endpoints")
        assert getattr(aws.sagemaker, f"list_{call}")(NameContains="stolen")[kind] == []


class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(PAGE)

    def log_message(self, *arguments):
        pass


@pytest.fixture(scope="module")
def page_port() -> Iterator[int]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.fixture
def page():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"),
            args=["--no-sandbox", "--host-resolver-rules=MAP evil.test 127.0.0.1"],
        )
        with contextlib.closing(browser):
            yield browser.new_page()


def chain(page, aws, url, mode):
    return page.evaluate(
        CHAIN,
        {"url": url, "mode": mode, "bucket": aws.bucket, "role": aws.role, "image": OWN_IMAGE},
    )


@pytest.mark.needs("chromium")
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "evil.test"])
def test_a_page_of_another_origin_is_refused_at_every_step(
    in_processes, page, page_port, archive_of_theirs, host
):
    url = in_processes.emulator.url
    page.goto(f"http://{host}:{page_port}/")
    statuses: list[int] = []
    page.on(
        "response", lambda one: statuses.append(one.status) if one.url.startswith(url) else None
    )
    # A request without a preflight goes out, and what comes back is not shown to the page.
    assert set(chain(page, in_processes, url, "no-cors")) == {"opaque 0"}
    assert statuses == [403] * STEPS
    # One with a preflight does not even go out.
    assert set(chain(page, in_processes, url, "cors")) == {"TypeError"}
    assert set(statuses) == {403}
    # A plain form needs neither, and leads the browser to the answer.
    page.set_input_files("input[type=file]", archive_of_theirs)
    page.evaluate("target => document.forms[0].action = target", f"{url}/{in_processes.bucket}")
    with page.expect_navigation() as navigation:
        page.click("button")
    assert navigation.value.status == 403
    assert "a web page of another origin sent it" in page.content()


@pytest.mark.needs("chromium")
def test_a_page_that_dns_led_here_is_refused_at_every_step(in_processes, page):
    port = urllib.parse.urlsplit(in_processes.emulator.url).port
    url = f"http://evil.test:{port}"
    # Of one origin with the emulator, as the browser sees it.
    assert page.goto(f"{url}/_byoi/alive").status == 403
    assert "the Host header is" in page.content()
    assert chain(page, in_processes, url, "same-origin") == ["basic 403"] * STEPS
    answer = page.goto(f"{url}/restapis/any/any/_user_request_/any")
    assert answer.status == 403


@pytest.mark.needs("chromium")
def test_a_page_that_the_user_opens_reads_nothing(in_processes, page):
    answer = page.goto(f"{in_processes.emulator.url}/{in_processes.bucket}")
    assert answer.status == 403
    assert "received no signature" in page.content()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
class TestAnotherUser:
    """As `nobody`, who has neither this user's files nor its processes."""

    def run(self, *command: str, stdin: str = "") -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            command,
            input=stdin,
            user="nobody",
            group="nogroup",
            extra_groups=[],
            cwd="/",
            env={"PATH": os.environ["PATH"]},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def test_the_keys_are_out_of_reach(self, in_processes):
        emulator = in_processes.emulator
        assert self.run("id", "-un").stdout.strip() == "nobody"
        for path in (
            emulator.variables_file,
            emulator.variables_file.parent,
            emulator.log_file,
            f"/proc/{emulator.pid}/environ",
            f"/proc/{emulator.pid}/fd/1",
        ):
            done = self.run("cat", str(path))
            assert done.returncode != 0
            assert "ermission denied" in done.stderr

    def test_no_process_shows_them(self, in_processes):
        variables = in_processes.emulator.variables
        keys = "\n".join(
            str(variables[name]) for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
        )
        search = "grep -alFf - /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null; true"
        # As root, all command lines can be read, and none has them.
        command = ["sh", "-c", "grep -alFf - /proc/[0-9]*/cmdline"]
        found = subprocess.run(
            command, input=keys, capture_output=True, text=True, check=False
        ).stdout
        assert found == ""
        assert self.run("sh", "-c", search, stdin=keys).stdout == ""

    def test_every_step_is_refused(self, in_processes, archive_of_theirs):
        aws, url = in_processes, in_processes.emulator.url
        upload = f"{url}/{aws.bucket}"
        scope = "Credential=AKIAIOSFODNN7EXAMPLE/20260101/us-east-1/sagemaker/aws4_request"
        fake = f"Authorization: AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=abc"
        archive = str(archive_of_theirs)
        steps = [
            ["-F", "key=stolen/model.tar.gz", "-F", f"file=@{archive}", upload],
            ["-T", archive, f"{upload}/stolen/model.tar.gz"],
            ["-H", "X-Amz-Target: SageMaker.CreateModel", "-H", fake, "-d", "{}", url],
            ["-H", "X-Amz-Target: SageMaker.CreateEndpointConfig", "-d", "{}", url],
            ["-H", "X-Amz-Target: SageMaker.CreateEndpoint", "-H", fake, "-d", "{}", url],
            ["-d", "hello", f"{url}/endpoints/stolen/invocations"],
            ["-X", "POST", f"{url}/moto-api/reset"],
            ["-d", "Action=AssumeRole&Version=2011-06-15", url],
        ]
        for step in steps:
            done = self.run("curl", "-s", "--noproxy", "*", "-w", "\n%{http_code}", *step)
            text, _, status = done.stdout.rpartition("\n")
            assert status == "403", done
            assert str(aws.emulator.variables_file) in text
