"""TokenMethods: the mixin with the methods of `ChatTIR` that count tokens. Where the server cannot, they estimate."""

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
from tir_client.protocol.responses import Json

_PAUSE_BETWEEN_COUNTS = 60
"""Seconds for which token counts are estimates after the server failed to count."""
_NOT_THERE = frozenset({403, 404, 405, 501})
"""Status codes of a gateway that does not forward a path; not 401, which may be an expired token."""


class TokenMethods(ChatSettings):
    """The methods of `ChatTIR` that count tokens."""

    _not_counting: tuple[TIRClient, float] | None = PrivateAttr(default=None)
    """The client whose server failed to count tokens, and the time from which it is asked again."""

    def count_tokens(self, messages: LanguageModelInput, **kwargs: Any) -> int:
        """Tokens of a prompt, counted by the server, where it lets vLLM's `/tokenize` be reached.

        Args:
            messages: The prompt, in any form that `invoke` takes.
            kwargs: Parameters of the call; `tools` count.
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

        The server is asked with vLLM's `/tokenize`, once and without retries. Where that fails, the count is an
        estimate, for the next minute too: one token for four bytes of UTF-8, three for each message, a thousand for an
        image. For gpt-oss the server counts with
        another template than the one it prompts with, so leave some room.
        """
        if self.custom_get_token_ids is not None:
            return super().get_num_tokens_from_messages(messages, tools)
        with model_errors():
            fields = {"messages": to_wire(messages), "tools": tool_fields(tools or (), None)["tools"]}
            counted = self._count(ChatRequest.of(model=self.model, **fields))
        return estimate(fields["messages"], fields["tools"]) if counted is None else counted

    def _count(self, request: ChatRequest) -> int | None:
        """Return the server's count, or None. There are no retries, since callers count often and wait each time."""
        client = self.client
        failed, again = self._not_counting or (None, 0)
        if client is failed and time() < again:
            return None
        try:
            return client.count_tokens(request, retry=RetryPolicy(max_retries=0))
        except (APIStatusError, APIConnectionError, ResponseError) as error:
            pause = inf if error.status_code in _NOT_THERE else _PAUSE_BETWEEN_COUNTS
            self._not_counting = client, time() + pause
            return None

    def get_num_tokens(self, text: str) -> int:
        """Estimate the tokens of a text: one for four bytes of UTF-8."""
        return estimate_text(text) if self.custom_get_token_ids is None else super().get_num_tokens(text)

    def get_token_ids(self, text: str) -> list[int]:
        """The tokens of a text, by `custom_get_token_ids`.

        Raises:
            NotImplementedError: There is none: another model's tokenizer would be wrong, and a download.
        """
        if self.custom_get_token_ids is None:
            raise NotImplementedError("TIR does not report token ids: pass `custom_get_token_ids` to `ChatTIR`.")
        return self.custom_get_token_ids(text)
