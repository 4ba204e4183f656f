"""TokenMethods: the mixin with the methods of `ChatTIR` that count tokens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf
from time import time
from typing import Any

from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import BaseMessage
from langchain_core.tools import BaseTool
from pydantic import PrivateAttr

from langchain_tir._errors import model_errors
from langchain_tir._messages import to_wire
from langchain_tir._settings import ChatSettings
from langchain_tir._token_estimates import estimate, estimate_text
from langchain_tir._tools import tool_fields
from tir_client import (
    APIConnectionError,
    APIStatusError,
    ChatRequest,
    ResponseError,
    RetryPolicy,
    TIRClient,
)
from tir_client.protocol.error_responses import NOT_FORWARDED
from tir_client.protocol.responses import Json

_PAUSE_BETWEEN_COUNTS = 60
"""Seconds for which counts are estimated after the server failed to count, unless it does not have the path."""


class TokenMethods(ChatSettings):
    """The methods of `ChatTIR` that count tokens."""

    _not_counting: tuple[TIRClient, float] | None = PrivateAttr(default=None)
    """The client whose server failed to count tokens, and when it may be called again."""

    def count_tokens(self, messages: LanguageModelInput, **kwargs: Any) -> int:
        """Count the tokens of a prompt, on servers that expose vLLM's `/tokenize`.

        Args:
            messages: The prompt, in any form that `invoke` accepts.
            kwargs: Parameters of the call; `tools` are counted.

        Raises:
            APIStatusError: The server does not expose `/tokenize`, or cannot count the prompt.
        """
        with model_errors():
            return self.client.count_tokens(self._request(self._convert_input(messages).to_messages(), None, kwargs))

    async def acount_tokens(self, messages: LanguageModelInput, **kwargs: Any) -> int:
        """`count_tokens` for async code."""
        with model_errors():
            request = self._request(self._convert_input(messages).to_messages(), None, kwargs)
            return await self.client.acount_tokens(request)

    def get_num_tokens_from_messages(
        self,
        messages: list[BaseMessage],
        tools: Sequence[Json | type | Callable[..., Any] | BaseTool] | None = None,
    ) -> int:
        """Count the tokens of a prompt, tools included.

        The server counts with vLLM's `/tokenize`, without retries. If that fails, this count and those of the next
        minute (all further ones if the server lacks the path) are estimates: one token per four bytes of UTF-8, three
        per message, a thousand per image. For gpt-oss the server counts with another template than it uses for prompts,
        so leave some room. With `custom_get_token_ids` no request is sent: it counts the text, without the tools.
        """
        if self.custom_get_token_ids is not None:
            return super().get_num_tokens_from_messages(messages, tools)
        with model_errors():
            fields = {"messages": to_wire(messages), "tools": tool_fields(tools or (), None)["tools"]}
            counted = self._count(ChatRequest.of(model=self.model, **fields))
        return estimate(fields["messages"], fields["tools"]) if counted is None else counted

    def _count(self, request: ChatRequest) -> int | None:
        """Return the server's count, or None. It does not retry, because callers count often and wait each time."""
        client = self.client
        failed, again = self._not_counting or (None, 0)
        if client is failed and time() < again:
            return None
        try:
            return client.count_tokens(request, retry=RetryPolicy(max_retries=0))
        except (APIStatusError, APIConnectionError, ResponseError) as error:
            pause = inf if error.status_code in NOT_FORWARDED else _PAUSE_BETWEEN_COUNTS
            self._not_counting = client, time() + pause
            return None

    def get_num_tokens(self, text: str) -> int:
        """Estimate the tokens of a text: one per four bytes of UTF-8. `custom_get_token_ids` counts them instead."""
        return estimate_text(text) if self.custom_get_token_ids is None else super().get_num_tokens(text)

    def get_token_ids(self, text: str) -> list[int]:
        """The token ids of a text, from `custom_get_token_ids`.

        Raises:
            NotImplementedError: It is not set. LangChain's default would download another model's tokenizer.
        """
        if self.custom_get_token_ids is None:
            raise NotImplementedError("TIR does not report token ids: pass `custom_get_token_ids` to `ChatTIR`.")
        return self.custom_get_token_ids(text)
