"""Arguments that users bring from LlamaIndex's `OpenAILike`, beside those that both integrations know. Pure."""

from __future__ import annotations

import warnings
from typing import Any

from tir_client.aliases import ALIASES

EMBEDDING_ALIASES = {**ALIASES, "model": "model_name", "additional_kwargs": "extra_body"}
"""Other names of arguments of `TIREmbedding`, and the names that they have here."""

MEANINGLESS = {
    "reuse_client": (True, "connections are always kept; `close` and `http_client` are for those who want otherwise"),
    "api_version": ("", "TIR has only one"),
    "should_use_structured_outputs": (True, "schemas are always sent, unless `pydantic_program_mode` says otherwise"),
    "modalities": (["text"], "they answer in text"),
    "audio_config": ({}, "they answer in text"),
    "tokenizer": ("", "`count_tokens` asks the server, which knows the model's own"),
}
"""Fields of `OpenAILike` that have no effect here: the value that holds anyway, and the reason."""


def without_meaningless(arguments: dict[str, Any]) -> dict[str, Any]:
    """`arguments` without those that have no effect here, with a warning about any that asks for something else."""
    for name in sorted(arguments.keys() & MEANINGLESS.keys()):
        usual, reason = MEANINGLESS[name]
        if arguments[name] is not None and arguments[name] != usual:
            warnings.warn(f"`{name}` has no effect on TIR's models: {reason}.", UserWarning, stacklevel=5)
    return {name: value for name, value in arguments.items() if name not in MEANINGLESS}
