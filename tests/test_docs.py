"""The docs cannot lie: what they name exists, and what exists is named."""

import dataclasses
import re
from pathlib import Path

import pytest

from byoi_lib import errors
from byoi_lib.serving import statuses
from byoi_lib.serving.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
# Said by pip, by AWS or by the SDK, and looked up by our readers.
FOREIGN = ("THESE PACKAGES DO NOT MATCH", "did not pass the ping", "ValueError: Local Mode")


def read(*parts: str) -> str:
    return ROOT.joinpath(*parts).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def code() -> str:
    """All sources as one text, string literals joined as Python joins them."""
    paths = [
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
    tracked = {"notebooks/", "byoi_lib/", "container/", "tests/", "benchmarks/", "docs/"}
    assert tracked <= listed
    assert {name for name in listed if name.endswith("/")} <= folders
    assert all((ROOT / name).exists() for name in listed)


def test_commands_of_the_readme_are_real() -> None:
    commands = "\n".join(re.findall(r"```sh\n(.*?)```", read("README.md"), re.DOTALL))
    makefile, cli = read("Makefile"), read("byoi_lib", "cli.py")
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
    for path in (ROOT / "byoi_lib").iterdir():
        name = path.stem
        if name.startswith(("_", "py.typed")) or name == "__pycache__":
            continue
        assert re.search(rf"\b{name}\b", page), name
