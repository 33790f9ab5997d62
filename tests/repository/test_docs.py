"""The docs cannot lie: what they name exists, and what exists is named."""

import dataclasses
import re
from pathlib import Path

import pytest

from byoi import errors
from byoi.server import statuses
from byoi.server.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
# Said by pip, by AWS or by the SDK, and looked up by our readers.
FOREIGN = (
    *("THESE PACKAGES DO NOT MATCH", "did not pass the ping", "ValueError: Local Mode"),
    "The current AWS identity is not a role",
)


def read(*parts: str) -> str:
    return ROOT.joinpath(*parts).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def code() -> str:
    """All sources as one text, string literals joined as Python joins them."""
    paths = [
        *(ROOT / "byoi").rglob("*.py"),
        *(ROOT / "byoi_lib").rglob("*.py"),
        *(ROOT / "container").iterdir(),
        ROOT / "build_and_push.sh",
        ROOT / "Makefile",
    ]
    text = "\n".join(path.read_text(encoding="utf-8") for path in paths if path.is_file())
    return re.sub(r'"\s*\n\s*f?"', "", text)


def messages() -> list[str]:
    headings = re.findall(r"^### (.*)$", read("docs", "troubleshooting.md"), re.MULTILINE)
    return [message for heading in headings for message in re.findall(r"`([^`]+)`", heading)]


@pytest.mark.parametrize("message", messages())
def test_every_message_of_the_troubleshooting_page_is_in_the_code(message: str, code: str) -> None:
    if message.startswith(FOREIGN):
        return
    # What varies is `...` on the page and a replacement field in the code.
    for part in message.split("..."):
        words = part.strip(" ;:,()")
        assert words in code, f"{words!r} is said nowhere"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text):
        if "://" not in target:
            assert (page.parent / target).exists(), target


def test_the_map_of_the_readme_is_the_tree() -> None:
    listed = set(re.findall(r"^\| `([^`]+)` \|", read("README.md"), re.MULTILINE))
    folders = {f"{path.name}/" for path in ROOT.iterdir() if path.is_dir()}
    tracked = {"notebooks/", "byoi/", "byoi_lib/", "container/", "tests/", "benchmarks/", "docs/"}
    assert tracked <= listed
    assert {name for name in listed if name.endswith("/")} <= folders
    assert all((ROOT / name).exists() for name in listed)


def test_commands_of_the_readme_are_real() -> None:
    commands = "\n".join(re.findall(r"```sh\n(.*?)```", read("README.md"), re.DOTALL))
    makefile = read("Makefile")
    paths = (*ROOT.glob("byoi/cli*.py"), ROOT / "byoi_lib" / "commands.py")
    cli = "".join(path.read_text("utf-8") for path in paths)
    for target in re.findall(r"^\s*make ([a-z.]+)", commands, re.MULTILINE):
        assert re.search(rf"^{re.escape(target)}:", makefile, re.MULTILINE), target
    for verb in re.findall(r"byoi ([a-z]+) ", commands):
        assert f'"{verb}"' in cli, verb
    for option in re.findall(r"(--[a-z-]+)", re.sub(r"docker run.*", "", commands)):
        assert f'"{option}"' in cli, option


def test_every_setting_is_documented() -> None:
    page = read("docs", "configuration.md")
    for field in dataclasses.fields(Settings):
        assert f"`{field.metadata['variable']}`" in page


def test_every_error_status_is_documented() -> None:
    page = read("docs", "formats.md")
    for status, (name, _) in statuses.ERRORS.items():
        assert re.search(rf"{status}.*`{name}`", page), name


def test_every_error_has_a_line_in_the_tree() -> None:
    tree = errors.__doc__ or ""
    classes = [
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, Exception)
    ]
    assert len(classes) > 5
    for name in classes:
        assert re.search(rf"\* {name}\b", tree), name


def test_every_module_is_in_the_architecture() -> None:
    page = read("docs", "architecture.md")
    for path in (*(ROOT / "byoi").iterdir(), *(ROOT / "byoi_lib").iterdir()):
        name = path.stem
        if name.startswith(("_", "py.typed")) or name == "__pycache__":
            continue
        assert re.search(rf"\b{name}\b", page), name


def comparison() -> tuple[list[list[str]], str]:
    """The rows of the emulator's comparison, and the text that says what each rests on."""
    page = read("docs", "emulator.md")
    table, _, rest = page.partition("### Shown by")
    lines = re.findall(r"^\| (\d+ \|.*) \|$", table, re.MULTILINE)
    return [[cell.strip() for cell in line.split(" | ")] for line in lines], rest


def test_every_row_of_the_comparison_has_its_test_or_its_source() -> None:
    rows, rest = comparison()
    assert [row[0] for row in rows] == [str(number) for number in range(1, len(rows) + 1)]
    shown, _, sources = rest.partition("### Sources")
    reasons = dict(re.findall(r"^(\d+)\. ((?:.*\n(?:    ?.*\n)*))", shown, re.MULTILINE))
    for number, point, *cells in rows:
        assert len(cells) == 5, number
        if point != "licence":
            assert re.search(r"::test_|[Rr]un once on|[Rr]ow \d", reasons[number]), number
        # What was not run here is read somewhere, or was looked for in vain.
        for cell in cells[3:]:
            letters = re.findall(r"\[([LF]\d)\]", cell)
            assert letters or cell in {"not found", "not run"}, (number, cell)
            assert all(f"* {letter}: " in sources for letter in letters), (number, cell)


def named_tests(page: str) -> list[tuple[str, str]]:
    return re.findall(r"`(?:tests/)?([\w/]+\.py)::(test_\w+)`", page)


@pytest.mark.parametrize("page", ["emulator.md", "verified.md"])
def test_every_test_a_page_names_is_there(page: str) -> None:
    named = named_tests(read("docs", page))
    assert len(named) > 20
    for name, test in named:
        found = [
            path for path in (ROOT / "tests").rglob(Path(name).name) if str(path).endswith(name)
        ]
        assert found, name
        texts = [path.read_text(encoding="utf-8") for path in found]
        assert any(re.search(rf"def {test}\b", text) for text in texts), (name, test)


def test_every_path_of_the_verified_page_exists() -> None:
    paths = re.findall(
        r"`((?:[\w.-]+/)+[\w.-]*|[\w-]+\.(?:sh|yml|toml))`", read("docs", "verified.md")
    )
    assert len(paths) > 10
    for path in paths:
        assert (ROOT / path).exists(), path


def test_no_page_says_that_something_runs_where_nothing_was_run() -> None:
    pages = [*PAGES, *(ROOT / "notebooks").glob("*"), *(ROOT / "infra").glob("*")]
    words = "works on " + "aws"
    for page in pages:
        if page.is_file():
            assert words not in page.read_text(encoding="utf-8").lower(), page
