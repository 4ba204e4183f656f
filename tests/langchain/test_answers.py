"""An answer is the same message whole and streamed, sync and async, in both output versions and as events."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from langchain_core.callbacks import AsyncCallbackHandler, BaseCallbackHandler, UsageMetadataCallbackHandler
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage
from langchain_core.outputs import LLMResult

from langchain_tir import ChatTIR, _content_blocks
from langchain_tir._messages import to_wire
from langchain_tir._stream import ending_for_broken_call
from tir_client.protocol.messages import sendable_arguments
from tir_client.protocol.responses import ToolCall as WireCall
from tir_sandbox import Reply, Sandbox, ToolCall

pytestmark = pytest.mark.filterwarnings("ignore::langchain_core._api.beta_decorator.LangChainBetaWarning")

Way = Callable[[ChatTIR], Awaitable[AIMessage]]


async def invoke(model: ChatTIR) -> AIMessage:
    return await asyncio.to_thread(model.invoke, "Hi")


async def ainvoke(model: ChatTIR) -> AIMessage:
    return await model.ainvoke("Hi")


async def stream(model: ChatTIR) -> AIMessage:
    return await asyncio.to_thread(lambda: added(list(model.stream("Hi"))))


async def astream(model: ChatTIR) -> AIMessage:
    return added([chunk async for chunk in model.astream("Hi")])


async def invoke_that_streams(model: ChatTIR) -> AIMessage:
    return await model.ainvoke("Hi", stream=True)


async def batch(model: ChatTIR) -> AIMessage:
    (answer,) = await asyncio.to_thread(model.batch, ["Hi"])
    return answer


async def abatch(model: ChatTIR) -> AIMessage:
    (answer,) = await model.abatch(["Hi"])
    return answer


async def stream_events(model: ChatTIR) -> AIMessage:
    return await asyncio.to_thread(lambda: model.stream_events("Hi", version="v3").output)


async def astream_events(model: ChatTIR) -> AIMessage:
    return await (await model.astream_events("Hi", version="v3")).output


def added(chunks: list[AIMessageChunk]) -> AIMessageChunk:
    first, *rest = chunks
    return first + rest


WAYS = (invoke, ainvoke, stream, astream, invoke_that_streams, batch, abatch)
EVENTS = (stream_events, astream_events)

TWO_CALLS = (
    ToolCall("get_weather", {"city": "Pune"}, id="1"),
    ToolCall("get_time", {"city": "Pune", "n": [1]}, id="2"),
)
REPLIES = {
    "text": Reply(text="Hello there."),
    "reasoning and text": Reply(reasoning="A greeting, so I greet.", text="Hello there."),
    "reasoning and two calls": Reply(reasoning="Both are needed.", tool_calls=TWO_CALLS),
    "reasoning, text and two calls": Reply(reasoning="Both are needed.", text="One moment.", tool_calls=TWO_CALLS),
    "reasoning only": Reply(reasoning="I think and say nothing."),
    "nothing": Reply(text=""),
    "cut off": Reply(reasoning="I think", finish_reason="length"),
    "a call without arguments": Reply(tool_calls=[ToolCall("now", "", id="1")]),
    "a call with null": Reply(tool_calls=[ToolCall("now", "null", id="1")]),
    "old reasoning": Reply(reasoning="Old.", text="Hello.", reasoning_field="reasoning_content"),
    "both names of reasoning": Reply(reasoning="Twice.", text="Hello.", reasoning_field="both"),
    "usage all along": Reply(text="Hello there.", continuous_usage=True),
    "text at the very end": Reply(text="Hello there.", final_delta_holds_text=True),
}
SAME_EACH_TIME = {"id": "x", "created": 1, "request_id": "x"}


def compared(message: AIMessage, *, content: bool = True) -> dict[str, Any]:
    """The parts of a message that are the same for equal answers."""
    metadata = {**message.response_metadata, **SAME_EACH_TIME}
    metadata["token_usage"] = {name: metadata["token_usage"][name] for name in ("prompt_tokens", "completion_tokens")}
    seen = {
        "text": message.text,
        "content_blocks": message.content_blocks,
        "additional_kwargs": message.additional_kwargs,
        "tool_calls": message.tool_calls,
        "invalid_tool_calls": message.invalid_tool_calls,
        "usage_metadata": message.usage_metadata,
        "response_metadata": metadata,
    }
    return {**seen, "content": message.content} if content else seen


@pytest.mark.parametrize("reply", REPLIES.values(), ids=REPLIES)
@pytest.mark.parametrize("output_version", ["v0", "v1"])
async def test_an_answer_is_the_same_from_every_method(
    make: Callable[..., ChatTIR], sandbox: Sandbox, reply: Reply, output_version: str
):
    model = make(output_version=output_version)
    sandbox.script(*[reply] * len(WAYS))

    first, *others = [compared(await way(model)) for way in WAYS]

    for other in others:
        assert other == first


@pytest.mark.parametrize("reply", REPLIES.values(), ids=REPLIES)
async def test_events_add_up_to_the_message_in_version_1(make: Callable[..., ChatTIR], sandbox: Sandbox, reply: Reply):
    model = make(output_version="v1")
    sandbox.script(*[reply] * (1 + len(EVENTS)))
    whole = await invoke(model)

    for way in EVENTS:
        message = await way(model)
        assert compared(message, content=False) == compared(whole, content=False)
        assert (message.content or []) == whole.content  # LangChain represents missing content as a string


async def test_version_1_has_separate_blocks_for_reasoning_text_and_parallel_calls(
    make: Callable[..., ChatTIR], sandbox: Sandbox
):
    sandbox.script(*[REPLIES["reasoning, text and two calls"]] * len(WAYS))

    for way in WAYS:
        content = (await way(make(output_version="v1"))).content
        assert [block["type"] for block in content] == ["reasoning", "text", "tool_call", "tool_call"]
        assert [block["args"] for block in content[2:]] == [{"city": "Pune"}, {"city": "Pune", "n": [1]}]


async def test_version_0_has_text_in_the_content_and_reasoning_in_additional_kwargs(model: ChatTIR, sandbox: Sandbox):
    sandbox.script(*[REPLIES["reasoning and text"]] * len(WAYS))

    for way in WAYS:
        message = await way(model)
        assert message.content == "Hello there."
        assert message.additional_kwargs == {"reasoning_content": "A greeting, so I greet."}
        assert [block["type"] for block in message.content_blocks] == ["reasoning", "text"]


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    reasoning=st.lists(st.text("ab \n'\"{é☃", min_size=1, max_size=3), max_size=3),
    text=st.lists(st.text("ab \n'\"{é☃", min_size=1, max_size=3), max_size=3),
    arguments=st.lists(
        st.dictionaries(st.text("ab", max_size=2), st.integers() | st.text("a☃", max_size=3)), max_size=3
    ),
    output_version=st.sampled_from(["v0", "v1"]),
)
def test_any_answer_is_the_same_streamed_and_whole(  # noqa: PLR0913 - what an answer may hold
    *, endpoint: dict[str, Any], sandbox: Sandbox, reasoning: Any, text: Any, arguments: Any, output_version: str
):
    calls = [ToolCall(f"tool_{index}", args, id=str(index)) for index, args in enumerate(arguments)]
    model = ChatTIR(**endpoint, output_version=output_version)
    sandbox.script(*[Reply(reasoning=reasoning, text=text, tool_calls=calls)] * 3)

    whole = model.invoke("Hi")

    assert compared(added(list(model.stream("Hi")))) == compared(whole)
    events = model.stream_events("Hi", version="v3").output
    assert events.content_blocks == whole.content_blocks or output_version == "v0"
    assert (events.text, events.tool_calls) == (whole.text, whole.tool_calls)


async def test_events_of_version_2_carry_the_chunks(model: ChatTIR, sandbox: Sandbox):
    sandbox.script(REPLIES["reasoning and text"])

    events = [event async for event in model.astream_events("Hi", version="v2")]

    chunks = [event["data"]["chunk"] for event in events if event["event"] == "on_chat_model_stream"]
    assert added(chunks).text == events[-1]["data"]["output"].text == "Hello there."


# Metadata


async def test_a_refusal_is_in_additional_kwargs(model: ChatTIR, sandbox: Sandbox):
    sandbox.script(*[Reply(refusal="I do not.")] * 2)

    for way in (invoke, stream):
        message = await way(model)
        assert (message.content, message.additional_kwargs) == ("", {"refusal": "I do not."})


REFUSAL = {"type": "refusal", "refusal": "I do not."}


@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("output_version", ["v0", "v1"])
async def test_a_refusal_is_a_content_block(
    *,
    make: Callable[..., ChatTIR],
    sandbox: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
    output_version: str,
    known: bool,
):
    """Where LangChain has no such block, it is a non-standard one."""
    names = _content_blocks.KNOWN_BLOCK_TYPES - {"refusal"}
    monkeypatch.setattr(_content_blocks, "KNOWN_BLOCK_TYPES", names | {"refusal"} if known else names)
    sandbox.script(*[Reply(refusal="I do not.")] * 2)
    model = make(output_version=output_version)

    for way in (invoke, stream):
        message = await way(model)
        for blocks in [message.content_blocks] + [message.content] * (output_version == "v1"):
            (block,) = [{key: value for key, value in block.items() if key != "index"} for block in blocks]
            assert block == (REFUSAL if known else {"type": "non_standard", "value": REFUSAL})


async def test_nulls_in_the_usage_are_left_out(model: ChatTIR, sandbox: Sandbox):
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
    details = {"cached_tokens": 0, "multimodal_tokens": None}
    answer = {"message": {"content": "Hi"}, "finish_reason": "stop"}
    sandbox.script(Reply(body={"choices": [answer], "usage": {**usage, "a": None, "prompt_tokens_details": details}}))

    reported = model.invoke("Hi").response_metadata["token_usage"]

    assert reported == {**usage, "prompt_tokens_details": {"cached_tokens": 0}}


async def test_usage_is_reported_once_with_its_details(model: ChatTIR, sandbox: Sandbox):
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15, "cached_tokens": 8, "reasoning_tokens": 3}
    sandbox.script(*[Reply(text="Hello there.", usage=usage, continuous_usage=True)] * len(WAYS))

    for way in WAYS:
        assert (await way(model)).usage_metadata == {
            "input_tokens": 10,
            "output_tokens": 5,
            "total_tokens": 15,
            "input_token_details": {"cache_read": 8},
            "output_token_details": {"reasoning": 3},
        }


async def test_usage_has_no_details_that_the_server_does_not_report(model: ChatTIR, sandbox: Sandbox):
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
    body = {"choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}], "usage": usage}
    chunk = {"choices": [{"index": 0, "delta": {"content": "Hi"}, "finish_reason": "stop"}]}
    sandbox.script(Reply(body=body), Reply(chunks=[chunk, {"choices": [], "usage": usage}]))

    for way in (invoke, stream):
        counts = (await way(model)).usage_metadata
        assert counts == {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15}


def test_metadata_have_provider_model_and_finish_reason(model: ChatTIR, sandbox: Sandbox):
    sandbox.script(Reply(text="Hi", stop_reason="\n"))

    metadata = model.invoke("Hi").response_metadata

    assert metadata["model_provider"] == model._get_ls_params()["ls_provider"] == "tir"
    assert metadata["model_name"] == "gpt_oss_120b"
    assert (metadata["finish_reason"], metadata["stop_reason"]) == ("stop", "\n")
    assert metadata["id"].startswith("chatcmpl-")
    assert metadata["token_usage"]["prompt_tokens"] > 0


def test_a_stream_ends_with_an_empty_chunk_marked_as_last(model: ChatTIR, sandbox: Sandbox):
    sandbox.script(REPLIES["reasoning and text"])

    *chunks, last = model.stream("Hi")

    assert (last.content, last.chunk_position) == ("", "last")
    assert last.usage_metadata is not None
    assert [chunk.usage_metadata for chunk in chunks] == [None] * len(chunks)


async def test_logprobs_are_the_same_streamed_and_whole(make: Callable[..., ChatTIR]):
    model = make(logprobs=True, top_logprobs=2)

    whole, streamed = await invoke(model), await stream(model)

    assert whole.response_metadata["logprobs"]["content"][0].keys() >= {"token", "logprob", "top_logprobs"}
    assert streamed.response_metadata["logprobs"] == whole.response_metadata["logprobs"]


def test_several_answers_are_several_generations_with_the_usage_on_the_first(
    make: Callable[..., ChatTIR], sandbox: Sandbox
):
    sandbox.script(Reply(choices=[Reply(text="One"), Reply(text="Two", reasoning="Hm.")]))

    result = make(n=2).generate([[HumanMessage("Hi")]])

    first, second = [generation.message for generation in result.generations[0]]
    assert (first.text, second.text) == ("One", "Two")
    assert second.additional_kwargs["reasoning_content"] == "Hm."
    assert first.usage_metadata is not None
    assert second.usage_metadata is None


async def test_the_message_of_several_choices_is_the_first_with_the_others_in_its_metadata(
    make: Callable[..., ChatTIR], sandbox: Sandbox
):
    second = Reply(text="Two", reasoning="Hm.", tool_calls=[ToolCall("t", "{}", id="1")])
    sandbox.script(*[Reply(choices=[Reply(text="One one"), second])] * 4)

    for way in (invoke, ainvoke, stream, astream):
        message = await way(make(n=2))
        (other,) = message.response_metadata["other_choices"]
        assert message.text == "One one"
        assert other["content"] == "Two"
        assert other["reasoning_content"] == "Hm."
        assert other["tool_calls"] == [{"id": "1", "name": "t", "args": "{}"}]


def test_token_ids_arrive_streamed_and_whole(make: Callable[..., ChatTIR], sandbox: Sandbox):
    choice = {"index": 0, "token_ids": [7, 8], "finish_reason": "stop"}
    chunk = {"choices": [{**choice, "delta": {"content": "Hi"}}]}
    sandbox.script(Reply(body={"choices": [{**choice, "message": {"content": "Hi"}}]}), Reply(chunks=[chunk]))
    model = make(extra_body={"return_token_ids": True})

    for message in (model.invoke("Hi"), added(list(model.stream("Hi")))):
        assert message.response_metadata["token_ids"] == [7, 8]


TOLD = {"model_provider": "tir"}


def test_messages_built_by_users_have_standard_blocks():
    call = {"id": "1", "name": "t", "args": {"x": 1}, "type": "tool_call"}
    text = {"type": "text", "text": "Hi"}

    assert AIMessage("Hi", tool_calls=[call], response_metadata=TOLD).content_blocks == [text, call]
    assert AIMessage(["Hi"], response_metadata=TOLD).content_blocks == [text]
    assert AIMessageChunk(["Hi"], response_metadata=TOLD).content_blocks == [text]
    (piece,) = AIMessageChunk("", tool_calls=[call], response_metadata=TOLD).content_blocks
    assert (piece["name"], piece["args"], piece["index"]) == ("t", '{"x": 1}', None)


# Broken calls

BROKEN = [
    '{"city": "Pu',
    '{"a": 1, "b": [2',
    '{"a": "b\\',
    "{'city': 'Pune'}",
    "[1]",
    "nonsense",
    '{"a": 1} and more',
    "7",
]


@pytest.mark.parametrize("arguments", BROKEN)
@pytest.mark.parametrize("output_version", ["v0", "v1"])
async def test_a_broken_call_is_invalid_from_every_method(
    make: Callable[..., ChatTIR], sandbox: Sandbox, arguments: str, output_version: str
):
    calls = [ToolCall("good", {"x": 1}, id="1"), ToolCall("bad", arguments, id="2")]
    sandbox.script(*[Reply(tool_calls=calls)] * (len(WAYS) + 1))

    for way in WAYS:
        message = await way(make(output_version=output_version))
        (invalid,) = message.invalid_tool_calls
        assert [call["name"] for call in message.tool_calls] == ["good"]
        assert (invalid["id"], invalid["name"]) == ("2", "bad")
        assert invalid["args"].startswith(arguments)
        assert len(invalid["args"]) <= len(arguments) + 3
        assert to_wire([message])[0]["tool_calls"][1]["function"]["arguments"] == sendable_arguments(arguments)
    assert "not a JSON object" in str((await invoke(make())).invalid_tool_calls[0]["error"])


async def test_a_broken_call_in_streamed_content_stays_a_tool_call_chunk(
    make: Callable[..., ChatTIR], sandbox: Sandbox
):
    """If LangChain makes an `invalid_tool_call` of it, as `invoke` does, remove that sentence from the docstrings."""
    sandbox.script(*[Reply(tool_calls=[ToolCall("bad", '{"x": ', id="1")])] * 2)
    model = make(output_version="v1")

    whole, streamed = await invoke(model), await stream(model)

    assert [block["type"] for block in whole.content] == ["invalid_tool_call"]
    assert [block["type"] for block in streamed.content] == ["tool_call_chunk"]


@given(st.text('{}[]":,\\ anul1', max_size=12))
def test_broken_arguments_are_not_repaired(arguments: str):
    """LangChain sees a broken streamed call as invalid, whatever its text; nothing is appended to a valid one."""
    call = WireCall("1", "t", arguments)
    try:
        good = call.parsed() is not None
    except ValueError:
        good = False
    piece = {
        "name": "t",
        "args": arguments + ending_for_broken_call(call),
        "id": "1",
        "index": 0,
        "type": "tool_call_chunk",
    }

    chunk = AIMessageChunk("", tool_call_chunks=[piece])

    assert good == (
        ending_for_broken_call(call) == "" and (bool(chunk.tool_calls) or arguments.strip() in ("", "null"))
    )


def test_markers_in_names_are_removed_and_deltas_without_ids_joined(model: ChatTIR, sandbox: Sandbox):
    def delta(**call: Any) -> dict[str, Any]:
        return {"choices": [{"index": 0, "delta": {"tool_calls": [call]}}]}

    chunks = [
        delta(index=0, id="1", function={"name": "get_weather<|channel|>commentary", "arguments": ""}),
        delta(index=0, function={"arguments": '{"city": '}),
        delta(index=1, id="2", function={"name": "functions.get_time", "arguments": '{"n"'}),
        delta(index=0, function={"arguments": '"Pune"}'}),
        delta(index=1, function={"arguments": ": 1}"}),
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]},
    ]
    sandbox.script(Reply(chunks=chunks))
    tools = [{"name": name, "parameters": {"type": "object"}} for name in ("get_weather", "get_time")]

    message = added(list(model.bind_tools(tools).stream("Hi")))

    assert [(call["id"], call["name"], call["args"]) for call in message.tool_calls] == [
        ("1", "get_weather", {"city": "Pune"}),
        ("2", "get_time", {"n": 1}),
    ]


# Callbacks


class Listener(BaseCallbackHandler):
    def __init__(self) -> None:
        self.tokens: list[str] = []
        self.chunks: list[Any] = []
        self.results: list[LLMResult] = []

    def on_llm_new_token(self, token: Any, **kwargs: Any) -> None:
        self.tokens.append(token if isinstance(token, str) else "".join(block.get("text", "") for block in token))
        self.chunks.append(kwargs.get("chunk"))

    def on_llm_end(self, response: LLMResult, **kwargs: Any) -> None:
        self.results.append(response)


class AsyncListener(Listener, AsyncCallbackHandler):
    async def on_llm_new_token(self, token: Any, **kwargs: Any) -> None:
        Listener.on_llm_new_token(self, token, **kwargs)

    async def on_llm_end(self, response: LLMResult, **kwargs: Any) -> None:
        Listener.on_llm_end(self, response)


async def test_each_token_is_reported_once(model: ChatTIR, sandbox: Sandbox):
    sandbox.script(*[replace(REPLIES["text"], text=["Hel", "lo"])] * 3)
    listeners = [Listener(), AsyncListener(), Listener()]

    list(model.stream("Hi", {"callbacks": [listeners[0]]}))
    [chunk async for chunk in model.astream("Hi", {"callbacks": [listeners[1]]})]
    events = model.stream_events("Hi", {"callbacks": [listeners[2]]}, version="v3")

    assert events.output.text == "Hello"
    for listener in listeners:
        assert [token for token in listener.tokens if token] == ["Hel", "lo"]
        assert listener.results[0].generations[0][0].text == "Hello"


async def test_callbacks_get_the_chunks_of_every_kind_of_stream(model: ChatTIR, sandbox: Sandbox):
    sandbox.script(*[Reply(text=["Hel", "lo"], reasoning="Hm.")] * 4)
    listeners = [Listener(), AsyncListener(), Listener(), AsyncListener()]
    configs = [{"callbacks": [listener]} for listener in listeners]

    list(model.stream("Hi", configs[0]))
    [chunk async for chunk in model.astream("Hi", configs[1])]
    await asyncio.to_thread(lambda: model.stream_events("Hi", configs[2], version="v3").output)
    await (await model.astream_events("Hi", configs[3], version="v3")).output

    for listener in listeners:
        message = added([chunk.message for chunk in listener.chunks])
        assert (message.text, message.additional_kwargs["reasoning_content"]) == ("Hello", "Hm.")


def test_usage_of_several_calls_is_added_up_by_model(model: ChatTIR, sandbox: Sandbox):
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
    sandbox.script(*[Reply(text="Hi", usage=usage)] * 3)
    counter = UsageMetadataCallbackHandler()

    model.batch(["One", "Two"], {"callbacks": [counter]})
    model.invoke("Three", {"callbacks": [counter]}, model="qwen3_32b")

    assert {name: used["total_tokens"] for name, used in counter.usage_metadata.items()} == {
        "gpt_oss_120b": 30,
        "qwen3_32b": 15,
    }


def test_the_usage_of_a_batch_is_combined(model: ChatTIR, sandbox: Sandbox):
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
    sandbox.script(*[Reply(text="Hi", usage=usage)] * 2)

    output = model.generate([[HumanMessage("One")], [HumanMessage("Two")]]).llm_output

    assert output["token_usage"] == {"prompt_tokens": 20, "completion_tokens": 10, "total_tokens": 30}
    assert output["model_name"] == "gpt_oss_120b"
    assert model._combine_llm_outputs([None, {}]) == {}
    assert model._combine_llm_outputs([{}, {"model_name": "one"}, {"model_name": "other"}]) == {"model_name": "one"}
