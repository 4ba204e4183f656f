"""Async calls with aiohttp: connections are kept, bounded and closed as httpx promises; errors are httpx's."""

from __future__ import annotations

import asyncio
import gc
import resource
import select
import socket
import ssl
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from tests.blocked_imports import ROOT
from tests.ports import held_port
from tests.waiting import PATIENCE
from tir_client import ChatRequest, Config, TIRClient, TIRError
from tir_client.transport.aiohttp import PIECE, AiohttpTransport
from tir_sandbox import Sandbox

CERTIFICATE = Path(ROOT, "tests", "faults", "self_signed.pem")
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nall of it"
BEGUN = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nall\r\n"
LAST = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 9\r\n\r\nall of it"
SURPLUS = b"HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\nanother one"
TOO_LARGE = b"HTTP/1.1 413 Content Too Large\r\nconnection: close\r\ncontent-length: 9\r\n\r\ntoo large"


class Server:
    """Counts connections, and answers each request on them with the next of `answers`, or with `ANSWER`."""

    def __init__(self) -> None:
        self.answers: list[bytes] = []
        self.opened = 0
        self.open: set[asyncio.StreamWriter] = set()
        self.changed = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.opened += 1
        self.open.add(writer)
        self.changed.set()
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(self.answers.pop(0) if self.answers else ANSWER)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.open.discard(writer)
            self.changed.set()
            writer.close()

    async def has_open(self, count: int) -> None:
        """Wait until so many connections are open."""
        async with asyncio.timeout(PATIENCE):
            while len(self.open) != count:
                self.changed.clear()
                await self.changed.wait()


@asynccontextmanager
async def listening(serve, **options):
    """The port of a server whose connections are handled by `serve`."""
    tasks = set()

    async def kept(reader, writer):
        tasks.add(asyncio.current_task())
        try:
            await serve(reader, writer)
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(kept, "127.0.0.1", 0, **options)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def made(port=9, tls=ssl.create_default_context, timeout=30.0, limit=1_000, keepalive=30.0):
    transport = AiohttpTransport(tls, limit=limit, keepalive=keepalive)
    return httpx.AsyncClient(transport=transport, base_url=f"http://127.0.0.1:{port}", timeout=timeout)


@pytest.fixture
async def server():
    return Server()


@pytest.fixture
async def client(server):
    async with listening(server.serve) as port, made(port) as client:
        yield client


def wait_for_bytes(client):
    """Wait until bytes have arrived on the client's one connection. The loop does not run, or it would read them."""
    (handler,) = client._transport._connector._handlers
    assert select.select([handler.transport.get_extra_info("socket")], [], [], PATIENCE)[0]


async def opened(client, count=1):
    requests = (client.send(client.build_request("GET", "/"), stream=True) for _ in range(count))
    return await asyncio.gather(*requests)


# Connections


async def test_calls_one_after_the_other_share_a_connection(client, server):
    for _ in range(5):
        assert (await client.get("/")).content == b"all of it"
    assert server.opened == 1


async def test_calls_beyond_the_limit_wait_for_a_connection(server):
    async with listening(server.serve) as port, made(port, limit=3) as client:
        answers = await asyncio.gather(*(client.get("/") for _ in range(50)))
    assert [answer.content for answer in answers] == [b"all of it"] * 50
    assert server.opened == 3


async def test_a_wait_for_a_connection_that_is_too_long_is_a_pool_timeout(server):
    server.answers = [BEGUN]
    async with listening(server.serve) as port, made(port, limit=1) as client:
        await opened(client)
        with pytest.raises(httpx.PoolTimeout):
            await client.get("/", timeout=0.01)


async def test_a_call_that_waits_for_a_connection_fails_if_the_client_is_closed(server):
    server.answers = [BEGUN]
    async with listening(server.serve) as port, made(port, limit=1) as client:
        await opened(client)
        waiting = asyncio.create_task(client.get("/"))
        await asyncio.sleep(0)
        await client._transport.aclose()
        with pytest.raises(httpx.TransportError):
            await waiting


async def test_a_connection_that_the_server_closed_is_not_used_again(client, server):
    await client.get("/")
    for writer in server.open:
        writer.close()
    await server.has_open(0)
    assert (await client.get("/")).content == b"all of it"
    server.answers = [LAST]
    await client.get("/")
    assert (await client.get("/")).content == b"all of it"
    assert server.opened == 3


@pytest.mark.parametrize("when", ["with the answer", "after it"])
async def test_a_surplus_answer_is_never_the_answer_to_the_next_call(client, server, when):
    """Some gateways send a 408 on idle connections."""
    server.answers = [ANSWER + SURPLUS] if when == "with the answer" else []
    assert (await client.get("/")).content == b"all of it"
    if when == "after it":
        (writer,) = server.open
        writer.write(SURPLUS)
        wait_for_bytes(client)
        await asyncio.sleep(0)
    assert (await client.get("/")).content == b"all of it"
    assert server.opened == 2


@pytest.mark.parametrize("system", ["any", "windows"])
async def test_a_connection_that_is_closed_is_noticed_before_the_loop_reports_it(system, client, server, monkeypatch):
    if system == "windows":
        monkeypatch.delattr("select.poll")
    await client.get("/")
    await client.get("/")
    assert server.opened == 1
    (writer,) = server.open
    writer.transport.get_extra_info("socket")._sock.shutdown(socket.SHUT_WR)
    wait_for_bytes(client)
    assert (await client.get("/")).content == b"all of it"
    assert server.opened == 2


async def test_an_idle_connection_is_closed_after_its_time(server):
    async with listening(server.serve) as port, made(port, keepalive=0.05) as client:
        for response in await opened(client, 3):
            await response.aread()
        await server.has_open(0)


async def test_closing_an_unread_answer_closes_its_connection(client, server):
    server.answers = [BEGUN]
    (response,) = await opened(client)
    await response.aclose()
    await response.stream.aclose()
    await server.has_open(0)


async def test_an_answer_that_is_dropped_closes_its_connection(client, server):
    server.answers = [BEGUN]
    responses = await opened(client)
    del responses
    await asyncio.sleep(0)  # the loop drops its reference to the last result
    gc.collect()
    await server.has_open(0)


async def test_a_call_that_is_cancelled_closes_its_connection(client, server):
    server.answers = [b""]
    call = asyncio.create_task(client.get("/"))
    await server.has_open(1)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await server.has_open(0)


async def test_all_connections_are_closed_with_the_client(client, server):
    server.answers = [BEGUN]
    await opened(client)
    await client.get("/")
    await client.aclose()
    await server.has_open(0)


async def test_closing_the_client_ends_an_answer_that_is_being_read(client, server):
    server.answers = [BEGUN]
    (response,) = await opened(client)
    reading = asyncio.create_task(response.aread())
    await asyncio.sleep(0)
    await client._transport.aclose()
    with pytest.raises(httpx.TransportError, match="closed"):
        await reading


async def test_closing_an_answer_twice_does_not_affect_the_next_call(client, server):
    server.answers = [ANSWER, BEGUN]
    (first,) = await opened(client)
    await first.aread()
    (second,) = await opened(client)
    chunks = second.aiter_raw()
    assert await anext(chunks) == b"all"
    await first.stream.aclose()
    for writer in server.open:
        writer.write(b"0\r\n\r\n")
    assert [chunk async for chunk in chunks] == []
    assert server.opened == 1


async def test_cookies_are_not_kept(server):
    seen = []

    async def serve(reader, writer):
        while head := await reader.readuntil(b"\r\n\r\n"):
            seen.append(head)
            writer.write(b"HTTP/1.1 200 OK\r\nset-cookie: a=b\r\ncontent-length: 0\r\n\r\n")

    async with listening(serve) as port, made(port) as client:
        transport = client._transport
        for _ in range(2):
            await transport.handle_async_request(httpx.Request("GET", f"http://127.0.0.1:{port}/"))
    assert all(b"cookie" not in head.lower() for head in seen)


# Requests


@pytest.mark.parametrize("half_closed", [True, False])
async def test_an_early_error_response_to_a_large_request_is_read(half_closed):
    """A gateway may answer 413 after the headers, without reading the body."""

    async def serve(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(TOO_LARGE)
        await writer.drain()
        if half_closed:
            writer.write_eof()
        await reader.read()

    async with listening(serve) as port, made(port) as client:
        for _ in range(20):
            response = await client.post("/", content=bytes(20 * PIECE))
            assert (response.status_code, response.content) == (413, b"too large")


async def test_a_large_request_arrives_whole():
    content = bytes(range(256)) * (10 * PIECE // 256) + b"end"
    received = []

    async def serve(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        received.append(await reader.readexactly(len(content)))
        writer.write(ANSWER)

    async with listening(serve) as port, made(port) as client:
        assert (await client.post("/", content=content)).content == b"all of it"
    assert received == [content]


async def test_an_unread_request_is_a_write_timeout_and_closes_its_connection():
    gone = asyncio.Event()

    async def serve(reader, writer):
        reader._transport.pause_reading()
        writer.transport.set_write_buffer_limits(0)
        await gone.wait()

    async with listening(serve) as port, made(port, timeout=httpx.Timeout(30, write=0.05)) as client:
        with pytest.raises(httpx.WriteTimeout):
            await client.post("/", content=bytes(50_000_000))
        assert not [one for one in client._transport._connector._handlers if one.transport is not None]
        gone.set()


# Failures


async def test_bytes_before_a_reset_are_read_before_the_error_is_raised():
    go_on = asyncio.Event()

    async def serve(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nall")
        await writer.drain()
        await go_on.wait()
        writer.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        writer.transport.abort()

    async with listening(serve) as port, made(port) as client:
        (response,) = await opened(client)
        chunks = response.aiter_raw()
        go_on.set()
        (handler,) = client._transport._connector._handlers
        while handler.transport is not None:  # noqa: ASYNC110 - the reset has come before anything was read
            await asyncio.sleep(0)
        assert await anext(chunks) == b"all"
        with pytest.raises(httpx.ReadError):
            await anext(chunks)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"", httpx.RemoteProtocolError),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf", httpx.RemoteProtocolError),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhal", httpx.RemoteProtocolError),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nx\r\nhalf\r\n", httpx.RemoteProtocolError),
        (b"nonsense\r\n\r\n", httpx.RemoteProtocolError),
    ],
    ids=["hang-up", "short", "short chunk", "broken chunk", "no HTTP"],
)
async def test_a_connection_closed_within_an_answer_is_a_protocol_error(answer, error):
    async def serve(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    async with listening(serve) as port, made(port) as client:
        with pytest.raises(error) as caught:
            await client.get("/", params={"key": "hunter2"})
    assert "hunter2" not in str(caught.value)


async def test_a_silent_server_is_a_timeout_in_each_phase():
    async def mute(reader, writer):
        await reader.read()

    async with listening(mute) as port:
        async with made(port, timeout=httpx.Timeout(30, read=0.05)) as client:
            with pytest.raises(httpx.ReadTimeout):
                await client.get("/")
        async with made(port, timeout=httpx.Timeout(30, connect=0.05)) as client:
            with pytest.raises(httpx.ConnectTimeout):
                await client.get(f"https://127.0.0.1:{port}/")


async def test_a_server_that_cannot_be_reached_is_a_connect_error():
    with held_port() as port:
        async with made(port) as client:
            for host, reason in {
                "127.0.0.1": r"\[Errno \d+\] Connect call failed",
                "host.invalid": r"\[Errno ",
            }.items():
                for scheme in ("http", "https"):
                    with pytest.raises(httpx.ConnectError, match=f"^{reason}"):
                        await client.get(f"{scheme}://{host}:{port}/")


async def test_a_certificate_must_be_trusted(server):
    at_server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    at_server.load_cert_chain(CERTIFICATE)
    trusting = ssl.create_default_context(cafile=CERTIFICATE)
    async with listening(server.serve, ssl=at_server) as port:
        async with made(tls=lambda: trusting) as client:
            for _ in range(3):
                assert (await client.get(f"https://127.0.0.1:{port}/")).content == b"all of it"
            assert server.opened == 1
        await server.has_open(0)
        async with made() as client:
            with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
                await client.get(f"https://127.0.0.1:{port}/")


async def test_a_handshake_may_take_as_long_as_connect_says(server, monkeypatch):
    """With asyncio's own limit this short, a handshake that has it cannot succeed."""
    at_server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    at_server.load_cert_chain(CERTIFICATE)
    trusting = ssl.create_default_context(cafile=CERTIFICATE)
    monkeypatch.setattr("asyncio.constants.SSL_HANDSHAKE_TIMEOUT", 1e-9)
    async with (
        listening(server.serve, ssl=at_server, ssl_handshake_timeout=60) as port,
        made(tls=lambda: trusting, timeout=None) as client,
    ):
        assert (await client.get(f"https://127.0.0.1:{port}/")).content == b"all of it"


# Crowds and slow readers


async def test_a_server_waits_for_a_slow_reader():
    size, sent = 64 * 1024 * 1024, 0

    async def serve(reader, writer):
        nonlocal sent
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size)
        while sent < size:
            writer.write(bytes(PIECE))
            await writer.drain()
            sent += PIECE
        await reader.read()  # the end of this function would discard what is not sent yet

    async with listening(serve) as port, made(port) as client:
        (response,) = await opened(client)
        (handler,) = client._transport._connector._handlers
        while handler.transport.is_reading() and sent < size:  # noqa: ASYNC110 - nothing tells when reading pauses
            await asyncio.sleep(0)
        assert sent < size // 2
        assert sum([len(data) async for data in response.aiter_raw()]) == size


CROWD = """
import asyncio, resource, sys
from tir_client import ChatRequest, Config, RetryPolicy, TIRClient
resource.setrlimit(resource.RLIMIT_NOFILE, (1024, 1024))
request = ChatRequest.of(model="gpt_oss_120b", messages=[{"role": "user", "content": "Hi"}])

async def main():
    config = Config.resolve(api_key=sys.argv[2], base_url=sys.argv[1])
    clients = [TIRClient(config, timeout={"connect": None}, retry=RetryPolicy(0)) for _ in range(500)]
    calls = [asyncio.ensure_future(client.achat(request)) for client in clients for _ in range(3)]
    await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
    files = [open(sys.executable, "rb") for _ in range(200)]
    answers = await asyncio.gather(*calls)
    print(len([answer for answer in answers if answer.choice.text]))

asyncio.run(main())
"""


def test_fifteen_hundred_calls_of_many_models_are_answered_where_a_thousand_files_may_be_open():
    """The models share their connections, and leave files to the rest of the program."""
    files = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, files[1]), files[1]))
    try:
        with Sandbox() as sandbox:
            command = [sys.executable, "-c", CROWD, sandbox.base_url, sandbox.token]
            done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, files)
    assert (done.stdout, done.stderr) == ("1500\n", "")


def test_a_proxy_of_the_environment_is_still_used(monkeypatch):
    """httpx looks for proxies only if the transport is its own."""
    with Sandbox() as sandbox:
        monkeypatch.setenv("HTTP_PROXY", sandbox.host)
        config = Config.resolve(base_url="http://tir.invalid/v1", api_key=sandbox.token, allow_http=True)
        request = ChatRequest.of(model="gpt_oss_120b", messages=[{"role": "user", "content": "Hi"}])

        async def ask():
            async with TIRClient(config) as client:
                await client.achat(request)

        with pytest.raises(TIRError):
            asyncio.run(ask())
        assert sandbox.requests
