"""Errors that are both `tir_client.TIRError`s and LangChain `ModelError`s or `OutputParserException`s.

LangChain's middleware uses `ModelError` classes to decide about retries, compaction and fallback models; users of
`tir_client` catch `TIRError` classes. For each class of `tir_client.errors` this module has one of the same name, which
also inherits from a LangChain class: that in `_MODEL_ERRORS`, or `OutputParserException` for structured output. Message
and details are the same.
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

    from langchain_core.messages import BaseMessage

    ModelRefusalError = lc.ModelError
else:
    ModelRefusalError = getattr(lc, "ModelRefusalError", lc.ModelError)  # langchain-core has it from 1.7.5 on

_UNTRACED = frozenset({"set-cookie"})


@dataclass(frozen=True, slots=True)
class ErrorResponse:
    """The server's response, in the form that LangChain's tracers expect."""

    status_code: int
    headers: dict[str, str] = field(default_factory=dict)
    body: Any = None

    def json(self) -> Any:
        """The body: parsed JSON, or text if it is not JSON."""
        return self.body


class _Traced(tir.TIRError):
    @property
    def response(self) -> ErrorResponse:
        """The server's response; the attribute is missing if there was none."""
        if self.status_code is None:
            raise AttributeError(f"this {type(self).__name__} has no response")
        headers = {name: value for name, value in self.headers.items() if name.lower() not in _UNTRACED}
        return ErrorResponse(self.status_code, headers, self.body)


class _Final(_Traced):
    is_retryable = False


class _Connection(_Traced):
    """A connection error; a rejected certificate is not retryable."""

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message, **details)
        if self.phase == "certificate":
            self.is_retryable = False


class _Refusal(_Traced):
    """An error with the refusal in `raw_message`, for LangChain's middleware."""

    def __init__(self, message: str, *, raw_message: BaseMessage | None = None, **details: Any) -> None:
        super().__init__(message, **details)
        if raw_message is None and self.partial is not None:
            raw_message = from_completion(self.partial).generations[0].message
        self.raw_message = raw_message

    def details(self) -> dict[str, Any]:
        return {**super().details(), "raw_message": self.raw_message}


class StructuredOutputError(_Traced, tir.StructuredOutputError, lc.OutputParserException):
    """The answer is not the requested object. `text` and `llm_output` are what the model wrote."""

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message, **details)
        self.llm_output = self.text


class TruncatedOutputError(StructuredOutputError, tir.TruncatedOutputError):
    """The answer was cut off by `max_tokens`, or by the end of the context window."""


class RefusedOutputError(_Refusal, StructuredOutputError, tir.RefusedOutputError, ModelRefusalError):
    """The model refused, or a content filter of the server ended the answer. `raw_message` is the answer."""


_MODEL_ERRORS: dict[type[tir.TIRError], tuple[type[_Traced], type[lc.ModelError]]] = {
    tir.ConfigurationError: (_Traced, lc.ModelInvalidRequestError),
    tir.InvalidRequestError: (_Traced, lc.ModelInvalidRequestError),
    tir.APIConnectionError: (_Connection, lc.ModelConnectionError),
    tir.APITimeoutError: (_Traced, lc.ModelTimeoutError),
    tir.APIStatusError: (_Final, lc.ModelAPIError),  # a redirect: retrying does not help
    tir.BadRequestError: (_Traced, lc.ModelInvalidRequestError),
    tir.ContextOverflowError: (_Traced, lc.ContextOverflowError),
    tir.AuthenticationError: (_Traced, lc.ModelAuthenticationError),
    tir.PermissionDeniedError: (_Traced, lc.ModelPermissionDeniedError),
    tir.NotFoundError: (_Traced, lc.ModelNotFoundError),
    tir.RateLimitError: (_Traced, lc.ModelRateLimitError),
    tir.ServerError: (_Traced, lc.ModelAPIError),
    tir.ResponseError: (_Traced, lc.ModelAPIError),
    tir.NoAnswerError: (_Traced, lc.ModelAPIError),
    tir.ForcedToolError: (_Traced, lc.ModelAPIError),
    tir.RefusedCallError: (_Refusal, ModelRefusalError),
    tir.StreamError: (_Traced, lc.ModelConnectionError),
    tir.StreamInterruptedError: (_Traced, lc.ModelConnectionError),
    tir.StreamServerError: (_Traced, lc.ModelAPIError),
}
"""For each error of `tir_client`, a class with further attributes and the LangChain error."""


def _combine(base: type[tir.TIRError], own: type[_Traced], model_error: type[lc.ModelError]) -> type[_Traced]:
    return type(base.__name__, (own, base, model_error), {"__doc__": base.__doc__, "__module__": __name__})


_COMBINED: dict[type[tir.TIRError], type[_Traced]] = {
    **{base: _combine(base, *others) for base, others in _MODEL_ERRORS.items()},
    tir.StructuredOutputError: StructuredOutputError,
    tir.TruncatedOutputError: TruncatedOutputError,
    tir.RefusedOutputError: RefusedOutputError,
}
globals().update({cls.__name__: cls for cls in _COMBINED.values()})  # pickle finds classes by module attribute


def to_model_error(error: tir.TIRError) -> tir.TIRError:
    """Convert an error to the class that is also a LangChain error."""
    if isinstance(error, _Traced):
        return error
    cls = next(_COMBINED[base] for base in type(error).__mro__ if base in _COMBINED)
    return cls(error.message, **error.details()).with_traceback(error.__traceback__)


@contextmanager
def model_errors() -> Iterator[None]:
    """Raise errors of `tir_client` as classes that are also LangChain errors."""
    try:
        yield
    except tir.TIRError as error:
        raise to_model_error(error) from error.__cause__
