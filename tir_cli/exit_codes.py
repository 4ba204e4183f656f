"""The exit codes of every command."""

from __future__ import annotations

from tir_client import (
    APIConnectionError,
    AuthenticationError,
    ConfigurationError,
    InvalidRequestError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    ServerError,
    TIRError,
)

OK = 0
FAILED = 1
"""The command ran, but a part failed; the output lists it."""
USAGE = 2
"""Wrong arguments, files or configuration; typer uses the same code."""
REFUSED = 3
"""The server did not accept the token, or does not know the project or the model (401, 403, 404)."""
UNREACHABLE = 4
"""The server could not be reached, failed, or was too busy, after all retries."""
INTERRUPTED = 130
"""Ctrl-C, as shells report it."""


def exit_code(error: TIRError) -> int:
    """The exit code for an error that ended a command."""
    if isinstance(error, ConfigurationError | InvalidRequestError):
        return USAGE
    if isinstance(error, AuthenticationError | PermissionDeniedError | NotFoundError):
        return REFUSED
    return UNREACHABLE if isinstance(error, APIConnectionError | RateLimitError | ServerError) else FAILED
