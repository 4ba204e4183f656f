"""The transport of sync calls: its time limits hold however bytes arrive, and no answer is read as another call's."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic

import httpx
import pytest

from tests.blocked_imports import ROOT
from tests.ports import held_port
from tests.waiting import until
from tests.wire_server import CLOSE, READ, RESET, STALL, WireServer
from tir_client.transport.httpcore import PIECE, HttpcoreTransport

CERTIFICATE = Path(ROOT, "tests", "faults", "self_signed.pem")
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nall of it"
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n9\r\nall of it\r\n0\r\n\r\n"
BEGUN = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nall\r\n"
SURPLUS = b"HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\nanother one"
TOO_LARGE = b"HTTP/1.1 413 Content Too Large\r\nconnection: close\r\ncontent-length: 9\r\n\r\ntoo large"
KEPT = [ANSWER, *[READ, ANSWER] * 5, STALL]


def client_for(
    server: WireServer | None = None,
    *,
    tls: ssl.SSLContext | None = None,
    limits: httpx.Limits | None = None,
    **timeouts,
) -> httpx.Client:
    transport = HttpcoreTransport(tls or ssl.create_default_context(), limits or httpx.Limits())
    base_url = "" if server is None else server.host
    return httpx.Client(transport=transport, base_url=base_url, timeout=httpx.Timeout(30, **timeouts))


# Connections


def test_calls_in_a_row_use_one_connection():
    with WireServer(KEPT) as server, client_for(server) as client:
        assert [client.get("/").content for _ in range(5)] == [b"all of it"] * 5
        assert len(server.connections) == 1


@pytest.mark.parametrize("answer", [ANSWER, CHUNKED], ids=["with a length", "chunked"])
@pytest.mark.parametrize("surplus", [SURPLUS, CHUNKED, SURPLUS[:20]], ids=["another", "the same", "half of one"])
def test_a_surplus_answer_is_never_the_answer_to_the_next_call(answer: bytes, surplus: bytes):
    with WireServer([answer + surplus, READ, STALL], KEPT) as server, client_for(server) as client:
        assert client.get("/").content == b"all of it"
        assert client.get("/").content == b"all of it"
        assert [one.received.count(b"GET /") for one in server.connections] == [1, 1]


def test_a_connection_is_not_used_again_if_the_server_has_sent_something_meanwhile():
    with WireServer([ANSWER, 0.05, SURPLUS, READ, STALL], KEPT) as server, client_for(server) as client:
        connection = client.get("/").extensions["network_stream"]
        assert until(lambda: connection.get_extra_info("is_readable"))
        assert client.get("/").content == b"all of it"
        assert len(server.connections) == 2


def test_an_answer_may_quote_a_status_line():
    """The only effect is a new connection."""
    quoting = ANSWER.replace(b"all of it", b"HTTP/1.1 ")
    with WireServer([quoting, READ, ANSWER, STALL], KEPT) as server, client_for(server) as client:
        assert client.get("/").content == b"HTTP/1.1 "
        assert client.get("/").content == b"all of it"


def test_an_answer_that_is_closed_early_closes_its_connection():
    with WireServer([BEGUN, STALL]) as server, client_for(server) as client:
        with client.stream("GET", "/") as response:
            assert next(response.iter_raw()) == b"all"
        assert until(lambda: server.connections[0].disconnected)


def test_connections_are_closed_with_the_client():
    with WireServer(KEPT) as server:
        with client_for(server) as client:
            client.get("/")
        assert until(lambda: server.connections[0].disconnected)


def test_a_call_beyond_the_limit_of_connections_waits_for_one():
    limits = httpx.Limits(max_connections=1)
    with (
        WireServer([BEGUN, STALL]) as server,
        client_for(server, limits=limits, pool=0.05) as client,
        client.stream("GET", "/"),
        pytest.raises(httpx.PoolTimeout),
    ):
        client.get("/")


# Time limits

SECONDS = (0.2, 3, 20)
"""How long a call may take: on a slow machine the first time may end before the request is sent."""

TRICKLES = {
    "header lines": (b"HTTP/1.1 200 OK\r\n", b"x: y\r\n"),
    "bytes of a header": (b"HTTP/1.1 200 OK\r\nx: ", b"y"),
    "1xx answers": (b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"),
    "the size of a chunk": (BEGUN, b"0"),
    "an extension of a chunk": (BEGUN + b"5;", b"x"),
    "trailers": (BEGUN + b"0\r\n", b"x: y\r\n"),
}


@pytest.mark.parametrize("trickle", TRICKLES.values(), ids=TRICKLES)
def test_a_wait_for_headers_or_a_piece_has_one_limit_whatever_arrives_meanwhile(trickle: tuple[bytes, bytes]):
    first, more = trickle
    with WireServer([first, *[more, 0.05] * 1000]) as server, client_for(server, read=0.2) as client:
        with pytest.raises(httpx.ReadTimeout):
            client.get("/")
        assert not any(one.done for one in server.connections)


@pytest.mark.parametrize("trickle", [*TRICKLES.values(), (BEGUN, b"1\r\nx\r\n")], ids=[*TRICKLES, "pieces"])
def test_the_deadline_of_a_request_ends_it_in_any_phase(trickle: tuple[bytes, bytes]):
    first, more = trickle
    with WireServer([first, *[more, 0.05] * 1000]) as server, client_for(server, read=None) as client:
        for seconds in SECONDS:
            with pytest.raises(httpx.TimeoutException) as caught:
                client.get("/", extensions={"deadline": monotonic() + seconds})
            if caught.type is httpx.ReadTimeout:
                break
        assert caught.type is httpx.ReadTimeout
        assert not any(one.done for one in server.connections)


class Clock:
    """A clock that advances by `step` seconds each time it is read."""

    def __init__(self, step: float = 0.0) -> None:
        self.now = 0.0
        self.step = step

    def __call__(self) -> float:
        self.now += self.step
        return self.now


def test_each_piece_of_a_body_has_the_full_timeout(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("tir_client.transport.httpcore.monotonic", Clock(10))
    pieces = [step for _ in range(8) for step in (0.02, b"1\r\nx\r\n")]
    with WireServer([BEGUN, *pieces, b"0\r\n\r\n", STALL]) as server, client_for(server, read=35) as client:
        assert client.get("/").content == b"all" + b"x" * 8


def test_the_deadline_of_a_call_does_not_end_the_next_one_on_its_connection(monkeypatch: pytest.MonkeyPatch):
    clock = Clock()
    monkeypatch.setattr("tir_client.transport.httpcore.monotonic", clock)
    with WireServer(KEPT) as server, client_for(server) as client:
        client.get("/", extensions={"deadline": 5.0})
        clock.now = 6.0
        assert client.get("/").content == b"all of it"
        assert len(server.connections) == 1


@contextmanager
def listening(*hosts: str, deaf: tuple[str, ...] = ()) -> Iterator[tuple[int, list[socket.socket]]]:
    """Listen on one port of several loopback addresses; those in `deaf` drop all packets.

    The port is held on 127.0.0.1 in any case, because other processes take their ports there.
    """
    with held_port() as port:
        sockets = [socket.create_server((host, port), backlog=0 if host in deaf else 100) for host in hosts]
        for server in [one for one in sockets if one.getsockname()[0] in deaf]:
            for _ in range(3):
                sockets.append(socket.socket())
                sockets[-1].setblocking(False)
                sockets[-1].connect_ex(server.getsockname())
        try:
            yield port, sockets
        finally:
            for one in sockets:
                one.close()


@pytest.fixture
def two_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    """The host `two.test` has two addresses."""
    real = socket.getaddrinfo

    def lookup(host: str, port: int, *args, **options):
        hosts = ["127.0.0.1", "127.0.0.2"] if host == "two.test" else [host]
        return [found for one in hosts for found in real(one, port, *args, **options)]

    monkeypatch.setattr(socket, "getaddrinfo", lookup)


def answer_one(server: socket.socket, received: list[bytes] | None = None) -> None:
    connection, _ = server.accept()
    with connection:
        data = connection.recv(65536)
        connection.sendall(ANSWER)
    if received is not None:
        received.append(data)


@pytest.mark.usefixtures("two_addresses")
@pytest.mark.parametrize("first", ["refuses", "drops packets"])
def test_the_second_address_of_a_host_is_tried(first: str):
    hosts = ("127.0.0.2",) if first == "refuses" else ("127.0.0.2", "127.0.0.1")
    with listening(*hosts, deaf=("127.0.0.1",)) as (port, (server, *_)), client_for() as client:
        thread = threading.Thread(target=answer_one, args=(server,))
        thread.start()
        for seconds in (1.5, 10, 40):  # half of it is for the second address
            with suppress(httpx.ConnectTimeout):
                answer = client.get(f"http://two.test:{port}/", timeout=httpx.Timeout(30, connect=seconds))
                break
        assert answer.content == b"all of it"
        thread.join()


@pytest.mark.usefixtures("two_addresses")
@pytest.mark.parametrize(("extensions", "limits"), [({}, [2.0, 2.0]), ({"deadline": 3.0}, [1.5, 1.5])])
def test_the_addresses_of_a_host_share_the_time(
    monkeypatch: pytest.MonkeyPatch, extensions: dict[str, float], limits: list[float]
):
    clock, tried = Clock(), []

    def deaf(_: tuple[str, int], timeout: float, **__: object) -> socket.socket:
        tried.append(timeout)
        clock.now += timeout
        raise TimeoutError

    monkeypatch.setattr("tir_client.transport.httpcore.monotonic", clock)
    monkeypatch.setattr(socket, "create_connection", deaf)
    with client_for(connect=4.0) as client, pytest.raises(httpx.ConnectTimeout):
        client.get("http://two.test:9/", extensions=extensions)
    assert tried == limits


def test_a_handshake_that_is_not_answered_is_a_connect_timeout():
    with listening("127.0.0.1") as (port, _), client_for(connect=0.2) as client, pytest.raises(httpx.ConnectTimeout):
        client.get(f"https://127.0.0.1:{port}/")


@pytest.mark.parametrize("limit", ["write", "deadline"])
def test_a_request_that_the_server_does_not_read_is_a_write_timeout(limit: str):
    timeouts = {"write": 0.2} if limit == "write" else {}
    with listening("127.0.0.1") as (port, _), client_for(**timeouts) as client:
        for seconds in SECONDS:
            extensions = {"deadline": monotonic() + seconds} if limit == "deadline" else {}
            with pytest.raises(httpx.TimeoutException) as caught:
                client.post(f"http://127.0.0.1:{port}/", content=bytes(50_000_000), extensions=extensions)
            if caught.type is httpx.WriteTimeout:
                break
    assert caught.type is httpx.WriteTimeout


# Requests


@pytest.mark.parametrize("last", [CLOSE, STALL], ids=["half closed", "open"])
def test_an_early_error_response_to_a_large_request_is_read(last):
    with WireServer([TOO_LARGE, last]) as server, client_for(server) as client:
        response = client.post("/", content=bytes(20 * PIECE))
    assert (response.status_code, response.content) == (413, b"too large")


def test_a_small_request_is_sent_at_once():
    received: list[bytes] = []
    with listening("127.0.0.1") as (port, (server,)), client_for() as client:
        thread = threading.Thread(target=answer_one, args=(server, received))
        thread.start()
        assert client.post(f"http://127.0.0.1:{port}/", content=b"the body").content == b"all of it"
        thread.join()
    assert received[0].startswith(b"POST / ")
    assert received[0].endswith(b"\r\n\r\nthe body")


def test_a_large_request_arrives_whole():
    content = bytes(range(256)) * (5 * PIECE // 256) + b"end"
    with WireServer([ANSWER, STALL]) as server, client_for(server) as client:
        assert client.post("/", content=content).content == b"all of it"
        assert server.connections[0].received.endswith(content)


# Failures

FAILURES = {
    "closed before the headers": ([CLOSE], httpx.RemoteProtocolError),
    "reset before the headers": ([RESET], httpx.ReadError),
    "reset in the body": ([BEGUN, 0.02, RESET], httpx.ReadError),
    "too short": ([ANSWER[:-1], CLOSE], httpx.RemoteProtocolError),
    "a chunk too short": ([BEGUN + b"5\r\nhal", CLOSE], httpx.RemoteProtocolError),
    "no chunk": ([BEGUN + b"x\r\nhalf\r\n", CLOSE], httpx.RemoteProtocolError),
    "no HTTP": ([b"nonsense\r\n\r\n", CLOSE], httpx.RemoteProtocolError),
}


@pytest.mark.parametrize(("script", "error"), FAILURES.values(), ids=FAILURES)
def test_failures_are_raised_as_errors_of_httpx(script: list, error: type[Exception]):
    with WireServer(script) as server, client_for(server) as client, pytest.raises(error) as caught:
        client.get("/", params={"key": "hunter2"})
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("host", ["127.0.0.1", "host.invalid"])
def test_a_server_that_cannot_be_reached_is_a_connect_error(host: str):
    with held_port() as port, client_for() as client, pytest.raises(httpx.ConnectError):
        client.get(f"http://{host}:{port}/")


def test_a_host_without_an_address_is_a_connect_error(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [])
    with client_for() as client, pytest.raises(httpx.ConnectError, match=r"^host\.invalid has no address$"):
        client.get("http://host.invalid/")


# TLS


def serve_tls(server: socket.socket, count: int) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    connection, _ = server.accept()
    with suppress(OSError), context.wrap_socket(connection, server_side=True) as secure:
        for _ in range(count):
            secure.recv(65536)
            secure.sendall(ANSWER)
        secure.recv(65536)


@pytest.mark.parametrize("trusted", [True, False])
def test_a_certificate_must_be_trusted(*, trusted: bool):
    tls = ssl.create_default_context(cafile=CERTIFICATE if trusted else None)
    with listening("127.0.0.1") as (port, (server,)):
        thread = threading.Thread(target=serve_tls, args=(server, 3))
        thread.start()
        with client_for(tls=tls) as client:
            if trusted:
                assert [client.get(f"https://127.0.0.1:{port}/").content for _ in range(3)] == [b"all of it"] * 3
            else:
                with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
                    client.get(f"https://127.0.0.1:{port}/")
        thread.join()
