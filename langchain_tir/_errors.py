"""Errors that are LangChain's and this library's at once.

LangChain's middleware decides by its `ModelError` classes what to retry, when to compact a conversation, when to
fall back on another model; users of `tir_client` catch `TIRError` classes. Each error raised here is both, with the
same name, message and details:

    ConfigurationError, InvalidRequestError   ModelInvalidRequestError
    APIConnectionError, StreamError           ModelConnectionError
    APITimeoutError                           ModelTimeoutError
    AuthenticationError                       ModelAuthenticationError
    PermissionDeniedError                     ModelPermissionDeniedError
    NotFoundError                             ModelNotFoundError
    RateLimitError                            ModelRateLimitError
    ContextOverflowError                      ContextOverflowError
    BadRequestError                           ModelInvalidRequestError
    ServerError, ResponseError                ModelAPIError
    RefusedCallError                          ModelRefusalError
    APIStatusError (a redirect)               ModelAPIError, but retrying is no use
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from langchain_core import exceptions as lc

import tir_client as tir
from langchain_tir._messages import from_completion

if TYPE_CHECKING:
    from collections.abc import Iterator

    ModelRefusal = lc.ModelError
else:
    ModelRefusal = getattr(lc, "ModelRefusalError", lc.ModelError)  # langchain-core has it from 1.7.5 on

_UNTRACED = frozenset({"set-cookie"})


@dataclass(frozen=True, slots=True)
class ErrorResponse:
    """What the server answered, in the form in which LangChain's tracers look for it."""

    status_code: int
    headers: dict[str, str] = field(default_factory=dict)
    body: Any = None

    def json(self) -> Any:
        """The body: parsed JSON, or text where it was none."""
        return self.body


class _Traced(tir.TIRError):
    @property
    def response(self) -> ErrorResponse:
        """The server's answer; missing, as an attribute, where there was none."""
        if self.status_code is None:
            raise AttributeError(f"this {type(self).__name__} has no response")
        headers = {name: value for name, value in self.headers.items() if name.lower() not in _UNTRACED}
        return ErrorResponse(self.status_code, headers, self.body)


class ConfigurationError(_Traced, tir.ConfigurationError, lc.ModelInvalidRequestError):
    """The token, project, model or URL is missing or malformed. Nothing was sent."""


class InvalidRequestError(_Traced, tir.InvalidRequestError, lc.ModelInvalidRequestError):
    """A message, tool or parameter cannot be sent as it is. Nothing was sent."""


class APIConnectionError(_Traced, tir.APIConnectionError, lc.ModelConnectionError):
    """The server could not be reached, or hung up before it had answered."""


class APITimeoutError(_Traced, tir.APITimeoutError, lc.ModelTimeoutError):
    """The server took longer than the timeout of the phase that the message names."""


class APIStatusError(_Traced, tir.APIStatusError, lc.ModelAPIError):
    """The server answered with a status that is neither success nor a known error: a redirect."""

    is_retryable = False


class BadRequestError(_Traced, tir.BadRequestError, lc.ModelInvalidRequestError):
    """The server refused the request as invalid."""


class ContextOverflowError(_Traced, tir.ContextOverflowError, lc.ContextOverflowError):
    """The prompt, or the prompt and the room asked for the answer, exceed the context window."""


class AuthenticationError(_Traced, tir.AuthenticationError, lc.ModelAuthenticationError):
    """The server did not accept the token."""


class PermissionDeniedError(_Traced, tir.PermissionDeniedError, lc.ModelPermissionDeniedError):
    """The token may not use this project, endpoint or model."""


class NotFoundError(_Traced, tir.NotFoundError, lc.ModelNotFoundError):
    """No such model, endpoint or path."""


class RateLimitError(_Traced, tir.RateLimitError, lc.ModelRateLimitError):
    """Too many requests."""


class ServerError(_Traced, tir.ServerError, lc.ModelAPIError):
    """The server or a gateway before it failed."""


class ResponseError(_Traced, tir.ResponseError, lc.ModelAPIError):
    """The server said 200, but the body is not an answer that can be understood."""


class EmptyAnswerError(_Traced, tir.EmptyAnswerError, lc.ModelAPIError):
    """The answer has no choice at all."""


class ReportedError(_Traced, tir.ReportedError, lc.ModelAPIError):
    """The server said 200, but the body reports an error."""


class ForcedToolError(_Traced, tir.ForcedToolError, lc.ModelAPIError):
    """A tool call was demanded, and the model made none."""


class RefusedCallError(_Traced, tir.RefusedCallError, ModelRefusal):
    """A tool call was demanded, and the model refused. `raw_message` is the answer, as LangChain's middleware asks."""

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message, **details)
        self.raw_message = from_completion(self.partial).generations[0].message if self.partial else None


class StreamError(_Traced, tir.StreamError, lc.ModelConnectionError):
    """The stream broke after it had begun; `partial` holds what had arrived."""


class StreamInterruptedError(_Traced, tir.StreamInterruptedError, lc.ModelConnectionError):
    """The stream ended without a finish reason: what arrived is not the whole answer."""


class StreamServerError(_Traced, tir.StreamServerError, lc.ModelAPIError):
    """The server reported an error in the middle of the stream."""


_BOTH: dict[type[tir.TIRError], type[_Traced]] = {
    base: both for both in _Traced.__subclasses__() for base in both.__bases__ if base.__module__ == "tir_client.errors"
}


def of_both(error: tir.TIRError) -> tir.TIRError:
    """The error that says the same and belongs to LangChain's tree, too."""
    if isinstance(error, lc.ModelError):
        return error
    cls = next(_BOTH[base] for base in type(error).__mro__ if base in _BOTH)
    return cls(error.message, **error.details()).with_traceback(error.__traceback__)


@contextmanager
def model_errors() -> Iterator[None]:
    """Raise errors of both trees in place of the core's own."""
    try:
        yield
    except tir.TIRError as error:
        raise of_both(error) from error.__cause__
