"""The httpx clients, the user's and the library's, with and without proxies."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import httpcore
import httpx
import pytest

from tests.client.paths import EVERY, PATHS, TOKEN, Ask, client, request
from tests.faults.response_bytes import DONE, answer, as_json, chunked, chunks, completion, events, stream_head
from tests.wire_server import CLOSE, READ, STALL, WireServer
from tir_client import APIConnectionError, Config, ConfigurationError, RetryPolicy, TIRClient
from tir_client.transport import clients
from tir_sandbox import Sandbox

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(("name", "wrong"), [("http_client", httpx.AsyncClient), ("http_async_client", httpx.Client)])
async def test_a_client_of_the_wrong_kind_is_refused(name, wrong):
    config = Config.resolve(api_key="k", project_id=1)
    for given in (wrong(), "client", object()):
        with pytest.raises(ConfigurationError, match=f"`{name}` must be"):
            TIRClient(config, **{name: given})


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"ALL_PROXY": "socks5://127.0.0.1:9"}, "ALL_PROXY"),
        ({"https_proxy": "nonsense://x", "HTTP_PROXY": "http://127.0.0.1:9"}, "https_proxy"),
        ({"HTTP_PROXY": "http://host:port"}, "HTTP_PROXY"),
        ({"HTTP_PROXY": "http://host:99999"}, "HTTP_PROXY"),
        ({"all_proxy": "host:99999"}, "all_proxy"),
        ({"NO_PROXY": "[::1]", "HTTP_PROXY": "127.0.0.1:9"}, "NO_PROXY"),
    ],
)
async def test_proxy_settings_that_cannot_be_used_are_named(monkeypatch, settings, named):
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    config = Config.resolve(api_key="k", project_id=1)
    for ask in EVERY:
        with pytest.raises(ConfigurationError, match=f"^{named}, one of the environment's proxy settings"):
            await ask(TIRClient(config), request())


async def test_the_password_of_a_proxy_is_in_no_error(monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://ada:a-secret/word@host:8080")
    config = Config.resolve(api_key="k", project_id=1)
    for ask in EVERY:
        with pytest.raises(ConfigurationError, match=r"^HTTPS_PROXY, .* it is not a URL") as raised:
            await ask(TIRClient(config), request())
        assert "a-secret" not in str(raised.value)


async def test_certificates_that_cannot_be_read_are_named(monkeypatch, tmp_path):
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "missing.pem"))
    config = Config.resolve(api_key="k", base_url="https://localhost:9/v1")
    for ask in EVERY:
        with pytest.raises(ConfigurationError, match=r"^SSL_CERT_FILE is .*missing.pem"):
            await ask(TIRClient(config), request())


@pytest.mark.parametrize("proxies", [{}, {"HTTP_PROXY": "http://127.0.0.1:9"}])
async def test_a_variable_that_only_ends_like_a_proxy_setting_is_not_checked(proxies, monkeypatch, sandbox: Sandbox):
    for name, value in {"FTP_PROXY": "http://host:99999", "MY_PROXY": "http://host:port", **proxies}.items():
        monkeypatch.setenv(name, value)
    for ask in EVERY:
        assert await ask(client(sandbox), request())


@pytest.mark.parametrize("ask", PATHS)
@pytest.mark.parametrize("host", ["localhost", "a.localhost", "127.0.0.1", "127.9.9.9", "[::1]", "[0::1]"])
async def test_no_proxy_sees_a_token_that_is_sent_over_plain_http_to_this_machine(ask: Ask, host: str, monkeypatch):
    """A host that the URL check treats as loopback is loopback for httpx, too, or is refused."""

    async def call() -> None:
        config = Config.resolve(api_key=TOKEN, base_url=f"http://{host}:9")
        await ask(TIRClient(config, timeout=0.5, retry=RetryPolicy(0)), request())

    with WireServer([CLOSE]) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.host)
        monkeypatch.delenv("NO_PROXY", raising=False)

        with pytest.raises((ConfigurationError, APIConnectionError)):
            await call()
        assert proxy.connections == []


@pytest.mark.parametrize("ask", PATHS)
async def test_this_machine_is_reached_without_a_proxy(ask: Ask, monkeypatch, sandbox: Sandbox):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)

    assert (await ask(client(sandbox), request())).choice.text


def kept(ask: Ask, text: str) -> bytes:
    """Return an answer after which the connection stays open."""
    if "streamed" in ask.__name__:
        head = stream_head(connection="keep-alive", transfer_encoding="chunked")
        return head + chunked(events(*chunks(text)) + DONE)
    return answer(as_json(completion(text)), connection="keep-alive")


@pytest.mark.parametrize("ask", PATHS)
async def test_a_surplus_answer_is_never_the_answer_to_the_next_call(ask: Ask):
    script = [kept(ask, "first") + kept(ask, "surplus"), READ, STALL]
    with WireServer(script, [kept(ask, "second"), READ, STALL]) as server:
        own = client(server)
        texts = [(await ask(own, request())).choice.text for _ in range(2)]
    assert texts == ["first", "second"]


def test_httpcore_passes_a_surplus_answer_to_the_next_call():
    """A user's client has httpcore's pool. If this fails, remove the limit from `docs/measured/reliability.md`."""
    answers = [b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n" + text for text in (b"first", b"other")]
    with httpcore.ConnectionPool(network_backend=httpcore.MockBackend([b"".join(answers)])) as pool:
        contents = [pool.request("GET", "http://127.0.0.1/").content for _ in answers]
    assert contents == [b"first", b"other"]


async def test_clients_in_one_loop_share_their_connections(sandbox: Sandbox):
    config = Config.resolve(api_key=sandbox.token, base_url=sandbox.base_url)
    first, second = TIRClient(config), TIRClient(config)
    for each in (first, second):
        await each.achat(request())
    await first.aclose()
    await second.achat(request())
    assert sandbox.connections == 1

    await second.aclose()
    await first.achat(request())
    assert sandbox.connections == 2


@pytest.mark.parametrize("ask", PATHS[1::2])
async def test_a_users_async_client_of_another_loop_is_refused(ask: Ask):
    """httpx raises this error when it takes a connection of a loop that is closed."""

    def send(_: httpx.Request) -> httpx.Response:
        raise RuntimeError("Event loop is closed")

    async with httpx.AsyncClient(transport=httpx.MockTransport(send)) as mine:
        client = TIRClient(Config.resolve(api_key="k", project_id=1), http_async_client=mine)
        with pytest.raises(ConfigurationError, match="`http_async_client` has connections of another event loop"):
            await ask(client, request())


FORK = """
import asyncio, gc, os, sys
from tests.client.paths import request
from tir_client import Config, TIRClient

client = TIRClient(Config.resolve(api_key=sys.argv[1], base_url=sys.argv[2]), timeout=20)

with asyncio.Runner() as runner:
    runner.run(client.achat(request()))
    if child := os.fork():
        os.waitpid(child, 0)
        runner.run(client.achat(request()))
    elif sys.argv[3] == "exit":
        sys.exit()
    elif sys.argv[3] == "close":
        runner.run(client.aclose())
    elif sys.argv[3] == "free":
        del client
        gc.collect()
"""


@pytest.mark.parametrize("end", ["return", "exit", "close", "free"])
def test_a_forked_child_that_ends_keeps_the_connections_of_its_parent_open(sandbox: Sandbox, end: str):
    """A child of Python 3.14 cannot leave a loop that runs during the fork (python/cpython#139894)."""
    command = [sys.executable, "-W", "default::ResourceWarning", "-c", FORK, sandbox.token, sandbox.base_url, end]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=200, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert sandbox.connections == 1


@pytest.mark.parametrize(("files", "connections"), [(256, 128), (1024, 768), (20_000, 1_000), (-1, 1_000)])
def test_connections_leave_files_to_the_rest_of_the_program(monkeypatch, files, connections):
    monkeypatch.setattr(clients.resource, "getrlimit", lambda _: (files, files))
    assert clients.max_connections() == connections
