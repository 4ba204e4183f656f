"""The eight paths on a real vLLM with a random model, whose answers a seed makes repeatable."""

from dataclasses import replace
from typing import Literal

import pytest

from tests.parity.paths import EVERY, Answer, Path, Script, Turn
from tests.real.plugin import RealServer
from tir_client import AuthenticationError, BadRequestError, ContextOverflowError, ForcedToolError, NotFoundError

pytestmark = pytest.mark.real

ASK = (Turn("system", "Be brief."), Turn("user", "Weather in Delhi?"))
SEEDED = {"seed": 3, "temperature": 0.7, "max_tokens": 24}


def get_weather(city: Literal["Delhi", "Pune"]) -> str:
    """The weather in a city."""
    return city


@pytest.fixture
def endpoint(real_server: RealServer) -> dict[str, str]:
    return {"model": real_server.model, "base_url": real_server.base_url, "api_key": real_server.api_key}


def bare(answer: Answer) -> Answer:
    """An answer without what differs between two requests: ids, and how much of the prompt was in the cache."""
    usage = answer.usage and (*answer.usage[:3], None, answer.usage[4])
    return replace(answer, id="", usage=usage, calls=tuple(replace(call, id="") for call in answer.calls))


async def test_all_paths_give_the_same_text_usage_and_finish_reason(endpoint):
    answers = [bare(await path(Script(ASK, settings=SEEDED), endpoint)) for path in EVERY]

    assert answers == [answers[0]] * len(EVERY)
    assert answers[0].text
    assert answers[0].usage[1] == 24
    assert answers[0].finish_reason == "length"


async def test_all_paths_separate_reasoning_from_text(endpoint):
    settings = {**SEEDED, "extra_body": {"chat_template_kwargs": {"thinking": True}}}

    answers = [bare(await path(Script(ASK, settings=settings), endpoint)) for path in EVERY]

    assert answers == [answers[0]] * len(EVERY)
    assert answers[0].reasoning


@pytest.mark.parametrize("framework", ["langchain", "llama_index"])
async def test_a_forced_call_arrives_whole_on_each_path(endpoint, framework):
    paths = [path for path in EVERY if path.__name__.startswith(framework)]
    script = await whole_call(paths[0], endpoint)

    answers = [bare(await path(script, endpoint)) for path in paths]

    assert answers == [answers[0]] * len(paths)
    assert [call.name for call in answers[0].calls] == ["get_weather"]
    assert answers[0].calls[0].arguments["city"] in {"Delhi", "Pune"}


async def whole_call(path: Path, endpoint: dict[str, str]) -> Script:
    """A script whose seed makes a call that ends in time: the grammar allows white space without end."""
    for seed in range(20):
        settings = {"seed": seed, "max_tokens": 400}
        script = Script(ASK, (get_weather,), "get_weather", settings, strict=True)
        try:
            await path(script, endpoint)
        except ForcedToolError:
            continue
        return script
    pytest.fail("no seed of twenty makes a whole call")


@pytest.mark.parametrize("path", EVERY)
async def test_errors_are_typed_on_each_path(endpoint, path, real_server):
    for wrong, error in (
        ({"api_key": "sk-wrong"}, AuthenticationError),
        ({"model": "nope"}, NotFoundError),
        ({"temperature": -1.0}, BadRequestError),
    ):
        with pytest.raises(error) as caught:
            await path(Script(ASK), {**endpoint, **wrong})
        assert caught.value.request_id or error is AuthenticationError
    with pytest.raises(ContextOverflowError):
        await path(Script((Turn("user", "word " * 9000),)), endpoint)


async def test_the_other_model_is_reached_by_its_name(endpoint, real_server):
    other = {**endpoint, "model": real_server.models[1]}

    answers = [bare(await path(Script(ASK, settings=SEEDED), other)) for path in EVERY]

    assert answers == [answers[0]] * len(EVERY)
    assert answers[0].model in real_server.models  # vLLM answers with its first name, whichever was called
