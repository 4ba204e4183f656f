"""An answer that a stop word ended inside its reasoning is requested again without `stop` and cut by the client."""

from __future__ import annotations

import pytest

from tests.client.paths import EVERY, PATHS, Ask
from tir_client import ChatRequest, Config, RetryPolicy, TIRClient
from tir_client.protocol.stop_words import cut_at_stop, stop_words
from tir_sandbox import Fault, Reply, Sandbox, ToolCall

USAGE = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}
THOUGHT = Reply(text="Hi. User: and you? END", reasoning="The User: greets me.", usage=USAGE)
TOOLS = [{"type": "function", "function": {"name": "add", "parameters": {"type": "object", "properties": {}}}}]


@pytest.fixture
def sandbox():
    with Sandbox() as started:
        yield started


@pytest.fixture
def client(sandbox: Sandbox) -> TIRClient:
    config = Config.resolve(api_key=sandbox.token, project_id=sandbox.project_id, host=sandbox.host)
    return TIRClient(config, retry=RetryPolicy(0))


def request(stop: str | list[str] | None = "User:", **more) -> ChatRequest:
    messages = [{"role": "user", "content": "Hi"}]
    return ChatRequest.of(**{"model": "gpt_oss_120b", "messages": messages, "stop": stop, **more})


@pytest.mark.parametrize("ask", PATHS)
@pytest.mark.parametrize("stop", ["User:", ["END", "User:"]])
async def test_the_second_answer_is_cut_at_the_first_stop_word(ask: Ask, stop, sandbox: Sandbox, client: TIRClient):
    sandbox.script(THOUGHT, THOUGHT)

    answer = await ask(client, request(stop))

    assert (answer.choice.text, answer.choice.reasoning) == ("Hi. ", "The User: greets me.")
    assert (answer.choice.finish_reason, answer.choice.stop_reason) == ("stop", "User:")
    assert (answer.usage.total_tokens, answer.raw_usage["total_tokens"]) == (14, 14)
    assert [seen.body.get("stop") for seen in sandbox.requests] == [stop, None]


@pytest.mark.parametrize("ask", PATHS)
async def test_a_second_answer_without_stop_word_is_kept_whole(ask: Ask, sandbox: Sandbox, client: TIRClient):
    sandbox.script(THOUGHT, Reply(text="Hello.", reasoning="Something else."))

    answer = await ask(client, request())

    assert (answer.choice.text, answer.choice.finish_reason, answer.choice.stop_reason) == ("Hello.", "stop", None)
    assert answer.choice.reasoning == "The User:\n\nSomething else."


@pytest.mark.parametrize("ask", PATHS)
async def test_tool_calls_of_the_second_answer_are_kept(ask: Ask, sandbox: Sandbox, client: TIRClient):
    sandbox.script(THOUGHT, Reply(reasoning=THOUGHT.reasoning, tool_calls=[ToolCall("add", {"a": 1})]))

    answer = await ask(client, request(tools=TOOLS))

    (call,) = answer.choice.tool_calls
    assert (call.name, call.parsed(), answer.choice.finish_reason) == ("add", {"a": 1}, "tool_calls")


@pytest.mark.parametrize("ask", PATHS)
async def test_a_demanded_call_missing_from_the_second_answer_takes_a_third(
    ask: Ask, sandbox: Sandbox, client: TIRClient
):
    sandbox.script(THOUGHT, Reply(text="No.", usage=USAGE), Reply(text='{"a": 1}', usage=USAGE))

    answer = await ask(client, request(tools=TOOLS, tool_choice="required"))

    (call,) = answer.choice.tool_calls
    assert (call.name, call.parsed(), answer.usage.total_tokens) == ("add", {"a": 1}, 21)
    assert [seen.body.get("stop") for seen in sandbox.requests] == ["User:", None, None]


@pytest.mark.parametrize("ask", PATHS)
async def test_only_the_stopped_of_several_choices_are_requested_again(ask: Ask, sandbox: Sandbox, client: TIRClient):
    plain = Reply(text="Plain.", reasoning="Nothing to see.")
    sandbox.script(Reply(choices=[plain, THOUGHT]), Reply(text="Second."))

    answer = await ask(client, request(n=2))

    assert [choice.text for choice in answer.choices] == ["Plain.", "Second."]
    assert [seen.body["n"] for seen in sandbox.requests] == [2, 1]


@pytest.mark.parametrize("ask", PATHS)
@pytest.mark.parametrize(
    ("reply", "more"),
    [
        (Reply(text="Hi. User: x", reasoning="Greet."), {}),
        (Reply(text="Hi.", reasoning="Greet."), {}),
        (Reply(text="", reasoning="Only thought."), {}),
        (Reply(text="User: x"), {}),
        (THOUGHT, {"max_tokens": 2}),
        (THOUGHT, {"stop": None}),
    ],
    ids=["stopped in the text", "not stopped", "no text at all", "stopped at once", "truncated", "no stop words"],
)
async def test_other_answers_take_one_request(ask: Ask, reply, more, sandbox: Sandbox, client: TIRClient):
    sandbox.script(reply)

    await ask(client, request(**more))

    assert len(sandbox.requests) == 1


@pytest.mark.parametrize("ask", PATHS)
async def test_stop_words_in_extra_body_are_removed_too(ask: Ask, sandbox: Sandbox, client: TIRClient):
    sandbox.script(THOUGHT, THOUGHT)

    answer = await ask(client, request(None, extra_body={"stop": ["User:"], "priority": 1}))

    assert answer.choice.text == "Hi. "
    assert [(seen.body.get("stop"), seen.body["priority"]) for seen in sandbox.requests] == [(["User:"], 1), (None, 1)]


@pytest.mark.parametrize("ask", PATHS)
async def test_a_failure_of_the_second_request_is_raised(ask: Ask, sandbox: Sandbox, client: TIRClient):
    sandbox.script(THOUGHT, Fault(status=400, body={"detail": "too long"}))

    with pytest.raises(Exception, match="too long"):
        await ask(client, request())


async def test_a_stream_yields_one_finish_reason(sandbox: Sandbox, client: TIRClient):
    sandbox.script(THOUGHT, THOUGHT)

    deltas = list(client.stream(request()))

    assert [delta.finish_reason for delta in deltas if delta.finish_reason] == ["stop"]
    assert "".join(delta.text for delta in deltas) == "Hi. "
    assert "".join(delta.reasoning for delta in deltas) == "The User: greets me."
    assert deltas[-1].usage.total_tokens == 14


async def test_hidden_reasoning_counts_as_reasoning(sandbox: Sandbox, client: TIRClient):
    empty = {"index": 0, "message": {"content": ""}, "finish_reason": "stop", "stop_reason": "User:"}
    sandbox.script(Reply(body={"id": "c", "choices": [empty]}), Reply(text="Hi."))

    answer = await EVERY[0](client, request(include_reasoning=False))

    assert (answer.choice.text, len(sandbox.requests)) == ("Hi.", 2)


@pytest.mark.parametrize(
    ("text", "words", "expected"),
    [
        ("abc", [], ("abc", None)),
        ("abc", ["x"], ("abc", None)),
        ("abc", ["c", "b"], ("a", "b")),
        ("abc", ["abc"], ("", "abc")),
        ("a STOP b STOP c", ["STOP"], ("a ", "STOP")),
        ("a\nObservation: b", ["\nObservation"], ("a", "\nObservation")),
    ],
)
def test_text_is_cut_at_the_first_stop_word(text, words, expected):
    assert cut_at_stop(text, words) == expected


def test_stop_words_of_a_request():
    assert stop_words(request("a")) == ["a"]
    assert stop_words(request(["a", "b"])) == ["a", "b"]
    assert stop_words(request("a", extra_body={"stop": "b"})) == ["b"]
    assert stop_words(request(None)) == []
