"""Connection: the settings that all models share: address, token, timeouts, and the client built from them.

It imports no framework. An integration's class inherits from `Connection` and the framework's base class, and adds its
own aliases.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from operator import attrgetter
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, TypedDict

from pydantic import ConfigDict, Field, PrivateAttr, SecretStr, WithJsonSchema

from tir_client.aliases import (
    ALIASES,
    UNSUPPORTED,
    refuse_unknown,
    refuse_unsupported,
    rename,
)
from tir_client.client import TIRClient
from tir_client.config import Config, check_model
from tir_client.copying import Copyable
from tir_client.environment import ApiKey, project_from_environment, token_from_environment
from tir_client.errors import ConfigurationError
from tir_client.model_methods import ModelMethods
from tir_client.transport.retry import RetryPolicy
from tir_client.transport.timeouts import Timeouts

Token = Annotated[SecretStr | Callable[[], Any], WithJsonSchema({"type": "string", "writeOnly": True})]

SECRETS = ("default_headers", "default_query")
ADDRESS = ("api_key", "project_id", "endpoint_id", "base_url", "host", "model_in_url", *SECRETS, "allow_http")
CLIENTS = ("http_client", "http_async_client")
POLICIES = ("timeout", "max_retries", "wait_for_start")
_client_settings = attrgetter(*ADDRESS, *CLIENTS, *POLICIES)
NUMBERS = ("max_retries", "wait_for_start")
MODEL_FIELDS = ("model", "model_name")


class Connection(Copyable, ModelMethods, defer_build=True):
    """Address and token. Missing values are read from the environment.

    No validator is built for a class that is only inherited from: the import would take longer (`defer_build`).
    `repr`, dumps and pickles contain no secrets (token, headers, query).
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, hide_input_in_errors=True, protected_namespaces=())
    aliases: ClassVar[Mapping[str, str]] = ALIASES
    """Names of arguments in other models, and the names of this library."""
    unsupported: ClassVar[Mapping[str, str]] = UNSUPPORTED
    """Arguments of other models that have no effect here, and what to do instead."""

    api_key: Token | None = Field(
        default_factory=token_from_environment,
        exclude=True,
        repr=False,
        description="The Auth Token, or a function, sync or async, that returns it and is called once per request. "
        "Environment: E2E_TIR_ACCESS_TOKEN, then TIR_API_TOKEN.",
    )
    project_id: int | str | None = Field(
        default_factory=project_from_environment,
        description="Number of the TIR project, such as 123. Environment: E2E_TIR_PROJECT_ID.",
    )
    endpoint_id: int | str | None = Field(
        default=None, description="Number of a deployment of your own, such as 45; its model may have any name."
    )
    base_url: str | None = Field(
        default=None, description="The URL of another server, including `/v1`. Environment: TIR_BASE_URL."
    )
    host: str | None = Field(
        default=None,
        description="TIR's host in another region, or a gateway in front of it. Environment: MODEL_API_CLIENT_HOST.",
    )
    model_in_url: bool = Field(
        default=True,
        description="Whether the URL of a model that TIR hosts contains its slug, as it does for text and embeddings. "
        "False for speech, image and translation models, which share one URL.",
    )
    allow_http: bool = Field(default=False, description="Allow plain http to a host that is not this machine.")
    timeout: float | dict[str, float | None] | None = Field(
        default=None,
        description="Seconds, or a mapping with any of `connect`, `first_byte`, `chunk` and `total`. "
        "An `httpx.Timeout` is accepted, too.",
    )
    max_retries: int = Field(
        default=2,
        ge=0,
        description="How often to retry a failed call: a stream until it has yielded something, a whole answer until "
        "it is complete.",
    )
    wait_for_start: float = Field(
        default=0.0,
        ge=0,
        allow_inf_nan=False,
        description="Seconds for which a call is retried while your own idle deployment (`endpoint_id`, `base_url`) "
        "starts, which shows in HTTP 502, 503 or 504, refused connections and timeouts. Default: no such retries. "
        "A large model takes 10 to 15 minutes: 900. These tries do not count towards `max_retries`; pauses grow from "
        "1 to 15 seconds, or are as long as `Retry-After`. The timeout `total` bounds all tries, and `first_byte` each "
        "of them. It also bounds the wait for a running model's first byte: set more than your slowest first token "
        "takes, or your slowest whole answer without streaming.",
    )
    default_headers: Mapping[str, str] | None = Field(
        default=None, exclude=True, repr=False, description="Headers to send with each request; treated as secrets."
    )
    default_query: Mapping[str, Any] | None = Field(
        default=None, exclude=True, repr=False, description="Parameters to add to each URL; treated as secrets."
    )
    http_client: Any = Field(
        default=None, exclude=True, repr=False, description="An httpx (or httpx2) client for sync calls."
    )
    http_async_client: Any = Field(
        default=None, exclude=True, repr=False, description="An async httpx (or httpx2) client for async calls."
    )

    _made: tuple[TIRClient, tuple[Any, ...]] | None = PrivateAttr(default=None)
    """The client, and copies of the settings that it was made with."""

    def __init__(self, **arguments: Any) -> None:
        with self._framework_errors():
            super().__init__(**self._fields_from(arguments))
        _ = self.client  # report a wrong configuration now, not at the first call

    def model_post_init(self, context: Any, /) -> None:
        """Run the framework's hook, which pydantic's hook for private attributes would replace."""
        super().model_post_init(context)

    @classmethod
    def _fields_from(cls, arguments: dict[str, Any]) -> dict[str, Any]:
        """Convert the constructor's arguments to fields: rename and check them, and drop those that are None.

        Raises:
            ConfigurationError: An argument is unknown (the message suggests the nearest name), or is given twice.
        """
        known = cls._argument_names()
        refuse_unsupported(arguments.keys() - known - cls.aliases.keys(), cls.unsupported)
        aliases = {other: name for other, name in cls.aliases.items() if other not in known}
        fields = rename(arguments, aliases, ConfigurationError)
        if cls.model_config.get("extra") == "forbid":
            refuse_unknown(fields.keys() - known, known, cls.__name__)
        given = {name: value for name, value in fields.items() if value is not None or not cls._has_default(name)}
        return {name: to_storable(name, value) for name, value in given.items()}

    @classmethod
    def _argument_names(cls) -> set[str]:
        fields = cls.model_fields
        return {*fields, *(field.alias for field in fields.values() if field.alias is not None)}

    @classmethod
    def _has_default(cls, name: str) -> bool:
        """Whether the field has a default other than None, which None in the constructor selects."""
        field = cls.model_fields.get(name)
        return field is not None and field.default_factory is None and field.default is not None

    if not TYPE_CHECKING:  # else a type checker would accept any attribute

        def __setattr__(self, name, value):  # noqa: ANN001, ANN204
            with self._framework_errors():
                if name in MODEL_FIELDS:
                    check_model(value)
                if value is None and self._has_default(name):
                    value = type(self).model_fields[name].default
                value = to_storable(name, value)
            super().__setattr__(name, value)

    # The client

    @property
    def client(self) -> TIRClient:
        """The client for all calls. It is replaced when the address, a policy or an HTTP client changes.

        Raises:
            ConfigurationError: Token, project or URL are missing or malformed.
        """
        settings, made = _client_settings(self), self._made
        if made is None or made[1] != settings:
            with self._framework_errors():
                client = TIRClient(
                    Config.resolve(**{name: getattr(self, name) for name in ADDRESS}),
                    timeout=self.timeout,
                    retry=RetryPolicy(max_retries=self.max_retries),
                    wait_for_start=self.wait_for_start,
                    http_client=self.http_client,
                    http_async_client=self.http_async_client,
                )
            made = self._made = client, tuple(map(_snapshot, settings))
        return made[0]


class ConnectionArguments(TypedDict, total=False):
    """The fields of `Connection` as keyword arguments, for type checkers."""

    api_key: ApiKey | None
    project_id: int | str | None
    endpoint_id: int | str | None
    base_url: str | None
    host: str | None
    model_in_url: bool
    allow_http: bool
    timeout: Any
    max_retries: int | None
    wait_for_start: float | None
    default_headers: Mapping[str, str] | None
    default_query: Mapping[str, Any] | None
    http_client: Any
    http_async_client: Any


def to_storable(name: str, value: Any) -> Any:
    """Convert the value of a field to a form that can be shown and saved: a `SecretStr`, plain timeouts.

    Raises:
        ConfigurationError: It is a bool where a number is expected.
    """
    if name == "api_key" and isinstance(value, str):
        return SecretStr(value)
    if name in NUMBERS and isinstance(value, bool):
        raise ConfigurationError(f"`{name}` is a number, not {value!r}.")
    return _plain_timeout(value) if name == "timeout" else value


def _plain_timeout(timeout: Any) -> Any:
    """Convert an `httpx.Timeout`, or a pair of connect and read timeouts, to a mapping of phases."""
    if isinstance(timeout, tuple) and len(timeout) == 2:  # noqa: PLR2004 - connect and read, as in requests
        connect, read = timeout
        timeout = {"connect": connect, "first_byte": read, "chunk": read}
    if isinstance(timeout, Mapping) and not any(isinstance(seconds, bool) for seconds in timeout.values()):
        return dict(timeout)
    if timeout is None or (isinstance(timeout, int | float | str) and not isinstance(timeout, bool)):
        return timeout
    return asdict(Timeouts.of(timeout))


def _snapshot(value: Any) -> Any:
    """A copy of a value, to detect changes in place later."""
    return dict(value) if isinstance(value, Mapping) else value
