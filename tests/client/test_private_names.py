"""The private names of aiohttp and asyncio that the async transport relies on.

A test that fails here says what a new release has changed. Each name is used in one place of `tir_client/transport`:
look there for what it is used for.
"""

from __future__ import annotations

import asyncio
import inspect
import ssl
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp.base_protocol import BaseProtocol
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import BaseConnector, Connection

from tests.blocked_imports import ROOT

CERTIFICATE = Path(ROOT, "tests", "faults", "self_signed.pem")


def parameters(function) -> list[str]:
    return list(inspect.signature(function).parameters)


def test_a_connector_opens_connections_in_create_connection():
    """`Connector._create_connection` applies the timeout `connect` to all of it."""
    assert parameters(aiohttp.TCPConnector._create_connection) == ["self", "req", "traces", "timeout"]
    assert parameters(aiohttp.TCPConnector.connect) == ["self", "req", "traces", "timeout"]


def test_a_connector_passes_connection_options_to_the_loop():
    """`Connector._wrap_create_connection` adds `ssl_handshake_timeout`."""
    *_, last = inspect.signature(aiohttp.TCPConnector._wrap_create_connection).parameters.values()
    assert last.kind is inspect.Parameter.VAR_KEYWORD


def test_a_connector_closes_at_once():
    """`Connector.hang_up` calls `_close`, which must not need an event loop."""
    assert not inspect.iscoroutinefunction(BaseConnector._close)
    inspect.signature(aiohttp.TCPConnector._close).bind("self")


async def test_a_connector_makes_handlers_with_its_factory():
    """`Connector` sets `_factory` to make its own handlers."""
    async with aiohttp.TCPConnector() as connector:
        assert isinstance(connector._factory(), ResponseHandler)


async def test_aiohttps_handler_has_the_attributes_that_ours_reads_and_sets():
    handler = ResponseHandler(asyncio.get_running_loop())
    assert handler._loop is asyncio.get_running_loop()
    assert (handler._exception, handler._payload, handler.transport) == (None, None, None)
    assert isinstance(handler.should_close, bool)
    handler.read_timeout = None
    assert isinstance(ResponseHandler.read_timeout, property)
    overridden = ("set_response_params", "data_received", "connection_lost", "close")
    assert all(inspect.isfunction(getattr(ResponseHandler, name)) for name in overridden)
    assert isinstance(Connection.protocol, property)


async def test_a_body_yields_what_arrived_before_its_failure():
    """`_Body` reads it with `_read_nowait`."""
    loop = asyncio.get_running_loop()
    body = aiohttp.StreamReader(BaseProtocol(loop), 2**16, loop=loop)
    body.feed_data(b"all")
    body.set_exception(aiohttp.ClientPayloadError("no more"))
    assert body._read_nowait(-1) == b"all"
    assert body._read_nowait(-1) == b""


def test_a_payload_has_a_size_and_is_written_with_a_length():
    """`_Upload` is one."""
    assert parameters(aiohttp.Payload.write_with_length) == ["self", "writer", "content_length"]
    assert aiohttp.BytesPayload(b"all").size == len("all")
    assert "_size" in aiohttp.BytesPayload(b"all").__dict__


@asynccontextmanager
async def connected(context: ssl.SSLContext | None, **options):
    async def serve(reader, writer):
        await reader.read()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context) as server:
        _, port = server.sockets[0].getsockname()
        _, writer = await asyncio.open_connection("127.0.0.1", port, **options)
        yield writer.transport
        writer.close()
        await writer.wait_closed()


@pytest.mark.parametrize("is_tls", [False, True])
async def test_a_transport_shows_its_socket(is_tls):
    """`_discard` closes the socket of a transport whose event loop is closed."""
    at_server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    at_server.load_cert_chain(CERTIFICATE)
    options = {"ssl": ssl.create_default_context(cafile=CERTIFICATE)} if is_tls else {}
    async with connected(at_server if is_tls else None, **options) as transport:
        inner = transport._ssl_protocol._transport if is_tls else transport
        assert inner._sock.fileno() == transport.get_extra_info("socket").fileno()
