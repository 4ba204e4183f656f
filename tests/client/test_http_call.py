"""The requests of a call: headers, timeouts and query; and how much of an error body is read."""

from __future__ import annotations

import tracemalloc
import zlib
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest

from tests.client.paths import PATHS, TOKEN, Ask, astreamed, request, streamed
from tir_client import BadRequestError, ChatRequest, Config, RetryPolicy, TIRClient
from tir_sandbox import Sandbox

REQUEST = ChatRequest.of(model="m", messages=[{"role": "user", "content": "Hi"}])
TIMEOUTS = {"connect": 1.0, "first_byte": 2.0, "chunk": 3.0}
STREAMED = {streamed, astreamed}


class Recorder:
    """An httpx transport, sync and async, that records its requests and answers each with status 400.

    Attributes:
        requests: The requests.
        timeouts: The timeouts of each, as they are when it is sent.
        pieces: How many pieces of the body were read.
    """

    def __init__(self, *body: bytes, **headers: str) -> None:
        self.requests: list[httpx.Request] = []
        self.timeouts: list[dict[str, float]] = []
        self.pieces = 0
        self._body = body
        self._headers = {name.replace("_", "-"): value for name, value in headers.items()}

    def client(self, **options: Any) -> TIRClient:
        """A client that sends through this transport."""
        transport = httpx.MockTransport(self._answer)
        return TIRClient(
            Config.resolve(api_key="k", base_url="https://host/v1"),
            retry=RetryPolicy(max_retries=0),
            http_client=httpx.Client(transport=transport),
            http_async_client=httpx.AsyncClient(transport=httpx.MockTransport(self._aanswer)),
            **options,
        )

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self._keep(request)
        return httpx.Response(400, headers=self._headers, content=self._read())

    async def _aanswer(self, request: httpx.Request) -> httpx.Response:
        self._keep(request)
        return httpx.Response(400, headers=self._headers, content=self._aread())

    def _keep(self, request: httpx.Request) -> None:
        self.requests.append(request)
        self.timeouts.append(dict(request.extensions["timeout"]))

    def _read(self) -> Iterator[bytes]:
        for part in self._body:
            self.pieces += 1
            yield part

    async def _aread(self) -> AsyncIterator[bytes]:
        for part in self._read():
            yield part


async def sent(ask: Ask, recorder: Recorder, **options: Any) -> httpx.Request:
    with pytest.raises(BadRequestError):
        await ask(recorder.client(**options), REQUEST)
    return recorder.requests[0]


@pytest.mark.parametrize("ask", PATHS)
async def test_each_phase_has_the_timeout_of_its_name(ask: Ask):
    """httpx calls the wait for the headers `read`, and for the server to take a piece of the request `write`.

    On an async client of the user's, our clock limits reads: httpx's limit would end all calls on an HTTP/2 connection.
    The wait for a free connection counts as `first_byte`, so that many calls at once do not fail after `connect`.
    """
    recorder = Recorder()
    await sent(ask, recorder, timeout=TIMEOUTS)

    read = None if ask.__name__.startswith("a") else 2.0
    assert recorder.timeouts == [{"connect": 1.0, "read": read, "write": 3.0, "pool": 2.0}]


@pytest.mark.parametrize("ask", PATHS)
async def test_a_stream_is_requested_without_compression(ask: Ask):
    """Compression would delay pieces; a whole answer may be compressed."""
    headers = (await sent(ask, Recorder())).headers

    assert (headers["accept-encoding"] == "identity") == (ask in STREAMED)
    assert headers["accept"] == ("text/event-stream" if ask in STREAMED else "application/json")
    assert headers["content-type"] == "application/json"


@pytest.mark.parametrize("ask", PATHS)
async def test_only_the_beginning_of_an_error_body_is_read(ask: Ask):
    recorder = Recorder(*[b"No! " * 256] * 1_000)
    await sent(ask, recorder)

    assert recorder.pieces == 65


@pytest.mark.parametrize("ask", PATHS)
async def test_at_most_64_kilobytes_of_a_compressed_error_are_decompressed(ask: Ask):
    packer = zlib.compressobj()
    begin, more = (packer.compress(bytes(1_000_000)) + packer.flush(zlib.Z_FULL_FLUSH) for _ in range(2))
    recorder = Recorder(begin, *[more] * 999, content_encoding="deflate")
    tracemalloc.start()
    try:
        await sent(ask, recorder)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert recorder.pieces < 100
    assert peak < 10_000_000


def test_a_users_header_replaces_the_librarys(sandbox: Sandbox):
    config = Config.resolve(
        api_key=TOKEN, base_url=sandbox.base_url, default_headers={"user-agent": "mine", "ACCEPT": "x/y"}
    )
    with httpx.Client() as mine:
        TIRClient(config, http_client=mine).chat(request())

    assert (sandbox.requests[0].headers["user-agent"], sandbox.requests[0].headers["accept"]) == ("mine", "x/y")


@pytest.mark.parametrize("of_client", [{}, {"b": "2"}])
@pytest.mark.parametrize("of_user", [{}, {"c": "a b&"}])
@pytest.mark.parametrize("project", [{}, {"project_id": "7"}])
async def test_the_query_has_the_project_and_what_the_client_and_the_user_add(of_client, of_user, project):
    recorder = Recorder(b"No.")
    where = {"host": "https://host", **project} if project else {"base_url": "https://host/v1"}
    config = Config.resolve(api_key="k", default_query=of_user, **where)
    with httpx.Client(transport=httpx.MockTransport(recorder._answer), params=of_client) as own:
        client = TIRClient(config, retry=RetryPolicy(max_retries=0), http_client=own)
        for _ in range(2):
            with pytest.raises(BadRequestError):
                client.chat(REQUEST)

    path = "/project/p-7/genai/m/v1/chat/completions" if project else "/v1/chat/completions"
    urls = {str(request.url.copy_with(query=None)) for request in recorder.requests}
    assert urls == {f"https://host{path}"}
    assert [dict(request.url.params) for request in recorder.requests] == [of_client | of_user | project] * 2
