"""Renames the arguments of other models, such as ChatOpenAI or OpenAILike, and refuses those that have no effect. Pure.

Each error says what to do instead. Servers ignore unknown parameters without an error.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from tir_client.errors import ConfigurationError, InvalidRequestError, TIRError
from tir_client.protocol.parameters import PARAMETER_ALIASES, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

ALIASES = {
    **PARAMETER_ALIASES,
    "api_base": "base_url",
    "openai_api_base": "base_url",
    "request_timeout": "timeout",
    "async_http_client": "http_async_client",
}
"""Names of arguments in other models, and the names of this library."""

_PROXY = "pass `http_client=httpx.Client(proxy=...)`, for async calls `http_async_client`, or set HTTPS_PROXY"
_VERIFY = "pass `http_client=httpx.Client(verify=...)`, for async calls `http_async_client`, or set SSL_CERT_FILE"
_HEADERS = "pass `default_headers` to the constructor"
_EFFORT = "pass `reasoning_effort`; for other parameters of the deployment pass `extra_body`"

UNSUPPORTED = {
    "proxy": _PROXY,
    "openai_proxy": _PROXY,
    "http_socket_options": "pass an `http_client` whose transport has them",
    "stream_chunk_timeout": "pass `timeout={'chunk': ...}`",
    "verify": _VERIFY,
    "cert": _VERIFY,
    "headers": _HEADERS,
    "extra_headers": _HEADERS,
    "stream": "call a streaming method, such as `stream`, `stream_chat` or `astream`",
    "extra_query": "pass `default_query` to the constructor",
    "organization": "pass `project_id`",
    "openai_organization": "pass `project_id`",
    "disabled_params": "leave it out, as nothing is sent that is not set",
    "use_responses_api": "leave it out, as every call is a chat completion",
    "reasoning": _EFFORT,
    "thinking": _EFFORT,
    "functions": "pass `tools`",
    "function_call": "pass `tool_choice`",
}
"""Arguments of other models that have no effect on TIR, and what to do instead."""

CALL_ALIASES = {
    **ALIASES,
    "headers": "default_headers",
    "extra_headers": "default_headers",
    "extra_query": "default_query",
}
"""Call arguments of other models, and the constructor field that replaces each of them."""

_CREDENTIAL = re.compile(r"api_?key|(?<!max_)token$|secret|passw|credential|authorization", re.IGNORECASE)


def looks_like_credential(name: str) -> bool:
    """Whether an argument of this name is a secret, such as `api_key` or `access_token`."""
    return _CREDENTIAL.search(name) is not None


def rename(
    arguments: Mapping[str, Any], aliases: Mapping[str, str], error: type[TIRError] = InvalidRequestError
) -> dict[str, Any]:
    """Return the arguments of a constructor or a call under the names of this library.

    Raises:
        TIRError: An argument is given under two names. The class is `error`.
    """
    renamed: dict[str, Any] = {}
    for other, value in arguments.items():
        name = aliases.get(other, other)
        if name in renamed or (name != other and name in arguments):
            raise error(f"Give `{name}` or `{_other_name(name, arguments, aliases)}`, not both.")
        renamed[name] = value
    return renamed


def _other_name(name: str, arguments: Mapping[str, Any], aliases: Mapping[str, str]) -> str:
    return next(other for other in arguments if other != name and aliases.get(other) == name)


def refuse_unsupported(names: Collection[str], unsupported: Mapping[str, str]) -> None:
    """Refuse unsupported arguments of a constructor, and unknown ones that look like a secret.

    Raises:
        ConfigurationError: There is one.
    """
    for name in sorted(names):
        if name in unsupported:
            raise ConfigurationError(f"`{name}` is not an argument here: {unsupported[name]}.")
        if looks_like_credential(name):
            raise ConfigurationError(f"`{name}` looks like a credential: pass the token as `api_key`.")


def refuse_unknown(unknown: Collection[str], known: Collection[str], owner: str) -> None:
    """Refuse unknown arguments of a constructor or a method.

    Args:
        unknown: Their names.
        known: The names that it has, for a suggestion.
        owner: The class or the method.

    Raises:
        ConfigurationError: There is one; the message suggests the nearest name.
    """
    for name in sorted(unknown):
        raise ConfigurationError(f"{owner} has no argument `{name}`{did_you_mean(name, known) or '.'}")


def refuse_unknown_parameters(
    names: Collection[str], known: Collection[str], constructor: Collection[str], unsupported: Mapping[str, str]
) -> None:
    """Refuse arguments of a call that are not request parameters.

    Raises:
        InvalidRequestError: An argument is unknown; the message suggests the nearest name, or what to do instead.
    """
    for name in sorted(set(names).difference(known)):
        field = CALL_ALIASES.get(name, name)
        if field in constructor:
            passed = "it" if field == name else f"`{field}`"
            advice = f": pass {passed} to the constructor, or call `model.model_copy(update={{{field!r}: ...}})`."
        elif name in unsupported:
            advice = f": {unsupported[name]}."
        else:
            hint = did_you_mean(name, known) or "."
            advice = f"{hint} If the deployment knows it, pass `extra_body={{{name!r}: ...}}`."
        raise InvalidRequestError(f"`{name}` is not a parameter of a call{advice}")
