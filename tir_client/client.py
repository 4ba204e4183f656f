"""TIRClient: the one place where requests are sent and answers read.

What a request says, what an answer means, which failure is retried and when: all of that is decided in the pure
files. Here are only the loops that wait, each twice: sync and async side by side, to be compared by eye.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import aclosing, closing
from functools import partial
from typing import TYPE_CHECKING, Any, Self, TypeVar

from tir_client._enclosed import Enclosed
from tir_client.config import DEFAULT_MODEL, Config
from tir_client.errors import TIRError
from tir_client.protocol.forced_call import ForcedCall
from tir_client.protocol.reader import (
    AnswerStream,
    accumulator_for,
    read_answer,
    read_embeddings,
    read_models,
    read_token_count,
)
from tir_client.protocol.requests import ChatRequest, EmbeddingRequest, to_bytes
from tir_client.transport.attempt import Call
from tir_client.transport.body import (
    adrain,
    apieces,
    aread_refusal,
    aread_whole,
    drain,
    pieces,
    read_refusal,
    read_whole,
)
from tir_client.transport.clients import Clients
from tir_client.transport.failures import transport_errors
from tir_client.transport.retry import RetryPolicy
from tir_client.transport.timeouts import Timeouts

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator

    from tir_client.protocol.accumulator import Accumulator, Delta
    from tir_client.protocol.responses import Completion, Embeddings, Json, ModelCard

Result = TypeVar("Result")
Reader = Callable[[bytes, str | None], Result]
"""Reads an answer: its body, and the id of the request."""

CHAT = "chat/completions"
PROMPT = ("model", "messages", "tools")
REQUEST_ID = "x-request-id"


class TIRClient:
    """Calls TIR, or any server that speaks its protocol.

    Args:
        config: Token and address; `Config.resolve` fills it from arguments and environment.
        timeout: Seconds, a mapping of phases (`connect`, `first_byte`, `chunk`, `total`), or an httpx timeout.
        retry: How failures are retried.
        http_client: An httpx (or httpx2) client to use for sync calls; it stays yours to close.
        http_async_client: The same for async calls.

    It may be shared by threads and event loops, pickled (without the token, which is then read from the environment)
    and copied. Every method raises `TIRError`s only, each described in `tir_client.errors`.
    """

    def __init__(
        self,
        config: Config,
        *,
        timeout: object = None,
        retry: RetryPolicy | None = None,
        http_client: Any = None,
        http_async_client: Any = None,
    ) -> None:
        self.config = config
        self.timeouts = Timeouts.of(timeout)
        self.retry = retry or RetryPolicy()
        self._clients = Clients(http_client, http_async_client)

    # Chat, whole

    def chat(self, request: ChatRequest) -> Completion:
        """Send `request` and wait for the whole answer."""
        forced = ForcedCall(request)
        accumulator = self._ask(request)
        if not forced.check(accumulator) and forced.second is not None:
            forced.rescue(accumulator, self._ask(forced.second))
        return accumulator.completion()

    async def achat(self, request: ChatRequest) -> Completion:
        """`chat` for async code."""
        forced = ForcedCall(request)
        accumulator = await self._aask(request)
        if not forced.check(accumulator) and forced.second is not None:
            forced.rescue(accumulator, await self._aask(forced.second))
        return accumulator.completion()

    # Chat, streamed

    def stream(self, request: ChatRequest) -> Generator[Delta]:
        """Send `request`; yield the answer as it comes. Closing the generator ends the request at once."""
        return self._watched(request) if ForcedCall(request).demanded else self._stream(request)

    def astream(self, request: ChatRequest) -> AsyncGenerator[Delta]:
        """`stream` for async code."""
        return self._awatched(request) if ForcedCall(request).demanded else self._astream(request)

    def _watched(self, request: ChatRequest) -> Generator[Delta]:
        forced = ForcedCall(request)
        with closing(self._stream(request)) as deltas:
            for delta in deltas:
                if forced.pass_through(delta):
                    yield delta
        if forced.second is not None:
            yield from forced.rescue(delta.accumulator, self._ask(forced.second))

    async def _awatched(self, request: ChatRequest) -> AsyncGenerator[Delta]:
        forced = ForcedCall(request)
        async with Enclosed(self._astream(request)) as deltas:
            async for delta in deltas:
                if forced.pass_through(delta):
                    yield delta
        if forced.second is not None:
            for late in forced.rescue(delta.accumulator, await self._aask(forced.second)):
                yield late

    def _stream(self, request: ChatRequest) -> Generator[Delta]:
        call = self._call(request.model, CHAT, request.streamed())
        while True:
            answer = AnswerStream(accumulator_for(request))
            try:
                with closing(self._open(call, streamed=True)) as response, call.watch(response):
                    answer.begin(response.headers)
                    chunks = pieces(response)
                    for data in chunks:
                        yield from answer.feed(data)
                        if answer.done:
                            break
                        call.check_time()
                    else:
                        call.check_time()
                    yield from answer.close()
                    drain(chunks, response)
            except TIRError as error:
                call.failure = answer.broken_by(error)
            except transport_errors() as error:
                call.failure = answer.broken_by(call.broken(error))
            else:
                return
            pause = None if answer.started else call.pause()
            if pause is None:
                raise call.reported()
            time.sleep(pause)

    async def _astream(self, request: ChatRequest) -> AsyncGenerator[Delta]:
        call = self._call(request.model, CHAT, request.streamed())
        while True:
            answer = AnswerStream(accumulator_for(request))
            try:
                async with aclosing(await self._aopen(call, streamed=True)) as response:
                    with call.watch(response):
                        answer.begin(response.headers)
                        chunks = apieces(response)
                        async for data in chunks:
                            for delta in answer.feed(data):
                                yield delta
                            if answer.done:
                                break
                            call.check_time()
                        else:
                            call.check_time()
                        for delta in answer.close():
                            yield delta
                        await adrain(chunks, response)
            except TIRError as error:
                call.failure = answer.broken_by(error)
            except transport_errors() as error:
                call.failure = answer.broken_by(call.broken(error))
            else:
                return
            pause = None if answer.started else call.pause()
            if pause is None:
                raise call.reported()
            await asyncio.sleep(pause)

    # Everything else

    def embed(self, request: EmbeddingRequest) -> Embeddings:
        """Embed texts; the vectors come back in the order of the texts."""
        call = self._call(request.model, "embeddings", request.body())
        return self._fetch(call, partial(read_embeddings, request))

    async def aembed(self, request: EmbeddingRequest) -> Embeddings:
        """`embed` for async code."""
        call = self._call(request.model, "embeddings", request.body())
        return await self._afetch(call, partial(read_embeddings, request))

    def models(self, model: str = DEFAULT_MODEL) -> list[ModelCard]:
        """List what the endpoint of `model` serves."""
        return self._fetch(self._call(model, "models"), read_models)

    async def amodels(self, model: str = DEFAULT_MODEL) -> list[ModelCard]:
        """`models` for async code."""
        return await self._afetch(self._call(model, "models"), read_models)

    def count_tokens(self, request: ChatRequest) -> int:
        """Count the tokens of a prompt with vLLM's `/tokenize`, where the server lets it be reached."""
        return self._fetch(self._tokenize(request), read_token_count)

    async def acount_tokens(self, request: ChatRequest) -> int:
        """`count_tokens` for async code."""
        return await self._afetch(self._tokenize(request), read_token_count)

    # What all of them share

    def _call(self, model: str, path: str, body: Json | None = None) -> Call:
        content = None if body is None else to_bytes(body)
        return Call(self.config, self.timeouts, self.retry, self.config.url_for(model, path), content)

    def _tokenize(self, request: ChatRequest) -> Call:
        body: Json = {name: value for name, value in request.body().items() if name in PROMPT}
        url = f"{self.config.root_for(request.model)}/tokenize"
        return Call(self.config, self.timeouts, self.retry, url, to_bytes(body))

    def _ask(self, request: ChatRequest) -> Accumulator:
        return self._fetch(self._call(request.model, CHAT, request.whole()), partial(read_answer, request))

    async def _aask(self, request: ChatRequest) -> Accumulator:
        return await self._afetch(self._call(request.model, CHAT, request.whole()), partial(read_answer, request))

    def _fetch(self, call: Call, read: Reader[Result]) -> Result:
        while True:
            try:
                with closing(self._open(call)) as response, call.watch(response):
                    return read(read_whole(response, call), response.headers.get(REQUEST_ID))
            except TIRError as error:
                call.failure = error
            except transport_errors() as error:
                call.failure = call.broken(error)
            pause = call.pause()
            if pause is None:
                raise call.reported()
            time.sleep(pause)

    async def _afetch(self, call: Call, read: Reader[Result]) -> Result:
        while True:
            try:
                async with aclosing(await self._aopen(call)) as response:
                    with call.watch(response):
                        return read(await aread_whole(response, call), response.headers.get(REQUEST_ID))
            except TIRError as error:
                call.failure = error
            except transport_errors() as error:
                call.failure = call.broken(error)
            pause = call.pause()
            if pause is None:
                raise call.reported()
            await asyncio.sleep(pause)

    def _open(self, call: Call, *, streamed: bool = False) -> Any:
        client = self._clients.sync()
        # The request stands in no variable: a traceback that shows locals would show its URL, with the query.
        response = client.send(
            call.request(client, streamed=streamed), stream=True, auth=call.authorize, follow_redirects=False
        )
        call.answered(response)
        if response.is_success:
            return response
        with closing(response):
            raise call.refused(response, read_refusal(response, call))

    async def _aopen(self, call: Call, *, streamed: bool = False) -> Any:
        client = await self._clients.of_loop()
        async with call.watch_opening():
            response = await client.send(
                call.request(client, streamed=streamed), stream=True, auth=call.authorize, follow_redirects=False
            )
        call.answered(response)
        if response.is_success:
            return response
        async with aclosing(response):
            raise call.refused(response, await aread_refusal(response, call))

    # Lifecycle

    def close(self) -> None:
        """Close the connections of sync calls. A later call opens new ones."""
        self._clients.close()

    async def aclose(self) -> None:
        """Close the connections of sync calls and those of the running event loop."""
        await self._clients.aclose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def __copy__(self) -> TIRClient:
        return TIRClient(
            self.config,
            timeout=self.timeouts,
            retry=self.retry,
            http_client=self._clients.given,
            http_async_client=self._clients.given_async,
        )

    def __deepcopy__(self, memo: object) -> TIRClient:
        return self.__copy__()

    def __getstate__(self) -> dict[str, Any]:
        if self._clients.given is not None or self._clients.given_async is not None:
            raise TypeError("A TIRClient with an `http_client` of yours cannot be pickled: it holds open connections.")
        return {"config": self.config, "timeout": self.timeouts, "retry": self.retry}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]
