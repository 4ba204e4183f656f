"""The pages of the documentation and the README, read as data: their blocks of code, tabs and tables.

A comment right before a block says how to run it, and is not shown to a reader:

`<!-- sandbox: Reply("Hi"), Fault(status=429) -->`
    The sandbox answers the block's requests with these, and the block makes exactly as many.
`<!-- needs: ragas -->`
    The block runs in an environment that has these packages, by `make works-with`. Here its syntax is checked.
`<!-- not run: REASON -->`
    The block cannot be run by a test. Its syntax is checked.

A block of `text` right after a block of Python is what that block prints; `...` matches any text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from textwrap import dedent

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"

_FENCE = re.compile(r"^(?P<indent> *)```(?P<language>\w*).*\n(?P<code>(?:.*\n)*?)(?P=indent)```$", re.MULTILINE)
_TAB = re.compile(r'^( *)=== "(.+)"$')
_COMMENT = re.compile(r"<!-- (sandbox|needs|not run): ((?:(?!-->).)+) -->\s*\Z", re.DOTALL)
_FILE = re.compile(r"# (\w+\.py)\n")


@dataclass(frozen=True)
class Block:
    """A block of code.

    Args:
        page: The path of its page.
        line: The line of its first line of code.
        tab: The title of the tab it is in, or an empty string.
        language: The language after the opening fence.
        code: The code, without the page's indentation.
        comments: The comments before it, by their kind.
        output: The text block that follows it, or None.
    """

    page: str
    line: int
    tab: str
    language: str
    code: str
    comments: dict[str, str] = field(default_factory=dict)
    output: str | None = None

    @property
    def file(self) -> str | None:
        """The file name of a block that is a whole file."""
        found = _FILE.match(self.code)
        return found and found[1]

    @property
    def runs(self) -> bool:
        """Whether a test runs it as a part of its page."""
        return self.language == "python" and self.file is None and not self.comments.keys() & {"needs", "not run"}


@dataclass(frozen=True)
class Program:
    """The blocks of a page that run one after the other: those of one tab, and those outside of all tabs."""

    page: str
    tab: str
    blocks: list[Block]

    def __str__(self) -> str:
        return f"{self.page} {self.tab}".strip()


class Page:
    """A page.

    Args:
        path: Its path below the root of the repository.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.text = (ROOT / path).read_text("utf-8")

    @cached_property
    def blocks(self) -> list[Block]:
        """All blocks of code, in their order."""
        tabs = _tabs(self.text)
        fences = list(_FENCE.finditer(self.text))
        found = [self._block(fence, tabs[_line(self.text, fence.start()) - 1]) for fence in fences]
        outputs = [_output(self.text, one, other) for one, other in pairwise([*fences, None])]
        return [Block(**{**vars(block), "output": output}) for block, output in zip(found, outputs, strict=True)]

    def _block(self, fence: re.Match[str], tab: str) -> Block:
        line = _line(self.text, fence.start("code"))
        comments = _comments(self.text[: fence.start()])
        return Block(self.path, line, tab, fence["language"], dedent(fence["code"]), comments)

    @property
    def programs(self) -> list[Program]:
        """The programs that a reader can run from the top of the page to its end, one for each tab."""
        blocks = [block for block in self.blocks if block.runs]
        tabs = list(dict.fromkeys(block.tab for block in blocks if block.tab)) or [""]
        parts = [Program(self.path, tab, [block for block in blocks if block.tab in {"", tab}]) for tab in tabs]
        return [part for part in parts if part.blocks]

    @property
    def files(self) -> dict[str, str]:
        """The blocks that are whole files, by name."""
        return {block.file: block.code for block in self.blocks if block.file}

    def table(self, heading: str) -> list[list[str]]:
        """The rows of the table whose first column has a heading, each a list of its cells."""
        _, found, rest = self.text.partition(f"\n| {heading} |")
        assert found, f"{self.path} has no table with {heading!r}"
        lines = rest.partition("\n\n")[0].splitlines()[2:]
        return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def pages() -> list[Page]:
    """The README and all pages of the site."""
    return [Page(str(path.relative_to(ROOT))) for path in [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]]


def code(cell: str) -> list[str]:
    """The parts of a text that are set as code."""
    return re.findall(r"`([^`]+)`", cell)


def _line(text: str, at: int) -> int:
    return text.count("\n", 0, at) + 1


def _tabs(text: str) -> list[str]:
    """For each line, the title of the tab it is in."""
    tabs, title, depth = [], "", 0
    for line in text.splitlines():
        indent = len(line) - len(line.lstrip())
        if found := _TAB.match(line):
            title, depth = found[2], len(found[1])
        elif line.strip() and indent <= depth:
            title = ""
        tabs.append(title)
    return tabs


def _comments(before: str) -> dict[str, str]:
    comments = {}
    while found := _COMMENT.search(before):
        comments[found[1]] = " ".join(found[2].split())
        before = before[: found.start()]
    return comments


def _output(text: str, fence: re.Match[str], following: re.Match[str] | None) -> str | None:
    if following is None or following["language"] != "text" or text[fence.end() : following.start()].strip():
        return None
    return dedent(following["code"])
