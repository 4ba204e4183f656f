"""HTTPCall: one call with all its tries: their requests, time limits and failures. No I/O."""

from __future__ import annotations

import copy
import logging
import platform
import time
from functools import lru_cache
from math import inf
from typing import TYPE_CHECKING, Any

import httpx
from pydantic import SecretStr

from tir_client._version import __version__
from tir_client.protocol.error_responses import cut, error_from_response, mask_error
from tir_client.transport.failures import timeout_in, total_exceeded, translate
from tir_client.transport.token import fetch_token

if TYPE_CHECKING:
    from tir_client.config import Config
    from tir_client.errors import TIRError
    from tir_client.transport.retry import RetryPolicy
    from tir_client.transport.start import StartWait
    from tir_client.transport.timeouts import Timeouts

logger = logging.getLogger("tir_client")


class HTTPCall:
    """A call, from its first try to its last.

    Args:
        config: Token, headers and query.
        timeouts: How long each phase may take.
        policy: How failures are retried.
        start: The wait for a deployment that is starting.
        url: The URL, without the query.
        body: The request body; a call without one is a GET.

    Attributes:
        url: The URL, without the query.
        timeouts: How long each phase may take.
        start: The wait for a deployment that is starting.
        phase: The current phase: "connect", "first_byte" or "chunk".
        request_id: The server's id of the current try, once its headers have arrived.
        success_means_started: Whether a response without an error shows that the deployment has started.
        failure: The failure of the last try, until it is reported or retried.
    """

    failure: TIRError

    def __init__(  # noqa: PLR0913, PLR0917 - one argument per policy
        self, config: Config, timeouts: Timeouts, policy: RetryPolicy, start: StartWait, url: str, body: bytes | None
    ) -> None:
        self.url = url
        self.timeouts = timeouts
        self.start = start
        self.phase = "connect"
        self.request_id: str | None = None
        self.success_means_started = True
        self._config = config
        self._policy = policy
        self._body = body
        self._failures = 0
        self._deadline: float | None = None
        self._limits: dict[str, float | None] = {}
        self._clocked = False
        self._token = SecretStr("")
        self._last: TIRError | None = None

    def fetch_token(self) -> None:
        """Fetch the token for the next try."""
        self._token = self._config.secret()

    async def afetch_token(self) -> None:
        """`fetch_token` for async code."""
        self._token = await fetch_token(self._config)

    def authorize(self, request: Any) -> Any:
        """Add the token to a request. httpx calls it as `auth`, which keeps the token out of local variables."""
        request.headers["Authorization"] = f"Bearer {self._token.get_secret_value()}"
        return request

    def request(self, client: Any, *, streamed: bool, clocked: bool = False) -> Any:
        """Build the request of the next try.

        Args:
            client: A sync or async httpx client.
            streamed: Whether the answer is streamed.
            clocked: Whether a `Clock` limits all waits. httpx then has no read timeout, because that would close an
                HTTP/2 connection with all other calls on it.

        Raises:
            APITimeoutError: The time for the whole call is over.
        """
        self.phase = "first_byte"
        self.request_id = None
        self.start.begin_try(self.timeouts.first_byte)
        self.check_time()
        self._clocked = clocked and self.headers_timeout is not None
        first_byte = self._left(_shorter(self.timeouts.first_byte, self.start.seconds_left))
        self._limits = {
            "connect": self._left(_shorter(self.timeouts.connect, self.start.seconds_left)),
            "read": None if self._clocked else first_byte,
            "write": self._left(self.timeouts.chunk),
            "pool": first_byte,
        }
        url, params = self._address(client)
        return client.build_request(
            "GET" if self._body is None else "POST",
            url,
            params=params,
            headers=self._headers(streamed=streamed),
            content=self._body,
            extensions={"timeout": self._limits, "deadline": self._deadline},
        )

    def _headers(self, *, streamed: bool) -> dict[str, str]:
        headers = {**(STREAMED if streamed else WHOLE), "user-agent": USER_AGENT}
        if self._body is not None:
            headers["content-type"] = "application/json"
        return headers | {name.lower(): value for name, value in self._config.headers.items()}

    def _address(self, client: Any) -> tuple[str | httpx.URL, dict[str, str] | None]:
        """The URL and its query. The parsed URL is cached, unless the client or the user adds query parameters.

        The user's parameters may be secret, so they are not cached.
        """
        params = self._config.params()
        if self._config.query or not isinstance(client, httpx.Client | httpx.AsyncClient) or client.params:
            return self.url, params or None
        return _parsed(self.url, tuple(params.items())), None

    def headers_arrived(self, response: Any) -> None:
        """Record that the headers have arrived, and set the read timeout to `chunk`.

        This changes the request's timeout dictionary, which the connection reads again for the body.
        """
        self.phase = "chunk"
        self.request_id = response.headers.get("x-request-id")
        self._limits["read"] = None if self._clocked else self._left(self.timeouts.chunk)
        if self.success_means_started and response.is_success:
            self.start.note_started()

    def set_read_timeout(self, seconds: float) -> None:
        """Limit the next reads to `seconds`, for the end of the body."""
        self._limits["read"] = seconds

    @property
    def headers_timeout(self) -> float | None:
        """Maximum seconds from the start of a try to the response headers, for async calls; None for no limit."""
        connect, first_byte = self.timeouts.connect, self.timeouts.first_byte
        return _shorter(
            None if connect is None or first_byte is None else connect + first_byte, self.start.seconds_left
        )

    @property
    def seconds_left(self) -> float:
        """Seconds left of `total`, which starts at the first use of this property; infinite without a limit."""
        if self.timeouts.total is None:
            return inf
        if self._deadline is None:
            self._deadline = time.monotonic() + self.timeouts.total
        return self._deadline - time.monotonic()

    def check_time(self) -> None:
        """Raise `APITimeoutError` if `total` is over."""
        if self.seconds_left <= 0:
            raise self._total_error()

    def timeout_error(self) -> TIRError:
        """The error for a timeout, in the current phase or of the whole call."""
        return self._total_error() if self.seconds_left <= 0 else self._identified(timeout_in(self.phase))

    def status_error(self, response: Any, content: bytes) -> TIRError:
        """The error for a response with an error status."""
        hint = self._config.token_hint(self._token) if response.status_code == 401 else ""  # noqa: PLR2004 - HTTP
        if response.headers.get("location"):
            hint = f"It redirects to {cut(response.headers['location'])!r}, which is not followed. Check the URL."
        headers = {name.lower(): value for name, value in response.headers.items()}
        return error_from_response(response.status_code, headers, content, url=self.url, hint=hint)

    def final_error(self) -> TIRError:
        """The failure to raise, with secrets masked.

        It is removed from this object, because a reference cycle with the traceback would keep the whole response alive
        until the garbage collector runs.
        """
        failure = self.failure
        del self.failure
        return mask_error(failure, self._config.secrets(self._token))

    def transport_error(self, failure: Exception) -> TIRError:
        """The error for an exception of the HTTP client in the current phase."""
        if self.seconds_left <= 0:
            return self._total_error()
        names = {cls.__name__ for cls in type(failure).__mro__}
        phase = "connect" if names & {"ConnectError", "ConnectTimeout"} else self.phase
        return self._identified(translate(failure, phase, self.url))

    def pause(self) -> float | None:
        """Seconds to wait before the next try after the failure, or None to report it.

        Tries while a deployment starts do not count as retries.
        """
        pause = self._next_pause()
        if pause is not None:
            # A copy: the raised error refers to its frames.
            self._last = mask_error(copy.copy(self.failure), self._config.secrets(self._token))
            if pause >= self.seconds_left:
                pause = None
                self.failure = self._total_error()
        name, tries = type(self.failure).__name__, self._failures + self.start.tries
        outcome = "giving up" if pause is None else f"trying again in {pause:.2f} s"
        logger.debug("%s: try %d failed (%s), %s", self.url, tries, name, outcome)
        if pause is not None:
            del self.failure
        return pause

    def _next_pause(self) -> float | None:
        if self.start.applies(self.failure):
            pause = self.start.pause(self.failure, self.seconds_left)
            if pause is None:
                self.failure = self.start.error(self.failure)
            return pause
        self._failures += 1
        self.start.note_running()
        return self._policy.delay(self._failures, self.failure)

    def _total_error(self) -> TIRError:
        """The error for a call that exceeds `total`, with the last failure, if any."""
        failure = self._last
        return self._identified(timeout_in("total")) if failure is None else total_exceeded(failure, self.start.waited)

    def _identified(self, error: TIRError) -> TIRError:
        error.request_id = self.request_id
        return error

    def _left(self, seconds: float | None) -> float | None:
        """`seconds`, but not more than the rest of `total`, and at least a millisecond."""
        left = max(self.seconds_left, 0.001)
        return seconds if left == inf else left if seconds is None else min(seconds, left)


USER_AGENT = f"tir-llm/{__version__} python/{platform.python_version()}"
WHOLE = {"accept": "application/json", "accept-encoding": "gzip, deflate"}
"""Headers for a whole answer."""
STREAMED = {"accept": "text/event-stream", "accept-encoding": "identity"}
"""Headers for a stream. It is not compressed, because compression delays chunks."""


@lru_cache(maxsize=64)
def _parsed(url: str, params: tuple[tuple[str, str], ...]) -> httpx.URL:
    return httpx.URL(url, params=params) if params else httpx.URL(url)


def _shorter(seconds: float | None, limit: float | None) -> float | None:
    """The smaller of two limits; None is infinite."""
    return min((each for each in (seconds, limit) if each is not None), default=None)
