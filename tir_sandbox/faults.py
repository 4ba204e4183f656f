"""What may go wrong with an answer."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from tir_sandbox.replies import Reply

_ENGINE_DEATH = "EngineCore encountered an issue. See stack trace (above) for the root cause."
_FOREVER = 3600.0


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A failed answer. Without `after`, it spoils what the rules would have answered.

    Args:
        status: Answer with this status and nothing else.
        body: That answer's body; by default an error in vLLM's shape.
        headers: Further response headers, such as `Retry-After`.
        content_type: The response's content type.
        after: The answer to spoil.
        delay: Seconds before the headers.
        reset_before_headers: Reset the connection instead of answering.
        cut_after: Close the connection after this many events (of a whole answer: bytes).
        reset_after: Reset it, likewise.
        stall_after: Fall silent after this many events (of a whole answer: bytes).
        stall: For how many seconds.
        error_chunk: Break off with an error in the stream, then `[DONE]`; True is vLLM's when its engine dies.
        garbage: A text to send as an event that is no JSON, or bytes to send as they are.
        at: How many events precede `error_chunk` or `garbage`.
        no_finish: Leave out the finish reason.
        no_done: Leave out `[DONE]`.
    """

    status: int | None = None
    body: Mapping[str, Any] | str | bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str | None = None
    after: Reply | None = None
    delay: float = 0.0
    reset_before_headers: bool = False
    cut_after: int | None = None
    reset_after: int | None = None
    stall_after: int | None = None
    stall: float = _FOREVER
    error_chunk: bool | str | Mapping[str, Any] | None = None
    garbage: str | bytes | None = None
    at: int = 2
    no_finish: bool = False
    no_done: bool = False

    @property
    def needs_no_reply(self) -> bool:
        """Tell whether it takes the place of the whole answer."""
        return self.status is not None or self.reset_before_headers

    def error_body(self) -> Mapping[str, Any]:
        """Return the body of a failure in vLLM's shape: of `status`, or of a dead engine."""
        if self.status is not None:
            reason = HTTPStatus(self.status).phrase if self.status in set(HTTPStatus) else "Unknown"
            return _error(self.status, reason, reason.replace(" ", "") + "Error")
        if isinstance(self.error_chunk, Mapping):
            return self.error_chunk
        message = self.error_chunk if isinstance(self.error_chunk, str) else _ENGINE_DEATH
        return _error(500, message, "InternalServerError")


def _error(code: int, message: str, kind: str) -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}
