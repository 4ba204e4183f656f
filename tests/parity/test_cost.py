"""The cost of an answer is the same on every path, and survives what the frameworks do with it."""

from __future__ import annotations

import asyncio

import pytest
from langchain_core.callbacks import UsageMetadataCallbackHandler
from langchain_core.messages.ai import add_usage

from langchain_tir import ChatTIR
from llama_index_tir import TIR
from tir_sandbox import Reply, Sandbox

PRICES = {"gpt_oss_120b": (2.0, 8.0), "qwen3_32b": (1, 1)}
NAMES = ("input_cost", "output_cost", "total_cost")


async def langchain_costs(model: ChatTIR) -> list[dict[str, float]]:
    chunks = await asyncio.to_thread(lambda: list(model.stream("Hi")))
    achunks = [chunk async for chunk in model.astream("Hi")]
    whole = [await asyncio.to_thread(model.invoke, "Hi"), await model.ainvoke("Hi")]
    messages = [*whole, sum(chunks[1:], chunks[0]), sum(achunks[1:], achunks[0])]
    return [message.response_metadata["cost"] for message in messages]


async def llama_index_costs(llm: TIR) -> list[dict[str, float]]:
    streamed = await asyncio.to_thread(lambda: list(llm.stream_complete("Hi"))[-1])
    astreamed = [response async for response in await llm.astream_complete("Hi")][-1]
    responses = [await asyncio.to_thread(llm.complete, "Hi"), await llm.acomplete("Hi"), streamed, astreamed]
    assert all(response.raw["cost"].items() <= response.additional_kwargs.items() for response in responses)
    return [{name: response.additional_kwargs[name] for name in NAMES} for response in responses]


async def test_the_cost_is_the_same_on_every_path(sandbox, endpoint):
    costs = await langchain_costs(ChatTIR(**endpoint, prices=PRICES))
    costs += await llama_index_costs(TIR(**endpoint, prices=PRICES))

    usage = ChatTIR(**endpoint).invoke("Hi").usage_metadata
    assert costs[0]["input_cost"] == pytest.approx(usage["input_tokens"] * 2 / 1_000_000)
    assert costs[0]["output_cost"] == pytest.approx(usage["output_tokens"] * 8 / 1_000_000)
    assert costs[0]["total_cost"] == costs[0]["input_cost"] + costs[0]["output_cost"] > 0
    assert costs == [costs[0]] * 8


def test_the_model_of_the_call_decides_the_price(endpoint):
    costs = [
        ChatTIR(**endpoint, prices=PRICES).invoke("Hi", model="qwen3_32b").response_metadata["cost"],
        TIR(**endpoint, prices=PRICES).complete("Hi", model="qwen3_32b").raw["cost"],
    ]
    usage = ChatTIR(**endpoint).invoke("Hi").usage_metadata

    assert [cost["total_cost"] for cost in costs] == [pytest.approx(usage["total_tokens"] / 1_000_000)] * 2


def test_without_prices_there_is_no_cost_and_a_model_without_a_price_gives_a_warning(endpoint):
    assert "cost" not in ChatTIR(**endpoint).invoke("Hi").response_metadata
    response = TIR(**endpoint).complete("Hi")
    assert not {"cost", *NAMES} & {*response.raw, *response.additional_kwargs}

    for ask in (
        ChatTIR(**endpoint, prices={"other": (1, 2)}).invoke,
        TIR(**endpoint, prices={"other": (1, 2)}).complete,
    ):
        with pytest.warns(
            UserWarning, match="`prices` has no 'gpt_oss_120b', so its answers have no cost; it has: other"
        ):
            ask("Hi")


@pytest.mark.parametrize("cls", [ChatTIR, TIR])
@pytest.mark.parametrize("price", [(1,), (1, 2, 3), (-1, 2), (1, float("nan")), "free"])
def test_an_invalid_price_is_refused(cls, endpoint, price):
    with pytest.raises(ValueError, match="prices"):
        cls(**endpoint, prices={"gpt_oss_120b": price})


def test_langchains_sums_of_usage_work_with_prices(endpoint):
    model, handler = ChatTIR(**endpoint, prices=PRICES), UsageMetadataCallbackHandler()
    answers = [model.invoke("Hi", {"callbacks": [handler]}) for _ in range(2)]

    total = add_usage(answers[0].usage_metadata, answers[1].usage_metadata)
    assert handler.usage_metadata == {"gpt_oss_120b": total}


def test_the_tokens_of_a_second_request_cost_too(endpoint):
    tool = {"type": "function", "function": {"name": "add", "parameters": {"type": "object", "properties": {}}}}
    with Sandbox() as old:
        old.script(Reply(text="No."), Reply(text="{}"))
        model = ChatTIR(**{**endpoint, "host": old.host, "api_key": old.token}, prices=PRICES)
        answer = model.bind_tools([tool], tool_choice="add").invoke("Hi")

    assert len(old.requests) == 2
    tokens = (answer.usage_metadata["input_tokens"], answer.usage_metadata["output_tokens"])
    assert answer.response_metadata["cost"]["total_cost"] == pytest.approx((tokens[0] * 2 + tokens[1] * 8) / 1_000_000)
