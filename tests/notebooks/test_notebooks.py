"""The notebooks run from the first cell to the last without a token, show what they promise, and hold no output."""

from __future__ import annotations

import ast
import os
import re
from typing import TYPE_CHECKING

import nbformat
import pytest
from nbclient import NotebookClient

from tests.blocked_imports import ROOT
from tests.docs.pages import Page

if TYPE_CHECKING:
    from nbformat import NotebookNode

NAMES = ("langchain", "llama_index")

SHOWN = {
    "Install": r"\A\Z",
    "Setup": r"No token, so the answers come from the sandbox at http://127\.0\.0\.1:\d+\. It is not a model\.",
    "First call": r"Name three rivers of India\.",
    "Reasoning and answer, apart": r"~ No\n(~ .+\n)+[^~]*Why is the sky blue\?[^~]*\Z",
    "Async": r'"Name a river of India\."\n.*"Name a mountain of India\."\n(.|\n)*"Name a desert of India\."',
    "Token counts": r"tokens': \d\d(.|\n)*\b98\b",
    "Tool calls by hand": r"get_weather \{'city': 'Mumbai'\}\n.*Mumbai: 31 °C, haze\.\n\Z",
    "An agent": r"Delhi: 31 °C, haze",
    "Structured output": r"name='Pune' population=\d+\n\Z",
    "Structured output, while it is written": r"name'?[=:] ?'Pune'.*population'?[=:] ?\d+\}?\n\Z",
    "Content that cannot be sent": r"'file'.* cannot be sent|has media type 'application/pdf', which cannot be sent",
    "Errors": r"NotFoundError 404 [0-9a-f]{32}\n.*`nope` does not exist",
    "Embeddings": r"0\.0\d .*Ganges.*\n0\.2\d .*Kaveri.*\n0\.0\d .*Python",
    "A query engine that names its sources": r"Western Ghats\.\n0\.\d\d text 1: The Kaveri(.|\n)*text 0: The Ganges",
}
"""What the cell below a title prints when the sandbox answers."""


def load(name: str) -> NotebookNode:
    return nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4)


def sections(notebook: NotebookNode) -> dict[str, NotebookNode]:
    """The cells of code, each by the title above it."""
    (intro, *pairs) = notebook.cells
    texts, cells = pairs[::2], pairs[1::2]
    assert intro.cell_type == "markdown"
    assert {cell.cell_type for cell in texts} == {"markdown"}
    assert {cell.cell_type for cell in cells} == {"code"}
    titles = [text.source.splitlines()[0].removeprefix("## ") for text in texts]
    return dict(zip(titles, cells, strict=True))


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_runs_without_a_token(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in os.environ:
        if variable.startswith(("E2E_TIR", "TIR_", "MODEL_API_CLIENT")):
            monkeypatch.delenv(variable)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    notebook = load(name)

    NotebookClient(notebook, timeout=60, kernel_name="python3").execute()

    for title, cell in sections(notebook).items():
        assert {output.name for output in cell.outputs} <= {"stdout"}, title
        assert re.search(SHOWN[title], "".join(output.text for output in cell.outputs)), title


def test_both_have_the_same_sections_and_llama_index_a_query_engine() -> None:
    langchain, llama_index = (list(sections(load(name))) for name in NAMES)

    assert llama_index == [*langchain, "A query engine that names its sources"]
    assert llama_index == list(SHOWN)


@pytest.mark.parametrize("variable", ["E2E_TIR_ACCESS_TOKEN", "TIR_API_TOKEN", "TIR_BASE_URL"])
@pytest.mark.parametrize("name", NAMES)
def test_where_there_is_something_to_call_nothing_is_started(
    name: str, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "something")
    before = dict(os.environ)
    names: dict[str, object] = {}

    exec(sections(load(name))["Setup"].source, names)

    assert "sandbox" not in names
    assert dict(os.environ) == before


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_is_stored_without_output_or_secret(name: str) -> None:
    notebook = load(name)
    text = (ROOT / "notebooks" / f"{name}.ipynb").read_text("utf-8")

    nbformat.validate(notebook)
    for cell in sections(notebook).values():
        assert cell.outputs == []
        assert cell.execution_count is None
    assert not any(cell.metadata for cell in notebook.cells)
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    assert re.findall(r"eyJ[\w.-]{4,}|/(?:home|root|Users|tmp)/|[\w+/]{40,}", text) == []


@pytest.mark.parametrize("name", NAMES)
def test_the_first_examples_of_the_documentation_stand_in_the_notebook(name: str) -> None:
    cells = {_shape(cell.source) for cell in sections(load(name)).values()}
    package = {"langchain": "langchain_tir", "llama_index": "llama_index_tir"}[name]
    pages = map(Page, ("README.md", "docs/guides/tools.md", "docs/guides/structured_output.md"))
    blocks = [[block.code for block in page.blocks if f"from {package} import" in block.code] for page in pages]
    wanted = [first for first, *_ in blocks]

    assert len(wanted) == 3
    assert [text for text in wanted if _shape(text) not in cells] == []


def _shape(code: str) -> str:
    """Code without its blank lines, and as a notebook has it: awaited there, not by `asyncio.run`."""
    tree = ast.parse(_awaiting_at_the_top(code))
    return ast.dump(tree)


def _awaiting_at_the_top(code: str) -> str:
    main = re.search(r"^async def main\(\):\n((?:    .*\n)+)\nasyncio\.run\(main\(\)\)\n", code, re.MULTILINE)
    if main is None:
        return code
    awaiting = re.sub(r"^    ", "", main[1], flags=re.MULTILINE)
    return code.replace(main[0], awaiting).replace("import asyncio\n", "")
