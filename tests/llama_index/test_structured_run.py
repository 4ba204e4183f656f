"""Structured output on a fake HTTP handler: the requests that are made, the objects returned, and streams."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.prompts import PromptTemplate
from llama_index.core.types import PydanticProgramMode
from pydantic import BaseModel

from llama_index_tir import TIR, _structured_run
from llama_index_tir._structured import StructuredTask
from llama_index_tir._structured_llm import ProgramTIR, StructuredTIR
from llama_index_tir._structured_run import acheck_stream, check_stream
from tir_client import StructuredOutputError, TruncatedOutputError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator

ADA = '{"name": "Ada", "age": 36}'
BAD = '{"name": "Ada"}'
PREDICTIONS = ["structured_predict", "astructured_predict"]
STREAMS = ["stream_structured_predict", "astream_structured_predict"]


class Person(BaseModel):
    """A person."""

    name: str
    age: int


WHOLE = Person(name="Ada", age=36)
FORMAT = {"type": "json_schema", "json_schema": {"name": "Person", "schema": Person.model_json_schema()}}


class Answers:
    """An HTTP handler that returns the answers in turn, as a stream if the request asks for one."""

    def __init__(self, *answers: str | dict[str, Any], finish: str = "stop") -> None:
        self.left = list(answers)
        self.finish = finish
        self.bodies: list[dict[str, Any]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content)
        self.bodies.append(body)
        answer = self.left.pop(0)
        message = {"content": answer} if isinstance(answer, str) else answer
        if not body.get("stream"):
            return httpx.Response(200, json=_event(message={"role": "assistant", **message}, finish=self.finish))
        deltas = (
            [{**message, "content": piece} for piece in _halves(message["content"])] if "content" in message else []
        )
        chunks = [_event(delta=delta) for delta in deltas or [message]]
        lines = [json.dumps(one) for one in [*chunks, _event(delta={}, finish=self.finish)]] + ["[DONE]"]
        text = "".join(f"data: {line}\n\n" for line in lines)
        return httpx.Response(200, text=text, headers={"content-type": "text/event-stream"})


def _event(finish: str | None = None, **content: Any) -> dict[str, Any]:
    kind = "chat.completion.chunk" if "delta" in content else "chat.completion"
    choice = {"index": 0, "finish_reason": finish, **content}
    return {"id": "1", "object": kind, "created": 1, "model": "m", "choices": [choice]}


def _halves(text: str) -> list[str]:
    return [text[: len(text) // 2], text[len(text) // 2 :]]


def llm(answers: Answers, **settings: Any) -> TIR:
    transport = httpx.MockTransport(answers)
    return TIR(
        model="m",
        api_key="t",
        project_id=1,
        max_retries=0,
        http_client=httpx.Client(transport=transport),
        http_async_client=httpx.AsyncClient(transport=transport),
        **settings,
    )


def prompt() -> PromptTemplate:
    """Return a new prompt for each test: LlamaIndex's programs put an output parser into it."""
    return PromptTemplate("Who is {who}?")


async def predicted(model: TIR, way: str, **kwargs: Any) -> Any:
    """Call a method that returns an object, sync or async."""
    made = getattr(model, way)(Person, prompt(), who="she", **kwargs)
    return await made if way.startswith("a") else made


async def streamed(model: TIR, way: str, **kwargs: Any) -> list[Any]:
    """Collect the objects of a stream, sync or async."""
    if way.startswith("a"):
        return [one async for one in await getattr(model, way)(Person, prompt(), who="she", **kwargs)]
    return list(getattr(model, way)(Person, prompt(), who="she", **kwargs))


@pytest.mark.parametrize("way", PREDICTIONS)
async def test_an_object_takes_one_request_with_its_schema(way: str):
    answers = Answers(ADA)
    kwargs = {"seed": 3, "tool_required": True}

    assert await predicted(llm(answers, system_prompt="Be brief.", strict=True), way, llm_kwargs=kwargs) == WHOLE
    (body,) = answers.bodies
    closed = {**FORMAT["json_schema"]["schema"], "additionalProperties": False}
    strict = {**FORMAT["json_schema"], "schema": closed, "strict": True}
    assert (body["response_format"], body["seed"]) == ({**FORMAT, "json_schema": strict}, 3)
    assert [one["content"] for one in body["messages"]] == ["Be brief.", "Who is she?"]
    assert kwargs == {"seed": 3, "tool_required": True}


@pytest.mark.parametrize("way", PREDICTIONS)
async def test_an_invalid_object_is_requested_again_with_the_same_arguments(way: str):
    answers = Answers(BAD, ADA)

    assert await predicted(llm(answers), way, llm_kwargs={"seed": 3}) == WHOLE
    first, second = answers.bodies
    assert [(body["seed"], body["response_format"]) for body in (first, second)] == [(3, FORMAT)] * 2
    assert [one["role"] for one in second["messages"]] == ["user", "assistant", "user"]
    assert "age: Field required" in second["messages"][-1]["content"]


@pytest.mark.parametrize("way", [*PREDICTIONS, *STREAMS])
async def test_a_second_invalid_object_is_an_error(way: str):
    answers = Answers(BAD, BAD)

    with pytest.raises(StructuredOutputError, match="age: Field required"):
        await (streamed if "stream" in way else predicted)(llm(answers), way)
    assert len(answers.bodies) == 2


@pytest.mark.parametrize("way", [*PREDICTIONS, *STREAMS])
async def test_a_truncated_object_is_an_error_without_a_second_request(way: str):
    answers = Answers(ADA, finish="length")

    with pytest.raises(TruncatedOutputError):
        await (streamed if "stream" in way else predicted)(llm(answers), way)
    assert len(answers.bodies) == 1


@pytest.mark.parametrize("way", PREDICTIONS)
async def test_start_and_end_are_reported_once(way: str, monkeypatch: pytest.MonkeyPatch):
    reported: list[Any] = []
    monkeypatch.setattr(StructuredTask, "started", lambda task: reported.append(task._output))
    monkeypatch.setattr(StructuredTask, "ended", lambda task: reported.append(task._output))

    await predicted(llm(Answers(BAD, ADA)), way)

    assert reported == [None, WHOLE]


@pytest.mark.parametrize("way", STREAMS)
async def test_streamed_objects_grow_and_the_last_is_not_repeated(way: str):
    answers = Answers(ADA)
    first, last = await streamed(llm(answers), way, llm_kwargs={"seed": 3})

    assert (first.name, last) == ("Ada", WHOLE)
    (body,) = answers.bodies
    assert (body["stream"], body["seed"], body["response_format"]) == (True, 3, FORMAT)


@pytest.mark.parametrize("way", STREAMS)
async def test_an_invalid_stream_is_followed_by_the_object_of_a_second_request(way: str):
    answers = Answers(BAD, ADA)
    objects = await streamed(llm(answers), way, llm_kwargs={"seed": 3})

    assert objects[-1] == WHOLE
    assert all(not isinstance(one, Person) for one in objects[:-1])
    first, second = answers.bodies
    assert (first["stream"], second.get("stream", False)) == (True, False)
    assert (second["seed"], second["response_format"]) == (3, FORMAT)
    assert "age: Field required" in second["messages"][-1]["content"]


@pytest.mark.parametrize("way", STREAMS)
async def test_a_second_object_that_equals_the_last_one_is_not_repeated(way: str, monkeypatch: pytest.MonkeyPatch):
    answers = Answers(ADA, ADA)
    monkeypatch.setattr(StructuredTask, "accepts", lambda *_: False)

    objects = await streamed(llm(answers), way)

    assert (objects.count(WHOLE), objects[-1], len(answers.bodies)) == (1, WHOLE, 2)


def test_closing_the_objects_closes_the_responses():
    closed: list[str] = []

    class Growing:
        def __init__(self) -> None:
            self.left = [1, 2]

        def __iter__(self) -> Growing:
            return self

        def __next__(self) -> Any:
            return self.left.pop(0)

        def close(self) -> None:
            closed.append("closed")

    class Model:
        def stream_chat(self, _messages: Any, **_kwargs: Any) -> Any:
            return Growing()

    objects = _structured_run.stream_objects(Model(), _Preview())  # type: ignore[arg-type]
    assert next(objects) == 1
    objects.close()
    assert closed == ["closed"]


async def test_closing_the_objects_closes_the_responses_of_async_code():
    closed: list[str] = []

    class Growing:
        async def __anext__(self) -> Any:
            return 1

        async def aclose(self) -> None:
            closed.append("closed")

    class Model:
        async def astream_chat(self, _messages: Any, **_kwargs: Any) -> Any:
            return Growing()

    objects = _structured_run.astream_objects(Model(), _Preview())  # type: ignore[arg-type]
    assert await anext(objects) == 1
    await objects.aclose()
    assert closed == ["closed"]


class _Preview:
    """A task whose partial objects are the responses themselves."""

    messages: tuple[ChatMessage, ...] = ()
    kwargs: dict[str, Any] = {}  # noqa: RUF012

    def partial(self, response: Any) -> Any:
        return response


@pytest.mark.parametrize("way", [*PREDICTIONS, *STREAMS])
async def test_a_program_of_llama_index_calls_a_tool(way: str):
    call = {"id": "1", "type": "function", "function": {"name": "Person", "arguments": ADA}}
    message = {"content": None, "tool_calls": [call | {"index": 0}]}
    if "stream" in way:
        del message["content"]
    answers = Answers(message, finish="tool_calls")
    kwargs = {"seed": 3}
    model = llm(answers, pydantic_program_mode=PydanticProgramMode.FUNCTION)

    made = await (streamed if "stream" in way else predicted)(model, way, llm_kwargs=kwargs)

    assert (made[-1] if isinstance(made, list) else made) == WHOLE
    (body,) = answers.bodies
    assert [tool["function"]["name"] for tool in body["tools"]] == ["Person"]
    assert body["tool_choice"] == "required"
    assert (body["seed"], "response_format" in body, kwargs) == (3, False, {"seed": 3})


@pytest.mark.parametrize("way", STREAMS)
async def test_a_program_that_streams_without_an_object_is_an_error(way: str):
    model = llm(Answers({"content": "No."}, {"content": "No."}), pydantic_program_mode=PydanticProgramMode.LLM)

    with pytest.raises(StructuredOutputError, match="a valid Person"):
        await streamed(model, way)


def test_the_mode_chooses_the_class_of_a_structured_llm():
    person = llm(Answers()).as_structured_llm(Person)
    program = llm(Answers(), pydantic_program_mode=PydanticProgramMode.FUNCTION).as_structured_llm(Person)

    assert (type(person), type(program)) == (StructuredTIR, ProgramTIR)
    assert (person.output_cls, person.llm.model, program.output_cls) == (Person, "m", Person)
    named = llm(Answers()).as_structured_llm(Person, system_prompt="Be brief.")
    assert named.system_prompt == "Be brief."


def _objects(last: Any, closed: list[str]) -> Generator[Any]:
    try:
        yield "first"
        yield last
    finally:
        closed.append("closed")


async def _async_objects(last: Any, closed: list[str]) -> AsyncGenerator[Any]:
    try:
        yield "first"
        yield last
    finally:
        closed.append("closed")


def test_the_objects_of_a_program_are_checked_at_their_end():
    closed: list[str] = []

    assert list(check_stream(_objects(WHOLE, closed), Person)) == ["first", WHOLE]
    objects = check_stream(_objects(None, closed), Person)
    assert [next(objects), next(objects)] == ["first", None]
    with pytest.raises(StructuredOutputError, match="its last object is None"):
        next(objects)
    objects = check_stream(_objects(None, closed), Person)
    next(objects)
    objects.close()
    assert closed == ["closed"] * 3


async def test_the_objects_of_an_async_program_are_checked_at_their_end():
    closed: list[str] = []

    assert [one async for one in acheck_stream(_async_objects(WHOLE, closed), Person)] == ["first", WHOLE]
    objects = acheck_stream(_async_objects(None, closed), Person)
    assert [await anext(objects), await anext(objects)] == ["first", None]
    with pytest.raises(StructuredOutputError, match="its last object is None"):
        await anext(objects)
    objects = acheck_stream(_async_objects(None, closed), Person)
    await anext(objects)
    await objects.aclose()
    assert closed == ["closed"] * 3
