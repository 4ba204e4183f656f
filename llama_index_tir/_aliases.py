"""Argument names of `OpenAILike`, and its arguments that have no effect here. Pure."""

from __future__ import annotations

import warnings
from typing import Any

from tir_client.aliases import ALIASES

EMBEDDING_ALIASES = {**ALIASES, "model": "model_name", "additional_kwargs": "extra_body"}
"""Other names of arguments of `TIREmbedding`, mapped to the names here."""

MEANINGLESS = {
    "reuse_client": (True, "connections are always reused; see `close` and `http_client`"),
    "api_version": ("", "TIR has only one"),
    "should_use_structured_outputs": (True, "schemas are always sent, unless `pydantic_program_mode` says otherwise"),
    "modalities": (["text"], "they answer with text"),
    "audio_config": ({}, "they answer with text"),
    "tokenizer": ("", "`count_tokens` asks the server, which has the model's tokenizer"),
}
"""Fields of `OpenAILike` that have no effect here: the value that is accepted silently, and the reason."""


def without_meaningless(arguments: dict[str, Any]) -> dict[str, Any]:
    """Return `arguments` without those that have no effect here; warn if one has an unusual value."""
    for name in sorted(arguments.keys() & MEANINGLESS.keys()):
        usual, reason = MEANINGLESS[name]
        if arguments[name] is not None and arguments[name] != usual:
            warnings.warn(f"`{name}` has no effect on TIR's models: {reason}.", stacklevel=5)
    return {name: value for name, value in arguments.items() if name not in MEANINGLESS}
