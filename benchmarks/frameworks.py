"""Adapters from the models of the two frameworks to `benchmarks.contenders.Contender`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks.bodies import MODEL, TOOL, Turns
from benchmarks.lazy_import import imported

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator


class LangChainModel:
    """A LangChain chat model."""

    def __init__(self, model: Any) -> None:
        self._model = model

    def prompt(self, turns: Turns) -> Any:
        return imported("langchain_core.messages", "convert_to_messages")(turns)

    def stream(self, prompt: Any, *, tools: bool = False) -> Iterator[Any]:
        chunks: Iterator[Any] = (self._model.bind_tools([TOOL]) if tools else self._model).stream(prompt)
        return chunks

    async def astream(self, prompt: Any, *, tools: bool = False) -> AsyncIterator[Any]:
        chunks: AsyncIterator[Any] = (self._model.bind_tools([TOOL]) if tools else self._model).astream(prompt)
        return chunks

    def ask(self, prompt: Any) -> Any:
        return self._model.invoke(prompt)

    async def aask(self, prompt: Any) -> Any:
        return await self._model.ainvoke(prompt)

    def text(self, chunk: Any) -> str:
        return str(chunk.content)


class LlamaIndexModel:
    """A LlamaIndex LLM."""

    def __init__(self, model: Any) -> None:
        self._model = model

    def prompt(self, turns: Turns) -> Any:
        return [imported("llama_index.core.llms", "ChatMessage")(role=role, content=text) for role, text in turns]

    def stream(self, prompt: Any, *, tools: bool = False) -> Iterator[Any]:
        chunks: Iterator[Any] = self._model.stream_chat(prompt, **({"tools": [TOOL]} if tools else {}))
        return chunks

    async def astream(self, prompt: Any, *, tools: bool = False) -> AsyncIterator[Any]:
        chunks: AsyncIterator[Any] = await self._model.astream_chat(prompt, **({"tools": [TOOL]} if tools else {}))
        return chunks

    def ask(self, prompt: Any) -> Any:
        return self._model.chat(prompt)

    async def aask(self, prompt: Any) -> Any:
        return await self._model.achat(prompt)

    def text(self, chunk: Any) -> str:
        return str(chunk.delta or "")


def _chat_tir(base_url: str) -> Any:
    return imported("langchain_tir", "ChatTIR")(model=MODEL, api_key="test", base_url=base_url)


def _tir(base_url: str) -> Any:
    return imported("llama_index_tir", "TIR")(model=MODEL, api_key="test", base_url=base_url)


def _chat_openai(base_url: str) -> Any:
    return imported("langchain_openai", "ChatOpenAI")(model=MODEL, api_key="test", base_url=base_url, stream_usage=True)


def _chat_mistral(base_url: str) -> Any:
    return imported("langchain_mistralai", "ChatMistralAI")(model_name=MODEL, api_key="test", endpoint=base_url)


def _chat_nvidia(base_url: str) -> Any:
    return imported("langchain_nvidia_ai_endpoints", "ChatNVIDIA")(model=MODEL, api_key="test", base_url=base_url)


def _openai_like(base_url: str) -> Any:
    settings = {"is_chat_model": True, "is_function_calling_model": True, "context_window": 131_072}
    return imported("llama_index.llms.openai_like", "OpenAILike")(
        model=MODEL, api_key="test", api_base=base_url, **settings
    )


LANGCHAIN: dict[str, Callable[[str], Any]] = {
    "ChatTIR": _chat_tir,
    "ChatOpenAI": _chat_openai,
    "ChatMistralAI": _chat_mistral,
    "ChatNVIDIA": _chat_nvidia,
}
LLAMA_INDEX: dict[str, Callable[[str], Any]] = {"TIR": _tir, "OpenAILike": _openai_like}
