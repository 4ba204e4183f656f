"""The contenders: the measured clients, their names, and their common interface."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from benchmarks.bare_clients import TRANSPORTS, BareHTTP, OpenAISDK
from benchmarks.frameworks import LANGCHAIN, LLAMA_INDEX, LangChainModel, LlamaIndexModel

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from benchmarks.bodies import Turns


class Contender(Protocol):
    """The interface of all measured clients."""

    def prompt(self, turns: Turns) -> Any: ...
    def stream(self, prompt: Any, *, tools: bool = False) -> Iterator[Any]: ...
    async def astream(self, prompt: Any, *, tools: bool = False) -> AsyncIterator[Any]: ...
    def ask(self, prompt: Any) -> Any: ...
    async def aask(self, prompt: Any) -> Any: ...
    def text(self, chunk: Any) -> str: ...


BARE: dict[str, Callable[[str], Contender]] = {
    "openai SDK": OpenAISDK,
    **{name: partial(BareHTTP, make_async=make) for name, make in TRANSPORTS.items()},
}
FRAMEWORKS = (*LANGCHAIN, *LLAMA_INDEX)
ALL = (*FRAMEWORKS, *BARE)
OURS = ("ChatTIR", "TIR", "our transport + jiter")
ASYNC_ONLY = ("httpx on aiohttp + jiter", "our transport + jiter")
"""Contenders whose sync code is the same as that of "httpx + jiter"."""

_AT = " at "


def earlier(name: str, revision: str) -> str:
    """The name of one of our contenders at an earlier revision."""
    return f"{name}{_AT}{revision}"


def present(name: str) -> str:
    """The name of a contender without a revision."""
    return name.partition(_AT)[0]


def is_earlier(name: str) -> bool:
    """Whether a contender is one of ours at an earlier revision."""
    return _AT in name


def model(name: str, base_url: str) -> Any:
    """Build the framework's model object."""
    return (LANGCHAIN | LLAMA_INDEX)[present(name)](base_url)


def contender(name: str, base_url: str) -> Contender:
    """Build a contender that calls the server."""
    if present(name) in LANGCHAIN:
        return LangChainModel(model(name, base_url))
    if present(name) in LLAMA_INDEX:
        return LlamaIndexModel(model(name, base_url))
    return BARE[present(name)](base_url)
