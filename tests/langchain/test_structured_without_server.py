"""Structured output without a server: the request for an object, and the parser of its answer."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages.tool import invalid_tool_call, tool_call
from langchain_core.outputs import ChatGeneration, Generation
from langchain_core.runnables import RunnableLambda

from langchain_tir import RefusedOutputError, StructuredOutputError, TruncatedOutputError
from langchain_tir._structured import StructuredParser, check_parameters, structured_call, traced_format, with_raw
from langchain_tir._tools import forbid_additional_properties
from tests.langchain.person import ADA, TEXT, Person, PersonV1
from tir_client import InvalidRequestError

WHOLE = Person.model_json_schema()
FIELDS = {"type": "object", "required": ["name", "age"]} | {
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}}
}
NUMBERS = {"title": "Numbers", "type": "array", "items": {"type": "integer"}}


def parser(**fields: Any) -> dict[str, Any]:
    return {**read(StructuredParser()), **fields}


def read(made: StructuredParser) -> dict[str, Any]:
    """The fields of a parser."""
    return {name: getattr(made, name) for name in ("target", "tool", "of_object", "schema_of_tool")}


def test_json_schema_sends_the_schema_as_a_format():
    fields, made = structured_call(Person, "json_schema", None)

    assert fields == {"response_format": {"type": "json_schema", "json_schema": {"name": "Person", "schema": WHOLE}}}
    assert read(made) == parser(target=Person)
    strict, _ = structured_call(Person, "json_schema", True)
    assert strict["response_format"]["json_schema"] == {
        "name": "Person",
        "schema": forbid_additional_properties(WHOLE),
        "strict": True,
    }
    assert read(structured_call(NUMBERS, "json_schema", None)[1]) == parser(of_object=False)
    assert read(structured_call(WHOLE, "json_schema", None)[1]) == parser()


def test_json_mode_sends_no_schema():
    for schema, target in ((None, None), (WHOLE, None), (Person, Person), (PersonV1, PersonV1)):
        fields, made = structured_call(schema, "json_mode", None)
        assert fields == {"response_format": {"type": "json_object"}}
        assert read(made) == parser(target=target)


def test_function_calling_forces_a_call_that_is_strict_unless_it_is_set():
    fields, made = structured_call(Person, "function_calling", None)

    function = {"strict": True, "name": "Person", "description": "A person.", "parameters": FIELDS}
    assert fields == {
        "tools": [{"type": "function", "function": function}],
        "tool_choice": {"type": "function", "function": {"name": "Person"}},
        "parallel_tool_calls": False,
    }
    assert read(made) == parser(target=Person, tool="Person", schema_of_tool=FIELDS)
    lax, _ = structured_call(Person, "function_calling", False)
    assert lax["tools"][0]["function"] == {**function, "strict": False}
    strict, _ = structured_call(Person, "function_calling", True)
    assert strict["tools"][0]["function"] == {**function, "parameters": forbid_additional_properties(FIELDS)}


@pytest.mark.parametrize(
    ("schema", "inner", "definitions"),
    [
        (NUMBERS, {"type": "array", "items": {"type": "integer"}}, {}),
        ({"enum": [1]}, {"enum": [1]}, {}),
        (
            {"type": "array", "items": {"$ref": "#"}},
            {"type": "array", "items": {"$ref": "#/$defs/value"}},
            {"$defs": {"value": {"type": "array", "items": {"$ref": "#/$defs/value"}}}},
        ),
        (
            {"type": "array", "items": {"$ref": "#/$defs/A"}, "$defs": {"A": {"items": {"$ref": "#/$defs/A"}}}},
            {"type": "array", "items": {"$ref": "#/$defs/value__A"}},
            {"$defs": {"value__A": {"items": {"$ref": "#/$defs/value__A"}}}},
        ),
    ],
)
def test_a_schema_that_is_not_an_object_is_the_only_argument_of_a_call(schema: Any, inner: Any, definitions: Any):
    fields, made = structured_call(schema, "function_calling", None)

    sent = fields["tools"][0]["function"]["parameters"]
    title = {"title": schema["title"]} if "title" in schema else {}
    assert sent == {
        "type": "object",
        "properties": {"value": {**title, **inner}},
        "required": ["value"],
        "additionalProperties": False,
        **definitions,
    }
    name = schema.get("title", "answer")
    assert read(made) == parser(tool=name, schema_of_tool=sent, of_object=False)


def test_a_strict_call_of_a_schema_that_is_not_an_object_allows_no_other_arguments():
    objects = {"type": "array", "items": FIELDS}
    strict, _ = structured_call(objects, "function_calling", True)

    assert strict["tools"][0]["function"]["parameters"]["properties"]["value"] == {
        **objects,
        "items": forbid_additional_properties(FIELDS),
    }


@pytest.mark.parametrize(
    ("schema", "method", "strict", "words"),
    [
        (
            Person,
            "json_mode",
            False,
            "`strict` has no effect with `method='json_mode'`, which sends no schema: leave it out.",
        ),
        (None, "json_schema", None, "`schema` is missing: `method='json_schema'` needs one."),
        (None, "function_calling", None, "`schema` is missing: `method='function_calling'` needs one."),
        (Person, "x", None, "`method` must be 'json_schema', 'function_calling' or 'json_mode', not 'x'."),
    ],
)
def test_a_request_that_cannot_be_sent_is_refused(schema: Any, method: Any, strict: bool | None, words: str):
    with pytest.raises(InvalidRequestError) as raised:
        structured_call(schema, method, strict)
    assert words in str(raised.value)


def answer(text: str = "", finish: str | None = "stop", **fields: Any) -> list[Generation]:
    """The result of a call."""
    message = AIMessage(text, response_metadata={"finish_reason": finish} if finish else {}, **fields)
    return [ChatGeneration(message=message)]


def calls(*arguments: Any, name: str = "Person") -> list[Any]:
    return [tool_call(name=name, args=each, id=str(number)) for number, each in enumerate(arguments)]


def test_text_is_read_as_an_object_of_its_class():
    assert StructuredParser(target=Person).parse_result(answer(TEXT)) == Person(**ADA)
    assert StructuredParser(target=PersonV1).parse_result(answer(TEXT)) == PersonV1(**ADA)
    assert StructuredParser().parse_result(answer(TEXT)) == ADA
    assert StructuredParser().parse(TEXT) == ADA
    assert StructuredParser(of_object=False).parse_result(answer("[1]")) == [1]


def test_a_partial_answer_is_parsed_as_far_as_possible():
    half = answer('{"name": "Ada", "age": 3', finish=None)

    assert StructuredParser().parse_result(half, partial=True) == {"name": "Ada", "age": 3}
    assert StructuredParser(target=Person).parse_result(half, partial=True) == Person(name="Ada", age=3)
    assert StructuredParser(target=Person).parse_result(answer('{"name": "A', finish=None), partial=True) is None
    assert StructuredParser().parse_result(answer("", finish=None), partial=True) is None
    assert StructuredParser().parse_result(answer("[1", finish=None), partial=True) is None
    with pytest.raises(StructuredOutputError, match="The answer is not an object: the JSON is cut off"):
        StructuredParser().parse_result(half)
    with pytest.raises(StructuredOutputError, match="The answer is not an object: the JSON is cut off"):
        StructuredParser().parse_result(answer('{"name": "A'), partial=True)


def test_the_call_that_fits_the_schema_is_the_object():
    made = StructuredParser(tool="Person", schema_of_tool=FIELDS)
    unfit = {"name": "Ada"}

    assert made.parse_result(answer(tool_calls=calls(unfit, ADA))) == ADA
    assert made.parse_result(answer(tool_calls=calls(ADA, {**ADA, "age": 37}))) == ADA
    assert made.parse_result(answer(tool_calls=[*calls(unfit, name="other"), *calls(ADA)])) == ADA
    assert made.parse_result(answer(tool_calls=calls(unfit, {}))) == unfit
    assert made.parse_result(answer(finish=None, tool_calls=calls(unfit, {})), partial=True) == {}


BROKEN = invalid_tool_call(name="Person", args="{", id="1", error=None)


def test_a_broken_call_is_an_error_once_it_has_ended():
    made = StructuredParser(tool="Person")

    with pytest.raises(StructuredOutputError) as raised:
        made.parse_result(answer(invalid_tool_calls=[BROKEN]))
    assert raised.value.message.startswith("The answer is not an object: the arguments of 'Person' are not JSON")
    assert raised.value.text == "Person({)"
    assert made.parse_result(answer(finish=None, invalid_tool_calls=[BROKEN]), partial=True) is None
    assert made.parse_result(answer(tool_calls=calls(ADA), invalid_tool_calls=[BROKEN])) == ADA
    with pytest.raises(StructuredOutputError, match="no call of 'Person'"):
        made.parse_result(answer(invalid_tool_calls=[{**BROKEN, "name": "other"}]))


@pytest.mark.parametrize(
    ("made", "result", "message", "text"),
    [
        (StructuredParser(), answer("[1]"), "The answer is not an object: the text is another JSON value (", "[1]"),
        (StructuredParser(), answer(" "), "The answer is not an object: the text is not JSON: Expecting value", " "),
        (
            StructuredParser(of_object=False),
            answer(""),
            "The answer is not an object: the text is not JSON: Expecting value",
            "",
        ),
        (StructuredParser(), answer("Hi"), "The answer is not an object: the text is not JSON: Expecting value", "Hi"),
        (StructuredParser(tool="P"), answer("Hi"), "The answer is not an object: no call of 'P' has a value (", "Hi"),
        (
            StructuredParser(tool="P"),
            answer(tool_calls=calls({}, {"a": 1}, name="o")),
            "The answer is not an object: no call of 'P' has a value (finish_reason 'stop'). Its text is \"o({})\\no({",
            "o({})\no({'a': 1})",
        ),
        (
            StructuredParser(target=Person),
            answer('{"name": "Ada"}'),
            "The answer is not a Person: age: Field required (finish_reason 'stop')",
            '{"name": "Ada"}',
        ),
        (
            StructuredParser(target=PersonV1),
            answer('{"name": "Ada"}'),
            "The answer is not a PersonV1: age: field required (finish_reason 'stop')",
            '{"name": "Ada"}',
        ),
    ],
)
def test_an_answer_that_is_not_the_object_is_an_error_with_its_text(
    made: StructuredParser, result: list[Generation], message: str, text: str
):
    with pytest.raises(StructuredOutputError) as raised:
        made.parse_result(result)
    assert str(raised.value).startswith(message)
    assert raised.value.text == raised.value.llm_output == text


@pytest.mark.parametrize(
    ("result", "message", "text"),
    [
        (answer(TEXT, additional_kwargs={"refusal": "No."}), "The model refused: 'No.'.", "No."),
        (
            answer(TEXT, finish="content_filter"),
            f"The server's content filter ended the answer. It begins {TEXT!r}.",
            TEXT,
        ),
    ],
)
@pytest.mark.parametrize("partial", [False, True])
def test_a_refusal_is_an_error_with_its_message(result: Any, message: str, text: str, partial: bool):
    with pytest.raises(RefusedOutputError) as raised:
        StructuredParser().parse_result(result, partial=partial)
    assert (raised.value.message, raised.value.text) == (message, text)
    assert raised.value.raw_message is result[0].message


def test_an_answer_that_was_cut_off_is_an_error_with_its_beginning():
    text = TEXT + " " * 300

    with pytest.raises(TruncatedOutputError) as raised:
        StructuredParser().parse_result(answer(text, finish="length"))
    assert raised.value.message.endswith(f"raise `max_tokens`. It begins {text[:200]!r}.")
    assert raised.value.text == text


def test_parameters_of_the_request_cannot_be_replaced():
    fields = {"tools": [], "tool_choice": "auto", "parallel_tool_calls": False}

    check_parameters({"temperature": 0, "parallel_tool_calls": True}, fields, "function_calling")
    with pytest.raises(InvalidRequestError) as raised:
        check_parameters({"parallel_tool_calls": True, "tools": []}, fields, "function_calling")
    assert str(raised.value).startswith("`tools` cannot be passed: `method='function_calling'` sets it itself")


def test_tracers_see_a_schema_that_langchain_can_convert():
    assert traced_format(Person, "json_mode", True) == {
        "ls_structured_output_format": {"kwargs": {"method": "json_mode", "strict": True}, "schema": Person}
    }
    assert traced_format(7, "json_schema", None) == {}


def test_include_raw_returns_the_message_with_the_object_or_the_parsing_error():
    def chain(message: AIMessage) -> Any:
        return with_raw(RunnableLambda(lambda _: message), StructuredParser())

    good, bad = AIMessage(TEXT), AIMessage("Hi")

    assert chain(good).invoke("Q") == {"raw": good, "parsed": ADA, "parsing_error": None}
    failed = chain(bad).invoke("Q")
    assert (failed["raw"], failed["parsed"]) == (bad, None)
    assert isinstance(failed["parsing_error"], StructuredOutputError)


def test_a_stream_is_read_to_its_end():
    end = {"finish_reason": "stop"}
    parts = [
        AIMessageChunk('{"name": "Ada"'),
        AIMessageChunk(', "age": 36}'),
        AIMessageChunk("", response_metadata=end),
    ]

    assert list(StructuredParser(target=Person).transform(iter(parts))) == [Person(**ADA)]
    assert list(StructuredParser().transform(iter(parts))) == [{"name": "Ada"}, ADA]
