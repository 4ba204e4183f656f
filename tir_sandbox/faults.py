"""`Fault`: a failure for a script."""

from collections.abc import Mapping
from dataclasses import field
from http import HTTPStatus
from typing import Any

from pydantic.dataclasses import dataclass

from tir_sandbox.errors import error
from tir_sandbox.replies import Event, Reply

_ENGINE_DEATH = "EngineCore encountered an issue. See stack trace (above) for the root cause."
_FOREVER = 3600.0


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A failed answer. Without `after`, it is applied to the answer of the rules.

    Args:
        status: Answer with this HTTP status and an error body.
        body: The body of that error; by default one of vLLM's shape.
        headers: Additional response headers, such as `Retry-After`.
        content_type: The response's content type.
        after: The answer to which the fault is applied.
        delay: Seconds before the headers.
        reset_before_headers: Reset the connection instead of answering.
        cut_after: Close the connection after this many events (of a whole answer: bytes).
        stall_after: Pause after this many events (of a whole answer: bytes).
        stall: The length of that pause in seconds.
        error_chunk: End the stream with an error event and `[DONE]`; True is the error of a vLLM engine that died.
        garbage: A text to send as an event that is not JSON, or bytes to send unchanged.
        at: The number of events before `error_chunk` or `garbage`.
        no_finish: Omit the finish reason.
        no_done: Omit `[DONE]`.
    """

    status: int | None = None
    body: Event | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str | None = None
    after: Reply | None = None
    delay: float = 0.0
    reset_before_headers: bool = False
    cut_after: int | None = None
    stall_after: int | None = None
    stall: float = _FOREVER
    error_chunk: bool | str | Mapping[str, Any] | None = None
    garbage: str | bytes | None = None
    at: int = 2
    no_finish: bool = False
    no_done: bool = False

    @property
    def needs_no_reply(self) -> bool:
        """Whether the fault replaces the answer."""
        return self.status is not None or self.reset_before_headers

    def error_body(self) -> Mapping[str, Any]:
        """Return an error of vLLM's shape for `status` or `error_chunk`."""
        if self.status is not None:
            reason = HTTPStatus(self.status).phrase if self.status in set(HTTPStatus) else "Unknown"
            return error(self.status, reason, reason.replace(" ", "") + "Error").body
        if isinstance(self.error_chunk, Mapping):
            return self.error_chunk
        message = self.error_chunk if isinstance(self.error_chunk, str) else _ENGINE_DEATH
        return error(500, message, "InternalServerError").body
