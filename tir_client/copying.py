"""Copying and pickling of the models of both integrations.

Shallow copies share connections; pickles contain no secrets.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Self

from pydantic import BaseModel

from tir_client.aliases import looks_like_credential
from tir_client.environment import TOKEN_VARIABLES, token_from_environment

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import SecretStr

SHARED = ("http_client", "http_async_client", "rate_limiter", "cache", "callbacks", "callback_manager")
"""Fields that a deep copy shares with the original, because they refer to external objects."""

_SECRET = ("a pickle would hold secrets", "Set it again in each process, on the unpickled object.")
_OPEN = ("it holds open connections", "Set it in each process, on the unpickled object.")
UNPICKLABLE = {
    "default_headers": _SECRET,
    "default_query": _SECRET,
    "http_client": _OPEN,
    "http_async_client": _OPEN,
    "rate_limiter": ("its lock works in one process only", "Set it in each process, on the unpickled object."),
}
"""Fields that keep an object from being pickled, with the reason and what to do instead."""
LOOSE = ("extra_body", "model_kwargs", "additional_kwargs")
"""Fields that take parameters of any name."""


class Copyable(BaseModel):
    """A pydantic model with `api_key` that can be deep-copied, and pickled without the token."""

    if TYPE_CHECKING:
        api_key: SecretStr | Callable[[], Any] | None

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        shared = {id(value): value for name in SHARED if (value := getattr(self, name, None)) is not None}
        memo = {} if memo is None else memo
        memo.update(shared)
        return super().__deepcopy__(memo)

    def __getstate__(self) -> dict[Any, Any]:
        """The state to pickle, without the token, which is read from the environment after unpickling.

        Raises:
            TypeError: A field cannot be pickled, or is secret.
        """
        for name, (reason, remedy) in self._unpicklable().items():
            raise TypeError(f"A {type(self).__name__} with {name} cannot be pickled: {reason}. {remedy}")
        token = self._pickled_token()
        # On a copy, because LlamaIndex's base class deletes fields that it cannot pickle; made by pydantic, because a
        # subclass may change its copies.
        bare = super().__copy__()
        bare.__dict__["api_key"] = token
        bare.__pydantic_private__ = {**(self.__pydantic_private__ or {}), "_made": None}
        return super(Copyable, bare).__getstate__()

    def _unpicklable(self) -> dict[str, tuple[str, str]]:
        """The fields that prevent pickling, with the reason and what to do instead."""
        found = {f"`{name}`": why for name, why in UNPICKLABLE.items() if getattr(self, name, None) is not None}
        for field in LOOSE:
            secrets = filter(looks_like_credential, getattr(self, field, None) or ())
            found |= {f"{name!r} in `{field}`": _SECRET for name in secrets}
        return found

    def _pickled_token(self) -> Callable[[], Any] | None:
        """None for a token from the environment, or a function that is pickled by its name.

        Raises:
            TypeError: The token was passed as a string.
        """
        token = self.api_key
        if token is None or "api_key" not in self.model_fields_set or token == token_from_environment():
            return None
        if inspect.isfunction(token) and "<" not in token.__qualname__:
            return token
        raise TypeError(
            f"A {type(self).__name__} with `api_key` cannot be pickled: a pickle would hold the token. Leave `api_key` "
            f"out and set {TOKEN_VARIABLES[0]} in each process, or pass a function that a module defines."
        )
