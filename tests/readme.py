"""README.md, read as data."""

from __future__ import annotations

import re

from tests.blocked_imports import ROOT

TEXT = (ROOT / "README.md").read_text("utf-8")


def snippets() -> list[str]:
    """Every block of Python, as written."""
    blocks: list[str] = re.findall(r"^```python\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)
    return blocks


def snippet(*words: str) -> str:
    """The one block of Python that has all of some words in it."""
    (found,) = [block for block in snippets() if all(word in block for word in words)]
    return found


def table(heading: str) -> list[list[str]]:
    """The rows of the table whose first column has a heading, each a list of its cells."""
    _, found, rest = TEXT.partition(f"\n| {heading} |")
    assert found, f"README.md has no table with {heading!r}"
    lines = rest.partition("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def code(cell: str) -> list[str]:
    """What is set as code in a text."""
    return re.findall(r"`([^`]+)`", cell)
