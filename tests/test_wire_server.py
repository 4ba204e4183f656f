"""The server of `tests/wire_server.py`, which sends exact bytes, plays its scripts."""

import httpx
import pytest

from tests.waiting import until
from tests.wire_server import CLOSE, RESET, STALL, WireServer

HASTY = httpx.Timeout(60, read=0.2)
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\ncontent-type: application/json\r\n\r\n"


def test_the_wire_server_plays_bytes():
    with WireServer([OK, b"nu", 0.02, b"ll", CLOSE]) as server:
        answer = httpx.post(f"{server.base_url}/x", json={"a": 1}, timeout=60)

    assert answer.json() is None
    assert server.connections[0].body == {"a": 1}
    assert server.connections[0].done


@pytest.mark.parametrize(
    ("script", "error"),
    [
        ([RESET], httpx.ReadError),
        ([CLOSE], httpx.RemoteProtocolError),
        ([OK[:20], RESET], httpx.ReadError),
        ([OK, b"nu", CLOSE], httpx.RemoteProtocolError),
        ([OK, b"nu", 0.05, RESET], httpx.ReadError),
        ([STALL], httpx.ReadTimeout),
        ([OK[:20], STALL], httpx.ReadTimeout),
        ([OK, b"nu", STALL], httpx.ReadTimeout),
    ],
)
def test_the_wire_server_fails_at_any_point(script, error):
    with WireServer(script) as server, pytest.raises(error):
        httpx.post(server.host, json={}, timeout=HASTY if STALL in script else 60)


def test_the_wire_server_notices_when_the_client_disconnects():
    with WireServer([OK, STALL]) as server:
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(server.host, json={}, timeout=HASTY)
        assert until(lambda: server.connections and server.connections[0].disconnected)

    assert server.connections[0].disconnected_at is not None


def test_the_wire_server_has_a_script_for_each_connection():
    with WireServer([RESET], [OK, b"null", CLOSE]) as server:
        with pytest.raises(httpx.ReadError):
            httpx.post(server.host, json={}, timeout=60)
        texts = [httpx.post(server.host, json={}, timeout=60).text for _ in range(2)]

    assert texts == ["null", "null"]
    assert len(server.connections) == 3


def test_the_wire_server_has_no_address_before_it_runs():
    with pytest.raises(RuntimeError, match="not running"):
        WireServer().host  # noqa: B018
