"""LlamaIndex models for TIR, the inference platform of E2E Networks: `TIR`, `TIREmbedding` and `TIRRerank`.

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

from llama_index_tir._errors import NoToolCallError, ToolArgumentsError, UnknownToolError
from llama_index_tir._register import register
from llama_index_tir.embeddings import TIREmbedding
from llama_index_tir.llms import TIR
from llama_index_tir.rerankers import TIRRerank
from tir_client import RefusedOutputError, StructuredOutputError, TruncatedOutputError, __version__

__all__ = [
    "TIR",
    "NoToolCallError",
    "RefusedOutputError",
    "StructuredOutputError",
    "TIREmbedding",
    "TIRRerank",
    "ToolArgumentsError",
    "TruncatedOutputError",
    "UnknownToolError",
    "__version__",
    "register",
]
