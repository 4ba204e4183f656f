"""Aliases for the argument names of LlamaIndex's other models, and the ignored fields of `OpenAILike`. Pure."""

from __future__ import annotations

from typing import Any

from tir_client.aliases import ALIASES

EMBEDDING_ALIASES = {**ALIASES, "model": "model_name", "additional_kwargs": "extra_body"}
"""Argument names of other embedding models, and their names in `TIREmbedding`."""

IGNORED = {
    "reuse_client": (True, "connections are always reused; see `close` and `http_client`"),
    "api_version": ("", "TIR has only one"),
    "should_use_structured_outputs": (True, "schemas are always sent, unless `pydantic_program_mode` says otherwise"),
    "modalities": (["text"], "they answer with text"),
    "audio_config": ({}, "they answer with text"),
    "tokenizer": ("", "`count_tokens` asks the server, which has the model's tokenizer"),
}
"""Fields of `OpenAILike` that have no effect here: the value that is accepted silently, and the reason."""


def without_ignored(arguments: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return `arguments` without those that have no effect here, and a warning for each with an unusual value."""
    unusual = [
        f"`{name}` has no effect on TIR's models: {reason}."
        for name, (usual, reason) in IGNORED.items()
        if arguments.get(name) not in (None, usual)
    ]
    return {name: value for name, value in arguments.items() if name not in IGNORED}, unusual
