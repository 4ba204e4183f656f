"""The other libraries of the comparison, called as their users call them."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from tests.faults.drivers import MODEL, OURS, TOKEN, Driver, LangChain, LlamaIndex, Outcome

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

RETRIES = 2
TYPED = (
    "tir_client",
    "langchain_tir",
    "langchain_core.exceptions",
    "langchain_openai",
    "openai",
    "mistralai",
    "httpx",
    "httpx2",
)
"""The packages whose exceptions count as typed: the library's, its SDK's, its framework's, its HTTP client's."""


class LangChainPeer(LangChain):
    def add(self, outcome: Outcome, piece: Any) -> None:
        outcome.text += piece.text  # token counts are not compared


class ChatOpenAI(LangChainPeer):
    name = "ChatOpenAI"

    def model(self, base_url: str, timeouts: dict[str, float]) -> Any:
        cls = import_module("langchain_openai").ChatOpenAI
        return cls(
            model=MODEL,
            api_key=TOKEN,
            base_url=base_url,
            timeout=shortest(timeouts),
            max_retries=RETRIES,
            stream_usage=True,
        )


class ChatMistralAI(LangChainPeer):
    name = "ChatMistralAI"

    def model(self, base_url: str, timeouts: dict[str, float]) -> Any:
        cls = import_module("langchain_mistralai").ChatMistralAI
        model = cls(model=MODEL, api_key=TOKEN, base_url=base_url, max_retries=RETRIES)
        model.client.timeout = model.async_client.timeout = shortest(timeouts)  # the field takes whole seconds only
        return model


class OpenAILike(LlamaIndex):
    name = "OpenAILike"

    def model(self, base_url: str, timeouts: dict[str, float]) -> Any:
        cls = import_module("llama_index.llms.openai_like").OpenAILike
        return cls(
            model=MODEL,
            api_key=TOKEN,
            api_base=base_url,
            is_chat_model=True,
            timeout=shortest(timeouts),
            max_retries=RETRIES,
        )

    def read(self, answer: Any) -> tuple[str, dict[str, int] | None]:
        return answer.message.content or "", None

    def add(self, outcome: Outcome, piece: Any) -> None:
        outcome.text += piece.delta or ""

    async def astream(self, model: Any) -> AsyncIterator[Any]:
        async for piece in await model.astream_chat([self._question()]):
            yield piece


PEERS: tuple[Driver, ...] = (ChatOpenAI(), ChatMistralAI(), OpenAILike())
ALL: tuple[Driver, ...] = (*OURS, *PEERS)
REQUIREMENTS = ("langchain-openai", "langchain-mistralai", "llama-index-llms-openai-like")


def shortest(timeouts: dict[str, float]) -> float:
    """One timeout, for libraries without phases."""
    return min(timeouts.values())


def is_typed(error: BaseException) -> bool:
    """Whether an error is of a class of the library, and not an internal one."""
    return any(cls.__module__.startswith(TYPED) for cls in type(error).__mro__)
