"""The sandbox itself: the endpoint, served by uvicorn in a thread."""

import asyncio
import base64
import json
import socket
import threading
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

from tir_sandbox.faults import Fault
from tir_sandbox.replies import Reply
from tir_sandbox.requests import Request

try:
    import uvicorn
    from uvicorn.protocols.http.h11_impl import H11Protocol

    from tir_sandbox.app import build
    from tir_sandbox.delivery import Connections
    from tir_sandbox.middleware import Middleware
    from tir_sandbox.state import State
except ModuleNotFoundError as missing:
    raise ImportError(
        f'The sandbox needs `{missing.name}`. Install it with `pip install "tir-llm[sandbox]"`.'
    ) from missing

OVERRIDES = ("TIR_BASE_URL", "TIR_API_TOKEN")
"""The environment variables that, if they are set, may lead a client away from the sandbox: unset them."""

_START_SECONDS = 15.0
_ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - who listens everywhere is asked for at one place


def make_token() -> str:
    """Make a token that looks like one of TIR's: a JWT, signed by nobody."""
    parts = ({"alg": "none", "typ": "JWT"}, {"sub": "tir-sandbox", "note": "not a secret"}, "no signature")
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts)


class Sandbox:
    """A local TIR endpoint. It speaks the protocol and is not a model.

    Use it as a context manager, or call `start()` and `stop()`.

    Args:
        replies: What to answer, in this order; afterwards the rules answer. See `Reply` and `Fault`.
        models: The slugs it serves; by default it takes any but `unknown_models`.
        unknown_models: Slugs it does not know although no list is given.
        context_window: How many tokens a prompt may have.
        ignores_forced_tools: Treat every `tool_choice` but `none` as `auto`, as gpt-oss did before vLLM 0.26.
        token: The token it accepts.
        project_id: The project it serves.
        host: The address to listen on.
        port: The port to listen on; 0 takes a free one.
    """

    def __init__(  # noqa: PLR0913  (settings, each by its name)
        self,
        *,
        replies: Sequence[Reply | Fault] = (),
        models: Sequence[str] | None = None,
        unknown_models: Sequence[str] = ("nope",),
        context_window: int = 131_072,
        ignores_forced_tools: bool = False,
        token: str | None = None,
        project_id: str | int = "12345",
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        self.token = token or make_token()
        self.project_id = str(project_id).removeprefix("p-")
        self._state = State(
            models=models,
            unknown_models=unknown_models,
            context_window=context_window,
            ignores_forced_tools=ignores_forced_tools,
        )
        self._state.script(replies)
        self._address = (host, port)
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> Self:
        """Listen, and serve in a thread."""
        if self._server is not None:
            raise RuntimeError("the sandbox is already running")
        family = socket.AF_INET6 if ":" in self._address[0] else socket.AF_INET
        listener = socket.create_server(self._address, family=family)
        self._state.connections = Connections()
        self._address = listener.getsockname()[:2]
        self._server = _Server(Middleware(build(self._state), self._state, self.token, self.project_id), self._state)
        self._thread = threading.Thread(target=_serve, args=(self._server, listener), daemon=True, name="tir-sandbox")
        self._thread.start()
        if not self._server.ready.wait(_START_SECONDS):
            raise RuntimeError("the sandbox did not start")
        return self

    def stop(self) -> None:
        """Drop all connections and wait for the thread."""
        if self._server is None or self._thread is None:
            return
        self._server.leave()
        self._thread.join(_START_SECONDS)
        self._server = self._thread = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def host(self) -> str:
        """The server's address, as a client on this machine calls it; TIR's paths live below it."""
        if self._server is None:
            raise RuntimeError("the sandbox is not running: use `with Sandbox()`, or call `start()`")
        address, port = self._address
        address = _ANYWHERE.get(address, address)
        return f"http://[{address}]:{port}" if ":" in address else f"http://{address}:{port}"

    @property
    def base_url(self) -> str:
        """The address of the plain OpenAI-style API."""
        return f"{self.host}/v1"

    @property
    def env(self) -> dict[str, str]:
        """The environment variables that point a client to the sandbox, unless one of `OVERRIDES` is set."""
        return {
            "E2E_TIR_ACCESS_TOKEN": self.token,
            "E2E_TIR_PROJECT_ID": self.project_id,
            "MODEL_API_CLIENT_HOST": self.host,
        }

    @property
    def requests(self) -> list[Request]:
        """The requests seen so far, in order."""
        return self._state.requests

    @property
    def connections(self) -> int:
        """How many TCP connections were accepted so far."""
        return self._state.connections.accepted

    @property
    def open_connections(self) -> int:
        """How many TCP connections are open now."""
        return len(self._state.connections.open)

    def script(self, *items: Reply | Fault) -> None:
        """Queue more answers."""
        self._state.script(items)

    def reset(self) -> None:
        """Forget the queue and the requests."""
        self._state.reset()


def _serve(server: "_Server", listener: socket.socket) -> None:
    asyncio.run(server.serve(sockets=[listener]))


class _Server(uvicorn.Server):
    """uvicorn, told by an event to leave, so that a test does not wait for its next tick."""

    def __init__(self, app: Middleware, state: State) -> None:
        http: Any = _protocol_of(state)
        super().__init__(uvicorn.Config(app, http=http, ws="none", lifespan="off", log_config=None))
        self.ready = threading.Event()
        self._connections = state.connections
        self._loop: asyncio.AbstractEventLoop | None = None

    async def main_loop(self) -> None:
        self._loop = asyncio.get_running_loop()
        await self.on_tick(0)
        self.ready.set()
        await self._connections.stopping.wait()

    def leave(self) -> None:
        """Ask the server, from any thread, to stop."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._connections.stopping.set)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        for listener in sockets or []:
            listener.close()
        for transport in list(self._connections.open.values()):
            transport.abort()
        if self.server_state.tasks:
            await asyncio.wait(self.server_state.tasks, timeout=1)


def _protocol_of(state: State) -> type[H11Protocol]:
    """Make a protocol that keeps count of a sandbox's connections."""
    connections = state.connections

    class Counting(H11Protocol):
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            connections.accepted += 1
            connections.open[_peer(transport)] = transport
            super().connection_made(transport)

        def connection_lost(self, exc: Exception | None) -> None:
            connections.open.pop(_peer(self.transport), None)
            super().connection_lost(exc)

    return Counting


def _peer(transport: asyncio.Transport) -> tuple[str, int]:
    """Return the client's address and port; IPv6 adds to them what ASGI leaves out."""
    address, port, *_ = transport.get_extra_info("peername")
    return address, port
