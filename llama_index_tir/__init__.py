"""TIR's models in LlamaIndex: `TIR`, an LLM that calls tools, and `TIREmbedding`.

from llama_index_tir import TIR
llm = TIR(model="gpt_oss_120b", project_id=123)
print(llm.complete("What is a vector index?"))
"""

try:
    import llama_index.core  # noqa: F401 - only to see whether it is there
except ImportError as error:
    raise ImportError(
        'llama_index_tir needs LlamaIndex, which is not installed. Install it with: pip install "tir-llm[llama-index]"'
    ) from error

from typing import Any

from wrapt import register_post_import_hook

from llama_index_tir._tools import NoToolCallError, ToolArgumentsError, UnknownToolError
from llama_index_tir.embeddings import TIREmbedding
from llama_index_tir.llms import TIR
from tir_client import RefusedOutputError, StructuredOutputError, TruncatedOutputError, __version__

__all__ = [
    "TIR",
    "NoToolCallError",
    "RefusedOutputError",
    "StructuredOutputError",
    "TIREmbedding",
    "ToolArgumentsError",
    "TruncatedOutputError",
    "UnknownToolError",
    "__version__",
]


def _recognize(loading: Any) -> None:
    loading.RECOGNIZED_LLMS[TIR.class_name()] = TIR


def _recognize_embedding(loading: Any) -> None:
    loading.RECOGNIZED_EMBEDDINGS[TIREmbedding.class_name()] = TIREmbedding


# So that what was saved (extractors, programs) can be loaded again. Not sooner than somebody wants that: the modules
# import the openai SDK where it is installed, which takes longer than all of LlamaIndex's core that we need.
register_post_import_hook(_recognize, "llama_index.core.llms.loading")
register_post_import_hook(_recognize_embedding, "llama_index.core.embeddings.loading")
