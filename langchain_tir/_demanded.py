"""Answers without the call that was demanded: an error for most callers, for a parser an answer to judge."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from tir_client import ForcedToolError
from tir_client._enclosed import Enclosed

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator

    from tir_client import ChatRequest, Completion, Delta, TIRClient

TAKEN_AS_IT_IS = "demanded_call_may_fail"
"""The argument of a call by which structured output asks for such an answer; it is not sent."""


class Lenient:
    """Calls with `client`, and hands out what the model said in place of the call that was demanded."""

    def __init__(self, client: TIRClient) -> None:
        self._client = client

    def chat(self, request: ChatRequest) -> Completion:
        """The whole answer."""
        try:
            return self._client.chat(request)
        except ForcedToolError as error:
            return _said(error)

    async def achat(self, request: ChatRequest) -> Completion:
        """`chat` for async code."""
        try:
            return await self._client.achat(request)
        except ForcedToolError as error:
            return _said(error)

    def stream(self, request: ChatRequest) -> Generator[Delta | Completion]:
        """The answer as it comes; one without the call ends with what it was in all."""
        with closing(self._client.stream(request)) as deltas:
            try:
                yield from deltas
            except ForcedToolError as error:
                yield _said(error)

    async def astream(self, request: ChatRequest) -> AsyncGenerator[Delta | Completion]:
        """`stream` for async code."""
        async with Enclosed(self._client.astream(request)) as deltas:
            try:
                async for delta in deltas:
                    yield delta
            except ForcedToolError as error:
                yield _said(error)


def _said(error: ForcedToolError) -> Completion:
    if error.partial is None:
        raise error
    return error.partial
