"""The clock that ends the reading of a body: it works on any connection, and strikes only its own."""

from __future__ import annotations

import socket
import ssl
import threading
from contextlib import suppress
from types import SimpleNamespace

import httpx
import pytest
from tir_client.transport.limits import hanging_up

from tests.faults.places import CERTIFICATE
from tests.faults.wire import chunk, stream
from tir_client import APITimeoutError, ChatRequest, Config, TIRClient


class LateTimer(threading.Timer):
    """A timer whose thread is held up after it has seen that nobody has cancelled it."""

    def start(self) -> None:
        """Do nothing yet."""


def test_a_timer_that_comes_late_does_not_hang_up_on_the_next_call(monkeypatch):
    timers = []
    monkeypatch.setattr(threading, "Timer", lambda *how: timers.append(LateTimer(*how)) or timers[-1])
    ours, theirs = socket.socketpair()
    with ours, theirs:
        network = SimpleNamespace(get_extra_info=lambda _: ours)
        with hanging_up(SimpleNamespace(extensions={"network_stream": network}), 1.0):
            pass
        timers[0].function(*timers[0].args)

        theirs.send(b"next")
        assert ours.recv(4) == b"next"


def test_a_socket_that_has_no_shutdown_is_hung_up_on():
    """As uvloop shows one: with nothing but what tells which it is."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        shown = SimpleNamespace(fileno=ours.fileno, family=ours.family, type=ours.type)
        network = SimpleNamespace(get_extra_info=lambda _: shown)
        with hanging_up(SimpleNamespace(extensions={"network_stream": network}), 0.01):
            ours.settimeout(5)
            assert ours.recv(1) == b""


def speak_tls(listener: socket.socket) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    with suppress(OSError), context.wrap_socket(listener.accept()[0], server_side=True) as secure:
        secure.recv(65_536)
        secure.sendall(stream(chunk({"content": "a"}), done=False))
        while secure.recv(65_536):
            pass  # the rest of the request, until the client leaves


def test_a_silence_over_tls_is_ended():
    with socket.create_server(("127.0.0.1", 0)) as listener, httpx.Client(verify=False) as own:
        threading.Thread(target=speak_tls, args=[listener], daemon=True).start()
        config = Config.resolve(api_key="key", base_url="https://127.0.0.1:{1}".format(*listener.getsockname()))
        client = TIRClient(config, timeout={"total": 0.6, "chunk": 30}, http_client=own)

        with pytest.raises(APITimeoutError, match="`total`") as caught:
            list(client.stream(ChatRequest.of(model="m", messages=[])))
        assert caught.value.partial.choice.text == "a"
