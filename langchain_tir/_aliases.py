"""Aliases for the argument names of LangChain's other models, and advice for unsupported arguments. Pure."""

from __future__ import annotations

from typing import Any

from tir_client.aliases import ALIASES, UNSUPPORTED, rename

CHAT_ALIASES = {**ALIASES, "stream_usage": "stream_options"}
"""Argument names of other models, and their names in this package."""

LANGCHAIN_UNSUPPORTED = {
    **UNSUPPORTED,
    "include_response_headers": "the request id is in `response_metadata`; for others, use a hook of `http_client`",
    "tiktoken_model_name": "pass `custom_get_token_ids`",
}
"""Unsupported arguments of other models, and what to do instead."""


def rename_parameters(arguments: dict[str, Any]) -> dict[str, Any]:
    """Rename the arguments of a chat model's call, or those in its `model_kwargs`, to their names in this package.

    Raises:
        InvalidRequestError: An argument is given under two names.
    """
    return rename(with_usage_option(arguments), CHAT_ALIASES)


def with_usage_option(arguments: dict[str, Any]) -> dict[str, Any]:
    """Return `arguments` with the value of `stream_usage`, True or False, converted to that of `stream_options`."""
    usage = arguments.get("stream_usage")
    return arguments if usage is None else {**arguments, "stream_usage": {"include_usage": usage}}
