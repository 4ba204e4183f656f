"""Every block of code in the README and on the site runs as written, or says why it cannot be run here."""

from __future__ import annotations

import re
import shlex
import tomllib
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest
import typer.main
from langchain.chat_models import base
from llama_index.core import Settings

from demo.rules import answer
from tests.docs.pages import ROOT, Block, Page, Program, pages
from tests.docs.running import compiled, run
from tir_cli.app import app
from tir_client.environment import BASE_URL_VARIABLE, HOST_VARIABLE, PROJECT_VARIABLE, TOKEN_VARIABLES
from tir_sandbox import Sandbox
from tir_sandbox.server import OVERRIDES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PAGES = pages()
BLOCKS = [block for page in PAGES for block in page.blocks]
PROGRAMS = [program for page in PAGES for program in page.programs]
UNTESTED = {"", "text", "csv", "json", "toml", "yaml", "console"}
"""Languages of blocks that are only shown, not run."""
VARIABLES = {*TOKEN_VARIABLES, PROJECT_VARIABLE, BASE_URL_VARIABLE, HOST_VARIABLE}
OTHERS_VARIABLES = ("LANGSMITH_", "LANGFUSE_", "OTEL_", "OPENAI_")
AGENTS = "ignore::pydantic.warnings.PydanticDeprecationWarning:inspect"
"""LlamaIndex looks for an agent's steps among all of its attributes, deprecated ones included."""
LOCAL_QDRANT = "ignore:Payload indexes have no effect in the local Qdrant:UserWarning"


@pytest.fixture(scope="module")
def serving() -> Iterator[Sandbox]:
    with Sandbox(rules=answer) as running:
        yield running


@pytest.fixture
def sandbox(serving: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Sandbox]:
    """The sandbox that the pages' code calls, with the rules of the demo. Changes that a page makes are undone."""
    for name, value in serving.env.items():
        monkeypatch.setenv(name, value)
    for name in OVERRIDES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(base, "_BUILTIN_PROVIDERS", dict(base._BUILTIN_PROVIDERS))
    settings = dict(vars(Settings))
    yield serving
    vars(Settings).update(settings)
    serving.reset()


@pytest.mark.filterwarnings(AGENTS, LOCAL_QDRANT)
@pytest.mark.parametrize("program", PROGRAMS, ids=str)
def test_a_page_runs_as_written(program: Program, sandbox: Sandbox) -> None:
    run(program, sandbox)


@pytest.mark.parametrize(
    "block", [one for one in BLOCKS if one.language == "python"], ids=lambda one: f"{one.page}:{one.line}"
)
def test_a_block_is_python_and_is_run_or_says_why_not(block: Block) -> None:
    compiled(block)
    assert block.runs or block.file or min(map(len, block.comments.values())) > 3


@pytest.mark.parametrize("page", PAGES[1:], ids=lambda page: page.path)
def test_a_page_of_the_site_has_a_description_for_search_engines_and_llms_txt(page: Page) -> None:
    assert re.match(r"---\ndescription: \S.{19}", page.text)


def test_each_block_is_of_a_language_that_is_tested() -> None:
    assert {block.language for block in BLOCKS} - UNTESTED <= {"python", "bash"}


SHELL = [block for block in BLOCKS if block.language in {"bash", ""}]


def test_make_targets_exist() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    named = {name for block in SHELL for name in re.findall(r"^make ([\w-]+)", block.code, re.MULTILINE)}

    assert named
    assert [name for name in named if f"\n{name}:" not in makefile] == []


def test_extras_exist() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    named = {
        name
        for block in SHELL
        for names in re.findall(r"tir-llm\[([\w,-]+)\]", block.code)
        for name in names.split(",")
    }

    assert named
    assert named <= set(project["optional-dependencies"])


def test_variables_and_modules_exist() -> None:
    shell = "\n".join(block.code for block in SHELL)
    exported = set(re.findall(r"^export (\w+)=", shell, re.MULTILINE))

    assert {name for name in exported if not name.startswith(OTHERS_VARIABLES)} <= VARIABLES
    assert [name for name in re.findall(r"python -m ([\w.]+)", shell) if find_spec(name) is None] == []


SHELL_LINES = "".join(block.code.replace("\\\n", "") for block in SHELL)
COMMANDS = re.findall(r"\btir (\w+ .*|\w+)$", SHELL_LINES, re.MULTILINE)


@pytest.mark.parametrize("words", COMMANDS)
def test_a_command_has_the_options_that_a_page_shows(words: str) -> None:
    name, *rest = shlex.split(words.partition(" > ")[0])
    command = typer.main.get_command(app).commands[name]  # type: ignore[attr-defined]
    shown = {word for word in rest if word.startswith("-")}
    options = {option for one in command.params for option in [*one.opts, *one.secondary_opts]}

    assert shown <= options
