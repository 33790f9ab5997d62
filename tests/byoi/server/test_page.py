"""The page of `byoi serve`: what a browser shows of it, and what another site gets: nothing."""

import contextlib
import http.server
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import contract_cases
import pytest
from contract_cases import TEXT
from processes import free_port

from byoi.local import health
from byoi.server import page

BYOI = Path(sys.executable).with_name("byoi")
MODULE = """
import time
from pathlib import Path

from byoi import errors
from byoi.formats.signature import Signature, Tensor


class Model:
    signature = Signature(
        (Tensor("pixels<b>", "float32", (None, 2)),), (Tensor("label", "str", (None,)),)
    )


def model_fn(model_dir):
    model = Model()
    model.folder = Path(model_dir)
    return model


def input_fn(body, content_type):
    text = body if isinstance(body, str) else body.decode()
    if text == "bad":
        raise errors.MalformedBody("received bad, expected <i>sense</i>")
    return text


def predict_fn(text, model):
    with (model.folder / "seen").open("a") as seen:
        seen.write(text + "\\n")
    if text == "fail":
        raise ValueError("the <u>cause</u>")
    if text == "wait":
        while not (model.folder / "go").exists():
            time.sleep(0.02)
    return text


def output_fn(prediction, accept, context):
    context.custom_attributes = "<img src=/page/absent.png>"
    return pieces(prediction) if prediction in {"stream", "break"} else prediction, "text/html"


def pieces(prediction):
    yield "first "
    while not (Path(__file__).parent / "model" / "on").exists():
        time.sleep(0.02)
    if prediction == "break":
        raise ValueError("in the middle")
    yield "last"
"""
MARKUP = "<img src=x onerror='window.ran = 1'><script>window.ran = 1</script>"
SAMPLE = '[["sample", 1]]\n'


class Served:
    """`byoi serve` in a project's folder."""

    def __init__(self, folder, **environ):
        self.folder = folder
        self.port = int(free_port())
        self.url = f"http://127.0.0.1:{self.port}"
        (folder / "model").mkdir()
        (folder / "inference.py").write_text(MODULE)
        (folder / "sample_request.json").write_text(SAMPLE)
        self.log = folder / "log"
        self.target = contract_cases.PortTarget("127.0.0.1", self.port, self.log.read_text)
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [BYOI, "serve", "--port", str(self.port)],
                cwd=folder,
                env={**os.environ, **environ},
                stdout=log,
                stderr=log,
            )

    def __enter__(self):
        end_s = time.monotonic() + 60
        while not health.is_healthy(self.url):
            assert self._process.poll() is None, self.log.read_text()
            assert time.monotonic() < end_s
            time.sleep(0.05)
        return self

    def __exit__(self, *_):
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(30)

    def seen(self):
        file = self.folder / "model" / "seen"
        return file.read_text().splitlines() if file.exists() else []

    def get(self, path, **headers):
        return self.target.send("GET", path, headers=headers)

    def invoke(self, body, **headers):
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.target.send("POST", "/invocations", body, {**TEXT, **named})


@pytest.fixture(scope="module")
def nginx(tmp_path_factory):
    with Served(tmp_path_factory.mktemp("project")) as served:
        yield served


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    with Served(tmp_path_factory.mktemp("alone"), BYOI_NGINX="off") as served:
        yield served


@pytest.fixture(params=["nginx", "alone"])
def served(request):
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"),
            args=["--no-sandbox", "--host-resolver-rules=MAP evil.test 127.0.0.1"],
        )
        with contextlib.closing(browser):
            yield browser


def wait_for_body(tab):
    """Wait until the form has the sample request; the page lets nobody evaluate a text."""
    for _ in range(400):
        if tab.locator("#body").input_value():
            return
        tab.wait_for_timeout(50)
    pytest.fail("the form has no sample request after 20 s")


@pytest.fixture
def tab(browser, nginx):
    """The page, loaded; at the end nothing was asked of elsewhere and nothing complained."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    tab = context.new_page()
    asked: list[str] = []
    complaints: list[str] = []
    tab.on("request", lambda request: asked.append(request.url))
    tab.on("console", lambda message: complaints.append(message.text))
    tab.on("pageerror", lambda error: complaints.append(str(error)))
    tab.goto(nginx.url)
    wait_for_body(tab)
    yield tab
    assert all(url.startswith((nginx.url, "blob:")) for url in asked), asked
    # Of answers that the tests ask for; a missing file or a broken rule would be another line.
    expected = re.compile(r"Failed to load resource: .*(status of (400|500)|INCOMPLETE_CHUNKED)")
    assert [one for one in complaints if not expected.match(one)] == []
    assert tab.evaluate("window.ran") is None
    assert tab.locator("img, iframe, b, i, u, main script").count() == 0
    context.close()


def send(tab, text=None, content_type="text/plain"):
    if text is not None:
        tab.get_by_label("Request body").fill(text)
    tab.get_by_label("Content-Type").fill(content_type)
    tab.get_by_role("button", name="Send", exact=True).click()
    tab.wait_for_selector("#headers:not([hidden])")


needs_chromium = pytest.mark.needs("chromium", "nginx")


@needs_chromium
def test_the_sample_request_is_sent_and_its_answer_shown(tab, nginx):
    assert tab.get_by_label("Request body").input_value() == SAMPLE
    assert tab.get_by_label("Content-Type").input_value() == "application/json"
    send(tab, content_type="application/json")
    assert tab.locator("#answer").text_content() == SAMPLE
    assert nginx.seen()[-2:] == [SAMPLE.strip(), ""]
    summary = tab.locator("#summary").text_content()
    assert summary.startswith("200")
    assert " ms" in summary or " s" in summary
    row = tab.locator("#requests tr").first
    row.filter(has_text="application/json").wait_for()
    assert "16 B" in row.text_content()


@needs_chromium
def test_what_is_typed_is_sent_by_the_keyboard_with_the_headers_of_the_form(tab, nginx):
    tab.get_by_label("Content-Type").fill("text/csv")
    tab.get_by_label("Request body").fill("1,2")
    tab.get_by_label("Request body").press("Control+Enter")
    tab.wait_for_selector("#headers:not([hidden])")
    assert tab.locator("#answer").text_content() == "1,2"
    tab.locator("#requests tr").first.filter(has_text="text/csv").wait_for()
    assert "text/csv" in tab.locator("#shell").text_content()


@needs_chromium
def test_a_file_is_sent_as_it_is(tab, nginx, tmp_path):
    (tmp_path / "body.txt").write_text("from a file")
    tab.get_by_label("Send a file").set_input_files(tmp_path / "body.txt")
    assert "body.txt, 11 B" in tab.locator("#attached").text_content()
    send(tab)
    assert tab.locator("#answer").text_content() == "from a file"
    tab.get_by_role("button", name="Type instead").click()
    assert tab.get_by_label("Request body").is_visible()


@needs_chromium
@pytest.mark.parametrize(
    ("body", "end"),
    [("stream", "first last"), ("break", "The answer ended before it was complete")],
)
def test_a_stream_is_shown_as_it_comes(tab, nginx, body, end):
    (nginx.folder / "model" / "on").unlink(missing_ok=True)
    tab.get_by_label("Request body").fill(body)
    tab.get_by_label("Content-Type").fill("text/plain")
    tab.get_by_role("button", name="Send", exact=True).click()
    tab.locator("#answer").filter(has_text="first").wait_for()
    assert "last" not in tab.locator("#answer").text_content()
    (nginx.folder / "model" / "on").touch()
    tab.locator("#answer").filter(has_text=end).wait_for()


@needs_chromium
@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ("bad", "400", "received bad, expected <i>sense</i>"),
        ("fail", "500", "ValueError: the <u>cause</u> (inference.py, line "),
    ],
)
def test_an_error_is_shown_with_its_status(tab, nginx, body, status, message):
    send(tab, body)
    assert tab.locator("#summary").text_content().startswith(status)
    assert message in json.loads(tab.locator("#answer").text_content())["message"]
    assert message in tab.locator("#reason").text_content()


@needs_chromium
def test_markup_of_a_model_and_of_a_client_stays_text(tab, nginx):
    nginx.invoke(b"x", Content_Type="text/plain; x=<b>bold</b><img src=x>")
    send(tab, MARKUP)
    assert tab.locator("#answer").text_content() == MARKUP
    tab.locator("#headers").click()
    assert "<img src=/page/absent.png>" in tab.locator("#header-list").text_content()
    tab.locator("#requests tr").filter(has_text="<b>bold</b><img src=x>").first.wait_for()
    assert "pixels<b>" in tab.locator("#model").text_content()


@needs_chromium
def test_the_signature_is_shown(tab):
    text = tab.locator("#model").inner_text()
    assert "float32" in text
    assert "(rows, 2)" in text
    assert tab.get_by_role("link", name="openapi.json").get_attribute("href") == "/openapi.json"


@needs_chromium
def test_it_opens_while_every_worker_is_busy(browser, nginx):
    (nginx.folder / "model" / "go").unlink(missing_ok=True)
    busy = [threading.Thread(target=nginx.invoke, args=(b"wait",)) for _ in range(3)]
    waiting = nginx.seen().count("wait")
    for thread in busy:
        thread.start()
    end_s = time.monotonic() + 30
    while nginx.seen().count("wait") < waiting + 2:
        assert time.monotonic() < end_s
        time.sleep(0.02)
    tab = browser.new_page()
    try:
        tab.goto(nginx.url)
        wait_for_body(tab)
        tab.locator("#health").filter(has_text="ready").wait_for(timeout=10_000)
    finally:
        (nginx.folder / "model" / "go").touch()
        for thread in busy:
            thread.join()
        tab.close()


@needs_chromium
def test_a_narrow_window_needs_no_scrolling_to_the_side(tab):
    tab.set_viewport_size({"width": 360, "height": 700})
    send(tab, "x" * 500)
    assert tab.evaluate("document.documentElement.scrollWidth") <= 360


@pytest.fixture
def elsewhere():
    """The port of another site on this machine."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<!doctype html><title>another site</title>")

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


TRY = """
async ({url, mode}) => {
    const ends = [];
    for (const path of ["/", "/page/model.json", "/page/requests.json", "/openapi.json"]) {
        try {
            ends.push(await (await fetch(url + path, {mode})).text());
        } catch (error) {
            ends.push("");
        }
    }
    for (const type of ["text/plain", "application/json"]) {
        try {
            const asked = {method: "POST", mode, body: "stolen", headers: {"Content-Type": type}};
            ends.push(await (await fetch(url + "/invocations", asked)).text());
        } catch (error) {
            ends.push("");
        }
    }
    return ends;
}
"""
FORM = """
(url) => {
    const form = document.createElement("form");
    form.method = "post";
    form.enctype = "text/plain";
    form.action = url + "/invocations";
    const field = document.createElement("input");
    field.name = "stolen";
    form.append(field);
    document.body.append(form);
    form.submit();
}
"""


@needs_chromium
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "evil.test"])
def test_a_page_of_another_site_reads_nothing_and_sends_nothing(browser, nginx, elsewhere, host):
    tab = browser.new_page()
    for mode in ("cors", "no-cors"):
        tab.goto(f"http://{host}:{elsewhere}/")
        assert tab.evaluate(TRY, {"url": nginx.url, "mode": mode}) == [""] * 6
    with tab.expect_navigation():
        tab.evaluate(FORM, nginx.url)
    assert json.loads(tab.locator("body").inner_text())["error"] == "Forbidden"
    assert not [line for line in nginx.seen() if "stolen" in line]
    tab.close()


@needs_chromium
def test_a_name_of_another_site_that_leads_here_gets_nothing(browser, nginx):
    tab = browser.new_page()
    response = tab.goto(f"http://evil.test:{nginx.port}/")
    assert response.status == 403
    ends = tab.evaluate(TRY, {"url": "", "mode": "same-origin"})
    assert [json.loads(end)["error"] for end in ends] == ["Forbidden"] * 6
    assert not [line for line in nginx.seen() if "stolen" in line]
    tab.close()


PATHS = [*page.FILES, "/invocations"]


@pytest.mark.needs("nginx")
@pytest.mark.parametrize("path", PATHS)
def test_a_foreign_host_or_origin_is_refused(served, path):
    method, body = ("POST", b"stolen") if path == "/invocations" else ("GET", b"")
    port = served.port
    for headers in (
        {"Host": f"evil.test:{port}"},
        {"Host": f"localhost.evil.test:{port}"},
        {"Host": "127.0.0.1:1"},
        {"Host": "localhost"},
        {"Origin": "http://evil.test"},
        {"Origin": "null"},
        {"Origin": f"https://127.0.0.1:{port}"},
        {"Origin": "http://localhost:1"},
    ):
        answer = served.target.send(method, path, body, {**TEXT, **headers})
        contract_cases.assert_error(answer, 403, "Forbidden")
    assert "stolen" not in served.seen()
    assert f"http://localhost:{port}" in answer.json["message"]


@pytest.mark.needs("nginx")
def test_this_machines_hosts_and_origins_are_served(served):
    for host in ("localhost", "LOCALHOST", "127.0.0.1", "[::1]"):
        at = f"{host}:{served.port}"
        assert served.get("/", Host=at).status == 200
        assert served.invoke(b"x", Host=at, Origin=f"http://{at}").status == 200
    assert served.get("/ping", Host="evil.test").status == 200, "the platform's question"


@pytest.mark.needs("nginx")
@pytest.mark.parametrize("path", page.FILES)
def test_each_file_has_its_type_and_the_rules_for_a_browser(served, path):
    answer = served.get(path)
    assert answer.status == 200
    assert answer.headers["Content-Type"] == page.FILES[path].media_type
    for name, value in page.HEADERS.items():
        assert answer.headers[name] == value
    assert answer.headers["X-Request-Id"]
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'self';")
    assert "unsafe" not in policy
    head = served.target.send("HEAD", path)
    assert (head.status, head.body) == (200, b"")
    refused = served.target.send("POST", path)
    contract_cases.assert_error(refused, 405, "MethodNotAllowed")
    assert refused.headers["Allow"] == "GET, HEAD"


@pytest.mark.needs("nginx")
def test_the_last_requests_are_those_of_all_workers(served):
    for number in range(60):
        assert served.invoke(b"n" * number).status == 200
    assert served.target.send("GET", "/absent").status == 404
    end_s = time.monotonic() + 30
    while True:
        requests = json.loads(served.get("/page/requests.json").body)
        sizes = {one["request_bytes"] for one in requests}
        if sizes >= set(range(20, 60)):  # workers may write the oldest in another order
            break
        assert time.monotonic() < end_s
        time.sleep(0.05)
    assert len(requests) == len(sizes) == page.KEPT_REQUESTS
    assert {one["status"] for one in requests} == {200}
    assert {one["content_type"] for one in requests} == {"text/plain"}
    assert all(one["duration_s"] >= 0 and one["response_bytes"] for one in requests)


@pytest.mark.needs("nginx")
def test_asking_for_the_page_is_no_line_of_the_log(served):
    for path in page.FILES:
        request_id = served.get(path).headers["X-Request-Id"]
        assert request_id not in served.log.read_text()
    request_id = served.get("/absent").headers["X-Request-Id"]
    assert len(served.target.lines(request_id)) == 1


@pytest.mark.needs("nginx")
def test_where_it_is_off_there_is_no_page_and_any_host_is_served(start):
    stack = start()
    for path in page.FILES:
        contract_cases.assert_error(stack.target.send("GET", path), 404, "NotFound")
    foreign = {"Host": "evil.test", "Origin": "http://evil.test", **TEXT}
    assert stack.target.send("POST", "/invocations", b"x", foreign).status == 200


@pytest.mark.needs("nginx")
def test_a_sample_that_cannot_be_read_ends_the_server_with_its_name(start):
    stack = start(wait=False, BYOI_PAGE="on", BYOI_SAMPLE_REQUEST="/absent/sample.json")
    end_s = time.monotonic() + 30
    while stack.poll() is None:
        assert time.monotonic() < end_s
        time.sleep(0.05)
    assert "BYOI_SAMPLE_REQUEST='/absent/sample.json': No such file or directory" in stack.log
