"""LlamaIndex's five chat engines on TIR: sync, async, streamed."""

from __future__ import annotations

import pytest
from llama_index.core import VectorStoreIndex
from llama_index.core.chat_engine import SimpleChatEngine
from llama_index.core.memory import ChatMemoryBuffer

from tir_client import StreamInterruptedError
from tir_sandbox import Fault, Reply

from .corpus import DOCUMENTS, PLACE, QUESTION

MODES = ["context", "condense_question", "condense_plus_context", "best"]


@pytest.fixture
def engine(request, embedding, llm):
    memory = ChatMemoryBuffer.from_defaults(llm=llm)  # the other memory leaves a database connection open
    if request.param == "simple":
        return SimpleChatEngine.from_defaults(llm=llm, memory=memory)
    index = VectorStoreIndex.from_documents(DOCUMENTS, embed_model=embedding)
    return index.as_chat_engine(chat_mode=request.param, llm=llm, memory=memory, similarity_top_k=1)


each_engine = pytest.mark.parametrize("engine", ["simple", *MODES], indirect=True)
simple_engine = pytest.mark.parametrize("engine", ["simple"], indirect=True)
each_engine_that_retrieves = pytest.mark.parametrize("engine", MODES, indirect=True)


@each_engine
def test_a_chat_engine_remembers_the_conversation(engine):
    engine.chat("Hello")
    engine.chat(QUESTION)
    assert [message.role for message in engine.chat_history] == ["user", "assistant"] * 2


@each_engine_that_retrieves
def test_a_chat_engine_answers_from_the_documents(engine):
    assert PLACE in str(engine.chat(QUESTION))


@each_engine_that_retrieves
async def test_a_chat_engine_answers_from_the_documents_in_async_code(engine):
    assert PLACE in str(await engine.achat(QUESTION))


@each_engine
def test_a_chat_engine_streams(engine, sandbox):
    response = engine.stream_chat(QUESTION)
    pieces = list(response.response_gen)
    assert sandbox.requests[-1].body["stream"] is True
    assert "".join(pieces) == str(response)
    assert engine.chat_history[-1].content == "".join(pieces)


@each_engine
async def test_a_chat_engine_streams_in_async_code(engine, sandbox):
    response = await engine.astream_chat(QUESTION)
    pieces = [piece async for piece in response.async_response_gen()]
    assert sandbox.requests[-1].body["stream"] is True
    assert engine.chat_history[-1].content == "".join(pieces)


# LlamaIndex raises the error in its own thread, too.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@simple_engine
def test_a_stream_that_ends_early_is_an_error_with_the_partial_answer(engine, sandbox):
    sandbox.script(Fault(cut_after=4, after=Reply(text=["The ", "river ", "rises ", "in ", "Trimbak."])))
    with pytest.raises(StreamInterruptedError) as raised:
        list(engine.stream_chat(QUESTION).response_gen)
    assert raised.value.partial.choice.text.startswith("The ")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@simple_engine
async def test_an_async_stream_that_ends_early_is_an_error_with_the_partial_answer(engine, sandbox):
    sandbox.script(Fault(cut_after=4, after=Reply(text=["The ", "river ", "rises ", "in ", "Trimbak."])))
    response = await engine.astream_chat(QUESTION)
    with pytest.raises(StreamInterruptedError) as raised:
        [piece async for piece in response.async_response_gen()]
    assert raised.value.partial.choice.text.startswith("The ")
