"""Stop words: text is cut at them, and an answer that one ended in its reasoning is requested again without `stop`."""

from __future__ import annotations

import pytest

from tests.client.paths import EVERY, PATHS, Ask
from tests.complexity import growth
from tir_client import ChatRequest, Config, RetryPolicy, StreamError, TIRClient
from tir_client.protocol.stop_words import StopCutter, cut_at_stop, stop_words
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
async def test_a_forced_call_that_is_missing_from_the_second_answer_is_requested_a_third_time(
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


async def test_reasoning_that_is_not_returned_counts_as_reasoning(sandbox: Sandbox, client: TIRClient):
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
    kept = cut_at_stop(text, words, keep=True)
    assert kept == (expected[0] + (expected[1] or ""), expected[1])


# StopCutter

KEEP = {"include_stop_str_in_output": True}


@pytest.mark.parametrize("ask", PATHS)
@pytest.mark.parametrize(
    ("asked", "text"),
    [
        ({"stop": "User:"}, "Hi. "),
        ({"stop": ["END", "User:"]}, "Hi. "),
        ({"stop": "Hi"}, ""),
        ({"stop": "nd"}, "Hi. User: a"),
        ({"stop": "nowhere"}, "Hi. User: and you? END"),
        ({"stop": "User:", "extra_body": KEEP}, "Hi. User:"),
        ({"stop": "END", "min_tokens": 3}, "Hi. User: and you? "),
    ],
)
async def test_the_stop_word_is_not_part_of_the_text(ask: Ask, asked, text, sandbox: Sandbox, client: TIRClient):
    """The servers of gpt-oss leave it there, and so does the sandbox."""
    sandbox.script(Reply(text="Hi. User: and you? END", reasoning="Greet."))

    answer = await ask(client, request(**asked))

    assert (answer.choice.text, answer.choice.finish_reason) == (text, "stop")
    assert len(sandbox.requests) == 1


@pytest.mark.parametrize("ask", PATHS)
@pytest.mark.parametrize("left", ["<|channel|>analysis", "<|start|>assistant", "<|start|>assistant<|channel|>final"])
async def test_a_stop_word_that_names_a_channel_leaves_no_markers(
    ask: Ask, left: str, sandbox: Sandbox, client: TIRClient
):
    word = left.rpartition("|>")[2]
    sandbox.script(Reply(text=left, stop_reason=word), THOUGHT)

    answer = await ask(client, request([word, "User:"]))

    assert (answer.choice.text, len(sandbox.requests)) == ("Hi. ", 2)


@pytest.mark.parametrize("ask", PATHS)
async def test_a_stop_word_in_a_tool_call_does_not_break_it(ask: Ask, sandbox: Sandbox, client: TIRClient):
    cut = Reply(tool_calls=[ToolCall("add", '{"city": "Delhi", "unit')], stop_reason="unit", finish_reason="tool_calls")
    sandbox.script(cut, Reply(tool_calls=[ToolCall("add", {"city": "Delhi", "unit": "C"})]))

    answer = await ask(client, request(["unit"], tools=TOOLS))

    assert [call.parsed() for call in answer.choice.tool_calls] == [{"city": "Delhi", "unit": "C"}]


def test_a_broken_stream_shows_the_text_that_was_held_back(sandbox: Sandbox, client: TIRClient):
    sandbox.script(Fault(cut_after=2, after=Reply(text=["Hi. Use", "r"])))

    with pytest.raises(StreamError) as raised:
        list(client.stream(request()))
    assert raised.value.partial.choice.text == "Hi. Use"


WORDS = ["User:", "r:", "\nObs"]


def fed(pieces: list[str], stop_reason: object, *, last: bool = False) -> tuple[list[str], StopCutter]:
    cutter = StopCutter(WORDS, last=last)
    released = [cutter.feed(piece, first=not place) for place, piece in enumerate(pieces)]
    return [*released, cutter.end(stop_reason)], cutter


@pytest.mark.parametrize(
    ("pieces", "stop_reason", "released"),
    [
        (["a", "b"], None, ["a", "b", ""]),
        (["a U", "se", "d"], None, ["a ", "", "Used", ""]),
        (["a\n", "\n", "\nOb", "s"], "\nObs", ["a", "\n", "\n", "", ""]),
        (["a Us", "er: b", "c"], "User:", ["a ", "", "", ""]),
        (["a Us", "er: b", "c"], 200002, ["a ", "", "", "User: bc"]),
        (["a Us", "er: b", "c"], "other", ["a ", "", "", "User: bc"]),
        (["a Us", "er: b", "c"], ["odd"], ["a ", "", "", "User: bc"]),
        (["for: ", "r:"], "r:", ["fo", "", ""]),
        (["User: "], "r:", ["", ""]),
        (["<|", "html|> "], "User:", ["", "", "<|html|> "]),
        (["<|start|>", "User:"], "User:", ["", "", "<|start|>"]),
        (["<", "b> "], "User:", ["", "<b> ", ""]),
        ([" <|"], "User:", [" <|", ""]),
    ],
)
def test_text_is_held_back_while_it_may_belong_to_a_stop_word(pieces, stop_reason, released):
    assert fed(pieces, stop_reason)[0] == released


def test_the_last_stop_word_ends_a_text_with_a_minimal_length():
    assert fed(["a User: b", " r:"], "r:", last=True)[0] == ["a ", "", "User: b "]


@pytest.mark.parametrize(
    ("pieces", "cut", "leaked"),
    [(["a r:"], True, False), (["a"], False, False), (["User:"], True, False), (["<|channel|>User:"], True, False)],
)
def test_the_cutter_reports_whether_it_cut_the_text(pieces, cut, leaked):
    cutter = fed(pieces, "User:" if "User:" in pieces[0] else "r:")[1]

    assert (cutter.cut, cutter.leaked) == (cut, leaked)


def test_only_the_name_of_a_channel_is_dropped_as_leaked():
    cutter = StopCutter(["final"])

    assert (cutter.feed("<|channel|>final", first=True), cutter.end("final")) == ("", "")
    assert (cutter.cut, cutter.leaked) == (False, True)


@pytest.mark.parametrize("unit", ["Use", "\nOb", "<|a", "User:", "<|a|>a"])
def test_cutting_takes_linear_time(unit: str):
    def run(text: str) -> None:
        cutter = StopCutter([*WORDS, "a"])
        for place in range(0, len(text), 5):
            cutter.feed(text[place : place + 5], first=not place)
        cutter.end("a")

    assert growth(run, lambda size: unit * (size // len(unit)), size=5_000) < 4


def test_stop_words_of_a_request():
    assert stop_words(request("a")) == ["a"]
    assert stop_words(request(["a", "b"])) == ["a", "b"]
    assert stop_words(request("a", extra_body={"stop": "b"})) == ["b"]
    assert stop_words(request(None)) == []
