"""One script through all eight paths: the same answers, the same requests, the same errors."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.logs import ours
from tests.parity.paths import EVERY, Answer, Call, Media, Script, Turn, plain
from tir_client import (
    AuthenticationError,
    BadRequestError,
    ConfigurationError,
    ContextOverflowError,
    InvalidRequestError,
    NotFoundError,
    RateLimitError,
    ResponseError,
    ServerError,
    TIRError,
)
from tir_sandbox import Fault, Reply, Sandbox, ToolCall


def get_weather(city: str, days: int = 1) -> str:
    """The weather in a city."""
    return f"{city}: haze for {days} days"


def get_time(zone: str) -> str:
    """The time in a zone."""
    return f"noon in {zone}"


ASK = (Turn("system", "Be brief."), Turn("user", "Weather in Delhi?"))
TOOLS = (get_weather, get_time)
TWO_CALLS = [ToolCall("get_weather", {"city": "Delhi", "days": 2}), ToolCall("get_time", {"zone": "IST"})]


async def through_all(script: Script, sandbox: Sandbox, endpoint: dict[str, Any], reply: Reply | Fault) -> Answer:
    """Ask on all eight paths; return the one answer, after checking that answers and requests are the same."""
    answers, bodies = {}, {}
    if isinstance(reply, Reply) and reply.usage is None:
        # The frameworks describe tools in different words, so the prompt's own count would differ.
        reply = replace(reply, usage=USAGE)
    for path in EVERY:
        sandbox.reset()
        sandbox.script(reply)
        answers[path.__name__] = replace(await path(script, endpoint), id="")
        (seen,) = sandbox.requests
        bodies[path.__name__] = (seen.path, seen.query, plain(seen.body))
        assert ("stream" in path.__name__) == bool(seen.body.get("stream"))
    first = answers["langchain_whole"]
    calls = [replace(answer, calls=_without_ids(answer)) for answer in answers.values()]
    assert calls == [replace(first, calls=_without_ids(first))] * len(EVERY), answers
    assert list(bodies.values()) == [bodies["langchain_whole"]] * len(EVERY)
    return first


def _without_ids(answer: Answer) -> tuple[Call, ...]:
    assert all(call.id for call in answer.calls)
    assert len({call.id for call in answer.calls}) == len(answer.calls)
    return tuple(replace(call, id="") for call in answer.calls)


USAGE = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
FIELDS = ["reasoning", "reasoning_content", "both"]


@pytest.mark.parametrize("field", FIELDS)
async def test_text_and_reasoning_are_separate(sandbox, endpoint, field):
    reply = Reply(text="Haze, 31 °C.\n\nWear 😷.", reasoning="They ask\nabout weather.", reasoning_field=field)

    answer = await through_all(Script(ASK), sandbox, endpoint, reply)

    assert (
        answer.text,
        answer.reasoning,
        answer.finish_reason,
    ) == ("Haze, 31 °C.\n\nWear 😷.", "They ask\nabout weather.", "stop")


async def test_inline_reasoning_of_a_model_without_a_parser_is_separated(sandbox, endpoint):
    reply = Reply(text="Haze.", reasoning="Hm. <b>", reasoning_field="think")

    answer = await through_all(Script(ASK), sandbox, {**endpoint, "model": "deepseek_r1"}, reply)

    assert (answer.text, answer.reasoning) == ("Haze.", "Hm. <b>")


async def test_parallel_tool_calls_are_read_with_reasoning_and_text(sandbox, endpoint):
    reply = Reply(text="Let me look.", reasoning="Two tools.", tool_calls=TWO_CALLS)

    answer = await through_all(Script(ASK, TOOLS), sandbox, endpoint, reply)

    assert [(call.name, call.arguments) for call in answer.calls] == [
        ("get_weather", {"city": "Delhi", "days": 2}),
        ("get_time", {"zone": "IST"}),
    ]
    assert (answer.reasoning, answer.text, answer.finish_reason) == ("Two tools.", "Let me look.", "tool_calls")


@pytest.mark.parametrize("choice", ["get_time", "required", "none", "auto"])
async def test_a_tool_choice_is_sent(sandbox, endpoint, choice):
    calls = [] if choice == "none" else [ToolCall("get_time", {"zone": "UTC"})]

    await through_all(
        Script(ASK, TOOLS, choice), sandbox, endpoint, Reply(text="" if calls else "No.", tool_calls=calls)
    )

    wire = {"get_time": {"type": "function", "function": {"name": "get_time"}}}.get(choice, choice)
    assert wire == sandbox.requests[-1].body["tool_choice"]


async def test_a_conversation_with_tool_results_and_past_reasoning_is_sent(sandbox, endpoint):
    turns = (
        *ASK,
        Turn(
            "assistant",
            "",
            "Look first.",
            (Call("c1", "get_weather", {"city": "Delhi"}), Call("c2", "get_time", {"zone": "IST"})),
        ),
        Turn("tool", "haze", call_id="c1"),
        Turn("tool", "noon", call_id="c2"),
        Turn("assistant", "Haze at noon.", "Put it together."),
        Turn("user", "And tomorrow?"),
    )

    await through_all(Script(turns, TOOLS), sandbox, endpoint, Reply(text="Haze again.", reasoning="Guess."))

    asked = sandbox.requests[-1].body["messages"]
    assert [message["role"] for message in asked] == [
        "system",
        "user",
        "assistant",
        "tool",
        "tool",
        "assistant",
        "user",
    ]
    assert (
        asked[2]["reasoning"],
        asked[2]["reasoning_content"],
        asked[2]["content"],
    ) == ("Look first.", "Look first.", "")
    assert [(message["tool_call_id"], message["name"]) for message in asked[3:5]] == [
        ("c1", "get_weather"),
        ("c2", "get_time"),
    ]


async def test_a_conversation_with_unusual_turns_is_sent(sandbox, endpoint):
    turns = (
        Turn("user", 'naïve 😷 \u2028 "quoted"'),
        Turn("assistant", "", "", (Call("c1", "get_time", {}), Call("c2", "get_time", '{"zone": '))),
        Turn("tool", "", call_id="c1"),
        Turn("tool", "noon", call_id="c2"),
        Turn("system", "Now be long."),
        Turn("user", "Go on."),
    )

    await through_all(Script(turns, TOOLS), sandbox, endpoint, Reply(text="Yes."))

    asked = sandbox.requests[-1].body["messages"]
    sent = [call["function"]["arguments"] for call in asked[1]["tool_calls"]]
    assert sent == ["{}", '{"invalid_arguments": "{\\"zone\\": "}']
    assert asked[4] == {"role": "system", "content": "Now be long."}


MEDIA = (
    Media("image", "https://example.com/a.png"),
    Media("image", b"\x89PNG\r\n", "image/png"),
    Media("video", "https://example.com/a.mp4"),
    Media("video", b"\0\0\0\x18ftypmp42", "video/mp4"),
    Media("audio", "https://example.com/a.mp3"),
    Media("audio", b"RIFF\0", "audio/wav"),
)


async def test_images_videos_and_audio_of_a_user_are_sent(sandbox, endpoint):
    turns = (ASK[0], Turn("user", "What is it?", media=MEDIA))

    await through_all(Script(turns), sandbox, endpoint, Reply(text="A river."))

    text, *parts = sandbox.requests[-1].body["messages"][1]["content"]
    assert text == {"type": "text", "text": "What is it?"}
    assert [part["type"] for part in parts] == [
        *("image_url", "image_url", "video_url", "video_url", "audio_url", "input_audio")
    ]
    assert parts[1]["image_url"]["url"].startswith("data:image/png;base64,")
    assert parts[5]["input_audio"]["format"] == "wav"


@pytest.mark.parametrize("path", EVERY)
async def test_an_image_in_a_system_message_is_refused_with_its_position(sandbox, endpoint, path):
    turns = (Turn("user", "Hi"), Turn("system", "Look.", media=MEDIA[:1]))

    with pytest.raises(InvalidRequestError, match=r"messages\[1\]: .*image_url.* system"):
        await path(Script(turns), endpoint)
    assert sandbox.requests == []


@pytest.mark.parametrize("path", EVERY)
async def test_an_image_for_a_model_that_reads_text_only_is_logged(sandbox, endpoint, path, caplog):
    sandbox.script(Reply(text="Ok."), Reply(text="Ok."))
    for model in ("gpt_oss_120b", "qwen2_vl_72b_instruct"):
        await path(Script((Turn("user", "Look.", media=MEDIA[:1]),)), {**endpoint, "model": model})

    (record,) = ours(caplog)
    assert record.getMessage().startswith("gpt_oss_120b: this model reads text only. The server ignores images")
    assert sandbox.requests[-1].body["messages"][0]["content"][1]["type"] == "image_url"


@pytest.mark.parametrize("path", EVERY)
async def test_advice_on_an_answer_with_only_reasoning_is_logged(sandbox, endpoint, path, caplog):
    sandbox.script(Reply(text="", reasoning="Hm.", finish_reason="length"))
    await path(Script(ASK), endpoint)

    (record,) = ours(caplog)
    assert record.getMessage().endswith(
        "The answer was cut off in its reasoning: raise `max_tokens`, or lower `reasoning_effort`."
    )


@pytest.mark.parametrize("reply", [Reply(text=""), Reply(text="", reasoning="Only thought."), Reply(text="\n \n")])
async def test_an_empty_answer_is_not_an_error(sandbox, endpoint, reply):
    answer = await through_all(Script(ASK), sandbox, endpoint, reply)

    assert answer.text == reply.text
    assert answer.reasoning == (reply.reasoning or "")


@pytest.mark.parametrize(
    "usage",
    [
        {**USAGE, "prompt_tokens_details": None, "completion_tokens_details": None},
        {
            **USAGE,
            "prompt_tokens_details": {"cached_tokens": 4},
            "completion_tokens_details": {"reasoning_tokens": 2},
        },
    ],
)
@pytest.mark.parametrize("cumulative", [False, True])
async def test_usage_is_counted_once(sandbox, endpoint, usage, cumulative):
    reply = Reply(text="One two three.", usage=usage, continuous_usage=cumulative)

    answer = await through_all(Script(ASK), sandbox, endpoint, reply)

    details = (4, 2) if usage["prompt_tokens_details"] else (None, None)
    assert answer.usage == (7, 3, 10, *details)


async def test_settings_are_sent_under_their_names_and_nothing_else_is(sandbox, endpoint):
    settings = {
        "temperature": 0.0,
        "top_p": 0.9,
        "top_k": 5,
        "min_p": 0.1,
        "max_tokens": 50,
        "seed": 7,
        "stop": ["END"],
        "frequency_penalty": 0.1,
        "presence_penalty": 0.2,
        "repetition_penalty": 1.1,
        "reasoning_effort": "low",
        "extra_body": {"priority": 1},
    }

    await through_all(Script(ASK, settings=settings), sandbox, endpoint, Reply(text="Ok."))

    body = plain(sandbox.requests[-1].body)
    assert body.pop("model") == "gpt_oss_120b"
    assert body.pop("messages") == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Weather in Delhi?"},
    ]
    assert body == {**{name: value for name, value in settings.items() if name != "extra_body"}, "priority": 1}


@pytest.mark.parametrize("path", EVERY)
async def test_a_stop_word_in_the_reasoning_does_not_empty_the_answer(sandbox, endpoint, path):
    reply = Reply(text="Haze. User: thanks", reasoning="The User: asks.", usage=USAGE)
    sandbox.script(reply, reply)

    answer = await path(Script(ASK, settings={"stop": ["User:"]}), endpoint)

    assert (answer.text, answer.reasoning, answer.finish_reason) == ("Haze. ", "The User: asks.", "stop")
    assert answer.usage[:3] == (14, 6, 20)
    assert [seen.body.get("stop") for seen in sandbox.requests] == [["User:"], None]


async def test_an_answer_that_was_cut_off_says_so(sandbox, endpoint):
    reply = Reply(text="Half an", finish_reason="length")

    assert (await through_all(Script(ASK), sandbox, endpoint, reply)).finish_reason == "length"


async def test_a_leaked_tool_name_is_repaired(sandbox, endpoint):
    reply = Reply(tool_calls=[ToolCall("get_time<|channel|>commentary", {"zone": "IST"})])

    (call,) = (await through_all(Script(ASK, TOOLS), sandbox, endpoint, reply)).calls
    assert call.name == "get_time"


async def test_broken_arguments_are_kept_as_the_model_wrote_them(sandbox, endpoint):
    reply = Reply(tool_calls=[ToolCall("get_time", '{"zone": ')])

    (call,) = (await through_all(Script(ASK, TOOLS), sandbox, endpoint, reply)).calls
    # LangChain joins the pieces of a stream and completes cut-off JSON: a mark prevents it.
    assert call.arguments.startswith('{"zone": ')


@pytest.mark.parametrize("path", EVERY)
async def test_a_forced_call_of_broken_json_is_replaced(sandbox, endpoint, path):
    """A LangChain stream has already yielded the broken call, and keeps it as an invalid one."""
    broken = Reply(tool_calls=[ToolCall("get_time", '{"zone": ')], usage=USAGE)
    sandbox.script(broken, Reply(text='{"zone": "IST"}', usage=USAGE))

    answer = await path(Script(ASK, TOOLS, tool_choice="get_time"), endpoint)

    assert [call.arguments for call in answer.calls if isinstance(call.arguments, dict)] == [{"zone": "IST"}]
    assert len(answer.calls) == (2 if path.__name__ in ("langchain_stream", "langchain_astream") else 1)
    assert (answer.finish_reason, answer.usage[:3]) == ("tool_calls", (14, 6, 20))


async def test_deeply_nested_arguments_are_invalid(sandbox, endpoint):
    """A model that repeats itself writes more brackets than Python's JSON reader can nest."""
    arguments = '{"zone": ' + "[" * 1_100
    reply = Reply(tool_calls=[ToolCall("get_time", arguments)])

    (call,) = (await through_all(Script(ASK, TOOLS), sandbox, endpoint, reply)).calls
    assert call.arguments.startswith(arguments)


@pytest.mark.parametrize("path", EVERY)
@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (
            Fault(status=400, body={"error": {"message": "This model's maximum context length is 5 tokens."}}),
            ContextOverflowError,
        ),
        (Fault(status=422, body={"detail": "bad"}), BadRequestError),
        (Fault(status=401, body={"error": "Unauthorized"}), AuthenticationError),
        (Fault(status=404, body={"error": {"message": "no such model"}}), NotFoundError),
        (Fault(status=429, body="slow down", headers={"Retry-After": "7"}), RateLimitError),
        (Fault(status=502, body="<html><title>Bad Gateway</title></html>"), ServerError),
        (Fault(status=200, body="<html></html>", content_type="text/html"), ResponseError),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
async def test_errors_have_the_same_classes_and_details(sandbox, endpoint, path, fault, expected):
    sandbox.script(fault)

    with pytest.raises(expected) as caught:
        await path(Script(ASK), endpoint)
    if expected is not ResponseError:
        assert fault.status == caught.value.status_code
    if expected is RateLimitError:
        assert caught.value.retry_after == 7
    assert sandbox.token not in repr(caught.value)


@pytest.mark.parametrize("path", [path for path in EVERY if "stream" in path.__name__])
async def test_a_broken_stream_carries_what_had_arrived(sandbox, endpoint, path):
    sandbox.script(Fault(after=Reply(text="one two three four"), cut_after=4))

    with pytest.raises(TIRError) as caught:
        await path(Script(ASK), endpoint)
    assert caught.value.partial.choice.text.startswith("one")


@pytest.mark.parametrize("path", EVERY)
async def test_invalid_settings_and_content_are_refused_before_a_request(sandbox, endpoint, path, monkeypatch):
    for name in ("E2E_TIR_ACCESS_TOKEN", "TIR_API_TOKEN", "E2E_TIR_PROJECT_ID", "TIR_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    for wrong, error in (
        ({"model": ""}, ConfigurationError),
        ({"project_id": "abc"}, ConfigurationError),
        ({"api_key": None}, ConfigurationError),
        ({"host": "ftp://x"}, ConfigurationError),
    ):
        with pytest.raises(error):
            await path(Script(ASK), {**endpoint, **wrong})
    with pytest.raises(InvalidRequestError):
        await path(Script(ASK, settings={"extra_body": {"messages": []}}), endpoint)
    assert sandbox.requests == []
