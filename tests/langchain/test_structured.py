"""Structured output: an object by any method and of any schema, or an error that carries what the model wrote."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from enum import Enum
from typing import Annotated, Any, TypedDict

import pytest
from langchain_core.exceptions import ModelError, ModelInvalidRequestError, OutputParserException
from langchain_core.messages import AIMessage
from langchain_core.output_parsers import JsonOutputParser
from pydantic import BaseModel, RootModel, field_validator

from langchain_tir import ChatTIR, RefusedOutputError, StructuredOutputError, TruncatedOutputError
from langchain_tir._structured import StructuredParser
from tests.langchain.person import ADA, TEXT, Person, PersonV1
from tir_sandbox import Reply, Sandbox, ToolCall

METHODS = ["json_schema", "function_calling", "json_mode"]
PROMPT = "The name is Ada, her age 36."


class PersonDict(TypedDict):
    """A person."""

    name: Annotated[str, ..., "The name."]
    age: Annotated[int, ..., "The age."]


class Tree(BaseModel):
    """A tree of names."""

    name: str
    children: list[Tree]


SCHEMAS: dict[str, Any] = {
    "pydantic": Person,
    "pydantic 1": PersonV1,
    "TypedDict": PersonDict,
    "JSON schema": Person.model_json_schema(),
    "a schema without a title": {key: value for key, value in Person.model_json_schema().items() if key != "title"},
    "OpenAI's json_schema": {"name": "Person", "schema": Person.model_json_schema()},
    "OpenAI's function": {"name": "Person", "description": "A person.", "parameters": Person.model_json_schema()},
    "OpenAI's tool": {"type": "function", "function": {"name": "Person", "parameters": Person.model_json_schema()}},
    "Anthropic's tool": {"name": "Person", "input_schema": Person.model_json_schema()},
}


def script(sandbox: Sandbox, method: str, text: str = TEXT, *, name: str = "Person", **reply: Any) -> None:
    """Script an answer with `text` where the method expects it."""
    calls = [ToolCall(name, text, id="1")] if method == "function_calling" else []
    sandbox.script(Reply(reasoning="I fill it in.", text=None if calls else text, tool_calls=calls, **reply))


def plain(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else dict(value)


@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=SCHEMAS)
@pytest.mark.parametrize("strict", [None, True, False])
@pytest.mark.parametrize("method", ["json_schema", "function_calling"])
async def test_structured_output_of_any_schema_works_sync_async_and_streamed(
    model: ChatTIR, schema: Any, method: Any, strict: bool | None
):
    chain = model.with_structured_output(schema, method=method, strict=strict)

    whole = chain.invoke(PROMPT)

    assert plain(whole) == ADA
    assert isinstance(whole, schema if schema in (Person, PersonV1) else dict)
    assert await chain.ainvoke(PROMPT) == whole
    assert list(chain.stream(PROMPT))[-1] == whole
    assert [part async for part in chain.astream(PROMPT)][-1] == whole


@pytest.mark.parametrize("schema", [Person, PersonV1, PersonDict, None])
@pytest.mark.parametrize("text", [TEXT, f"```json\n{TEXT}\n```"])
def test_json_mode_returns_the_object_of_the_prompt(model: ChatTIR, sandbox: Sandbox, schema: Any, text: str):
    sandbox.script(Reply(text=text))

    assert plain(model.with_structured_output(schema, method="json_mode").invoke(PROMPT)) == ADA
    assert sandbox.requests[-1].body["response_format"] == {"type": "json_object"}


def test_each_method_sends_the_schema_in_its_field(model: ChatTIR, sandbox: Sandbox):
    model.with_structured_output(Person, strict=True).invoke(PROMPT)
    model.with_structured_output(Person, method="function_calling").invoke(PROMPT)

    bound, called = (request.body for request in sandbox.requests)
    assert bound["response_format"]["json_schema"]["name"] == "Person"
    assert bound["response_format"]["json_schema"]["strict"] is True
    assert bound["response_format"]["json_schema"]["schema"]["additionalProperties"] is False
    assert called["tool_choice"] == {"type": "function", "function": {"name": "Person"}}
    assert called["parallel_tool_calls"] is False


@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=SCHEMAS)
def test_the_schema_is_sent_as_an_object(model: ChatTIR, sandbox: Sandbox, schema: Any):
    model.with_structured_output(schema).invoke(PROMPT)

    sent = sandbox.requests[-1].body["response_format"]["json_schema"]["schema"]
    assert sent["type"] == "object"
    assert sent["properties"].keys() == {"name", "age"}


def test_a_recursive_schema_keeps_its_references(model: ChatTIR, sandbox: Sandbox):
    sandbox.script(Reply(text='{"name": "a", "children": [{"name": "b", "children": []}]}'))

    tree = model.with_structured_output(Tree).invoke("A tree")

    assert tree.children[0].name == "b"
    assert sandbox.requests[-1].body["response_format"]["json_schema"]["schema"]["$defs"]["Tree"]


def test_a_response_format_in_wire_form_is_sent_unchanged(model: ChatTIR, sandbox: Sandbox):
    wire = {"type": "json_schema", "json_schema": {"name": "p", "schema": Person.model_json_schema(), "strict": True}}

    assert model.with_structured_output(wire).invoke(PROMPT) == ADA
    assert sandbox.requests[-1].body["response_format"] == wire
    assert model.with_structured_output(wire, method="function_calling").invoke(PROMPT) == ADA


def test_strict_is_put_into_a_response_format_in_wire_form(model: ChatTIR, sandbox: Sandbox):
    inner = {"name": "p", "schema": Person.model_json_schema()}
    wire = {"type": "json_schema", "json_schema": inner}

    assert model.with_structured_output(wire, strict=True).invoke(PROMPT) == ADA
    assert sandbox.requests[-1].body["response_format"]["json_schema"] == {**inner, "strict": True}
    assert "strict" not in inner


@pytest.mark.parametrize("method", METHODS)
def test_a_dict_grows_while_it_is_streamed(model: ChatTIR, sandbox: Sandbox, method: Any):
    script(sandbox, method, name="PersonDict")

    parts = list(model.with_structured_output(PersonDict, method=method).stream(PROMPT))

    assert parts[-1] == ADA
    assert {"name": "Ada"} in parts
    assert len(parts) > 2


class Booking(BaseModel, strict=True):
    """A booking."""

    guests: tuple[str, ...]
    day: date


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("method", METHODS)
def test_a_strict_class_accepts_what_is_valid_as_json(model: ChatTIR, sandbox: Sandbox, method: Any, streamed: bool):
    script(sandbox, method, '{"guests": ["Ada", "Bob"], "day": "2026-12-24"}', name="Booking")
    chain = model.with_structured_output(Booking, method=method)

    found = list(chain.stream(PROMPT))[-1] if streamed else chain.invoke(PROMPT)
    assert found == Booking(guests=("Ada", "Bob"), day=date(2026, 12, 24))


class Pair(BaseModel):
    """Two names."""

    names: list[str]

    @field_validator("names")
    @classmethod
    def _check(cls, names: list[str]) -> list[str]:
        return [names[0], names[1]]


@pytest.mark.parametrize("method", METHODS)
def test_a_validator_that_fails_on_half_of_an_object_does_not_end_a_stream(
    model: ChatTIR, sandbox: Sandbox, method: Any
):
    script(sandbox, method, '{"names": ["Ada", "Bob"]}', name="Pair")
    found = list(model.with_structured_output(Pair, method=method).stream(PROMPT))
    assert found[-1] == Pair(names=["Ada", "Bob"])


@pytest.mark.parametrize("method", METHODS)
def test_parameters_of_the_call_may_be_bound_with_it(model: ChatTIR, sandbox: Sandbox, method: Any):
    script(sandbox, method)

    model.with_structured_output(Person, method=method, temperature=0).invoke(PROMPT)

    assert sandbox.requests[-1].body["temperature"] == 0


def test_parallel_calls_can_be_allowed_with_structured_output(model: ChatTIR, sandbox: Sandbox):
    model.with_structured_output(Person, method="function_calling", parallel_tool_calls=True).invoke(PROMPT)

    assert sandbox.requests[-1].body["parallel_tool_calls"] is True


@pytest.mark.parametrize("output_version", ["v0", "v1"])
@pytest.mark.parametrize("method", METHODS)
def test_include_raw_returns_the_message_too(
    make: Callable[..., ChatTIR], sandbox: Sandbox, method: Any, output_version: str
):
    script(sandbox, method)
    chain = make(output_version=output_version).with_structured_output(Person, method=method, include_raw=True)

    result = chain.invoke(PROMPT)

    assert result["parsed"] == Person(**ADA)
    assert result["parsing_error"] is None
    assert result["raw"].content_blocks[0]["reasoning"] == "I fill it in."


# Answers that are not the object

NOT_FITTING = '{"name": "Ada"}'
FAILURES: dict[str, tuple[str, dict[str, Any], type[Exception]]] = {
    "cut off": ('{"name": "Ad', {"finish_reason": "length"}, TruncatedOutputError),
    "a filter": (TEXT, {"finish_reason": "content_filter"}, RefusedOutputError),
    "broken": ('{"name" "Ada"}', {}, StructuredOutputError),
    "not fitting": (NOT_FITTING, {}, StructuredOutputError),
}


@pytest.mark.parametrize(("text", "reply", "error"), FAILURES.values(), ids=FAILURES)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("streamed", [False, True])
def test_an_unusable_answer_is_an_error_with_the_text(  # noqa: PLR0913 - the cells of a table
    *, model: ChatTIR, sandbox: Sandbox, text: str, reply: Any, error: type[Exception], method: Any, streamed: bool
):
    script(sandbox, method, text, **reply)
    if method == "function_calling" and not reply:
        sandbox.script(Reply(text=text))  # as the object is requested once more
    chain = model.with_structured_output(Person, method=method)

    with pytest.raises(error) as raised:
        list(chain.stream(PROMPT)) if streamed else chain.invoke(PROMPT)
    assert type(raised.value) is error
    assert isinstance(raised.value, OutputParserException)
    assert "name" in raised.value.llm_output


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("streamed", [False, True])
def test_a_refusal_is_an_error_with_the_models_text(model: ChatTIR, sandbox: Sandbox, method: Any, streamed: bool):
    calls = [ToolCall("Person", "{}", id="1")] if method == "function_calling" else []
    sandbox.script(Reply(refusal="I do not do that.", tool_calls=calls))
    chain = model.with_structured_output(Person, method=method)

    with pytest.raises(RefusedOutputError, match="I do not do that") as raised:
        list(chain.stream(PROMPT)) if streamed else chain.invoke(PROMPT)
    assert raised.value.llm_output == "I do not do that."
    assert raised.value.raw_message.additional_kwargs["refusal"] == "I do not do that."
    assert isinstance(raised.value, ModelError)


NO_CALL: dict[str, tuple[Reply, type[Exception]]] = {
    "cut off before it": (Reply(text="", reasoning="Hm.", finish_reason="length"), TruncatedOutputError),
    "cut off before anything": (Reply(text="", finish_reason="length"), TruncatedOutputError),
    "cut off in it": (Reply(tool_calls=[ToolCall("Person", "")], finish_reason="length"), TruncatedOutputError),
    "prose": (Reply(text="Ada is 36."), StructuredOutputError),
    "nothing": (Reply(text=""), StructuredOutputError),
}


@pytest.mark.parametrize(("reply", "error"), NO_CALL.values(), ids=NO_CALL)
async def test_a_missing_call_is_an_error_of_the_parser_or_the_parsing_error_of_include_raw(
    model: ChatTIR, sandbox: Sandbox, reply: Reply, error: type[Exception]
):
    sandbox.script(*[reply] * (5 if error is TruncatedOutputError else 10))  # a missing call is requested once more
    chain = model.with_structured_output(Person, method="function_calling")
    with_raw = model.with_structured_output(Person, method="function_calling", include_raw=True)

    with pytest.raises(error) as raised:
        chain.invoke(PROMPT)
    assert type(raised.value) is error
    assert raised.value.llm_output is not None
    with pytest.raises(error):
        list(chain.stream(PROMPT))
    with pytest.raises(error):
        [part async for part in chain.astream(PROMPT)]
    for result in (with_raw.invoke(PROMPT), await with_raw.ainvoke(PROMPT)):
        assert type(result["parsing_error"]) is error
        assert result["parsed"] is None
        assert result["raw"].usage_metadata


async def test_a_refusal_instead_of_a_call_is_a_refusal_error_or_the_parsing_error_of_include_raw(
    model: ChatTIR, sandbox: Sandbox
):
    sandbox.script(*[Reply(refusal="No.")] * 4)
    chain = model.with_structured_output(Person, method="function_calling")
    with_raw = model.with_structured_output(Person, method="function_calling", include_raw=True)

    with pytest.raises(RefusedOutputError) as raised:
        chain.invoke(PROMPT)
    assert raised.value.llm_output == "No."
    with pytest.raises(RefusedOutputError):
        list(chain.stream(PROMPT))
    for result in (with_raw.invoke(PROMPT), await with_raw.ainvoke(PROMPT)):
        assert isinstance(result["parsing_error"], RefusedOutputError)
        assert result["raw"].additional_kwargs["refusal"] == "No."
    assert len(sandbox.requests) == 4


@pytest.mark.parametrize("text", ["", "Ada is 36."])
@pytest.mark.parametrize("streamed", [False, True])
def test_an_answer_in_prose_is_an_error(model: ChatTIR, sandbox: Sandbox, text: str, streamed: bool):
    sandbox.script(Reply(text=text))
    chain = model.with_structured_output(PersonDict)

    with pytest.raises(StructuredOutputError) as raised:
        list(chain.stream(PROMPT)) if streamed else chain.invoke(PROMPT)
    assert raised.value.llm_output == text


@pytest.mark.parametrize("method", METHODS)
def test_include_raw_returns_the_parsing_error(model: ChatTIR, sandbox: Sandbox, method: Any):
    script(sandbox, method, '{"name": "Ad', finish_reason="length")

    result = model.with_structured_output(Person, method=method, include_raw=True).invoke(PROMPT)

    assert result["parsed"] is None
    assert isinstance(result["parsing_error"], TruncatedOutputError)
    assert result["raw"].response_metadata["finish_reason"] == "length"


@pytest.mark.parametrize("method", METHODS)
def test_include_raw_streams_the_message_before_the_object(model: ChatTIR, sandbox: Sandbox, method: Any):
    script(sandbox, method)
    script(sandbox, method, '{"name": "Ad', finish_reason="length")
    chain = model.with_structured_output(Person, method=method, include_raw=True)

    parts = list(chain.stream(PROMPT))

    raw, *more = [part["raw"] for part in parts if "raw" in part]
    assert (raw + more).additional_kwargs["reasoning_content"] == "I fill it in."
    assert [part["parsed"] for part in parts if "parsed" in part] == [Person(**ADA)]
    with pytest.raises(TruncatedOutputError):
        list(chain.stream(PROMPT))


@pytest.mark.parametrize("schema", [Person, PersonDict, Person.model_json_schema()])
@pytest.mark.parametrize("arguments", ["{}", NOT_FITTING, '{"name": "Ada", "age": "old"}'])
async def test_a_call_that_misses_the_schema_is_requested_once_more(
    model: ChatTIR, sandbox: Sandbox, schema: Any, arguments: str
):
    chain = model.with_structured_output(schema, method="function_calling")
    for _ in range(4):
        script(sandbox, "function_calling", arguments, name=chain.steps[1].tool)
        sandbox.script(Reply(text=TEXT))

    objects = [
        chain.invoke(PROMPT),
        await chain.ainvoke(PROMPT),
        list(chain.stream(PROMPT))[-1],
        [part async for part in chain.astream(PROMPT)][-1],
    ]

    assert [plain(made) for made in objects] == [ADA] * 4


def test_a_call_of_another_tool_is_not_the_object():
    message = AIMessage("", tool_calls=[{"id": "1", "name": "other", "args": {}}])

    with pytest.raises(StructuredOutputError, match="no call of 'Person'"):
        StructuredParser(tool="Person").invoke(message)


@pytest.mark.parametrize(
    "text",
    [
        f"```\n{TEXT}\n```",
        f"Here it is:\n```json\n{TEXT}\n```",
        f"Here it is:\n```json\n{TEXT}\n```\nAnything else?",
        f"{TEXT}\nI hope that helps.",
        '{"name": "Ada\nLovelace", "age": 36}',
    ],
)
@pytest.mark.parametrize("streamed", [False, True])
def test_text_that_langchains_parser_accepts_is_accepted(model: ChatTIR, sandbox: Sandbox, text: str, streamed: bool):
    sandbox.script(Reply(text=text))
    chain = model.with_structured_output(PersonDict)

    assert (list(chain.stream(PROMPT))[-1] if streamed else chain.invoke(PROMPT)) == JsonOutputParser().parse(text)


@pytest.mark.parametrize("streamed", [False, True])
def test_a_raw_newline_in_arguments_is_accepted(model: ChatTIR, sandbox: Sandbox, streamed: bool):
    sandbox.script(Reply(tool_calls=[ToolCall("Person", '{"name": "Ada\nLovelace", "age": 36}')]))
    chain = model.with_structured_output(Person, method="function_calling")

    answer = list(chain.stream(PROMPT))[-1] if streamed else chain.invoke(PROMPT)
    assert answer == Person(name="Ada\nLovelace", age=36)


HALF = '{"name": "Pune'


@pytest.mark.parametrize("text", [HALF, f"```json\n{HALF}\n```", f"{TEXT[:-1]}, ", f"So: {TEXT}"])
@pytest.mark.parametrize("schema", [PersonDict, Person])
@pytest.mark.parametrize("method", ["json_schema", "json_mode"])
@pytest.mark.parametrize("streamed", [False, True])
def test_invalid_json_is_not_repaired_at_the_end(  # noqa: PLR0913 - the cells of a table
    *, model: ChatTIR, sandbox: Sandbox, text: str, schema: Any, method: Any, streamed: bool
):
    sandbox.script(Reply(text=text))
    chain = model.with_structured_output(schema, method=method)

    with pytest.raises(StructuredOutputError, match=r"not JSON|the JSON is cut off"):
        list(chain.stream(PROMPT)) if streamed else chain.invoke(PROMPT)


@pytest.mark.parametrize("streamed", [False, True])
def test_a_call_with_broken_arguments_is_not_reported_as_missing(model: ChatTIR, sandbox: Sandbox, streamed: bool):
    sandbox.script(Reply(tool_calls=[ToolCall("Person", HALF)]), Reply(text="I cannot."))
    chain = model.with_structured_output(Person, method="function_calling")

    with pytest.raises(StructuredOutputError, match="not JSON"):
        list(chain.stream(PROMPT)) if streamed else chain.invoke(PROMPT)


WRONG_CALLS = {
    "cut short": HALF,
    "without its last bracket": TEXT[:-1],
    "with too many brackets": f"{TEXT}}}",
    "in Python": "{'name': 'Bob', 'age': 1}",
    "an array": "[1]",
    "another schema": '{"title": "Ada"}',
}


@pytest.mark.parametrize("arguments", WRONG_CALLS.values(), ids=WRONG_CALLS)
@pytest.mark.parametrize("schema", [Person, PersonDict])
async def test_a_call_with_unusable_arguments_is_requested_again_as_json(
    model: ChatTIR, sandbox: Sandbox, arguments: str, schema: Any
):
    usage = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}
    replies = [Reply(tool_calls=[ToolCall("Person", arguments)], usage=usage), Reply(text=TEXT, usage=usage)]
    sandbox.script(*replies * 5)
    chain = model.with_structured_output(schema, method="function_calling")
    with_raw = model.with_structured_output(schema, method="function_calling", include_raw=True)

    found = [chain.invoke(PROMPT), await chain.ainvoke(PROMPT), list(chain.stream(PROMPT))[-1]]
    found.append([part async for part in chain.astream(PROMPT)][-1])
    answer = with_raw.invoke(PROMPT)

    assert [plain(value) for value in [*found, answer["parsed"]]] == [ADA] * 5
    assert answer["raw"].usage_metadata["total_tokens"] == 14
    assert answer["raw"].invalid_tool_calls == []


def test_an_object_that_a_stop_word_cut_is_an_error(make: Callable[..., ChatTIR], sandbox: Sandbox):
    sandbox.script(Reply(text=HALF, stop_reason=","))

    with pytest.raises(StructuredOutputError):
        make(stop=[","]).with_structured_output(PersonDict).invoke(PROMPT)


@pytest.mark.parametrize("text", ["[1]", '"abc"', "3", "true", "null"])
@pytest.mark.parametrize("schema", [PersonDict, Person.model_json_schema()])
@pytest.mark.parametrize("streamed", [False, True])
def test_json_that_is_not_an_object_is_an_error(
    *, model: ChatTIR, sandbox: Sandbox, text: str, schema: Any, streamed: bool
):
    sandbox.script(Reply(text=text))
    chain = model.with_structured_output(schema)

    with pytest.raises(StructuredOutputError, match="not an object") as raised:
        list(chain.stream(PROMPT)) if streamed else chain.invoke(PROMPT)
    assert raised.value.llm_output == text


NUMBERS = {"title": "Numbers", "type": "array", "items": {"type": "integer"}}


def test_a_json_schema_may_describe_an_array(model: ChatTIR, sandbox: Sandbox):
    sandbox.script(*[Reply(text="[1, 2]")] * 2)

    assert model.with_structured_output(NUMBERS).invoke(PROMPT) == [1, 2]
    assert list(model.with_structured_output(NUMBERS).stream(PROMPT))[-1] == [1, 2]


class Numbers(RootModel[list[int]]):
    pass


@pytest.mark.parametrize(("schema", "value"), [(NUMBERS, [1, 2]), (Numbers, Numbers([1, 2]))])
@pytest.mark.parametrize("replies", [[ToolCall("Numbers", {"value": [1, 2]})], [ToolCall("Numbers", [1, 2]), None]])
async def test_function_calling_returns_an_array(
    model: ChatTIR, sandbox: Sandbox, schema: Any, value: Any, replies: Any
):
    """The array is the only argument of the tool. If a model leaves the argument out, the call is requested again."""
    texts = [Reply(text='{"value": [1, 2]}') if call is None else Reply(tool_calls=[call]) for call in replies]
    sandbox.script(*texts * 4)
    chain = model.with_structured_output(schema, method="function_calling")

    assert chain.invoke(PROMPT) == await chain.ainvoke(PROMPT) == value
    assert list(chain.stream(PROMPT))[-1] == value
    assert [part async for part in chain.astream(PROMPT)][-1] == value


@pytest.mark.parametrize("streamed", [False, True])
def test_a_call_without_the_array_is_an_error(model: ChatTIR, sandbox: Sandbox, streamed: bool):
    sandbox.script(Reply(tool_calls=[ToolCall("Numbers", {})]), Reply(text="No."))
    chain = model.with_structured_output(NUMBERS, method="function_calling")

    with pytest.raises(StructuredOutputError, match="no call of 'Numbers'"):
        list(chain.stream(PROMPT)) if streamed else chain.invoke(PROMPT)


def test_a_title_with_a_space_names_a_tool(model: ChatTIR, sandbox: Sandbox):
    schema = {**Person.model_json_schema(), "title": "A Person"}
    sandbox.script(Reply(tool_calls=[ToolCall("A Person", ADA)]))

    assert model.with_structured_output(schema, method="function_calling").invoke(PROMPT) == ADA


class Mood(Enum):
    GOOD = "good"


LAX = {"name": "p", "schema": {"type": "object"}, "strict": False}


def test_the_parser_reads_a_text():
    assert StructuredParser(target=Person).invoke(TEXT) == Person(**ADA)
    assert StructuredParser().parse(TEXT) == ADA


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"schema": None}, "`schema` is missing"),
        ({"schema": Person, "method": "magic"}, "`method` must be"),
        ({"schema": Person, "method": "json_mode", "strict": True}, "`strict` has no effect"),
        ({"schema": {"type": "json_object"}, "strict": True}, "`strict` has no effect"),
        ({"schema": LAX, "strict": True}, "`strict` is True, but False in the schema"),
        (
            {"schema": {"type": "json_schema", "json_schema": LAX}, "strict": True},
            "`strict` is True, but False in the schema",
        ),
        ({"schema": 7}, "neither a tool nor the schema"),
        ({"schema": list}, "neither a tool nor the schema"),
        ({"schema": list[int]}, "neither a tool nor the schema"),
        ({"schema": dict[str, int]}, "neither a tool nor the schema"),
        ({"schema": Mood}, "neither a tool nor the schema"),
        ({"schema": Person, "response_format": {"type": "text"}}, "`response_format` cannot be passed"),
        ({"schema": Person, "method": "function_calling", "tools": []}, "`tools` cannot be passed"),
        ({"schema": Person, "method": "function_calling", "tool_choice": "auto"}, "`tool_choice` cannot be passed"),
    ],
)
def test_an_impossible_request_is_refused_before_any_call(model: ChatTIR, arguments: dict[str, Any], words: str):
    with pytest.raises(ModelInvalidRequestError, match=words):
        model.with_structured_output(**arguments)
