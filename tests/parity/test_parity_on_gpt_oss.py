"""The eight paths on a real vLLM with a gpt-oss model: answers, calls, replay and errors are the same on each."""

from dataclasses import replace
from typing import Any

import pytest

from tests.parity.paths import EVERY, Answer, Call, Path, Script, Turn
from tests.real.gpt_oss.scenarios import SYSTEM, asking, get_time, get_weather
from tests.real.plugin import RealServer
from tir_client import BadRequestError, ContextOverflowError

pytestmark = pytest.mark.real

TOOLS = (get_weather, get_time)
BRIEF = {"temperature": 0, "max_tokens": 120}


@pytest.fixture
def endpoint(gpt_oss_server: RealServer) -> dict[str, str]:
    return gpt_oss_server.endpoint()


def script(scenario: str, *more: Turn, **settings: Any) -> Script:
    turns = (Turn("system", SYSTEM), Turn("user", asking(scenario)), *more)
    return Script(turns, settings={**BRIEF, **settings})


def with_tools(scenario: str, *more: Turn, choice: str | None = None, strict: bool | None = None) -> Script:
    return replace(script(scenario, *more), tools=TOOLS, tool_choice=choice, strict=strict)


def bare(answer: Answer) -> Answer:
    """Return an answer without its ids, and without how much of the prompt was in the server's cache."""
    usage = answer.usage and (*answer.usage[:3], None, answer.usage[4])
    return replace(answer, id="", usage=usage, calls=tuple(replace(call, id="") for call in answer.calls))


def without_prompt(answer: Answer) -> Answer:
    """Return an answer without the size of its prompt, in which each framework describes tools in its own words."""
    return replace(answer, usage=answer.usage and (0, answer.usage[1], 0, None, answer.usage[4]))


async def answered(asked: Script, endpoint: dict[str, str], paths: tuple[Path, ...] = EVERY) -> Answer:
    """Ask on each path and return the one answer that all of them give."""
    answers = [bare(await path(asked, endpoint)) for path in paths]
    if asked.tools and paths is EVERY:
        answers = [without_prompt(answer) for answer in answers]
    assert answers == [answers[0]] * len(paths)
    return answers[0]


@pytest.mark.parametrize(
    ("scenario", "text", "reasoning"),
    [
        ("hello", "Hello! How can I help you today?", "The user greets me. I should reply briefly."),
        ("direct", "Direct answer without any reasoning.", ""),
        ("unicode", "नमस्ते दुनिया 👋🏽 日本語 ✓ café 🤖", "Use several scripts."),
        ("commentary", "Only a commentary message.", ""),
        ("thinkonly", "", "I think but never answer."),
        ("leak", "", "Lose the markers."),
    ],
)
async def test_text_and_reasoning_are_separate(endpoint, scenario, text, reasoning):
    answer = await answered(script(scenario), endpoint)

    assert (answer.text, answer.reasoning, answer.finish_reason) == (text, reasoning, "stop")


async def test_usage_is_the_same_on_each_path(endpoint):
    answer = await answered(script("hello"), endpoint)

    prompt, completion, total, _, reasoning = answer.usage
    assert (completion, reasoning) == (30, 11)
    assert total == prompt + completion


@pytest.mark.parametrize(
    ("stop", "text", "finish"), [("reply", "Hello! How can I help you today?", "stop"), ("e", "H", "stop")]
)
async def test_a_stop_word_in_the_reasoning_does_not_empty_the_answer(endpoint, stop, text, finish):
    """The server ends the first answer in its reasoning; the second one is cut by the client."""
    answer = await answered(script("hello", stop=[stop]), endpoint)

    assert (answer.text, answer.finish_reason) == (text, finish)
    assert answer.reasoning == "The user greets me. I should reply briefly."


@pytest.mark.parametrize("scenario", ["loop", "thinkloop"])
async def test_an_answer_cut_by_max_tokens_keeps_its_reasoning(endpoint, scenario):
    answer = await answered(script(scenario, max_tokens=20), endpoint)

    assert (answer.finish_reason, answer.usage[1]) == ("length", 20)
    assert answer.reasoning


@pytest.mark.parametrize(
    ("scenario", "calls"),
    [
        ("weather", [Call("", "get_weather", {"city": "Delhi", "unit": "c"})]),
        ("twocalls", [Call("", "get_weather", {"city": "Delhi"}), Call("", "get_time", {"tz": "IST"})]),
        ("baretool", [Call("", "get_weather", {"city": "Delhi"})]),
        ("unknowntool", [Call("", "delete_everything", {})]),
        ("badargs", [Call("", "get_weather", '{"city": "Delhi", "unit":')]),
    ],
)
async def test_calls_that_the_model_makes_are_read(endpoint, scenario, calls):
    answer = await answered(with_tools(scenario), endpoint)

    assert list(answer.calls) == calls
    assert answer.finish_reason == "tool_calls"


def of(framework: str) -> tuple[Path, ...]:
    """Return the paths of one framework, for a call whose form the model was not trained on."""
    return tuple(path for path in EVERY if path.__name__.startswith(framework))


@pytest.mark.parametrize("framework", ["langchain", "llama_index"])
@pytest.mark.parametrize("scenario", ["badargs", "unknowntool"])
async def test_strict_constrains_calls_that_the_model_chooses(endpoint, framework, scenario):
    (call,) = (await answered(with_tools(scenario, strict=True), endpoint, of(framework))).calls

    assert (call.name, call.arguments["city"]) == ("get_weather", "Delhi")


@pytest.mark.parametrize("framework", ["langchain", "llama_index"])
@pytest.mark.parametrize(("choice", "name"), [("required", "get_weather"), ("get_time", "get_time")])
async def test_a_forced_call_is_made(endpoint, framework, choice, name):
    answer = await answered(with_tools("hello", choice=choice, strict=True), endpoint, of(framework))

    assert [call.name for call in answer.calls] == [name]
    assert answer.reasoning == "The user greets me. I should reply briefly."


def called(*calls: Call, reasoning: str) -> Turn:
    return Turn("assistant", reasoning=reasoning, calls=calls)


PARIS = Call("c0", "get_weather", {"city": "Paris"})


async def test_a_loop_of_calls_is_continued_with_its_reasoning(endpoint):
    first = [called(PARIS, reasoning="First weather, then time."), Turn("tool", "rain", call_id="c0")]
    time = Call("c1", "get_time", {"tz": "UTC"})
    second = [called(time, reasoning="Weather known; now the time."), Turn("tool", "noon", call_id="c1")]

    middle = await answered(with_tools("multistep", *first), endpoint)
    last = await answered(with_tools("multistep", *first, *second), endpoint)

    assert [(call.name, call.arguments) for call in middle.calls] == [("get_time", {"tz": "UTC"})]
    assert (last.text, last.reasoning) == ("Paris: rain, noon UTC.", "Both known.")


@pytest.mark.parametrize("framework", ["langchain", "llama_index"])
async def test_reasoning_that_is_sent_back_is_read(endpoint, framework):
    async def prompt_tokens(reasoning: str) -> int:
        turns = called(PARIS, reasoning=reasoning), Turn("tool", "rain", call_id="c0")
        return (await answered(with_tools("multistep", *turns), endpoint, of(framework))).usage[0]

    assert await prompt_tokens("First weather, then time.") == await prompt_tokens("") + 12


@pytest.mark.parametrize(
    ("scenario", "call", "text"),
    [
        ("badargs", Call("c0", "get_weather", '{"city": "Delhi", "unit":'), "Recovered after bad arguments."),
        ("unknowntool", Call("c0", "delete_everything", {}), "Sorry, that tool is not there."),
    ],
)
async def test_a_broken_or_unknown_call_is_sent_back(endpoint, scenario, call, text):
    turns = [called(call, reasoning="Try."), Turn("tool", "This call failed.", call_id="c0")]

    assert (await answered(with_tools(scenario, *turns), endpoint)).text == text


async def test_a_stop_word_in_the_text_is_not_part_of_it(endpoint):
    """The server leaves the word in the text, and the rest of its token."""
    for stop in ("How", "Ho"):
        answer = await answered(script("hello", stop=[stop]), endpoint)

        assert (answer.text, answer.finish_reason) == ("Hello! ", "stop")


@pytest.mark.parametrize("word", ["analysis", "final"])
async def test_a_stop_word_that_names_a_channel_does_not_cut_the_text(endpoint, word):
    answer = await answered(script("hello", stop=[word]), endpoint)

    assert answer.text == "Hello! How can I help you today?"


@pytest.mark.parametrize("path", EVERY)
async def test_a_stop_word_in_a_tool_call_does_not_break_it(endpoint, path):
    asked = script("weather", stop=["unit"])

    answer = await path(replace(asked, tools=TOOLS), endpoint)

    arguments = [call.arguments for call in answer.calls if isinstance(call.arguments, dict)]
    assert arguments == [{"city": "Delhi", "unit": "c"}]


@pytest.mark.parametrize("path", EVERY)
async def test_a_forced_call_of_broken_json_is_replaced(endpoint, path):
    answer = await path(with_tools("badargs", choice="get_weather"), endpoint)

    assert [call.name for call in answer.calls if isinstance(call.arguments, dict)] == ["get_weather"]


@pytest.mark.parametrize("path", EVERY)
async def test_errors_have_the_same_classes(endpoint, path):
    with pytest.raises(BadRequestError, match="minimal"):
        await path(script("hello", extra_body={"reasoning_effort": "minimal"}), endpoint)
    with pytest.raises(ContextOverflowError):
        await path(Script((Turn("user", "word " * 140_000),)), endpoint)
