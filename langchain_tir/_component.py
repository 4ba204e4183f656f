"""How a model reaches its server: the fields that `ChatTIR` and `TIREmbeddings` share, and the client they build."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, SecretStr, field_validator

from langchain_tir._aliases import refuse_unsendable, renamed
from langchain_tir._errors import model_errors
from tir_client import Config, ConfigurationError, RetryPolicy, Timeouts, TIRClient

TOKEN_VARIABLES = ("E2E_TIR_ACCESS_TOKEN", "TIR_API_TOKEN")
PROJECT_VARIABLE = "E2E_TIR_PROJECT_ID"

_ADDRESS = (
    "api_key",
    "project_id",
    "endpoint_id",
    "base_url",
    "host",
    "default_headers",
    "default_query",
    "allow_http",
)
_SECRET = ("default_headers", "default_query")
_SHARED = ("http_client", "http_async_client", "rate_limiter", "cache", "callbacks")


def _token() -> SecretStr | None:
    token = next(filter(None, (os.environ.get(name, "").strip() for name in TOKEN_VARIABLES)), None)
    return SecretStr(token) if token else None


def _project() -> str | None:
    return os.environ.get(PROJECT_VARIABLE, "").strip() or None


class Component(BaseModel):
    """Where to call, and as whom. What is not given is taken from the environment."""

    model_config = ConfigDict(arbitrary_types_allowed=True, hide_input_in_errors=True, protected_namespaces=())

    api_key: SecretStr | Callable[[], Any] | None = Field(default_factory=_token, repr=False)
    """TIR's Auth Token, or a function that returns it, called for each request. Environment: E2E_TIR_ACCESS_TOKEN."""
    project_id: int | str | None = Field(default_factory=_project)
    """Number of the TIR project. Environment: E2E_TIR_PROJECT_ID."""
    endpoint_id: int | str | None = None
    """Number of a deployment of your own; its model may have any name."""
    base_url: str | None = None
    """Another server with the same protocol, such as a vLLM of your own. Environment: TIR_BASE_URL."""
    host: str | None = None
    """TIR's inference host in another region, or a gateway before it."""
    allow_http: bool = False
    """Send the token over plain http to a host that is not this machine."""
    timeout: float | dict[str, float | None] | None = None
    """Seconds, or a mapping with any of `connect`, `first_byte`, `chunk`, `total`. An `httpx.Timeout` will do, too."""
    max_retries: int = Field(default=2, ge=0)
    """Tries after the first one, before anything of an answer has been seen."""
    default_headers: Mapping[str, str] | None = Field(default=None, exclude=True, repr=False)
    """Headers of each request, treated as secrets: left out of everything that is shown or stored."""
    default_query: Mapping[str, Any] | None = Field(default=None, exclude=True, repr=False)
    """Query parameters of each request, treated as secrets."""
    http_client: Any = Field(default=None, exclude=True, repr=False)
    """An httpx (or httpx2) client for sync calls; it stays yours to close."""
    http_async_client: Any = Field(default=None, exclude=True, repr=False)
    """The same for async calls."""

    _built: tuple[tuple[Any, ...], TIRClient] | None = PrivateAttr(default=None)
    _misses_token: bool = PrivateAttr(default=False)
    """It came out of a pickle, and the environment's token is not meant for where it calls."""

    def __init__(self, *args: Any, **fields: Any) -> None:
        with model_errors():
            refuse_unsendable(fields.keys() - type(self).model_fields.keys())
            super().__init__(*args, **renamed(fields))
        _ = self.client  # a mistake in the configuration is reported here, not by the first call

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, SecretStr(value) if name == "api_key" and isinstance(value, str) else value)

    @field_validator("timeout", mode="before")
    @classmethod
    def _plain_timeout(cls, value: Any) -> Any:
        """Keep what can be written down: phases instead of an `httpx.Timeout` or a (connect, read) pair."""
        if value is None or isinstance(value, int | float | dict):
            return value
        if isinstance(value, tuple):
            connect, read = value
            return {"connect": connect, "first_byte": read, "chunk": read}
        phases = Timeouts.of(value)
        return {name: getattr(phases, name) for name in ("connect", "first_byte", "chunk", "total")}

    @property
    def client(self) -> TIRClient:
        """The client that calls, built when it is first needed, and anew when a setting was changed.

        Raises:
            ConfigurationError: The token or the address is missing or malformed.
        """
        settings = tuple(getattr(self, name) for name in (*_ADDRESS, "timeout", "max_retries", *_SHARED[:2]))
        if self._built is None or self._built[0] != settings:
            self._built = (settings, self._build())
        return self._built[1]

    def secret_digest(self) -> str:
        """A hash of headers and query, for a cache to tell answers apart by; empty if there are none."""
        given = {name: dict(value) for name in _SECRET if (value := getattr(self, name))}
        return hashlib.sha256(json.dumps(given, sort_keys=True).encode()).hexdigest() if given else ""

    def _build(self) -> TIRClient:
        with model_errors():
            if self._misses_token and self.api_key is None:
                raise ConfigurationError(
                    f"This {type(self).__name__} was pickled, which leaves its `api_key` out: set it again. For other "
                    "processes, leave `api_key` out from the start: each then reads it from its own environment."
                )
            return TIRClient(
                Config.resolve(**{name: getattr(self, name) for name in _ADDRESS}),
                timeout=self.timeout,
                retry=RetryPolicy(max_retries=self.max_retries),
                http_client=self.http_client,
                http_async_client=self.http_async_client,
            )

    def close(self) -> None:
        """Close the connections of sync calls. A later call opens new ones."""
        self.client.close()

    async def aclose(self) -> None:
        """Close the connections of sync calls and those of the running event loop."""
        await self.client.aclose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        """Copy everything but what stands for something outside: clients, limiters, caches, callbacks."""
        kept = {id(thing): thing for thing in (getattr(self, name, None) for name in _SHARED) if thing is not None}
        return super().__deepcopy__({**kept, **(memo or {})})

    def __getstate__(self) -> dict[Any, Any]:
        for name in (*_SHARED[:2], *_SECRET):
            if getattr(self, name) is not None:
                raise TypeError(f"A {type(self).__name__} with `{name}` cannot be pickled: a pickle would hold it.")
        state = super().__getstate__()
        fields = {**state["__dict__"], "api_key": None}
        own = "api_key" in self.model_fields_set and (self.base_url or self.host or callable(self.api_key))
        misses = self._misses_token or bool(own)
        private = {**(state["__pydantic_private__"] or {}), "_built": None, "_misses_token": misses}
        return {**state, "__dict__": fields, "__pydantic_private__": private}

    def __setstate__(self, state: dict[Any, Any]) -> None:
        super().__setstate__(state)
        self.__dict__["api_key"] = None if self._misses_token else _token()
