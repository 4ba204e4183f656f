"""The examples in the docstrings of the public models run as they are written."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap

import pytest

from langchain_tir import ChatTIR, TIREmbeddings
from llama_index_tir import TIR, TIREmbedding
from tir_sandbox import Sandbox

MODELS = [ChatTIR, TIREmbeddings, TIR, TIREmbedding]
TAUGHT = (
    "Setup",
    "Args",
    "By group",
    "Stream",
    "Async",
    "Tools",
    "Structured output",
    "Images",
    "Reasoning",
    "Token usage",
    "metadata",
    "Errors",
    "Timeouts",
)


def examples(cls: type) -> str:
    """The code of a docstring, as one program: later examples use what earlier ones made."""
    blocks = re.findall(r"```python\n(.*?)```", inspect.getdoc(cls) or "", re.DOTALL)
    return "\n".join(map(textwrap.dedent, blocks))


@pytest.mark.parametrize("cls", MODELS)
async def test_the_examples_of_a_docstring_run(cls: type, monkeypatch: pytest.MonkeyPatch):
    program = compile(examples(cls), cls.__name__, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    with Sandbox() as sandbox:
        for name, value in sandbox.env.items():
            monkeypatch.setenv(name, value)
        namespace = {"__name__": "an_example"}
        running = eval(program, namespace)
        if inspect.isawaitable(running):
            await running

        assert sandbox.requests
        assert cls.__name__ in namespace


@pytest.mark.parametrize("cls", [ChatTIR, TIR])
def test_help_teaches_everything_in_about_120_lines(cls: type):
    text = inspect.getdoc(cls) or ""

    assert [topic for topic in TAUGHT if topic not in text] == []
    assert 80 <= len(text.splitlines()) <= 140
