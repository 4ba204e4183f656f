r"""Everything that can go wrong, in one tree.

    TIRError                          carries `status_code`, `request_id`, `body`, `partial`
    ├── ConfigurationError            refused before a request: token, project, model, URL (also a ValueError)
    ├── InvalidRequestError           refused before a request: content that cannot be sent (also a ValueError)
    ├── APIConnectionError            no answer: refused, reset, DNS, TLS
    │   └── APITimeoutError           a phase took longer than its timeout (also a TimeoutError)
    ├── APIStatusError                the server answered with an error status
    │   ├── BadRequestError           400, 413, 422 and any other 4xx without a class of its own
    │   │   └── ContextOverflowError  the prompt does not fit the model's context window
    │   ├── AuthenticationError       401
    │   ├── PermissionDeniedError     403
    │   ├── NotFoundError             404
    │   ├── RateLimitError            429; `retry_after` in seconds when the server said so
    │   └── ServerError               5xx, 408 and 409
    ├── ResponseError                 status 200, but not an answer that can be understood
    │   ├── EmptyAnswerError          an answer without a single choice
    │   ├── ReportedError             a body that reports an error after all
    │   └── ForcedToolError           a tool call was demanded, and the model made none
    │       └── RefusedCallError      it refused to
    └── StreamError                   the stream broke after it had begun; `partial` is what had arrived
        ├── StreamInterruptedError    it ended without a finish reason
        └── StreamServerError         the server reported an error in the middle of it

`error_from_response` and `error_from_event` are the only places where a server's words become an exception.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from tir_client.protocol.error_responses import describe_body, masked, read_body
from tir_client.transport.retry_after import retry_after

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from tir_client.protocol.responses import Completion


class TIRError(Exception):
    """Base of all errors of this library.

    Args:
        message: What was wrong and what to do about it.
        status_code: HTTP status, when there was an answer.
        request_id: The server's id of the request, for a support ticket.
        body: The server's words: parsed JSON, or text that was cut where it is long.
        headers: The answer's headers, lower-case names; never the request's, which hold the token.
        partial: What had arrived before the failure, for an answer that broke off.
        retry_after: Seconds the server asked to wait.
        phase: Which timeout ran out: "connect", "first_byte", "chunk" or "total".
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
        """Pickle by keyword, which `Exception` cannot do by itself."""
        return _rebuild, (type(self), self.message, self.details())

    def details(self) -> dict[str, Any]:
        """The keyword arguments that make an equal error of another class."""
        return {name: value for name, value in self.__dict__.items() if name in _DETAILS}


_DETAILS = frozenset({"status_code", "request_id", "body", "headers", "partial", "retry_after", "phase"})


def _rebuild(cls: type[TIRError], message: str, details: dict[str, Any]) -> TIRError:
    return cls(message, **details)


class ConfigurationError(TIRError, ValueError):
    """The token, project, model or URL is missing or malformed. Nothing was sent."""


class InvalidRequestError(TIRError, ValueError):
    """A message, tool or parameter cannot be sent as it is. Nothing was sent."""


class APIConnectionError(TIRError):
    """The server could not be reached, or hung up before it had answered."""


class APITimeoutError(APIConnectionError, TimeoutError):
    """The server took longer than the timeout of the phase that the message names."""


class APIStatusError(TIRError):
    """The server answered with an error status."""


class BadRequestError(APIStatusError):
    """The server refused the request as invalid (400, 413, 422 and other 4xx)."""


class ContextOverflowError(BadRequestError):
    """The prompt, or the prompt and the room asked for the answer, exceed the context window."""


class AuthenticationError(APIStatusError):
    """The server did not accept the token (401)."""


class PermissionDeniedError(APIStatusError):
    """The token may not use this project, endpoint or model (403)."""


class NotFoundError(APIStatusError):
    """No such model, endpoint or path (404)."""


class RateLimitError(APIStatusError):
    """Too many requests (429)."""


class ServerError(APIStatusError):
    """The server or a gateway before it failed (5xx, 408, 409). Trying again may help."""


class ResponseError(TIRError):
    """The server said 200, but the body is not an answer that can be understood."""


class EmptyAnswerError(ResponseError):
    """The answer has no choice at all."""


class ReportedError(ResponseError):
    """The server said 200, but the body reports an error."""


class ForcedToolError(ResponseError):
    """A tool call was demanded; the model made none, and asking for its arguments as JSON failed, too."""


class RefusedCallError(ForcedToolError):
    """A tool call was demanded, and the model refused; `partial` has its words."""


class StreamError(TIRError):
    """The stream broke after it had begun; `partial` holds what had arrived."""


class StreamInterruptedError(StreamError):
    """The stream ended without a finish reason: what arrived is not the whole answer."""


class StreamServerError(StreamError):
    """The server reported an error in the middle of the stream."""


_BY_STATUS: dict[int, type[APIStatusError]] = {
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    408: ServerError,
    409: ServerError,
    429: RateLimitError,
}

# vLLM's wordings from 0.10 to 0.32; `got -8996` is gpt-oss on old servers, where the room left for
# the answer became negative.
_OVERFLOW = re.compile(
    r"maximum context length|maximum model length|exceeds model's maximum|max_tokens must be at least 1, got -",
)


def error_from_response(
    status_code: int,
    headers: Mapping[str, str],
    content: bytes,
    *,
    url: str = "",
    hint: str = "",
) -> APIStatusError:
    """Make the exception for an answer with an error status.

    Args:
        status_code: HTTP status.
        headers: Response headers, lower-case names.
        content: Response body, any bytes.
        url: Where the request went, without its query.
        hint: Advice that only the caller knows, put at the end of the message.

    Returns:
        The exception, not raised.
    """
    body = read_body(content)
    said = describe_body(body) or "(no explanation in the body)"
    cls = _class_for(status_code, said)
    advice = hint or _ADVICE.get(cls, "")
    where = f" from {url}" if url else ""
    message = f"HTTP {status_code}{where}: {said}" + (f"\n{advice}" if advice else "")
    return cls(
        message,
        status_code=status_code,
        request_id=headers.get("x-request-id"),
        body=body,
        headers=headers,
        retry_after=retry_after(headers),
    )


def _class_for(status_code: int, said: str) -> type[APIStatusError]:
    if status_code in _BY_STATUS:
        return _BY_STATUS[status_code]
    if status_code >= 500:  # noqa: PLR2004 - the boundary of server errors in HTTP
        return ServerError
    if 300 <= status_code < 400:  # noqa: PLR2004 - redirects are not followed, the token stays here
        return APIStatusError
    return ContextOverflowError if _OVERFLOW.search(said) else BadRequestError


_ADVICE: dict[type[APIStatusError], str] = {
    AuthenticationError: "Check the Auth Token given as `api_key` or in E2E_TIR_ACCESS_TOKEN.",
    PermissionDeniedError: "Check that the token's owner may use this project and model.",
    NotFoundError: "Check the `model` slug, the `project_id` and, for your own deployment, `endpoint_id`.",
    RateLimitError: "Send fewer requests at a time, or raise `max_retries`.",
    ServerError: "It is the server, or a gateway before it, that failed: try again later.",
    ContextOverflowError: "Shorten the messages, or ask for fewer `max_tokens`.",
}


def error_from_event(event: dict[str, Any], partial: Completion | None) -> StreamServerError | None:
    """Make the exception for an error that arrives inside a stream, or None for an ordinary chunk.

    The status in such an event is the server's guess (vLLM up to 0.12 calls all of them 400), so the class
    does not depend on it.
    """
    told = event.get("error")
    if event.get("object") != "error" and (told is None or (not told and "choices" in event)):
        return None
    body = told or event
    code = body.get("code") if isinstance(body, dict) else None
    return StreamServerError(
        f"The server reported an error in the middle of the stream: {describe_body(event)}",
        status_code=code if isinstance(code, int) else None,
        body=event,
        partial=partial,
    )


def mask(error: TIRError, secrets: Collection[str]) -> TIRError:
    """Black out `secrets` wherever the server may have repeated them in `error`; returns the same error."""
    error.message = masked(error.message, secrets)
    error.args = (error.message,)
    error.body = masked(error.body, secrets)
    error.headers = masked(error.headers, secrets)
    return error
