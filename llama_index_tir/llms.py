"""TIR: the LLM. `chat` and `complete` are in `_chat_methods`, fields and requests in `_settings`.

Conversions are in `_messages` and `_stream`, tools in `_tool_methods`, structured output in `_structured_methods`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llama_index_tir._chat_methods import ChatMethods
from llama_index_tir._mapped_streams import AsyncMapped, Mapped
from llama_index_tir._messages import from_completion, prompt_messages
from llama_index_tir._metadata import MetadataMethods
from llama_index_tir._settings import TOOL_NAMES
from llama_index_tir._stream import DeltaMapper
from llama_index_tir._structured_methods import StructuredMethods
from llama_index_tir._tool_methods import ToolMethods

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Unpack

    from llama_index.core.base.llms.types import (
        ChatMessage,
        ChatResponse,
        ChatResponseAsyncGen,
        ChatResponseGen,
    )

    from llama_index_tir._settings import ChatArguments
    from tir_client import ChatRequest


class TIR(ToolMethods, StructuredMethods, MetadataMethods, ChatMethods, defer_build=False):
    """An LLM on TIR, or any compatible server. It chats, completes and calls tools.

    Setup:
        Install `tir-llm[llama-index]`. Set `E2E_TIR_ACCESS_TOKEN` to the Auth Token that TIR shows when you create a
        token, and `E2E_TIR_PROJECT_ID` to the number in your project's URL; or pass `api_key` and `project_id`.

    Args:
        model: Slug of the model; by default "gpt_oss_120b". It is part of the URL on TIR, so a call with another
            `model` goes to another URL.

    All other arguments are keywords, described in the fields (`TIR.model_fields`). By group:
        Server: `project_id`, `host`; `endpoint_id` for a deployment of your own; `base_url` for another server.
        Credentials: `api_key`, a token or a function that returns it.
        Generation: `temperature`, `max_tokens`, `stop`, `reasoning_effort`, `seed`, `logprobs` and the other
            parameters of `tir_client.ChatRequest`. `extra_body` takes parameters without a field.
        Connection: `timeout`, `max_retries`, `http_client`, `http_async_client`, `default_headers`,
            `default_query`.
        Cost: `prices`.
        LlamaIndex: `system_prompt`, `callback_manager`, `context_window`, `is_function_calling_model`,
            `pydantic_program_mode`, `messages_to_prompt`, `completion_to_prompt`.

    None is not sent, so the server's default applies. A call's arguments override the constructor's:
    `llm.chat(..., temperature=None)` sends no temperature. Fields may be changed in place.

    Instantiate:
        ```python
        from llama_index_tir import TIR

        llm = TIR("gpt_oss_120b", reasoning_effort="low", max_tokens=2000)
        ```

    Chat and complete:
        ```python
        from llama_index.core.llms import ChatMessage

        print(llm.complete("Why is the sky blue?").text)
        messages = [ChatMessage("Why is the sky blue?", role="user")]
        print(llm.chat(messages).message.content)
        ```

    Stream:
        ```python
        for response in llm.stream_complete("Why is the sky blue?"):
            print(response.delta, end="", flush=True)
        ```

    Async:
        ```python
        response = await llm.acomplete("Why is the sky blue?")
        async for response in await llm.astream_chat(messages):
            print(response.delta, end="", flush=True)
        ```

    Tools:
        ```python
        from llama_index.core.tools import FunctionTool

        def get_weather(city: str) -> str:
            '''The weather in a city.'''
            return f"{city}: 31 °C, haze"

        tool = FunctionTool.from_defaults(get_weather)
        response = llm.chat_with_tools([tool], "How is the weather in Delhi?")
        for call in llm.get_tool_calls_from_response(response, error_on_no_tool_call=False):
            print(call.tool_name, call.tool_kwargs)
        ```
        `tool_required=True` requires a call; an answer without one raises `ForcedToolError`. Arguments that are not a
        JSON object raise `ToolArgumentsError` where a call is required or was cut off and no other call can run. An
        agent reports others to the model; `response.message.additional_kwargs["invalid_tool_calls"]` lists them with
        the reason.

    Structured output:
        ```python
        from pydantic import BaseModel

        class City(BaseModel):
            name: str
            population: int

        city = llm.as_structured_llm(City).complete("Describe Pune.").raw
        ```
        A truncated, refused or unparsable answer raises a `StructuredOutputError` with the raw text.

    Images:
        ```python
        from llama_index.core.llms import ImageBlock, TextBlock

        blocks = [ImageBlock(url="https://example.com/photo.png"), TextBlock(text="What is in the photo?")]
        response = TIR("qwen2_vl_72b_instruct").chat([ChatMessage(blocks=blocks, role="user")])
        ```

    Reasoning:
        ```python
        from llama_index.core.base.llms.types import ThinkingBlock

        response = llm.chat(messages)
        print([block.content for block in response.message.blocks if isinstance(block, ThinkingBlock)])
        ```
        In a stream it is in `additional_kwargs["thinking_delta"]`. Append answers to the conversation
        unchanged: their reasoning is sent too, which gpt-oss needs between two tool calls.

    Token usage and metadata:
        ```python
        print(response.additional_kwargs["total_tokens"], response.additional_kwargs["finish_reason"])
        print(llm.metadata.context_window)
        ```
        `count_tokens` counts the tokens of a prompt, on servers that expose vLLM's `/tokenize`. With `prices`, each
        answer has its cost:
        ```python
        llm = TIR("gpt_oss_120b", prices={"gpt_oss_120b": (0.15, 0.6)})
        print(llm.complete("Why is the sky blue?").additional_kwargs["total_cost"])
        ```

    Errors:
        Each error of a call is a `tir_client.TIRError`, with `status_code`, `request_id`, `body`, and the
        received part of the answer in `partial`. A stream that ends early raises `StreamInterruptedError`.
        ```python
        from tir_client import RateLimitError, TIRError

        try:
            llm.complete("Why is the sky blue?")
        except RateLimitError as error:
            print(error.retry_after)
        except TIRError as error:
            print(error.status_code, error.request_id)
        ```

    Timeouts and retries:
        ```python
        patient = TIR(timeout={"connect": 5, "first_byte": 600, "chunk": 60}, max_retries=4)
        ```
        A stream is retried only until it has yielded something, a whole answer until it is complete.

    Call `llama_index_tir.register()` before loading a saved pipeline that uses this class.
    """

    def __init__(self, model: str | None = None, **fields: Unpack[ChatArguments]) -> None:
        super().__init__(**({} if model is None else {"model": model}), **fields)

    @property
    def model_name(self) -> str:
        """The model, under the name of the field in LlamaIndex's other LLMs."""
        return self.model

    @classmethod
    def class_name(cls) -> str:
        """The name in saved objects."""
        return "TIR"

    # Token counts

    def count_tokens(self, messages: str | Sequence[ChatMessage], **kwargs: Any) -> int:
        """Count the tokens of a prompt or a conversation, on servers that expose vLLM's `/tokenize`.

        Args:
            messages: The prompt or the conversation.
            kwargs: Parameters of the call; `tools`, in wire form, are counted.

        Raises:
            APIStatusError: The server does not expose `/tokenize`, or cannot count the prompt.
        """
        return self.client.count_tokens(self._to_count(messages, kwargs))

    async def acount_tokens(self, messages: str | Sequence[ChatMessage], **kwargs: Any) -> int:
        """`count_tokens` for async code."""
        return await self.client.acount_tokens(self._to_count(messages, kwargs))

    # Helpers

    def _to_count(self, messages: str | Sequence[ChatMessage], kwargs: Mapping[str, Any]) -> ChatRequest:
        return self._request(prompt_messages(messages) if isinstance(messages, str) else messages, kwargs)

    def _chat(self, messages: Sequence[ChatMessage], kwargs: dict[str, Any]) -> ChatResponse:
        request = self._request(messages, kwargs)
        return from_completion(self.client.chat(request), kwargs.get(TOOL_NAMES), self._price_of(request.model))

    async def _achat(self, messages: Sequence[ChatMessage], kwargs: dict[str, Any]) -> ChatResponse:
        request = self._request(messages, kwargs)
        completion = await self.client.achat(request)
        return from_completion(completion, kwargs.get(TOOL_NAMES), self._price_of(request.model))

    def _stream(self, messages: Sequence[ChatMessage], kwargs: dict[str, Any]) -> ChatResponseGen:
        request = self._request(messages, kwargs)
        mapper = DeltaMapper(kwargs.get(TOOL_NAMES), self._price_of(request.model))
        return Mapped(self.client.stream(request), mapper.map)

    async def _astream(self, messages: Sequence[ChatMessage], kwargs: dict[str, Any]) -> ChatResponseAsyncGen:
        request = self._request(messages, kwargs)
        mapper = DeltaMapper(kwargs.get(TOOL_NAMES), self._price_of(request.model))
        return AsyncMapped(self.client.astream(request), mapper.map)
