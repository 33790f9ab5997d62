"""The files and the commands of docs/your-own-model.md, and of the README's section on it.

A block whose first line is a comment with a path is that file. A block of commands stands in a
folder of the page: the one of its last `cd`. Blocks marked `sh index` and `sh docker` need the
package index and a container engine.
"""

import dataclasses
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "your-own-model.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")
SECTION = README[README.index("## Your own model") : README.index("## The journey")]
FENCE = re.compile(r"^( *)```(\w*) ?(\w*)\n(.*?)^\1```$", re.DOTALL | re.MULTILINE)
FILE = re.compile(r"# (\w+/[\w.-]+)\n")


@dataclasses.dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes:
        folder: Where it belongs, one of the page's.
        file: The file that it is the content of, below `folder`; empty for commands.
        needs: `index`, `docker` or empty.
        text: Content.
    """

    folder: str
    file: str
    needs: str
    text: str

    def commands(self) -> list[str]:
        """The lines of commands without their comments."""
        lines = (re.sub(r"\s+# .*", "", line) for line in self.text.splitlines())
        return [line for line in lines if line]


def blocks(page: str = PAGE) -> Iterator[Block]:
    folder = ""
    for indent, language, needs, text in FENCE.findall(page):
        content = textwrap.dedent(text) if indent else text
        if language == "sh":
            for name in re.findall(r"^cd (?:\.\./)?([\w-]+)$", content, re.MULTILINE):
                folder = name
            yield Block(folder, "", needs, content)
        elif match := FILE.match(content):
            home, _, file = match[1].partition("/")
            yield Block(home, file, "", content[match.end() :])


def write_files(folder: Path, of: str) -> None:
    """Write the files of a folder of the page, the last of each name."""
    for block in blocks():
        if block.folder == of and block.file:
            (folder / block.file).write_text(block.text, encoding="utf-8")
