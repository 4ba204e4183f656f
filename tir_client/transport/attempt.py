"""One call on its way: what is sent, how long each phase may take, and what its failures mean. Does no I/O."""

from __future__ import annotations

import logging
import platform
import time
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from tir_client._version import __version__
from tir_client.protocol.error_responses import cut, error_from_response, mask
from tir_client.transport.failures import timed_out, translate
from tir_client.transport.limits import giving_up, hanging_up

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager, AbstractContextManager

    from tir_client.config import Config
    from tir_client.errors import TIRError
    from tir_client.transport.retry import RetryPolicy
    from tir_client.transport.timeouts import Timeouts

logger = logging.getLogger("tir_client")


class Call:
    """A request, from its first try to its last.

    Attributes:
        url: Where it goes, without the query.
        phase: What is being waited for: "connect", "first_byte" or "chunk".
        failure: What the last try failed with, until it is reported or tried again.
    """

    failure: TIRError

    def __init__(self, config: Config, timeouts: Timeouts, policy: RetryPolicy, url: str, body: bytes | None) -> None:
        self.url = url
        self.phase = "connect"
        self._config = config
        self._timeouts = timeouts
        self._policy = policy
        self._body = body
        self._failures = 0
        self._deadline = None if timeouts.total is None else time.monotonic() + timeouts.total
        self._limits: dict[str, float | None] = {}
        self._request_id: str | None = None
        self._token = SecretStr("")

    def authorize(self, request: Any) -> Any:
        """Sign a request: handed to httpx as `auth`, so that the token stands in no variable of ours."""
        self._token = self._config.secret()
        request.headers["Authorization"] = f"Bearer {self._token.get_secret_value()}"
        return request

    def request(self, client: Any, *, streamed: bool) -> Any:
        """Build the request of the next try with `client`, an httpx client of either kind.

        Raises:
            APITimeoutError: The time for the whole call is over.
        """
        self.phase = "first_byte"
        self._request_id = None
        self._limits = {
            "connect": self._left(self._timeouts.connect),
            "read": self._left(self._timeouts.first_byte),
            "write": self._left(self._timeouts.chunk),
            "pool": self._left(self._timeouts.connect),
        }
        headers = {"accept": "text/event-stream" if streamed else "application/json", "user-agent": USER_AGENT}
        if streamed:
            headers["accept-encoding"] = "identity"  # compression would hold pieces back
        if self._body is not None:
            headers["content-type"] = "application/json"
        headers |= {name.lower(): value for name, value in self._config.headers.items()}
        return client.build_request(
            "GET" if self._body is None else "POST",
            self.url,
            params=self._config.params() or None,
            headers=headers,
            content=self._body,
            extensions={"timeout": self._limits},
        )

    def answered(self, response: Any) -> None:
        """The headers have come: from here on the timeout between pieces holds.

        httpx hands the dictionary of timeouts through to the connection, which looks at it again for the body.
        """
        self.phase = "chunk"
        self._request_id = response.headers.get("x-request-id")
        self._limits["read"] = self._timeouts.chunk

    def watch(self, response: Any) -> AbstractContextManager[None]:
        """While the body is read, see to it that the call ends when its time is over, whatever it waits for."""
        if self._deadline is None:
            return nullcontext()
        return hanging_up(response, max(0.0, self._deadline - time.monotonic()))

    def watch_refusal(self, response: Any) -> AbstractContextManager[None]:
        """The body of an error may take no longer than one piece of an answer: the status has said the most."""
        seconds = self._left(self._timeouts.chunk)
        return nullcontext() if seconds is None else hanging_up(response, seconds)

    def watch_opening(self) -> AbstractAsyncContextManager[None]:
        """Until the headers have come, end an async call when its time is over, whatever it waits for."""
        seconds = self._left(None)
        return nullcontext() if seconds is None else giving_up(seconds)

    def check_time(self) -> None:
        """Raise `APITimeoutError` if the time for the whole call is over."""
        if self._is_over():
            raise self._identified(timed_out("total"))

    def refused(self, response: Any, content: bytes) -> TIRError:
        """The error for an answer with an error status, whose body has been read."""
        hint = self._config.token_hint(self._token) if response.status_code == 401 else ""  # noqa: PLR2004 - HTTP
        if response.headers.get("location"):
            hint = f"It redirects to {cut(response.headers['location'])!r}, which is not followed. Check the URL."
        headers = {name.lower(): value for name, value in response.headers.items()}
        return error_from_response(response.status_code, headers, content, url=self.url, hint=hint)

    def reported(self) -> TIRError:
        """The failure as the user sees it, with secrets masked that the server repeated.

        It is forgotten here, and was never in a variable of the frame that raises it: each would keep the other
        alive, and with them the whole response, until the garbage collector comes by.
        """
        failure = self.failure
        del self.failure
        return mask(failure, self._config.secrets(self._token))

    def broken(self, failure: Exception) -> TIRError:
        """The error for what httpx raised in the present phase."""
        if self._is_over():
            return self._identified(timed_out("total"))
        names = {cls.__name__ for cls in type(failure).__mro__}
        phase = "connect" if names & {"ConnectError", "ConnectTimeout"} else self.phase
        return self._identified(translate(failure, phase, self.url))

    def pause(self) -> float | None:
        """Seconds to wait before the next try after the failure, or None to report it."""
        self._failures += 1
        pause = self._policy.delay(self._failures, self.failure)
        if pause is not None and self._deadline is not None and time.monotonic() + pause >= self._deadline:
            pause = None
        name = type(self.failure).__name__
        logger.debug("%s: try %d failed (%s), %s", self.url, self._failures, name, _next(pause))
        if pause is not None:
            del self.failure
        return pause

    def _is_over(self) -> bool:
        return self._deadline is not None and time.monotonic() >= self._deadline

    def _identified(self, error: TIRError) -> TIRError:
        error.request_id = self._request_id
        return error

    def _left(self, seconds: float | None) -> float | None:
        if self._deadline is None:
            return seconds
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise timed_out("total")
        return left if seconds is None else min(seconds, left)


USER_AGENT = f"tir-llm/{__version__} python/{platform.python_version()}"


def _next(pause: float | None) -> str:
    return "giving up" if pause is None else f"trying again in {pause:.2f} s"
