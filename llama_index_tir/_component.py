"""What the LLM and the embedding model have in common: where they call, with which token, and through which client."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Annotated, Any, ClassVar, Self

from llama_index.core.schema import BaseComponent
from pydantic import ConfigDict, Field, PrivateAttr, SecretStr, WithJsonSchema

from tir_client import Config, ConfigurationError, RetryPolicy, Timeouts, TIRClient

Token = Annotated[SecretStr | Callable[[], str | SecretStr], WithJsonSchema({"type": "string", "writeOnly": True})]

ADDRESS = ("api_key", "project_id", "endpoint_id", "base_url", "host", "default_headers", "default_query", "allow_http")
CLIENT = (*ADDRESS, "timeout", "max_retries", "http_client", "http_async_client")
SECRETS = ("api_key", "default_headers", "default_query")
SHARED = ("http_client", "http_async_client", "callback_manager", "rate_limiter")

MEANINGLESS = {
    "reuse_client": (True, "connections are always kept; `close` and `http_client` are for those who want otherwise"),
    "api_version": ("", "TIR has only one"),
    "should_use_structured_outputs": (True, "schemas are always sent, unless `pydantic_program_mode` says otherwise"),
    "modalities": (["text"], "they answer in text"),
    "audio_config": ({}, "they answer in text"),
    "tokenizer": ("", "`count_tokens` asks the server, which knows the model's own"),
}
"""Fields of LlamaIndex's `OpenAILike` that are not needed here: the value that says what is so anyway, and why."""


def token_left_out() -> str:
    """Stands for a token that a pickle left out, where the environment's may be meant for another server."""
    raise ConfigurationError(
        "This object was pickled, which leaves its `api_key` out: set it again. For other processes, leave `api_key` "
        "out from the start: each then reads E2E_TIR_ACCESS_TOKEN from its own environment."
    )


class TIRComponent(BaseComponent):
    """The fields that say where to call, and the client made of them.

    What is secret (the token, the values of headers and of the query) is in no representation of the object: not in
    `repr`, `to_dict`, an event, or a pickle. An object that was saved or sent elsewhere reads the token from the
    environment there; headers and query have to be given to it again.
    """

    model_config = ConfigDict(
        arbitrary_types_allowed=True, extra="forbid", hide_input_in_errors=True, protected_namespaces=()
    )
    other_names: ClassVar[Mapping[str, str]] = {"api_base": "base_url", "async_http_client": "http_async_client"}

    api_key: Token | None = Field(
        default=None,
        exclude=True,
        repr=False,
        description="The Auth Token, or a function that returns it. Default: E2E_TIR_ACCESS_TOKEN, TIR_API_TOKEN.",
    )
    project_id: str | int | None = Field(
        default=None, description="The TIR project, such as 123. Default: E2E_TIR_PROJECT_ID."
    )
    endpoint_id: str | int | None = Field(default=None, description="A deployment of your own, such as 456.")
    base_url: str | None = Field(
        default=None, description="The URL of another server, up to `/v1`. Default: TIR_BASE_URL."
    )
    host: str | None = Field(default=None, description="TIR's host in another region.")
    allow_http: bool = Field(default=False, description="Allow plain http to a host that is not this machine.")
    timeout: Any = Field(
        default=None,
        description="Seconds, or a mapping with `connect`, `first_byte`, `chunk` and `total`, or an httpx.Timeout.",
    )
    max_retries: int = Field(default=2, ge=0, description="How often a call that failed is tried again.")
    default_headers: dict[str, str] | None = Field(
        default=None, exclude=True, repr=False, description="Headers to send with each request."
    )
    default_query: dict[str, Any] | None = Field(
        default=None, exclude=True, repr=False, description="Parameters to add to each URL."
    )
    http_client: Any = Field(default=None, exclude=True, repr=False, description="An httpx.Client of your own.")
    http_async_client: Any = Field(
        default=None, exclude=True, repr=False, description="An httpx.AsyncClient of your own."
    )

    _client: TIRClient | None = PrivateAttr(default=None)
    _made_of: tuple[Any, ...] = PrivateAttr(default=())

    def __init__(self, **fields: Any) -> None:
        super().__init__(**self._renamed(_needed(fields)))
        self.timeout = _plain_timeout(self.timeout)
        _ = self.client  # a mistake in the configuration is reported here, not by the first call

    @property
    def client(self) -> TIRClient:
        """The client that makes the calls. It follows the fields: a change of one makes another client.

        Raises:
            ConfigurationError: Token, project or URL are missing or malformed.
        """
        made_of = tuple(getattr(self, name) for name in CLIENT)
        if self._client is None or self._made_of != made_of:
            self._client = TIRClient(
                Config.resolve(**{name: getattr(self, name) for name in ADDRESS}),
                timeout=self.timeout,
                retry=RetryPolicy(max_retries=self.max_retries),
                http_client=self.http_client,
                http_async_client=self.http_async_client,
            )
            self._made_of = made_of
        return self._client

    def close(self) -> None:
        """Close the connections of sync calls; a later call opens new ones."""
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

    def __getstate__(self) -> dict[str, Any]:
        for name in ("http_client", "http_async_client", "default_headers", "default_query"):
            if getattr(self, name) is not None:
                raise TypeError(f"A {type(self).__name__} with `{name}` cannot be pickled: a pickle would hold it.")
        bare = self.model_copy()  # the base deletes what it cannot pickle, which must not happen to this object
        bare.__dict__.update(dict.fromkeys(SECRETS))
        if callable(self.api_key) or (self.api_key is not None and (self.base_url or self.host)):
            bare.__dict__["api_key"] = token_left_out
        bare.__pydantic_private__ = {"_client": None, "_made_of": ()}
        return super(TIRComponent, bare).__getstate__()

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        memo = {} if memo is None else memo
        shared = [value for name in SHARED if (value := getattr(self, name, None)) is not None]
        memo.update({id(value): value for value in shared})
        return super().__deepcopy__(memo)

    @classmethod
    def _renamed(cls, fields: dict[str, Any]) -> dict[str, Any]:
        """`fields` under the names that this class has for them."""
        for other, name in cls.other_names.items():
            if fields.get(other) is not None and fields.get(name) is not None:
                raise ConfigurationError(f"Give `{name}` or `{other}`, not both: they are the same setting.")
        return {cls.other_names.get(name, name): value for name, value in fields.items()}


def _needed(fields: dict[str, Any]) -> dict[str, Any]:
    """`fields` without those that mean nothing here; who sets one to something else is told so."""
    for name in sorted(fields.keys() & MEANINGLESS.keys()):
        usual, reason = MEANINGLESS[name]
        if fields[name] is not None and fields[name] != usual:
            warnings.warn(f"`{name}` has no effect on TIR's models: {reason}.", UserWarning, stacklevel=3)
    return {name: value for name, value in fields.items() if name not in MEANINGLESS}


def _plain_timeout(timeout: object) -> object:
    """The timeout in a form that can be saved."""
    return timeout if timeout is None or isinstance(timeout, int | float) else asdict(Timeouts.of(timeout))
