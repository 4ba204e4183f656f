"""Calls each library in every way (whole or streamed, sync or async) and records the outcome."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing, closing
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator

TOKEN = "tir-marked-token-0123456789"
MODEL = "gpt_oss_120b"
QUESTION = "What is an answer?"
RERANKER = "bge-reranker-v2-m3"
DOCUMENTS = ("Bread is baked.", "An answer is what a question wants.")


@dataclass
class Outcome:
    """The outcome of a call."""

    text: str = ""
    streamed: str | None = None
    usage: dict[str, int] | None = None
    error: BaseException | None = None
    seconds: float = 0.0


class Driver:
    """Calls one library. Each piece is (text of this piece, whole text so far or None, usage or None)."""

    name = ""

    def model(self, base_url: str, timeouts: dict[str, float]) -> Any:
        raise NotImplementedError

    def whole(self, model: Any) -> Any:
        raise NotImplementedError

    async def awhole(self, model: Any) -> Any:
        raise NotImplementedError

    def stream(self, model: Any) -> Iterator[Any]:
        raise NotImplementedError

    def astream(self, model: Any) -> AsyncIterator[Any]:
        raise NotImplementedError

    def read(self, answer: Any) -> tuple[str, dict[str, int] | None]:
        """Text and usage of a whole answer."""
        raise NotImplementedError

    def add(self, outcome: Outcome, piece: Any) -> None:
        """Take a piece of a stream."""
        raise NotImplementedError


class LangChain(Driver):
    name = "LangChain"

    def model(self, base_url: str, timeouts: dict[str, float]) -> Any:
        return import_module("langchain_tir").ChatTIR(model=MODEL, api_key=TOKEN, base_url=base_url, timeout=timeouts)

    def whole(self, model: Any) -> Any:
        return model.invoke(QUESTION)

    async def awhole(self, model: Any) -> Any:
        return await model.ainvoke(QUESTION)

    def stream(self, model: Any) -> Iterator[Any]:
        return model.stream(QUESTION)

    def astream(self, model: Any) -> AsyncIterator[Any]:
        return model.astream(QUESTION)

    def read(self, answer: Any) -> tuple[str, dict[str, int] | None]:
        return answer.text, _langchain_usage(answer.usage_metadata)

    def add(self, outcome: Outcome, piece: Any) -> None:
        outcome.text += piece.text
        if piece.usage_metadata:
            assert outcome.usage is None, "usage was reported twice, and LangChain would add it up"
            outcome.usage = _langchain_usage(piece.usage_metadata)


def _langchain_usage(usage: Any) -> dict[str, int] | None:
    if usage is None:
        return None
    return {
        "prompt_tokens": usage["input_tokens"],
        "completion_tokens": usage["output_tokens"],
        "total_tokens": usage["total_tokens"],
    }


class LlamaIndex(Driver):
    name = "LlamaIndex"

    def model(self, base_url: str, timeouts: dict[str, float]) -> Any:
        return import_module("llama_index_tir").TIR(model=MODEL, api_key=TOKEN, base_url=base_url, timeout=timeouts)

    def whole(self, model: Any) -> Any:
        return model.chat([self._question()])

    async def awhole(self, model: Any) -> Any:
        return await model.achat([self._question()])

    def stream(self, model: Any) -> Iterator[Any]:
        return model.stream_chat([self._question()])

    async def astream(self, model: Any) -> AsyncIterator[Any]:
        async with aclosing(await model.astream_chat([self._question()])) as pieces:
            async for piece in pieces:
                yield piece

    def read(self, answer: Any) -> tuple[str, dict[str, int] | None]:
        return answer.message.content or "", _raw_usage(answer.raw)

    def add(self, outcome: Outcome, piece: Any) -> None:
        outcome.text += piece.delta or ""
        outcome.streamed = piece.message.content or ""
        outcome.usage = _raw_usage(piece.raw) or outcome.usage

    @staticmethod
    def _question() -> Any:
        return import_module("llama_index.core.llms").ChatMessage(content=QUESTION)


def _raw_usage(raw: Any) -> dict[str, int] | None:
    usage = dict(raw).get("usage")
    if usage is None:
        return None
    usage = usage if isinstance(usage, dict) else usage.model_dump()
    prompt, completion = usage.get("prompt_tokens") or 0, usage.get("completion_tokens") or 0
    total = usage.get("total_tokens") or prompt + completion
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": total}


class LangChainRerank(Driver):
    """The reranker of an integration, which cannot stream. The text of an outcome is that of the best document."""

    name = "LangChain rerank"

    def model(self, base_url: str, timeouts: dict[str, float]) -> Any:
        return import_module("langchain_tir").TIRRerank(RERANKER, api_key=TOKEN, base_url=base_url, timeout=timeouts)

    def whole(self, model: Any) -> Any:
        return model.compress_documents(self._documents(), QUESTION)

    async def awhole(self, model: Any) -> Any:
        return await model.acompress_documents(self._documents(), QUESTION)

    def read(self, answer: Any) -> tuple[str, dict[str, int] | None]:
        return answer[0].page_content, None

    @staticmethod
    def _documents() -> Any:
        return [import_module("langchain_core.documents").Document(text) for text in DOCUMENTS]


class LlamaIndexRerank(Driver):
    name = "LlamaIndex rerank"

    def model(self, base_url: str, timeouts: dict[str, float]) -> Any:
        return import_module("llama_index_tir").TIRRerank(RERANKER, api_key=TOKEN, base_url=base_url, timeout=timeouts)

    def whole(self, model: Any) -> Any:
        return model.postprocess_nodes(self._nodes(), query_str=QUESTION)

    async def awhole(self, model: Any) -> Any:
        return await model.apostprocess_nodes(self._nodes(), query_str=QUESTION)

    def read(self, answer: Any) -> tuple[str, dict[str, int] | None]:
        return answer[0].text, None

    @staticmethod
    def _nodes() -> Any:
        schema = import_module("llama_index.core.schema")
        return [schema.NodeWithScore(node=schema.TextNode(text=text)) for text in DOCUMENTS]


@dataclass(frozen=True)
class Way:
    """A library, in sync or async code, for a whole answer or a stream."""

    driver: Driver
    world: str
    mode: str

    def __str__(self) -> str:
        return f"{self.driver.name} {self.world} {self.mode}"

    def call(self, model: Any) -> Outcome:
        """Make one call and return its outcome."""
        outcome = Outcome()
        began = time.monotonic()
        try:
            if self.world == "sync":
                self._sync(model, outcome)
            else:
                asyncio.run(self._async(model, outcome))
        except Exception as error:  # noqa: BLE001 - whatever comes out is the outcome
            outcome.error = error
        outcome.seconds = time.monotonic() - began
        return outcome

    def _sync(self, model: Any, outcome: Outcome) -> None:
        if self.mode == "whole":
            outcome.text, outcome.usage = self.driver.read(self.driver.whole(model))
            return
        with closing(self.driver.stream(model)) as pieces:
            for piece in pieces:
                self.driver.add(outcome, piece)

    async def _async(self, model: Any, outcome: Outcome) -> None:
        if self.mode == "whole":
            outcome.text, outcome.usage = self.driver.read(await self.driver.awhole(model))
            return
        async with aclosing(self.driver.astream(model)) as pieces:
            async for piece in pieces:
                self.driver.add(outcome, piece)


OURS = (LangChain(), LlamaIndex())
RERANKERS = (LangChainRerank(), LlamaIndexRerank())


def ways(drivers: Iterable[Driver]) -> list[Way]:
    """All ways to call some libraries."""
    return [
        Way(driver, world, mode) for driver in drivers for world in ("sync", "async") for mode in ("whole", "stream")
    ]
