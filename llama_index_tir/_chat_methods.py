"""ChatMethods: the mixin with the eight variants of `chat` and `complete`, for `TIR` and its structured LLMs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llama_index.core.llms import LLM

from llama_index_tir._instrumentation import CHAT, COMPLETION, Instrumentation, Kind
from llama_index_tir._mapped_streams import AsyncMapped, Mapped
from llama_index_tir._messages import prompt_messages, to_completion

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llama_index.core.base.llms.types import (
        ChatMessage,
        ChatResponse,
        ChatResponseAsyncGen,
        ChatResponseGen,
        CompletionResponse,
        CompletionResponseAsyncGen,
        CompletionResponseGen,
    )


class ChatMethods(LLM):
    """Reports calls and converts prompts. Subclasses implement four methods that request an answer."""

    if TYPE_CHECKING:

        def _chat(self, messages: Sequence[ChatMessage], kwargs: dict[str, Any]) -> ChatResponse: ...
        def _stream(self, messages: Sequence[ChatMessage], kwargs: dict[str, Any]) -> ChatResponseGen: ...
        async def _achat(self, messages: Sequence[ChatMessage], kwargs: dict[str, Any]) -> ChatResponse: ...
        async def _astream(self, messages: Sequence[ChatMessage], kwargs: dict[str, Any]) -> ChatResponseAsyncGen: ...

    def chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        """Answer a conversation.

        Args:
            messages: The conversation.
            kwargs: Parameters of this call. They override the constructor's; None unsets one.
        """
        return self._instrumented(CHAT, messages, kwargs).call(lambda: self._chat(messages, kwargs))

    def stream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseGen:
        """Answer a conversation piece by piece. Closing the stream ends the request at once."""
        return self._instrumented(CHAT, messages, kwargs).stream(lambda: self._stream(messages, kwargs))

    async def achat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        """`chat` for async code."""
        return await self._instrumented(CHAT, messages, kwargs).acall(lambda: self._achat(messages, kwargs))

    async def astream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseAsyncGen:
        """`stream_chat` for async code."""
        return await self._instrumented(CHAT, messages, kwargs).astream(lambda: self._astream(messages, kwargs))

    # Completion: a chat of one message

    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        """Answer a prompt.

        Args:
            prompt: The prompt.
            formatted: Send the prompt unchanged, even if there is a `completion_to_prompt`.
            kwargs: Parameters of this call. They override the constructor's; None unsets one.
        """
        call, messages = self._instrumented(COMPLETION, prompt, kwargs), self._prompt(prompt, formatted)
        return call.call(lambda: to_completion(self._chat(messages, kwargs)))

    def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponseGen:
        """Answer a prompt piece by piece. Closing the stream ends the request at once."""
        call, messages = self._instrumented(COMPLETION, prompt, kwargs), self._prompt(prompt, formatted)
        return call.stream(lambda: Mapped(self._stream(messages, kwargs), to_completion))

    async def acomplete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        """`complete` for async code."""
        call, messages = self._instrumented(COMPLETION, prompt, kwargs), self._prompt(prompt, formatted)

        async def answer() -> CompletionResponse:
            return to_completion(await self._achat(messages, kwargs))

        return await call.acall(answer)

    async def astream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponseAsyncGen:
        """`stream_complete` for async code."""
        call, messages = self._instrumented(COMPLETION, prompt, kwargs), self._prompt(prompt, formatted)

        async def begin() -> CompletionResponseAsyncGen:
            return AsyncMapped(await self._astream(messages, kwargs), to_completion)

        return await call.astream(begin)

    def _instrumented(self, kind: Kind, question: Any, kwargs: dict[str, Any]) -> Instrumentation:
        return Instrumentation(kind, self, question, kwargs)

    def _prompt(self, prompt: str, formatted: bool) -> list[ChatMessage]:
        messages = prompt_messages(prompt)
        if formatted or self.completion_to_prompt is None:
            return messages
        return prompt_messages(self.completion_to_prompt(prompt))
