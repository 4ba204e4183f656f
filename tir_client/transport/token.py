"""Fetches the token of an async call, without blocking the event loop."""

from __future__ import annotations

import asyncio
import inspect
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from tir_client.environment import clean_token, required_token_from_environment

if TYPE_CHECKING:
    from tir_client.config import Config


async def fetch_token(config: Config) -> SecretStr:
    """Return the current token. An async `api_key` is awaited; a sync one, which may block, runs in a thread."""
    function = config.token
    if not callable(function) or function is required_token_from_environment:
        return config.secret()
    if inspect.iscoroutinefunction(function):
        return SecretStr(clean_token(await function()))
    return SecretStr(clean_token(await _awaited(await asyncio.to_thread(function))))


async def _awaited(token: Any) -> Any:
    return await token if inspect.isawaitable(token) else token
