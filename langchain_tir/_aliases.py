"""Arguments that users bring from LangChain's other models: their names here, or what to do in their place. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from tir_client import ConfigurationError, InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Collection

OTHER_NAMES = {
    "model_name": "model",
    "max_completion_tokens": "max_tokens",
    "stop_sequences": "stop",
    "request_timeout": "timeout",
    "stream_usage": "stream_options",
}
"""Names that LangChain users know from elsewhere. Older servers know `max_tokens` only, so that goes on the wire."""

_PROXY = "pass `http_client=httpx.Client(proxy=...)`, for async calls `http_async_client`, or set HTTPS_PROXY"
_BASE = "pass it as `base_url`"
_HEADERS = "pass `default_headers` to the constructor"
_EFFORT = "pass `reasoning_effort`; what the deployment knows beside it goes into `extra_body`"

ADVICE = {
    "api_base": _BASE,
    "openai_api_base": _BASE,
    "proxy": _PROXY,
    "openai_proxy": _PROXY,
    "http_socket_options": "pass an `http_client` whose transport has them",
    "stream_chunk_timeout": "pass `timeout={'chunk': ...}`",
    "headers": _HEADERS,
    "extra_headers": _HEADERS,
    "extra_query": "pass `default_query` to the constructor",
    "include_response_headers": "the id of the request is in `response_metadata`; for more, give `http_client` a hook",
    "organization": "pass `project_id`",
    "openai_organization": "pass `project_id`",
    "disabled_params": "leave it out, as nothing is sent that is not set",
    "use_responses_api": "leave it out, as every call is a chat completion",
    "reasoning": _EFFORT,
    "thinking": _EFFORT,
    "functions": "pass `tools`",
    "function_call": "pass `tool_choice`",
    "tiktoken_model_name": "pass `custom_get_token_ids`",
}
"""What would be sent to no avail, as servers ignore what they do not know: settings of the client, and other APIs'."""

_CREDENTIAL = re.compile(r"api_?key|token$|secret|passw|credential|authorization", re.IGNORECASE)


def renamed(arguments: dict[str, Any]) -> dict[str, Any]:
    """Arguments of a constructor or a call under the names that they have here.

    Raises:
        InvalidRequestError: One is given under both of its names.
    """
    for other, name in OTHER_NAMES.items():
        if other in arguments and name in arguments:
            raise InvalidRequestError(f"Give `{name}` or `{other}`, not both: they are the same parameter.")
    return {OTHER_NAMES.get(name, name): _value(name, value) for name, value in arguments.items()}


def _value(name: str, value: Any) -> Any:
    return {"include_usage": value} if name == "stream_usage" and value is not None else value


def refuse_unsendable(unknown: Collection[str]) -> None:
    """Refuse unknown arguments that must not be sent in the body of each request, as others are.

    Raises:
        ConfigurationError: One looks like a secret, or is known to mean something else elsewhere.
    """
    for name in sorted(unknown):
        if name in ADVICE:
            raise ConfigurationError(f"`{name}` is no argument here: {ADVICE[name]}.")
        if _CREDENTIAL.search(name):
            raise ConfigurationError(f"`{name}` looks like a credential: pass the token as `api_key`.")
