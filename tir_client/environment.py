"""Reads the environment variables of this library, and checks tokens."""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Awaitable, Callable

from pydantic import SecretStr

from tir_client.errors import ConfigurationError

TOKEN_VARIABLES = ("E2E_TIR_ACCESS_TOKEN", "TIR_API_TOKEN")
PROJECT_VARIABLE = "E2E_TIR_PROJECT_ID"
BASE_URL_VARIABLE = "TIR_BASE_URL"
HOST_VARIABLE = "MODEL_API_CLIENT_HOST"

NO_TOKEN = (
    f"No token: set `api_key` or {TOKEN_VARIABLES[0]} (or {TOKEN_VARIABLES[1]}) to the Auth Token "
    "that TIR shows when you create a token."
)

ApiKey = str | SecretStr | Callable[[], str | SecretStr | Awaitable[str | SecretStr]]
"""A token, or a function, sync or async, that returns it and is called once per request."""


def from_environment(name: str) -> str | None:
    """The value of a variable, or None if it is empty or not set."""
    return os.environ.get(name, "").strip() or None


def token_from_environment() -> SecretStr | None:
    """The token from the environment, or None."""
    value = next(filter(None, map(from_environment, TOKEN_VARIABLES)), None)
    return SecretStr(clean_token(value)) if value else None


def project_from_environment() -> str | None:
    """The project id from the environment, unchanged, or None."""
    return from_environment(PROJECT_VARIABLE)


def required_token_from_environment() -> SecretStr:
    """`token_from_environment`, for a client that was unpickled without a token.

    Raises:
        ConfigurationError: There is none.
    """
    token = token_from_environment()
    if token is None:
        raise ConfigurationError(NO_TOKEN)
    return token


def clean_token(token: str | SecretStr | Awaitable[str | SecretStr]) -> str:
    """Check a token that was passed as an argument or returned by a function; return it as a string.

    Raises:
        ConfigurationError: The token is unusable. The traceback's local variables do not contain it.
    """
    if inspect.iscoroutine(token):
        token.close()
        raise ConfigurationError(
            "`api_key` is an async function, which only async calls can await: pass a sync one for sync calls."
        )
    if isinstance(token, SecretStr):
        token = token.get_secret_value()
    if not isinstance(token, str):
        raise ConfigurationError(f"`api_key` must be a string, or a function that returns one, not {type(token)!r}.")
    token = token.strip().removeprefix("Bearer ").strip()
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        del token  # keep even a bad token out of the traceback's local variables
        raise ConfigurationError(
            "`api_key` is empty, or contains spaces, line breaks or other characters that no token has. "
            f"Copy the Auth Token again, or set {TOKEN_VARIABLES[0]}."
        )
    return token


def looks_like_auth_token(token: SecretStr) -> bool:
    """Whether a token looks like an Auth Token, which is a JWT."""
    return re.fullmatch(r"eyJ[^.]*\.[^.]*\.[^.]*", token.get_secret_value()) is not None
