"""Sandbox: serves the endpoint with uvicorn in a thread."""

import asyncio
import base64
import json
import re
import socket
import threading
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from tir_sandbox.answers import Answer
from tir_sandbox.app import App, State
from tir_sandbox.delivery import Connections
from tir_sandbox.requests import Request
from tir_sandbox.script import Item, Match, Script, ScriptError

OVERRIDES = ("TIR_BASE_URL", "TIR_API_TOKEN")
"""Environment variables to unset, because they take precedence over those in `Sandbox.env`."""

_START_SECONDS = 15.0
_KEEPALIVE_SECONDS = 600
"""After uvicorn's 5 seconds, an idle connection could be closed just when a slow program sends its next request."""
_ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - clients need a concrete address


def make_token() -> str:
    """Return an unsigned JWT, which looks like a TIR token."""
    parts = ({"alg": "none", "typ": "JWT"}, {"sub": "tir-sandbox", "note": "not a secret"}, "no signature")
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts)


class Sandbox(State):
    """A local endpoint with TIR's API and without a model.

    Use it as a context manager, or call `start()`, `stop()` and `check_script()`. `requests` has the requests so far,
    in order. The arguments from `rules` to `starting` are also attributes, which may be changed while it runs.

    Args:
        replies: The first replies of the script. See `script()`.
        rules: A function that answers requests without a scripted reply. If it returns None, the sandbox's own rules
            answer.
        strict: Refuse requests for which the script has no reply, and report unused replies.
        models: The slugs to serve. Default: all but `nope`.
        context_window: The context window in tokens.
        starting: Number of requests to answer with HTTP 503 first, like a starting deployment.
        token: The token to accept. Default: a generated one.
        project_id: The project to serve.
        host: The address to listen on.
        port: The port to listen on; 0 for a free one.
    """

    def __init__(  # noqa: PLR0913  (settings, each by its name)
        self,
        *,
        replies: Sequence[Item] = (),
        rules: Callable[[Request], Answer | str | None] | None = None,
        strict: bool = True,
        models: Sequence[str] | None = None,
        context_window: int = 131_072,
        starting: int = 0,
        token: str | None = None,
        project_id: str | int = "12345",
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        if isinstance(replies, str):
            raise TypeError(f"`replies` takes a list of replies, not {replies!r}")
        self.token = token or make_token()
        self.project_id = str(project_id).removeprefix("p-")
        self.rules = rules
        self.strict = strict
        self.models = models
        self.context_window = context_window
        self.starting = starting
        self.requests = []
        self._script = Script()
        self._connections = Connections()
        self.script(*replies)
        self._address = (host, port)
        self._thread: threading.Thread | None = None

    def script(
        self,
        *replies: Item,
        model: str | None = None,
        user: str | re.Pattern[str] | None = None,
        tools: Sequence[str] = (),
    ) -> None:
        """Append replies to the script. Each answers one request: the first unused reply that matches it.

        Args:
            *replies: A `Reply`, a `Fault`, a string (a reply with that text), or a function of the `Request` that
                returns one of them.
            model: Answer only requests to this model.
            user: Answer only requests whose last user message contains this text or matches this regular expression.
            tools: Answer only requests that offer tools with these names.

        Raises:
            TypeError: A reply is something else.
        """
        self._script.add(replies, Match(model, user, tools))

    def check_script(self) -> None:
        """Check that the script matched the requests. Leaving a `with` block does the same.

        Raises:
            ScriptError: A request had no reply, a function failed, or replies were not used.
        """
        if problems := self._script.problems(strict=self.strict):
            raise ScriptError("\n".join(problems))

    def reset(self) -> None:
        """Clear the script, its errors and the requests."""
        self._script.reset()
        self.requests.clear()

    def start(self) -> Self:
        """Start the server in a thread."""
        if self._thread is not None:
            raise RuntimeError("the sandbox is already running")
        family = socket.AF_INET6 if ":" in self._address[0] else socket.AF_INET
        listener = socket.create_server(self._address, family=family)
        self._address = listener.getsockname()[:2]
        self._connections = Connections()
        app = App(self, self._script, self._connections)
        serving = _serve(app, listener, self._connections)
        self._thread = threading.Thread(target=asyncio.run, args=(serving,), daemon=True, name="tir-sandbox")
        self._thread.start()
        if not self._connections.ready.wait(_START_SECONDS):
            raise RuntimeError("the sandbox did not start")
        return self

    def stop(self) -> None:
        """Close all connections and wait for the thread."""
        if self._thread is None:
            return
        self._connections.stop()
        self._thread.join(_START_SECONDS)
        self._thread = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        if error is None:
            self.check_script()
        elif problems := self._script.problems(strict=self.strict):
            error.add_note("\n".join(["In the sandbox's script:", *problems]))

    @property
    def host(self) -> str:
        """The server's URL for clients on this machine, without a path."""
        if self._thread is None:
            raise RuntimeError("the sandbox is not running: use `with Sandbox()`, or call `start()`")
        address, port = self._address
        address = _ANYWHERE.get(address, address)
        return f"http://[{address}]:{port}" if ":" in address else f"http://{address}:{port}"

    @property
    def base_url(self) -> str:
        """The base URL for any OpenAI-style client."""
        return f"{self.host}/v1"

    @property
    def env(self) -> dict[str, str]:
        """Environment variables that make `ChatTIR()` and `TIR()` call the sandbox. Unset those in `OVERRIDES`, too."""
        return {
            "E2E_TIR_ACCESS_TOKEN": self.token,
            "E2E_TIR_PROJECT_ID": self.project_id,
            "MODEL_API_CLIENT_HOST": self.host,
        }

    @property
    def connections(self) -> int:
        """The number of TCP connections accepted so far."""
        return self._connections.accepted

    @property
    def open_connections(self) -> int:
        """The number of open TCP connections."""
        return len(self._connections.open)


async def _serve(app: App, listener: socket.socket, connections: Connections) -> None:
    """Serve until the sandbox stops, then close all connections at once; `uvicorn.Server` would wait for them."""

    class Counting(H11Protocol):
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            connections.accepted += 1
            super().connection_made(transport)

    config = uvicorn.Config(app, ws="none", lifespan="off", log_config=None, timeout_keep_alive=_KEEPALIVE_SECONDS)
    connections.loop = asyncio.get_running_loop()
    server = await connections.loop.create_server(
        lambda: Counting(config, connections.state, {}), sock=listener, backlog=config.backlog
    )
    connections.ready.set()
    await connections.stopping.wait()
    server.close()
    await connections.close()
