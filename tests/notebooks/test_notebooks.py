"""The notebooks run from the first cell to the last without a token, and their stored outputs are those of a run."""

from __future__ import annotations

import ast
import os
import re
from typing import TYPE_CHECKING

import nbformat
import pytest

from tests.docs.pages import Page
from tests.notebooks.running import FOLDER, METADATA, NAMES, cell_outputs, code_cells, executed, load

if TYPE_CHECKING:
    from nbformat import NotebookNode

FIRST_STEPS = ("langchain", "llama_index")

SHOWN = {
    "Install": r"\A\Z",
    "Setup": r"No token: the cells below call the sandbox on this machine, which is not a model\.",
    "First call": r"Ganges",
    "Reasoning and answer, apart": r"One sentence is enough\.\x1b\[1mAir\x1b\[0m",
    "Async": r"The Narmada\.\nKangchenjunga\.\nThe Thar\.",
    "Token counts": r"tokens': \d\d(.|\n)*\b57\b",
    "Tool calls by hand": r"get_weather \{'city': 'Mumbai'\}\n.*Mumbai: 31 °C, haze\.\n\Z",
    "An agent": r"Delhi: 31 °C, haze",
    "Structured output": r"name='Pune' population=3124458\n\Z",
    "Structured output, while it is written": r"name'?[=:] ?'Pune'.*population'?[=:] ?\d+\}?\n\Z",
    "Content that cannot be sent": r"'file'.* cannot be sent|has media type 'application/pdf', which cannot be sent",
    "Errors": r"NotFoundError 404 [0-9a-f]{32}\n.*`nope` does not exist",
    "Embeddings": r"0\.0\d .*Ganges.*\n0\.2\d .*Kaveri.*\n0\.0\d .*Python",
    "A query engine that names its sources": r"Western Ghats\.\n0\.\d\d text 1: The Kaveri(.|\n)*text 0: The Ganges",
}
"""The output of each section of the first-steps notebooks, as a pattern, by its title."""


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
def test_the_stored_outputs_are_those_of_a_run(name: str) -> None:
    stored = code_cells(load(name))
    run = code_cells(executed(name))

    assert [(cell.id, cell_outputs(cell)) for cell in run] == [(cell.id, cell_outputs(cell)) for cell in stored]


@pytest.mark.parametrize("name", FIRST_STEPS)
def test_each_section_of_the_first_steps_shows_its_result(name: str) -> None:
    for title, cell in sections(load(name)).items():
        assert re.search(SHOWN[title], "".join(output.text for output in cell.outputs)), title


def test_both_first_steps_have_the_same_sections_and_llama_index_a_query_engine() -> None:
    langchain, llama_index = (list(sections(load(name))) for name in FIRST_STEPS)

    assert llama_index == [*langchain, "A query engine that names its sources"]
    assert llama_index == list(SHOWN)


@pytest.mark.parametrize("variable", ["E2E_TIR_ACCESS_TOKEN", "TIR_API_TOKEN", "TIR_BASE_URL"])
@pytest.mark.parametrize("name", NAMES)
def test_no_sandbox_is_started_if_a_server_is_configured(
    name: str, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "something")
    before = dict(os.environ)
    (setup,) = (cell for cell in code_cells(load(name)) if cell.id == "setup")
    names: dict[str, object] = {}

    exec(setup.source, names)

    assert "sandbox" not in names
    assert dict(os.environ) == before


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_says_who_answered_and_is_stored_without_errors_and_secrets(name: str) -> None:
    notebook = load(name)
    text = (FOLDER / f"{name}.ipynb").read_text("utf-8")
    outputs = [output for cell in code_cells(notebook) for output in cell.outputs]

    nbformat.validate(notebook)
    assert "Outputs below: made on the local sandbox, which is not a model." in notebook.cells[0].source
    assert [cell.execution_count for cell in code_cells(notebook)] == [*range(1, len(code_cells(notebook)) + 1)]
    assert {output.get("name", "stdout") for output in outputs} == {"stdout"}
    assert [output for output in outputs if output.output_type == "error"] == []
    assert [cell.metadata for cell in notebook.cells if cell.metadata not in ({}, {"tags": ["varies"]})] == []
    assert notebook.metadata == METADATA
    assert re.findall(r"eyJ[\w.-]{4,}|(?<![\w.])/(?:home|root|Users|tmp|work)/", text) == []


@pytest.mark.parametrize("name", NAMES)
def test_each_link_leads_to_a_notebook(name: str) -> None:
    texts = "".join(cell.source for cell in load(name).cells if cell.cell_type == "markdown")

    assert set(re.findall(r"\]\((\w+)\.ipynb\)", texts)) <= set(NAMES) - {name}


@pytest.mark.parametrize("name", FIRST_STEPS)
def test_the_first_examples_of_the_documentation_are_in_the_notebook(name: str) -> None:
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
