"""Short programs for interpreters that have imported nothing yet: what an import costs, and a model object."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from benchmarks.environments import LLAMA_INDEX_BASE, run_python

if TYPE_CHECKING:
    from pathlib import Path

LANGCHAIN_BASE = "BaseChatModel + httpx"
"""What LangChain's contenders cannot do without."""

IMPORTS = {
    LANGCHAIN_BASE: "from langchain_core.language_models.chat_models import BaseChatModel; import httpx",
    "ChatTIR": "from langchain_tir import ChatTIR",
    "ChatOpenAI": "from langchain_openai import ChatOpenAI",
    "ChatMistralAI": "from langchain_mistralai import ChatMistralAI",
    LLAMA_INDEX_BASE: "from llama_index.core.llms.function_calling import FunctionCallingLLM; import httpx",
    "TIR": "from llama_index_tir import TIR",
    "OpenAILike": "from llama_index.llms.openai_like import OpenAILike",
}
"""What each contender's user imports, and the least that any client for that framework imports."""

_IMPORTING = """
import json, resource, time
start = time.process_time()
{statement}
cpu = time.process_time() - start
print(json.dumps({{"cpu": cpu, "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}}))
"""

_BUILDING = """
import json, time
from benchmarks.contenders import model
{statement}
start = time.process_time()
model({name!r}, "http://127.0.0.1:9/v1")
first = time.process_time()
for _ in range(100):
    model({name!r}, "http://127.0.0.1:9/v1")
print(json.dumps({{"first": first - start, "later": (time.process_time() - first) / 100}}))
"""


def importing(name: str) -> str:
    """A program that imports what a contender's user imports."""
    return _IMPORTING.format(statement=IMPORTS[name])


def building(name: str) -> str:
    """A program that builds a model object again and again."""
    return _BUILDING.format(statement=IMPORTS[name], name=name)


def run(python: Path, program: str) -> Any:
    """Run a program; return what it has to tell."""
    return json.loads(run_python(python, "-c", program))
