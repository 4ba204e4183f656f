r"""The exceptions of this library, in one tree.

    TIRError                          carries `status_code`, `request_id`, `body`, `partial`
    ├── ConfigurationError            a setting is missing or wrong: token, model, URL, … (also a ValueError)
    ├── InvalidRequestError           refused before a request: content that cannot be sent (also a ValueError)
    ├── APIConnectionError            no answer: refused, reset, DNS, TLS
    │   └── APITimeoutError           a phase took longer than its timeout (also a TimeoutError)
    ├── APIStatusError                the server answered with an error status
    │   ├── BadRequestError           400, 413, 422 and any other 4xx without a class of its own
    │   │   └── ContextOverflowError  the prompt does not fit the model's context window
    │   ├── AuthenticationError       401
    │   ├── PermissionDeniedError     403
    │   ├── NotFoundError             404
    │   ├── RateLimitError            429; `retry_after` in seconds, when the server sends it
    │   └── ServerError               5xx, 408 and 409
    ├── ResponseError                 HTTP 200 without a usable answer
    │   ├── NoAnswerError             no choice, or a body that reports an error; it is retried
    │   ├── ForcedToolError           a required tool call is missing
    │   │   └── RefusedCallError      the model or a content filter refused it
    │   └── StructuredOutputError     an answer that is not the object; `text` has it (also a ValueError)
    │       ├── TruncatedOutputError  it was cut off
    │       └── RefusedOutputError    the model refused, or a content filter ended the answer
    └── StreamError                   a stream with an unreadable event; `partial` has what arrived
        ├── StreamInterruptedError    it ended without a finish reason
        └── StreamServerError         the server reported an error in the middle of it

`tir_client.protocol.error_responses` makes them from responses.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tir_client.protocol.responses import Completion


class TIRError(Exception):
    """Base of all errors of this library.

    Args:
        message: What is wrong, and what to do.
        status_code: HTTP status, when there was an answer.
        request_id: The server's id of the request, for a support ticket.
        body: The body of the answer: parsed JSON, or text, truncated if it is long.
        headers: The answer's headers, lower-case names; never the request's, which hold the token.
        partial: The part of the answer that had arrived before the failure.
        retry_after: Seconds to wait before a retry, from the `Retry-After` header.
        phase: Where it failed, and which timeout ran out: "connect", "first_byte", "chunk" or "total"; "start" if
            a deployment did not start within `wait_for_start`; "certificate" if the server's certificate was not
            accepted.
    """

    def __init__(  # noqa: PLR0913 - one keyword per fact
        self,
        message: str,
        *,
        status_code: int | None = None,
        request_id: str | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        partial: Completion | None = None,
        retry_after: float | None = None,
        phase: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status_code = status_code
        self.request_id = request_id
        self.body = body
        self.headers = dict(headers or {})
        self.partial = partial
        self.retry_after = retry_after
        self.phase = phase

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the keyword arguments, too, which `Exception` drops."""
        return _rebuild, (type(self), self.message, self.details())

    def details(self) -> dict[str, Any]:
        """The keyword arguments to construct an equal error, also of another class."""
        return {name: value for name, value in self.__dict__.items() if name in _DETAILS}


_DETAILS = frozenset({"status_code", "request_id", "body", "headers", "partial", "retry_after", "phase"})


def _rebuild(cls: type[TIRError], message: str, details: dict[str, Any]) -> TIRError:
    return cls(message, **details)


class ConfigurationError(TIRError, ValueError):
    """A setting, such as the token or a URL, or the input or output of a bulk run is missing or wrong."""


class InvalidRequestError(TIRError, ValueError):
    """A message, tool or parameter cannot be sent as it is. Nothing was sent."""


class APIConnectionError(TIRError):
    """The server could not be reached, or closed the connection before it had answered."""


class APITimeoutError(APIConnectionError, TimeoutError):
    """The server took longer than a timeout, which the message names, or than `wait_for_start`."""


class APIStatusError(TIRError):
    """The server answered with an error status."""


class BadRequestError(APIStatusError):
    """The server refused the request as invalid (400, 413, 422 and other 4xx)."""


class ContextOverflowError(BadRequestError):
    """The prompt, or the prompt plus `max_tokens`, exceeds the context window."""


class AuthenticationError(APIStatusError):
    """The server did not accept the token (401)."""


class PermissionDeniedError(APIStatusError):
    """The token may not use this project, endpoint or model (403)."""


class NotFoundError(APIStatusError):
    """No such model, endpoint or path (404)."""


class RateLimitError(APIStatusError):
    """Too many requests (429)."""


class ServerError(APIStatusError):
    """The server, or a gateway in front of it, failed (5xx, 408, 409). Trying again may help."""


class ResponseError(TIRError):
    """HTTP 200 without a usable answer."""


class NoAnswerError(ResponseError):
    """HTTP 200 without any answer: there is no choice, or the body reports an error."""


class ForcedToolError(ResponseError):
    """A required tool call is missing, and a second request for it was not possible or failed, too."""


class RefusedCallError(ForcedToolError):
    """The model or a content filter refused a required tool call; `partial` has the first answer."""


class StructuredOutputError(ResponseError, ValueError):
    """There is an answer, but not the requested object.

    Args:
        message: What is wrong, and what to do.
        text: What the model wrote.
        details: As with every `TIRError`; `body` or `partial` has the whole answer.
    """

    def __init__(self, message: str, *, text: str = "", **details: Any) -> None:
        super().__init__(message, **details)
        self.text = text

    def details(self) -> dict[str, Any]:
        """The keyword arguments to construct an equal error, also of another class."""
        return {**super().details(), "text": self.text}


class TruncatedOutputError(StructuredOutputError):
    """The answer was cut off by `max_tokens`, or by the end of the context window."""


class RefusedOutputError(StructuredOutputError):
    """The model refused, or a content filter of the server ended the answer."""


class StreamError(TIRError):
    """An event of the stream cannot be read, or the stream broke; `partial` has what arrived."""


class StreamInterruptedError(StreamError):
    """The stream ended without a finish reason: the answer is not complete."""


class StreamServerError(StreamError):
    """The server reported an error in the middle of the stream."""
