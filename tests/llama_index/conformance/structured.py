"""Promises about structured output."""

from __future__ import annotations

import warnings

import pytest
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.program import FunctionCallingProgram
from llama_index.core.prompts import PromptTemplate
from pydantic import BaseModel

from tir_sandbox import Reply, Sandbox

from .base import Promises, collect, question


class City(BaseModel):
    """A city."""

    name: str
    people: int


PROMPT = PromptTemplate("Tell me of {name}.")
PUNE = City(name="Pune", people=7)
JSON = '{"name": "Pune", "people": 7}'


class StructuredPromises(Promises):
    """The sandbox fills JSON schemas and calls tools, so both methods get an answer."""

    def test_structured_predict_returns_the_object(self, llm):
        assert isinstance(llm.structured_predict(City, PROMPT, name="Pune"), City)

    async def test_astructured_predict_returns_the_object(self, llm):
        assert isinstance(await llm.astructured_predict(City, PROMPT, name="Pune"), City)

    def test_stream_structured_predict_ends_with_the_object(self, llm):
        objects = list(llm.stream_structured_predict(City, PROMPT, name="Pune"))
        assert len(objects) > 1
        assert isinstance(objects[-1], City)

    async def test_astream_structured_predict_ends_with_the_object(self, llm):
        objects = await collect(llm.astream_structured_predict(City, PROMPT, name="Pune"))
        assert len(objects) > 1
        assert isinstance(objects[-1], City)

    @pytest.mark.parametrize("way", ["structured_predict", "stream_structured_predict"])
    def test_the_server_enforces_the_schema(self, llm, sandbox, way):
        """By a schema or a required call; a prompt alone is not enough."""
        answer = getattr(llm, way)(City, PROMPT, name="Pune")
        if "stream" in way:
            list(answer)
        body = sandbox.requests[-1].body
        assert "response_format" in body or body["tool_choice"] not in {None, "auto"}

    def test_a_server_that_ignores_required_calls_returns_the_object(self, make):
        with Sandbox(strict=False) as server:
            server.script(Reply(text=JSON), Reply(text=JSON))
            assert make(server, max_retries=0).structured_predict(City, PROMPT, name="Pune") == PUNE

    def test_the_system_prompt_is_sent(self, make, sandbox):
        make(system_prompt="Be brief.").structured_predict(City, PROMPT, name="Pune")
        assert sandbox.requests[-1].body["messages"][0] == {"role": "system", "content": "Be brief."}

    async def test_the_system_prompt_is_sent_by_async_code(self, make, sandbox):
        await make(system_prompt="Be brief.").astructured_predict(City, PROMPT, name="Pune")
        assert sandbox.requests[-1].body["messages"][0] == {"role": "system", "content": "Be brief."}

    async def test_the_system_prompt_is_sent_by_async_programs(self, make, sandbox):
        """Selectors and extractors use the program directly."""
        program = FunctionCallingProgram.from_defaults(
            City, prompt_template_str="Tell me of {name}.", llm=make(system_prompt="Be brief.")
        )
        await program.acall(name="Pune")
        assert sandbox.requests[-1].body["messages"][0] == {"role": "system", "content": "Be brief."}

    def test_programs_require_the_call(self, llm, sandbox):
        FunctionCallingProgram.from_defaults(City, prompt_template_str="Tell me of {name}.", llm=llm)(name="Pune")
        assert sandbox.requests[-1].body["tool_choice"] != "auto"

    @pytest.mark.parametrize("way", ["chat", "complete"])
    def test_a_structured_llm_answers_with_the_object(self, llm, way):
        answer = getattr(llm.as_structured_llm(City), way)("Pune?" if way == "complete" else question("Pune?"))
        assert isinstance(answer.raw, City)

    @pytest.mark.parametrize("way", ["stream_chat", "stream_complete"])
    def test_a_structured_llm_streams_the_object(self, llm, way):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            stream = getattr(llm.as_structured_llm(City), way)(
                "Pune?" if way == "stream_complete" else question("Pune?")
            )
            assert isinstance(list(stream)[-1].raw, City)

    @pytest.mark.parametrize("way", ["astream_chat", "astream_complete"])
    async def test_a_structured_llm_streams_the_object_to_async_code(self, llm, way):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            stream = getattr(llm.as_structured_llm(City), way)(
                "Pune?" if way == "astream_complete" else question("Pune?")
            )
            assert isinstance((await collect(stream))[-1].raw, City)

    def test_a_structured_llm_streams_deltas(self, llm):
        """Streaming query engines show these."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            stream = llm.as_structured_llm(City).stream_chat(question("Pune?"))
            text = "".join(response.delta or "" for response in stream)
        assert isinstance(City.model_validate_json(text), City)

    def test_braces_in_a_question_are_text(self, llm, sandbox):
        llm.as_structured_llm(City).chat([ChatMessage(content='What is {name} in {"a": 1}?')])
        assert sandbox.requests[-1].body["messages"][0]["content"] == 'What is {name} in {"a": 1}?'

    def test_a_truncated_answer_is_an_error_that_says_so(self, llm, sandbox):
        """And not an object with its fields missing."""
        sandbox.strict = False  # an LLM may try again
        sandbox.script(*[Reply(text='{"name": "Pu', finish_reason="length")] * 3)
        with pytest.raises(Exception, match=r"length|max_tokens|cut off"):
            llm.structured_predict(City, PROMPT, name="Pune")

    @pytest.mark.parametrize(
        "text", ["```json\n" + JSON + "\n```", "```\n" + JSON + "```", f"  {JSON}\n"], ids=["json", "plain", "spaces"]
    )
    def test_fences_around_the_object_are_ignored(self, llm, sandbox, text):
        sandbox.script(Reply(text=text))
        assert llm.structured_predict(City, PROMPT, name="Pune") == PUNE

    @pytest.mark.parametrize("way", ["structured_predict", "stream_structured_predict"])
    def test_an_invalid_object_is_requested_once_more(self, llm, sandbox, way):
        sandbox.script(Reply(text='{"name": "Pune", "people": "many"}'), Reply(text=JSON))
        answer = getattr(llm, way)(City, PROMPT, name="Pune")
        assert (list(answer)[-1] if "stream" in way else answer) == PUNE

    async def test_an_invalid_object_is_requested_once_more_by_async_code(self, llm, sandbox):
        sandbox.script(Reply(text='{"name": "Pune", "people": "many"}'), Reply(text=JSON))
        assert await llm.astructured_predict(City, PROMPT, name="Pune") == PUNE

    def test_two_invalid_objects_are_an_error_with_the_text(self, llm, sandbox):
        sandbox.strict = False  # an LLM may try again
        sandbox.script(*[Reply(text="I would rather chat.")] * 3)
        with pytest.raises(ValueError, match="I would rather chat"):
            llm.structured_predict(City, PROMPT, name="Pune")

    def test_arguments_of_the_call_are_passed_on(self, llm, sandbox):
        llm.structured_predict(City, PROMPT, llm_kwargs={"temperature": 0.25}, name="Pune")
        assert sandbox.requests[-1].body["temperature"] == 0.25
