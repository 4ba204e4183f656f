"""`predict_and_call`: which calls of an answer run, and how the others are reported."""

from __future__ import annotations

import pytest
from llama_index.core.program import FunctionCallingProgram
from llama_index.core.tools import FunctionTool
from pydantic import BaseModel

from llama_index_tir import ToolArgumentsError, UnknownToolError
from tir_sandbox import Reply, ToolCall

from .conformance.tools import ADD, NOW

GOOD = ToolCall("add", {"a": 1, "b": 2})
BROKEN = ToolCall("add", '{"a": 1')
UNKNOWN = ToolCall("erase", {"all": True})


class Part(BaseModel):
    """A part, with the parts that it consists of."""

    name: str
    parts: list[Part] = []


PARTS = {"name": "bicycle", "parts": [{"name": "wheel"}]}


def build(**part: object) -> Part:
    """Build a part."""
    if part["name"] == "perpetual motion":
        raise ValueError("impossible")
    return Part.model_validate(part)


async def run(llm, way, tools, **kwargs):
    """Call `predict_and_call` or its async form."""
    if way == "whole":
        return llm.predict_and_call(tools, "?", **kwargs)
    return await llm.apredict_and_call(tools, "?", **kwargs)


both = pytest.mark.parametrize("way", ["whole", "async"])


@both
async def test_each_call_has_an_output_and_one_that_cannot_run_says_why(llm, sandbox, way):
    sandbox.script(Reply(tool_calls=[BROKEN, UNKNOWN, GOOD]))
    answer = await run(llm, way, [ADD, NOW], allow_parallel_tool_calls=True)
    assert [output.is_error for output in answer.sources] == [True, True, False]
    broken, unknown, good = (output.content for output in answer.sources)
    assert "add (its arguments are not a JSON object" in broken
    assert "erase not found" in unknown
    assert good == "3"
    assert answer.response.split("\n\n") == [broken, unknown, good]


@both
async def test_a_call_that_cannot_run_raises_if_error_on_tool_error_is_set(llm, sandbox, way):
    sandbox.script(Reply(tool_calls=[GOOD, UNKNOWN]))
    with pytest.raises(ValueError, match="erase not found"):
        await run(llm, way, [ADD], allow_parallel_tool_calls=True, error_on_tool_error=True)


@both
async def test_without_a_call_that_can_run_an_error_names_the_calls(llm, sandbox, way):
    sandbox.script(Reply(tool_calls=[BROKEN, BROKEN]), Reply(tool_calls=[BROKEN, UNKNOWN]))
    with pytest.raises(ToolArgumentsError, match="'add'"):
        await run(llm, way, [ADD], allow_parallel_tool_calls=True, error_on_no_tool_call=False)
    with pytest.raises(UnknownToolError, match=r"add \(.*, 'erase', which was not offered; the tools are add\."):
        await run(llm, way, [ADD], allow_parallel_tool_calls=True, error_on_no_tool_call=False)


@both
async def test_a_tool_with_a_recursive_class_runs(llm, sandbox, way):
    """Its schema begins with a reference."""
    tool = FunctionTool.from_defaults(build, fn_schema=Part)
    calls = ToolCall("build", PARTS), ToolCall("build", {"name": "perpetual motion"})
    sandbox.script(*[Reply(tool_calls=[call]) for call in calls])
    (built,) = (await run(llm, way, [tool])).sources
    assert built.raw_output == Part(**PARTS)
    (failed,) = (await run(llm, way, [tool])).sources
    assert failed.is_error
    assert failed.content == "Encountered error: impossible"


async def test_a_program_of_a_recursive_class_returns_its_object(llm, sandbox):
    sandbox.script(*[Reply(tool_calls=[ToolCall("Part", PARTS)])] * 2)
    program = FunctionCallingProgram.from_defaults(Part, "Describe a bicycle.", llm=llm)
    assert program() == Part(**PARTS)
    assert await program.acall() == Part(**PARTS)


@both
async def test_calls_are_printed_if_verbose(llm, sandbox, way, capsys):
    sandbox.script(Reply(tool_calls=[GOOD]))
    await run(llm, way, [ADD], verbose=True)
    assert "Calling function: add" in capsys.readouterr().out


def test_without_a_call_the_answer_is_the_text(llm, sandbox):
    sandbox.script(Reply(text="It is 3."))
    answer = llm.predict_and_call([ADD], "?", error_on_no_tool_call=False, tool_required=False)
    assert (answer.response, answer.sources) == ("It is 3.", [])
