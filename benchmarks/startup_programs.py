"""Programs that measure import time and model construction in a new interpreter."""

from __future__ import annotations

from benchmarks.contenders import present
from benchmarks.environments import LLAMA_INDEX_BASE

LANGCHAIN_BASE = "BaseChatModel + httpx"
"""The name of the minimal imports of a client for LangChain."""

IMPORTS = {
    LANGCHAIN_BASE: "from langchain_core.language_models.chat_models import BaseChatModel; import httpx",
    "ChatTIR": "from langchain_tir import ChatTIR",
    "ChatOpenAI": "from langchain_openai import ChatOpenAI",
    "ChatMistralAI": "from langchain_mistralai import ChatMistralAI",
    "ChatNVIDIA": "from langchain_nvidia_ai_endpoints import ChatNVIDIA",
    LLAMA_INDEX_BASE: "from llama_index.core.llms.function_calling import FunctionCallingLLM; import httpx",
    "TIR": "from llama_index_tir import TIR",
    "OpenAILike": "from llama_index.llms.openai_like import OpenAILike",
}
"""The import statement for each contender."""

_IMPORTING = """
import json, resource, time
start = time.process_time()
{statement}
cpu = time.process_time() - start
print(json.dumps({{"cpu": cpu, "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}}))
"""

_BUILDING = """
import gc, json, time
from benchmarks.contenders import model
{statement}
gc.collect()  # else the first object may trigger a collection of everything imported
start = time.process_time()
model({name!r}, {base_url!r})
first = time.process_time()
for _ in range(100):
    model({name!r}, {base_url!r})
print(json.dumps({{"first": first - start, "later": (time.process_time() - first) / 100}}))
"""


def importing(name: str) -> str:
    """A program that measures the import of a contender."""
    return _IMPORTING.format(statement=IMPORTS[present(name)])


def building(name: str, base_url: str) -> str:
    """A program that measures the construction of a model object."""
    return _BUILDING.format(statement=IMPORTS[present(name)], name=name, base_url=base_url)
