"""Async calls over connections of our own pool: kept for the next call, closed when they must be, errors by name."""

from __future__ import annotations

import asyncio
import socket
import ssl
from contextlib import asynccontextmanager
from pathlib import Path

import httpcore
import httpx
import pytest
from tir_client._network import ENOUGH, HEAD_START, Connection, Network, _first_connected
from tir_client._pool import KEPT, Pool

from tests.blocked import ROOT
from tir_client import ChatRequest, Config, TIRClient, TIRError
from tir_sandbox import Sandbox

CERTIFICATE = Path(ROOT, "tests", "faults", "self_signed.pem")
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nall of it"
BEGUN = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nall\r\n"
RESTED = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 9\r\n\r\nall of it"


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
        async with asyncio.timeout(5):
            while len(self.open) != count:
                self.changed.clear()
                await self.changed.wait()


@asynccontextmanager
async def listening(serve, **options):
    """The port of a server whose connections `serve` sees to."""
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


@pytest.fixture
async def server():
    return Server()


@pytest.fixture
async def client(server):
    async with (
        listening(server.serve) as port,
        httpx.AsyncClient(transport=Pool(ssl.create_default_context), base_url=f"http://127.0.0.1:{port}") as client,
    ):
        yield client


async def opened(client, count=1):
    requests = (client.send(client.build_request("GET", "/"), stream=True) for _ in range(count))
    return await asyncio.gather(*requests)


async def test_calls_one_after_the_other_share_a_connection(client, server):
    for _ in range(5):
        assert (await client.get("/")).content == b"all of it"
    assert server.opened == 1


async def test_calls_at_once_have_a_connection_each_and_some_are_kept(client, server):
    responses = await opened(client, KEPT + 5)
    assert server.opened == KEPT + 5
    for response in responses:
        await response.aread()
    await server.has_open(KEPT)


async def test_a_connection_that_the_server_closed_is_not_used_again(client, server):
    await client.get("/")
    for writer in server.open:
        writer.close()
    await server.has_open(0)
    assert (await client.get("/")).content == b"all of it"
    server.answers = [RESTED]
    await client.get("/")
    assert (await client.get("/")).content == b"all of it"
    assert server.opened == 3


async def test_a_connection_on_which_more_came_than_was_asked_for_is_not_used_again(client, server):
    """As the 408 of a gateway that lets no connection rest; it would be the answer to the next request."""
    await client.get("/")
    (writer,) = server.open
    writer.write(b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\n\r\n")
    await asyncio.sleep(0.05)
    assert (await client.get("/")).content == b"all of it"
    assert server.opened == 2


@pytest.mark.parametrize("system", ["any", "windows"])
async def test_a_connection_is_seen_to_be_closed_before_the_loop_has_heard_of_it(system, client, server, monkeypatch):
    if system == "windows":
        monkeypatch.delattr("select.poll")
    await client.get("/")
    await client.get("/")
    assert server.opened == 1
    connection = next(iter(client._transport._free.values()))[0]._connection._network_stream
    (writer,) = server.open
    writer.transport.get_extra_info("socket")._sock.shutdown(socket.SHUT_WR)
    assert not connection._ended
    assert (await client.get("/")).content == b"all of it"
    assert server.opened == 2


async def test_a_connection_that_has_rested_too_long_is_closed(client, server, monkeypatch):
    monkeypatch.setattr("tir_client._pool.SECONDS", 0.01)
    responses = await opened(client, 3)
    for response in responses:
        await response.aread()
    await asyncio.sleep(0.05)
    assert (await client.get("/")).content == b"all of it"
    await server.has_open(1)


async def test_an_answer_that_is_left_closes_its_connection(client, server):
    server.answers = [BEGUN]
    (response,) = await opened(client)
    await response.aclose()
    await response.stream.aclose()
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


async def test_a_connection_that_was_not_open_yet_when_the_client_was_closed_is_closed_after_its_call(
    client, server, monkeypatch
):
    pool, opened, go_on = client._transport, asyncio.Event(), asyncio.Event()
    connect = Network.connect_tcp

    async def slow(*args, **options):
        opened.set()
        await go_on.wait()
        return await connect(*args, **options)

    monkeypatch.setattr(Network, "connect_tcp", slow)
    call = asyncio.create_task(client.get("/"))
    await opened.wait()
    await pool.aclose()
    go_on.set()
    assert (await call).content == b"all of it"
    await server.has_open(0)


async def test_an_answer_that_is_closed_twice_leaves_the_next_call_its_connection(client, server):
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


async def test_what_came_before_a_reset_is_read_and_then_it_is_an_error():
    async def serve(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(BEGUN)
        await writer.drain()
        await asyncio.sleep(0.05)
        writer.transport.abort()

    async with listening(serve) as port, httpx.AsyncClient(transport=Pool(ssl.create_default_context)) as client:
        request = client.build_request("GET", f"http://127.0.0.1:{port}/")
        response = await client.send(request, stream=True)
        chunks = response.aiter_raw()
        assert await anext(chunks) == b"all"
        with pytest.raises((httpcore.ReadError, httpcore.RemoteProtocolError)):
            await anext(chunks)


async def test_a_server_that_says_nothing_is_a_timeout_in_each_phase():
    async def mute(reader, writer):
        await asyncio.sleep(5)

    async with listening(mute) as port:
        connection = await Network().connect_tcp("127.0.0.1", port)
        with pytest.raises(httpcore.ReadTimeout):
            await connection.read(1, timeout=0.05)
        with pytest.raises(httpcore.WriteTimeout):
            await connection.write(bytes(50_000_000), timeout=0.05)
        await connection.aclose()
        with pytest.raises(httpcore.WriteError):
            await connection.write(b"more")
        connection = await Network().connect_tcp("127.0.0.1", port)
        with pytest.raises(httpcore.ConnectTimeout):
            await connection.start_tls(ssl.create_default_context(), "localhost", timeout=0.05)


async def test_a_server_may_take_its_time_for_a_large_request_as_long_as_it_takes_some():
    connection, loop = Connection(), asyncio.get_running_loop()
    taken = []

    class Slow(asyncio.Transport):
        def write(self, data):
            taken.append(bytes(data))
            connection.pause_writing()
            loop.call_later(len(data) / ENOUGH * 0.05, connection.resume_writing)

        def is_closing(self):
            return False

    connection.connection_made(Slow())
    whole = bytes(range(256)) * (ENOUGH // 32)
    await connection.write(whole, timeout=0.25)
    assert b"".join(taken) == whole


async def test_small_pieces_are_sent_at_once(server):
    async with listening(server.serve) as port:
        connection = await Network().connect_tcp("127.0.0.1", port)
        sock = connection.get_extra_info("socket")
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        await connection.aclose()


async def test_where_nobody_listens_is_a_connect_error():
    async with listening(lambda *_: None) as port:
        pass
    for host in ("127.0.0.1", "host.invalid"):
        with pytest.raises(httpcore.ConnectError):
            await Network().connect_tcp(host, port, timeout=5)


async def test_the_next_address_of_a_host_is_tried_beside_one_that_does_not_answer(server, monkeypatch):
    """As where IPv6 is configured and leads nowhere; what was begun and not needed is closed."""
    async with listening(server.serve) as port, listening(server.serve) as other:
        addresses = [(socket.AF_INET, ("127.0.0.1", port)), (socket.AF_INET, ("127.0.0.1", other))]
        loop = asyncio.get_running_loop()
        connect, waited = loop.sock_connect, []

        async def slow(sock, address):
            if address[1] == port:
                waited.append(sock)
                await asyncio.sleep(60)
            await connect(sock, address)

        monkeypatch.setattr(loop, "sock_connect", slow)
        with await _first_connected(addresses) as sock:
            assert sock.getpeername()[1] == other
        await asyncio.sleep(0.01)
        assert [one.fileno() for one in waited] == [-1]


async def test_the_first_address_that_does_not_listen_costs_no_time(server):
    async with listening(server.serve) as port:
        pass
    async with listening(server.serve) as other:
        async with asyncio.timeout(HEAD_START):
            sock = await _first_connected([(socket.AF_INET, ("127.0.0.1", each)) for each in (port, other)])
        sock.close()


async def test_an_address_that_fails_at_once_is_no_obstacle_where_tasks_are_eager(server):
    asyncio.get_running_loop().set_task_factory(getattr(asyncio, "eager_task_factory", None))  # since Python 3.12
    nowhere = (9999, ("", 0))  # no family of addresses
    async with listening(server.serve) as port:
        (await _first_connected([nowhere, (socket.AF_INET, ("127.0.0.1", port))])).close()
    with pytest.raises(OSError, match="family"):
        await _first_connected([nowhere])


async def test_a_server_waits_until_its_bytes_are_asked_for():
    size = 40 * ENOUGH

    async def serve(reader, writer):
        writer.write(bytes(size))
        await writer.drain()
        writer.close()

    async with listening(serve) as port:
        connection = await Network().connect_tcp("127.0.0.1", port)
        await asyncio.sleep(0.2)
        assert len(connection._received) < 2 * ENOUGH
        read = 0
        while data := await connection.read(65536, timeout=5):
            read += len(data)
        assert read == size


async def test_tls_is_spoken_with_who_is_trusted_and_no_one_else(server):
    at_server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    at_server.load_cert_chain(CERTIFICATE)
    trusting = ssl.create_default_context(cafile=CERTIFICATE)
    async with listening(server.serve, ssl=at_server) as port:
        async with httpx.AsyncClient(transport=Pool(lambda: trusting)) as client:
            for _ in range(2):
                assert (await client.get(f"https://127.0.0.1:{port}/")).content == b"all of it"
            assert server.opened == 1
        await server.has_open(0)
        async with httpx.AsyncClient(transport=Pool(ssl.create_default_context)) as client:
            with pytest.raises(httpcore.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
                await client.get(f"https://127.0.0.1:{port}/")


async def test_a_handshake_has_as_long_as_the_caller_allows_and_says_so_when_it_breaks_off(monkeypatch):
    monkeypatch.setattr("asyncio.sslproto.constants.SSL_HANDSHAKE_TIMEOUT", 0.05)  # a minute, as asyncio has it

    async def hang_up(reader, writer):
        await reader.read(1)
        await asyncio.sleep(0.2)

    async with listening(hang_up) as port:
        for seconds in (None, 5):
            connection = await Network().connect_tcp("127.0.0.1", port)
            with pytest.raises(httpcore.ConnectError, match="closed during the handshake"):
                await connection.start_tls(ssl.create_default_context(), "localhost", timeout=seconds)


async def test_a_crowd_of_real_streams_is_answered():
    with Sandbox() as sandbox:
        config = Config.resolve(host=sandbox.host, project_id=sandbox.project_id, api_key=sandbox.token)
        request = ChatRequest.of(model="gpt_oss_120b", messages=[{"role": "user", "content": "Hi"}])
        async with TIRClient(config) as client:

            async def text():
                return "".join([delta.text async for delta in client.astream(request)])

            answers = await asyncio.gather(*(text() for _ in range(50)))
    assert len(set(answers)) == 1
    assert answers[0]


def test_a_proxy_of_the_environment_is_still_used(monkeypatch):
    """By httpx itself, which looks for one only if the transport is its own."""
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
