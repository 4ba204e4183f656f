"""The limits and features of a model in LlamaIndex's form: `TIR.metadata`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llama_index.core.base.llms.types import LLMMetadata
from llama_index.core.constants import DEFAULT_NUM_OUTPUTS
from pydantic import ConfigDict, PrivateAttr

from llama_index_tir._settings import ChatSettings
from tir_client import model_info

if TYPE_CHECKING:
    from collections.abc import Callable

FALLBACK_WINDOW = 8_192
"""The context window if neither this library nor the server has it. LlamaIndex's default of 3,900 dates from 2023, and
would cut prompts and memories far too short."""

REASONING_OUTPUT = 4_096
"""Tokens to reserve for the answer of a reasoning model, reasoning included."""

LIMITS = ("context_window", "num_output")

GENERATION = ("temperature", "top_p", "max_tokens", "seed", "reasoning_effort")
"""The parameters that observability tools show with the model's name."""


class Metadata(LLMMetadata):
    """LlamaIndex's metadata, with the generation parameters that are set, for OpenInference's spans."""

    model_config = ConfigDict(extra="allow")


class ServedMetadata(Metadata):
    """The metadata of a model whose context window is read from its server when a limit is first used.

    LlamaIndex reads the other fields in nearly every call, also in async code, which a request would block.
    """

    _read_window: Callable[[], int | None] = PrivateAttr()
    _output: int = PrivateAttr()

    def __init__(self, read_window: Callable[[], int | None], output: int, **fields: Any) -> None:
        super().__init__(**fields)
        self._read_window = read_window
        self._output = output
        for name in LIMITS:
            del self.__dict__[name]

    if not TYPE_CHECKING:  # a type checker would accept any attribute

        def __getattr__(self, name: str) -> Any:
            if name not in LIMITS:
                return super().__getattr__(name)
            self.__dict__ |= limits(self._read_window() or FALLBACK_WINDOW, self._output)
            return self.__dict__[name]


def limits(window: int, output: int) -> dict[str, int]:
    """The fields for the context window and for the tokens reserved for an answer, at most half of the window."""
    return {"context_window": window, "num_output": min(output, window // 2)}


class MetadataMethods(ChatSettings):
    """`TIR.metadata`."""

    @property
    def metadata(self) -> LLMMetadata:
        """The limits and features of the model, for LlamaIndex.

        If this library does not have the model's context window, it is read from the server's list of models when a
        limit is first used, once, with a timeout of 5 seconds, or 1 second in a running event loop, which it blocks;
        `await llm.alist_models()` beforehand avoids that. If the server does not report it, a warning is logged, and
        8,192 tokens are assumed.
        """
        info = model_info(self.model)
        output = self.max_tokens or (REASONING_OUTPUT if info.reasoning else DEFAULT_NUM_OUTPUTS)
        calls = info.tools if self.is_function_calling_model is None else self.is_function_calling_model
        fields = {name: value for name in GENERATION if (value := getattr(self, name)) is not None}
        fields |= {
            "is_chat_model": self.is_chat_model,
            "is_function_calling_model": calls,
            "model_name": self.model,
        }
        window = self.context_window or info.context_window
        if window is None:
            return ServedMetadata(self.served_window, output, **fields)
        return Metadata(**fields, **limits(window, output))
