"""LangChain models for TIR, the inference platform of E2E Networks.

model = ChatTIR(model="gpt_oss_120b", project_id=123)
answer = model.invoke("Why is the sky blue?")
print(answer.additional_kwargs.get("reasoning_content"), answer.text, answer.usage_metadata)
"""

try:
    import langchain_core  # noqa: F401 - only to see whether it is there
except ImportError as error:
    raise ImportError(
        'langchain_tir needs LangChain, which is not installed. Install it with: pip install "tir-llm[langchain]"'
    ) from error

from langchain_tir._errors import RefusedOutputError, StructuredOutputError, TruncatedOutputError
from langchain_tir._media import media_block
from langchain_tir._register import register
from langchain_tir.chat_models import ChatTIR
from langchain_tir.embeddings import TIREmbeddings
from langchain_tir.rerankers import TIRRerank
from tir_client import __version__

__all__ = [
    "ChatTIR",
    "RefusedOutputError",
    "StructuredOutputError",
    "TIREmbeddings",
    "TIRRerank",
    "TruncatedOutputError",
    "__version__",
    "media_block",
    "register",
]
