"""The official OpenAI client works with the sandbox."""

from typing import Literal

import openai
import pytest
from pydantic import BaseModel

from tir_sandbox import Reply, Sandbox, ToolCall

MODEL = "gpt_oss_120b"
HELLO = [{"role": "user", "content": "Hello"}]
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Get the weather for a city",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        },
    },
}


class Person(BaseModel):
    name: str
    born: int
    mood: Literal["happy", "sad"]


@pytest.fixture
def client(sandbox):
    with openai.OpenAI(base_url=sandbox.base_url, api_key=sandbox.token, max_retries=0) as one:
        yield one


def test_a_chat_has_reasoning_text_and_usage(client, sandbox):
    sandbox.script(Reply(text="Hi", reasoning="Greet."))
    answer = client.chat.completions.create(model=MODEL, messages=HELLO)

    assert answer.choices[0].message.content == "Hi"
    assert answer.choices[0].message.reasoning == "Greet."
    assert answer.usage.completion_tokens == 3
    assert answer.system_fingerprint == "tir-sandbox-not-a-model"


def test_a_chat_is_streamed(client, sandbox):
    sandbox.script(Reply(text="Hi there, you", reasoning=["Gr", "eet."]))
    options = {"include_usage": True}
    chunks = list(client.chat.completions.create(model=MODEL, messages=HELLO, stream=True, stream_options=options))

    deltas = [chunk.choices[0].delta for chunk in chunks[:-1]]
    assert "".join(delta.content or "" for delta in deltas) == "Hi there, you"
    assert [delta.reasoning for delta in deltas if hasattr(delta, "reasoning")] == ["Gr", "eet."]
    assert chunks[-1].choices == []
    assert chunks[-1].usage.total_tokens == chunks[-1].usage.prompt_tokens + chunks[-1].usage.completion_tokens


def test_a_tool_is_called_and_its_result_used(client):
    question = [{"role": "user", "content": "How is the weather in Delhi?"}]
    first = client.chat.completions.create(model=MODEL, messages=question, tools=[WEATHER]).choices[0]
    (call,) = first.message.tool_calls
    result = {"role": "tool", "tool_call_id": call.id, "content": "31 degrees"}
    messages = [*question, first.message.model_dump(exclude_none=True), result]
    second = client.chat.completions.create(model=MODEL, messages=messages, tools=[WEATHER]).choices[0]

    assert (call.function.name, call.function.arguments) == ("get_weather", '{"city": "city"}')
    assert first.finish_reason == "tool_calls"
    assert "31 degrees" in second.message.content


def test_tool_calls_are_streamed(client, sandbox):
    sandbox.script(Reply(tool_calls=[ToolCall("a", {"x": 1}), ToolCall("b", "{broken", id="mine")]))
    with client.chat.completions.stream(model=MODEL, messages=HELLO) as stream:
        calls = stream.get_final_completion().choices[0].message.tool_calls

    assert [(call.function.name, call.function.arguments) for call in calls] == [("a", '{"x": 1}'), ("b", "{broken")]
    assert calls[1].id == "mine"


def test_structured_output_is_parsed(client):
    message = [{"role": "user", "content": "Ada Lovelace, born 1815, was happy."}]
    answer = client.chat.completions.parse(model=MODEL, messages=message, response_format=Person)

    assert answer.choices[0].message.parsed == Person(name="name", born=1, mood="happy")


def test_logprobs_are_returned(client, sandbox):
    sandbox.script(Reply(text="Hi there"))
    answer = client.chat.completions.create(model="qwen3_32b", messages=HELLO, logprobs=True, top_logprobs=2)

    tokens = answer.choices[0].logprobs.content
    assert [token.token for token in tokens] == ["Hi", " there"]
    assert [len(token.top_logprobs) for token in tokens] == [2, 2]
    assert all(token.top_logprobs[0].logprob == token.logprob < 0 for token in tokens)


def test_several_choices_are_returned(client, sandbox):
    sandbox.script(Reply(choices=[Reply(text="one"), Reply(text="two")]))
    answer = client.chat.completions.create(model=MODEL, messages=HELLO, n=3)

    assert [choice.message.content for choice in answer.choices] == ["one", "two", "one"]


@pytest.mark.parametrize("encoding", ["float", "base64"])
def test_embeddings_are_returned(client, encoding):
    data = client.embeddings.create(model="bge-large-en-v1_5", input=["a", "b"], encoding_format=encoding).data

    assert [one.index for one in data] == [0, 1]
    if encoding == "float":
        assert {len(one.embedding) for one in data} == {1024}


def test_embeddings_are_the_same_in_both_encodings(client):
    exact = client.embeddings.create(model="any", input="some words", encoding_format="float").data[0].embedding
    packed = client.embeddings.create(model="any", input="some words").data[0].embedding

    assert packed == pytest.approx(exact, abs=1e-6)


def test_models_are_listed(client):
    assert MODEL in [model.id for model in client.models.list()]
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve(MODEL)


def test_a_wrong_token_raises_authentication_error(sandbox):
    stranger = openai.OpenAI(base_url=sandbox.base_url, api_key="wrong", max_retries=0)
    with stranger, pytest.raises(openai.AuthenticationError):
        stranger.chat.completions.create(model=MODEL, messages=HELLO)


def test_an_unknown_model_raises_not_found_error(client):
    with pytest.raises(openai.NotFoundError, match="`nope` does not exist"):
        client.chat.completions.create(model="nope", messages=HELLO)


def test_a_prompt_that_is_too_long_is_refused():
    with Sandbox(context_window=10) as sandbox:
        client = openai.OpenAI(base_url=sandbox.base_url, api_key=sandbox.token, max_retries=0)
        with client, pytest.raises(openai.BadRequestError, match="maximum context length"):
            client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "word " * 20}])


async def test_the_async_client_works(sandbox):
    sandbox.script(Reply(text="Hi there"), Reply(text="Hi there"))
    async with openai.AsyncOpenAI(base_url=sandbox.base_url, api_key=sandbox.token) as client:
        whole = await client.chat.completions.create(model=MODEL, messages=HELLO)
        stream = await client.chat.completions.create(model=MODEL, messages=HELLO, stream=True)
        pieces = [chunk.choices[0].delta.content or "" async for chunk in stream]

    assert whole.choices[0].message.content == "".join(pieces) == "Hi there"
