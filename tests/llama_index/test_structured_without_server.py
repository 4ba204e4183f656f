"""Structured output without a server: the request for an object, how answers are read, and the second request."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from llama_index.core.base.llms.types import ChatMessage, ChatResponse, MessageRole
from llama_index.core.prompts import PromptTemplate
from pydantic import BaseModel

from llama_index_tir import _structured
from llama_index_tir._structured import StructuredTask, check_last
from tir_client import InvalidRequestError, RefusedOutputError, StructuredOutputError, TruncatedOutputError

TEXT = '{"name": "Ada", "age": 36}'
QUESTION = [ChatMessage(content="Who?")]


class Person(BaseModel):
    """A person."""

    name: str
    age: int


class Generic1(BaseModel):
    """A class with a long name and unusual characters."""


Generic1.__name__ = "A[ü]-_9" + "x" * 70


def task(cls: Any = Person, kwargs: Any = None, strict: bool | None = None) -> StructuredTask[Any]:
    return StructuredTask(cls, (PromptTemplate("Who?"), {}), QUESTION, kwargs, strict=strict)


def answer(text: str | None, **kwargs: Any) -> ChatResponse:
    message = ChatMessage(role=MessageRole.ASSISTANT, content=text)
    return ChatResponse(message=message, raw={"a": 1}, additional_kwargs=kwargs)


def wire_format(cls: type[BaseModel] = Person, name: str = "Person", **strict: Any) -> dict[str, Any]:
    schema = {"name": name, "schema": cls.model_json_schema(), **strict}
    return {"type": "json_schema", "json_schema": schema}


def test_the_schema_is_sent_with_the_callers_arguments():
    caller = dict.fromkeys(
        ("tools", "tool_choice", "tool_required", "allow_parallel_tool_calls", "parallel_tool_calls"), 1
    )

    assert task().kwargs == {"response_format": wire_format()}
    assert task(kwargs={**caller, "seed": 1}).kwargs == {"seed": 1, "response_format": wire_format()}
    assert task(strict=False).kwargs == {"response_format": wire_format(strict=False)}
    strict = wire_format(strict=True)
    strict["json_schema"]["schema"]["additionalProperties"] = False
    assert task(strict=True).kwargs == {"response_format": strict}
    assert task(Generic1).kwargs == {"response_format": wire_format(Generic1, "A___-_9" + "x" * 57)}


def test_a_class_that_is_not_a_pydantic_model_is_refused():
    with pytest.raises(InvalidRequestError, match="<class 'int'> is "):
        task(int)


@pytest.mark.parametrize("text", [TEXT, f"```json\n{TEXT}\n```"])
def test_an_answer_that_is_the_object_is_accepted(text: str):
    made = task()

    assert made.accepts(answer(text, finish_reason="stop"))
    assert (made.result, made.second) == (Person(name="Ada", age=36), [])
    made = task()
    made.finish(answer(text))
    assert made.result == Person(name="Ada", age=36)


def test_the_second_request_says_what_was_wrong():
    made = task()

    assert not made.accepts(answer('{"age": "x"}'))

    question, first, correction = made.second
    assert (question, first) == (QUESTION[0], ChatMessage(role=MessageRole.ASSISTANT, content='{"age": "x"}'))
    assert correction.role == MessageRole.USER
    assert "name: Field required; age: Input should be a valid integer" in (correction.content or "")
    assert made.messages == QUESTION
    with pytest.raises(RuntimeError):
        _ = made.result


@pytest.mark.parametrize(
    ("text", "problem"), [("Hi", "is not JSON"), (None, "is not JSON"), ("[1]", "should be an object")]
)
def test_text_that_is_not_the_object_is_a_problem(text: str | None, problem: str):
    made = task()

    assert not made.accepts(answer(text))
    assert problem in (made.second[-1].content or "")


def test_an_invalid_last_object_is_an_error_with_its_text():
    with pytest.raises(StructuredOutputError) as raised:
        task().finish(answer('{"name": "Ada"}', finish_reason="stop"))
    message = str(raised.value)
    assert "Person: age: Field required (finish_reason 'stop')" in message
    assert message.endswith("""'{"name": "Ada"}'.""")
    assert (raised.value.text, raised.value.body) == ('{"name": "Ada"}', {"a": 1})


@pytest.mark.parametrize(
    ("kwargs", "cls", "text"),
    [
        ({"finish_reason": "length"}, TruncatedOutputError, TEXT),
        ({"finish_reason": "content_filter"}, RefusedOutputError, TEXT),
        ({"refusal": "No.", "finish_reason": "stop"}, RefusedOutputError, "No."),
    ],
)
@pytest.mark.parametrize("last", [False, True])
def test_an_answer_with_a_failing_finish_reason_is_an_error_at_once(kwargs: Any, cls: Any, text: str, last: bool):
    made = task()

    with pytest.raises(cls) as raised:
        made.finish(answer(TEXT, **kwargs)) if last else made.accepts(answer(TEXT, **kwargs))
    assert (type(raised.value), raised.value.text, made.second) == (cls, text, [])


def test_a_streamed_object_grows_until_it_is_valid():
    made = task()

    first = made.partial(answer('{"name": "A'))
    assert (first.name, isinstance(first, Person)) == ("A", False)
    assert made.partial(answer('{"name": "A')) is None
    assert made.partial(answer('{"name": "Ada", "age": 3')) == Person(name="Ada", age=3)
    assert made.partial(answer(TEXT, finish_reason="stop")) == Person(name="Ada", age=36)
    assert made.partial(answer(TEXT, finish_reason="stop")) is None
    assert task().partial(answer(None)) is None


def test_the_end_of_a_stream_is_an_object_of_its_class():
    check_last(Person(name="Ada", age=36), Person)
    with pytest.raises(StructuredOutputError, match="Person"):
        check_last(None, Person)


def test_the_error_names_the_finish_reason():
    for kwargs, words in (({"finish_reason": "length"}, "max_tokens"), ({"finish_reason": "content_filter"}, "filter")):
        with pytest.raises(StructuredOutputError, match=words):
            task().finish(answer(TEXT, **kwargs))
    with pytest.raises(StructuredOutputError, match=r"refused: 'No\.'"):
        task().finish(answer(TEXT, refusal="No."))
    with pytest.raises(StructuredOutputError, match=r"''\.$"):
        task().finish(answer(None))


def test_events_report_the_prompt_and_the_object(monkeypatch: pytest.MonkeyPatch):
    events: list[Any] = []
    monkeypatch.setattr(_structured, "dispatcher", SimpleNamespace(event=events.append))
    made = task()

    made.started()
    made.finish(answer(TEXT))
    made.progressed(made.result)
    made.ended()

    start, progress, end = events
    assert (start.output_cls, start.template, start.template_args) == (Person, PromptTemplate("Who?"), {})
    assert progress.output == end.output == made.result
