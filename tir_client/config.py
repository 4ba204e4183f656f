"""Token, project and the URL of each model. Reads the environment, sends nothing.

The URL of a GenAI model on TIR contains the model's slug, so the URL depends on the model of *each call*:

    {host}/project/p-{project_id}/genai/{model}/v1                 a model that TIR hosts
    {host}/project/p-{project_id}/genai/v1                         one that shares its URL: speech, images, translation
    {host}/project/p-{project_id}/endpoint/is-{endpoint_id}/v1     your own deployment, any model name
    {base_url}                                                     any other server that speaks the same protocol
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, urlsplit

from pydantic import SecretStr

from tir_client.environment import (
    BASE_URL_VARIABLE,
    HOST_VARIABLE,
    NO_TOKEN,
    PROJECT_VARIABLE,
    TOKEN_VARIABLES,
    ApiKey,
    clean_token,
    from_environment,
    looks_like_auth_token,
    project_from_environment,
    required_token_from_environment,
    token_from_environment,
)
from tir_client.errors import ConfigurationError
from tir_client.models import slug_of

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_HOST = "https://infer.e2enetworks.net"
DEFAULT_MODEL = "gpt_oss_120b"
DEFAULT_EMBEDDING_MODEL = "e5-mistral-7b-instruct"

_NO_TOKEN_FOR_SERVER = (
    f"No token: set `api_key` or {TOKEN_VARIABLES[0]} (or {TOKEN_VARIABLES[1]}) to the token of the server at "
    "`base_url`, or to any word if it needs none."
)
_NO_PROJECT = (
    f"No project: pass `project_id` or set {PROJECT_VARIABLE} (the number in your TIR project's URL). "
    f"For another server pass `base_url` or set {BASE_URL_VARIABLE}."
)

LOOPBACK = ("localhost", "*.localhost", "127.0.0.1", "[::1]")
"""This machine, as httpx's host patterns: plain http is allowed, and no proxy is used."""


@dataclass(frozen=True, slots=True)
class Config:
    """The token and URLs for requests. Build it with `resolve`.

    Args:
        token: The Auth Token, or a function that returns it.
        project_id: Number of the TIR project, without `p-`.
        endpoint_id: Number of a deployment of your own, without `is-`.
        base_url: The URL of another server, up to `/v1`.
        host: TIR's host, with its scheme.
        model_in_url: The URL of a model that TIR hosts contains its slug.
        headers: Headers to send with each request.
        query: Parameters to add to each URL.
    """

    token: ApiKey = field(repr=False)
    project_id: str | None = None
    endpoint_id: str | None = None
    base_url: str | None = None
    host: str = DEFAULT_HOST
    model_in_url: bool = True
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    query: Mapping[str, str] = field(default_factory=dict, repr=False)

    @classmethod
    def resolve(  # noqa: PLR0913 - one argument per setting
        cls,
        *,
        api_key: ApiKey | None = None,
        project_id: str | int | None = None,
        endpoint_id: str | int | None = None,
        base_url: str | None = None,
        host: str | None = None,
        model_in_url: bool = True,
        default_headers: Mapping[str, str] | None = None,
        default_query: Mapping[str, object] | None = None,
        allow_http: bool = False,
    ) -> Config:
        """Build and check a configuration. Token, project and address are read from the environment if they are None.

        Raises:
            ConfigurationError: Something is missing or malformed; the message names the argument and the variable.
        """
        if base_url and endpoint_id is not None:
            raise ConfigurationError("Give `base_url` or `endpoint_id`, not both: each sets the address.")
        if base_url is None and host is None and endpoint_id is None:
            base_url = from_environment(BASE_URL_VARIABLE)
        project = _number(project_from_environment() if project_id is None else project_id, "project_id", "p-")
        token = token_from_environment() if api_key is None else _checked_token(api_key)
        no_token = NO_TOKEN if base_url is None else _NO_TOKEN_FOR_SERVER
        missing = [no_token] if token is None else []
        missing += [_NO_PROJECT] if base_url is None and project is None else []
        if token is None or missing:
            raise ConfigurationError(" ".join(missing))
        return cls(
            token=token,
            project_id=project,
            endpoint_id=_number(endpoint_id, "endpoint_id", "is-"),
            base_url=None if base_url is None else _base_url(base_url, "base_url", allow_http=allow_http),
            host=DEFAULT_HOST if base_url else _base_url(_host(host), "host", allow_http=allow_http),
            model_in_url=model_in_url,
            headers=_headers(default_headers or {}),
            query={name: _parameter(name, value) for name, value in (default_query or {}).items()},
        )

    def url_for(self, model: str, path: str = "chat/completions") -> str:
        """The URL to send a request for `model` to, without its query. A `path` with a leading `/` replaces `/v1`."""
        root = self._root(check_model(model))
        return f"{root.removesuffix('/v1')}{path}" if path.startswith("/") else f"{root}/{path}"

    def _root(self, model: str) -> str:
        if self.base_url is not None:
            return self.base_url
        project = f"{self.host}/project/p-{self.project_id}"
        if self.endpoint_id is not None:
            return f"{project}/endpoint/is-{self.endpoint_id}/v1"
        if not self.model_in_url:
            return f"{project}/genai/v1"
        if not _SLUG.fullmatch(model):
            slug = slug_of(model)
            hint = f"did you mean `{slug}`?" if slug else f"it becomes part of the URL, as {DEFAULT_MODEL!r} does."
            raise ConfigurationError(
                f"`model`: {model!r} is not the slug of a GenAI model: {hint} "
                "A Hugging Face id or a path belongs to your own deployment: pass `endpoint_id` too. For a model of "
                "speech, images or translation, whose URL has no slug, pass `model_in_url=False`."
            )
        return f"{project}/genai/{model}/v1"

    def params(self) -> dict[str, str]:
        """The query of each request."""
        project = {"project_id": self.project_id} if self.project_id is not None else {}
        return {**project, **self.query}

    def secret(self) -> SecretStr:
        """The current token. A function given as `api_key` is called."""
        return SecretStr(clean_token(self.token() if callable(self.token) else self.token))

    def secrets(self, token: SecretStr) -> list[str]:
        """The values to mask if a server repeats them: `token`, and the values of the user's headers and query."""
        return [token.get_secret_value(), *self.headers.values(), *self.query.values()]

    def token_hint(self, token: SecretStr) -> str:
        """Advice for a 401, chosen by the shape of the token. It does not contain the token."""
        if self.base_url is None and not looks_like_auth_token(token):
            return (
                "The token does not look like an Auth Token (a long JWT that begins with `eyJ`). Creating a token on "
                "TIR shows two values: inference needs the `Auth Token`, not the short `API Key`."
            )
        return f"Check the Auth Token in `api_key` or {TOKEN_VARIABLES[0]}: it may have expired."

    def __getstate__(self) -> list[Any]:
        """The state to pickle, without the token, which is read from the environment after unpickling.

        Raises:
            TypeError: There are custom headers or query parameters, which may be secret.
        """
        if self.headers or self.query:
            raise TypeError("`default_headers` and `default_query` may be secret: such a client cannot be pickled.")
        token = self.token if callable(self.token) else required_token_from_environment
        return [token if each.name == "token" else getattr(self, each.name) for each in fields(self)]

    def __copy__(self) -> Config:
        return self  # immutable

    def __deepcopy__(self, memo: object) -> Config:
        return self


_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\.?|[0-9A-Fa-f:]+:[0-9A-Fa-f:.]*(?:%\w+)?")
"""An ASCII host name (other scripts have an `xn--` form), or an IP address."""
_URLS = {"base_url": (BASE_URL_VARIABLE, "https://host/v1"), "host": (HOST_VARIABLE, DEFAULT_HOST)}
"""The variable and an example of each argument that is a URL."""
_SLUG = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~:+-]*")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


def check_model(model: object) -> str:
    """Return `model` if it is a usable name.

    Raises:
        ConfigurationError: It is empty, not a string, or has spaces around or inside it.
    """
    if not isinstance(model, str) or not model.strip():
        raise ConfigurationError(f"`model` must be the name of a model, such as {DEFAULT_MODEL!r}, not {model!r}.")
    if re.search(r"[\s\x00-\x1f\x7f]", model):
        raise ConfigurationError(f"`model`: {model!r} has white space in it.")
    return model


def _host(host: str | None) -> str:
    return (from_environment(HOST_VARIABLE) or DEFAULT_HOST) if host is None else host


def _parameter(name: str, value: object) -> str:
    if not isinstance(value, str | int | float):
        raise ConfigurationError(f"`default_query`: {name!r} must be a string or a number, not {type(value).__name__}.")
    return str(value).lower() if isinstance(value, bool) else str(value)


def _checked_token(api_key: ApiKey) -> ApiKey:
    return api_key if callable(api_key) else SecretStr(clean_token(api_key))


def _number(value: object, name: str, prefix: str) -> str | None:
    """Read an id written as `123`, "123", "p-123" or (a common mistake) "p-p-123"."""
    if value is None:
        return None
    digits = re.sub(f"^(?:{prefix})+", "", str(value).strip())
    if not re.fullmatch(r"[0-9]+", digits) or not digits.strip("0"):
        variable = f", or set {PROJECT_VARIABLE}" if name == "project_id" else ""
        raise ConfigurationError(
            f"`{name}` must be a number such as 123 or '{prefix}123'{variable}; it is {_shown(value)}."
        )
    return digits.lstrip("0")


def _base_url(url: str, name: str, *, allow_http: bool) -> str:
    parts = _split(url, name)
    if parts.username is not None or parts.password is not None:
        raise ConfigurationError(f"`{name}` has a user or password in it: pass the token as `api_key`.")
    if parts.query or parts.fragment:
        raise ConfigurationError(f"`{name}` has a query or fragment: pass parameters as `default_query`.")
    if parts.scheme == "http" and not allow_http and not _is_loopback(parts.hostname or ""):
        raise ConfigurationError(
            f"`{name}`: plain http to {parts.hostname!r} would send your token unencrypted. "
            "Use https, or pass `allow_http=True` if you trust the network."
        )
    path = parts.path.rstrip("/")
    for call in ("/chat/completions", "/embeddings", "/rerank"):
        path = path.removesuffix(call).rstrip("/")
    return f"{parts.scheme}://{parts.netloc}{path}"


def _split(url: object, name: str) -> SplitResult:
    text = url.strip() if isinstance(url, str) else ""
    try:
        parts = urlsplit(text)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or not _HOST.fullmatch(parts.hostname or "") or re.search(r"[\s\x00-\x1f\x7f]", text):
        variable, example = _URLS[name]
        shown = "with a user in it" if isinstance(url, str) and "@" in url else _shown(url)
        raise ConfigurationError(f"`{name}` (or {variable}) must be a URL such as {example!r}; it is {shown}.")
    return parts


def _shown(value: object) -> str:
    """A wrong value for an error message; hidden if it may be a misplaced token."""
    looks_secret = isinstance(value, str) and re.fullmatch(r"[\w.~+=-]{20,}", value.strip())
    return f"a string of {len(str(value))} characters that may be a token" if looks_secret else repr(value)


def _is_loopback(host: str) -> bool:
    return host.endswith(".localhost") or host in LOOPBACK or f"[{host}]" in LOOPBACK


def _sendable(value: object) -> bool:
    return isinstance(value, str) and value.isascii() and value.isprintable()


def _headers(headers: Mapping[str, str]) -> dict[str, str]:
    for name, value in headers.items():
        if name.lower() == "authorization":
            raise ConfigurationError("`default_headers` has Authorization: pass the token as `api_key`.")
        if not _HEADER_NAME.fullmatch(name) or not _sendable(value):
            raise ConfigurationError(
                f"`default_headers`: {name!r} cannot be sent: a name is letters, digits and dashes, "
                "a value is printable ASCII."
            )
    return dict(headers)
