"""The page of a report: what it opens with, what it shows, and that nothing in it runs."""

import contextlib
import dataclasses
import datetime as dt
import html.parser
import shutil

import pytest

from byoi.conformance import page
from byoi.conformance.about import About
from byoi.conformance.checking import Report, Result
from byoi.conformance.rule import Kind, Rule
from byoi.conformance.verdict import Figure, Verdict

EVIL = "</code></pre><script>window.ran = 1</script><img src=x onerror='window.ran = 1'>\x1b[2J"
LONG = "x" * 2_000


def made(identifier, verdict, seen="200", remedy="", seconds=0.5):
    rule = Rule(identifier, "Health", Kind.ANY, "A `rule`.", "DG x", False, False, lambda _: "")
    return Result(rule, verdict, seen, remedy, seconds)


@pytest.fixture
def report():
    results = (
        made("RT-21", Verdict.PASS, f"`{EVIL}`"),
        made("RT-22", Verdict.FAIL, f"{EVIL} {LONG}", "run `serve`, and see RT-31 and RT-21"),
        made("RT-31", Verdict.FAIL, EVIL, EVIL, 2.0),
        made("RT-23", Verdict.NOT_TESTED, "fix RT-22 first"),
        made("RT-37", Verdict.NOT_TESTED, f"give {EVIL}: --payload FILE"),
        made("RT-38", Verdict.NOT_TESTED, f"give {EVIL}: --payload FILE"),
        made("RT-39", Verdict.NOT_APPLICABLE, "the platform does it"),
    )
    figures = (Figure("slowest /ping", "RT-24", 0.5, 2), Figure("end", "RT-67", 31.5, 30))
    told = About(
        dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC),
        "1.2.3",
        {"--env": EVIL, "--strict": ""},
        "Docker Engine 27.1.1",
        {"id": "sha256:12", "digest": LONG},
    )
    log = f'start\nERROR {EVIL} {LONG}\n[INFO] "GET /ping HTTP/1.1" 200\nend\n'
    return Report(f"image{EVIL}", results, log, 12.3, figures=figures, about=told)


class _Reader(html.parser.HTMLParser):
    """The tags of a page, and what stands in its headings."""

    def __init__(self):
        super().__init__()
        self.tags = []
        self.headings = []
        self._inside = False

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag in {"h1", "h2"}:
            self._inside = True
            self.headings.append("")

    def handle_endtag(self, tag):
        self._inside = self._inside and tag not in {"h1", "h2"}

    def handle_data(self, data):
        if self._inside:
            self.headings[-1] += data


def read(report):
    reader = _Reader()
    reader.feed(page.to_html(report))
    return reader


def test_the_page_opens_with_the_verdict_and_goes_on_with_what_to_mend(report):
    text = page.to_html(report)
    order = [text.index(one) for one in (report.summary, "sha256:12", "Remedy", "--payload FILE")]
    assert order == sorted(order)
    assert read(report).headings[1:] == [
        "What was checked",
        "Failed (2)",
        "Not tested (3)",
        "Passed (1)",
        "Not applicable (1)",
        "The log's telling lines",
        "Times of the server",
        "Times of the check itself",
    ]


def test_what_can_be_given_stands_before_what_waits_for_another_rule_and_only_once(report):
    text = page.to_html(report)
    assert text.index(": --payload FILE") < text.index("Fix RT-22 first")
    assert text.count(": --payload FILE") == 1


def test_the_page_needs_nothing_else_and_nothing_in_it_runs(report):
    reader = read(report)
    assert not {tag for tag, _ in reader.tags} & {"script", "img", "link", "iframe"}
    addresses = [
        attrs[name] for _, attrs in reader.tags for name in ("href", "src") if name in attrs
    ]
    assert addresses
    assert all(one.startswith("#") for one in addresses)
    assert not [attrs for _, attrs in reader.tags if any(one.startswith("on") for one in attrs)]
    assert "\x1b" not in page.to_html(report)


def test_backticks_are_code_and_broken_rules_are_linked(report):
    text = page.to_html(report)
    assert "run <code>serve</code>" in text
    assert '<a href="#RT-31">RT-31</a> and RT-21' in text
    assert "<code>rule</code>" in text


def test_times_are_told_with_their_limits(report):
    text = page.to_html(report)
    assert "500 ms of 2 s" in text
    assert 'width="25.0%"' in text
    assert "31.5 s of 30 s" in text
    assert 'width="100.0%"' in text


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"log": "fine\nfine\n"}, "None of its 2 lines tells of an error"),
        ({"log": ""}, "the server wrote nothing"),
        ({"log": "", "subject": "http://127.0.0.1:8080"}, "of a URL it cannot be seen"),
        ({"figures": ()}, "None was measured"),
        (
            {"problem": "no engine <b>"},
            "<strong>No verdict:</strong> could not run: no engine &lt;b",
        ),
        ({"results": ()}, "<strong>Nothing tested:</strong> 0 of 0"),
        ({"results": (made("RT-21", Verdict.PASS),)}, "<strong>Passed:</strong> 1 of 1"),
        ({"about": None}, "What was checked"),
    ],
)
def test_what_is_not_there_is_said(report, changes, words):
    assert words in page.to_html(dataclasses.replace(report, **changes))


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        with contextlib.closing(browser):
            yield browser


# Of text and its ground, after WCAG 2.2; 4.5 is wanted of both colours of each pair.
_CONTRASTS = """() => {
  const light = (colour) => {
    const parts = colour.match(/[\\d.]+/g).slice(0, 3).map((one) => one / 255)
      .map((one) => one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4);
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
  };
  const ground = (element) => {
    const colour = getComputedStyle(element).backgroundColor;
    return colour === "rgba(0, 0, 0, 0)" ? ground(element.parentElement) : colour;
  };
  return [...document.querySelectorAll("h1, h2, h3, p, a, td, th, dd, dt, li, code, pre, .muted")]
    .map((one) => [light(getComputedStyle(one).color), light(ground(one))].sort((a, b) => b - a))
    .map(([above, below]) => (above + 0.05) / (below + 0.05));
}"""


@pytest.mark.needs("chromium")
def test_a_browser_shows_it_on_each_screen_and_runs_nothing(browser, report, tmp_path):
    file = tmp_path / "report.html"
    file.write_text(page.to_html(report), encoding="utf-8")
    tab = browser.new_page()
    complaints, asked = [], []
    tab.on("console", lambda message: complaints.append(message.text))
    tab.on("request", lambda request: asked.append(request.url))
    tab.goto(file.as_uri())
    for width, scheme in ((1200, "light"), (420, "dark")):
        tab.set_viewport_size({"width": width, "height": 900})
        tab.emulate_media(color_scheme=scheme)
        assert tab.evaluate("document.documentElement.scrollWidth") == width
        assert min(tab.evaluate(_CONTRASTS)) >= 4.5
    assert tab.get_by_text("Remedy").first.is_visible()
    assert not tab.get_by_text("The platform does it").is_visible()
    tab.locator("summary").get_by_text("Not applicable (1)").click()
    assert tab.get_by_text("The platform does it").is_visible()
    assert tab.evaluate("window.ran") is None
    assert (complaints, asked) == ([], [file.as_uri()])
    tab.close()
