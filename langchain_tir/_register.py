"""Registers the provider for `init_chat_model("tir:...")`."""

from __future__ import annotations

from langchain_tir._content_blocks import PROVIDER


def register() -> None:
    """Register the provider `tir` with LangChain, for `init_chat_model("tir:gpt_oss_120b")`.

    LangChain has no public way to add a provider, so this adds it to the private list of built-in ones.

    Raises:
        ImportError: `langchain` is not installed, or has another version without that list. Use `ChatTIR(...)` then.
    """
    try:
        from langchain.chat_models.base import _BUILTIN_PROVIDERS  # noqa: PLC0415 - an optional package
    except ImportError as error:
        raise ImportError(
            "`init_chat_model` needs a supported version of the package `langchain`. "
            "Without it, create the model with `ChatTIR(...)` and pass that object instead."
        ) from error
    _BUILTIN_PROVIDERS.setdefault(PROVIDER, ("langchain_tir", "ChatTIR", lambda cls, **fields: cls(**fields)))
