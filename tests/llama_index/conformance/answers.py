"""Promises about answers: text, reasoning, usage, metadata."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncGenerator

import pytest
from llama_index.core.base.llms.base import BaseLLM
from llama_index.core.base.llms.types import TextBlock, ThinkingBlock, ToolCallBlock
from llama_index.core.callbacks import CallbackManager, TokenCountingHandler
from llama_index.core.llms.function_calling import FunctionCallingLLM

from tests.waiting import most_under_way
from tir_sandbox import Reply, ToolCall

from .base import Promises, chunk, collect, question, texts, thinking

FULL = Reply(reasoning="Let me see.", text="Well, thanks.", tool_calls=[ToolCall("look", {"at": "you"})])


class AnswerPromises(Promises):
    def test_it_is_a_function_calling_llm(self, llm):
        assert isinstance(llm, BaseLLM)
        assert isinstance(llm, FunctionCallingLLM)

    def test_metadata_of_gpt_oss_is_right_by_default(self, make_bare):
        """A chat model that calls functions, with 131,072 tokens of context."""
        metadata = make_bare().metadata
        assert (metadata.is_chat_model, metadata.is_function_calling_model) == (True, True)
        assert metadata.context_window == 131_072

    def test_metadata_of_an_unknown_model_is_not_refused(self, make):
        assert make(model="my-own-model").metadata.model_name == "my-own-model"

    def test_chat_and_complete_answer(self, llm, sandbox):
        sandbox.script(Reply(text="Fine."), Reply(text="Fine."))
        assert llm.chat(question()).message.content == "Fine."
        assert llm.complete("How are you?").text == "Fine."

    async def test_achat_and_acomplete_answer(self, llm, sandbox):
        sandbox.script(Reply(text="Fine."), Reply(text="Fine."))
        assert (await llm.achat(question())).message.content == "Fine."
        assert (await llm.acomplete("How are you?")).text == "Fine."

    async def test_async_calls_do_not_block_the_loop(self, llm, sandbox):
        """The server receives four requests before it answers the first."""
        sandbox.script(*[Reply(text="Fine.", delay=30)] * 4)
        calls = asyncio.gather(*(llm.achat(question()) for _ in range(4)))
        assert await most_under_way(sandbox, calls, 4) == 4

    def test_blocks_are_ordered_thinking_text_calls(self, llm, sandbox):
        sandbox.script(FULL)
        kinds = [type(block) for block in llm.chat(question()).message.blocks]
        assert kinds == [ThinkingBlock, TextBlock, ToolCallBlock]

    def test_a_streamed_answer_has_one_text_block(self, llm, sandbox):
        sandbox.script(Reply(text=["a", "b", "c"]))
        assert texts(list(llm.stream_chat(question()))[-1]) == ["abc"]

    @pytest.mark.parametrize("field", ["reasoning", "reasoning_content", "both"])
    def test_reasoning_is_separate_from_text(self, llm, sandbox, field):
        """Under either field name of vLLM, and once if both are sent."""
        sandbox.script(Reply(text="Fine.", reasoning="Think.", reasoning_field=field))
        response = llm.chat(question())
        assert (thinking(response), response.message.content) == ("Think.", "Fine.")

    def test_inline_think_tags_are_reasoning(self, make, sandbox):
        sandbox.script(Reply(text="Fine.", reasoning="Think.", reasoning_field="think"))
        response = make(model="deepseek_r1").chat(question())
        assert (thinking(response), response.message.content) == ("Think.", "Fine.")

    def test_thinking_deltas_reach_agents(self, llm, sandbox):
        """Agents read them from the response's `additional_kwargs`."""
        sandbox.script(Reply(text="Fine.", reasoning=["first ", "second"]))
        deltas = [response.additional_kwargs.get("thinking_delta") for response in llm.stream_chat(question())]
        assert "".join(filter(None, deltas)) == "first second"

    async def test_the_first_reasoning_of_an_async_stream_is_kept(self, llm, sandbox):
        first = {"role": "assistant", "content": None, "reasoning": "first "}
        rest = [{"reasoning": "second"}, {"content": "Fine."}]
        sandbox.script(Reply(chunks=[*map(chunk, [first, *rest]), chunk({}, "stop")]))
        responses = await collect(llm.astream_chat(question()))
        assert thinking(responses[-1]) == "first second"

    def test_an_answer_without_text_has_an_empty_text(self, llm, sandbox):
        """The content is null, as reasoning used all tokens: `content` is still a string."""
        sandbox.script(Reply(reasoning="Hm", finish_reason="length"))
        assert llm.chat(question()).message.content == ""

    def test_usage_is_in_raw_and_additional_kwargs(self, llm, sandbox):
        sandbox.script(Reply(text="Fine.", usage={"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12}))
        response = llm.chat(question())
        assert dict(response.raw)["usage"] is not None
        assert (response.additional_kwargs["prompt_tokens"], response.additional_kwargs["completion_tokens"]) == (5, 7)

    def test_the_last_item_of_a_stream_has_the_usage(self, llm, sandbox):
        sandbox.script(Reply(text="Fine.", usage={"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12}))
        last = list(llm.stream_chat(question()))[-1]
        assert last.additional_kwargs.get("completion_tokens") == 7

    @pytest.mark.parametrize("way", ["chat", "stream_chat", "complete", "stream_complete"])
    def test_token_counting_handler_counts_what_the_server_reports(self, make, sandbox, way):
        """Once, and not estimated with a tokenizer."""
        sandbox.script(Reply(text="Fine.", usage={"prompt_tokens": 50, "completion_tokens": 70, "total_tokens": 120}))
        counter = TokenCountingHandler()
        llm = make(callback_manager=CallbackManager([counter]))
        answer = getattr(llm, way)("Hi" if "complete" in way else question())
        if "stream" in way:
            list(answer)
        assert (counter.prompt_llm_token_count, counter.completion_llm_token_count) == (50, 70)

    def test_reasoning_tokens_are_on_the_thinking_block(self, llm, sandbox):
        sandbox.script(Reply(text="Fine.", reasoning="Think.", usage={"reasoning_tokens": 3}))
        assert llm.chat(question()).message.blocks[0].num_tokens == 3

    @pytest.mark.parametrize("way", ["chat", "stream_chat"])
    def test_the_finish_reason_is_in_additional_kwargs(self, llm, sandbox, way):
        sandbox.script(Reply(text="Fi", finish_reason="length"))
        answer = getattr(llm, way)(question())
        last = answer if way == "chat" else list(answer)[-1]
        assert last.additional_kwargs.get("finish_reason") == "length"

    @pytest.mark.parametrize("way", ["chat", "stream_chat"])
    def test_logprobs_are_returned(self, llm, sandbox, way):
        answer = getattr(llm, way)(question(), logprobs=True, top_logprobs=2)
        responses = [answer] if way == "chat" else list(answer)
        assert any(response.logprobs for response in responses)

    async def test_async_stream_methods_are_coroutines_that_return_generators(self, llm, sandbox):
        sandbox.strict = False  # a stream that is closed unread may never send its request
        sandbox.script(Reply(text="Fine."), Reply(text="Fine."))
        for begun in (llm.astream_chat(question()), llm.astream_complete("Hi")):
            assert inspect.iscoroutine(begun)
            stream = await begun
            assert isinstance(stream, AsyncGenerator)  # as LlamaIndex asks
            await stream.aclose()
