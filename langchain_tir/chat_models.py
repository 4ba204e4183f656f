"""ChatTIR: LangChain's chat model for TIR."""

from __future__ import annotations

from contextlib import aclosing, closing
from typing import TYPE_CHECKING, Any

from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import model_validator

from langchain_tir._answers import ChunkReader, from_completion
from langchain_tir._connection import Connection
from langchain_tir._errors import model_errors
from langchain_tir._messages import to_wire
from langchain_tir._params import Sampling, merged
from tir_client import ChatRequest, __version__, tool_choice

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Sequence
    from typing import Self

    from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
    from langchain_core.language_models import LanguageModelInput
    from langchain_core.messages import AIMessage, BaseMessage
    from langchain_core.outputs import ChatGenerationChunk, ChatResult
    from langchain_core.runnables import Runnable
    from langchain_core.tools import BaseTool

Json = dict[str, Any]


class ChatTIR(BaseChatModel, Sampling, Connection):
    """A chat model on TIR, or on any server that speaks its protocol."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.client  # noqa: B018 - a missing token or project is reported here, not by the first call

    @model_validator(mode="after")
    def _set_tir_version(self) -> Self:
        self._add_version("tir-llm", __version__)
        return self

    @property
    def _llm_type(self) -> str:
        return "chat-tir"

    @property
    def _identifying_params(self) -> Json:
        return self._set_params()

    def _request(self, messages: list[BaseMessage], stop: list[str] | None, kwargs: Json) -> ChatRequest:
        fields = merged(self._set_params(), kwargs if stop is None else {**kwargs, "stop": stop})
        if tools := fields.get("tools"):
            fields["tools"] = [convert_to_openai_tool(tool) for tool in tools]
            fields["tool_choice"] = tool_choice(fields.get("tool_choice"), fields["tools"])
        request: ChatRequest = ChatRequest.of(messages=to_wire(messages), **fields)
        return request

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,  # noqa: ARG002 - LangChain passes it by name
        **kwargs: Any,
    ) -> ChatResult:
        with model_errors():
            return from_completion(self.client.chat(self._request(messages, stop, kwargs)), self.output_version)

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,  # noqa: ARG002 - LangChain passes it by name
        **kwargs: Any,
    ) -> ChatResult:
        with model_errors():
            return from_completion(await self.client.achat(self._request(messages, stop, kwargs)), self.output_version)

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        reader = ChunkReader()
        with model_errors(), closing(self.client.stream(self._request(messages, stop, kwargs))) as deltas:
            for delta in deltas:
                if chunk := reader.read(delta):
                    if run_manager:
                        run_manager.on_llm_new_token(chunk.text, chunk=chunk)
                    yield chunk

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        reader = ChunkReader()
        with model_errors():
            async with aclosing(self.client.astream(self._request(messages, stop, kwargs))) as deltas:
                async for delta in deltas:
                    if chunk := reader.read(delta):
                        if run_manager:
                            await run_manager.on_llm_new_token(chunk.text, chunk=chunk)
                        yield chunk

    def bind_tools(
        self,
        tools: Sequence[Json | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: Json | str | bool | None = None,
        strict: bool | None = None,
        parallel_tool_calls: bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Offer tools to the model."""
        return self.bind(
            tools=[convert_to_openai_tool(tool, strict=strict) for tool in tools],
            tool_choice=tool_choice,
            parallel_tool_calls=parallel_tool_calls,
            **kwargs,
        )
