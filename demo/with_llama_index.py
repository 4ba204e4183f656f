"""The parts of the demo that use LlamaIndex: a query engine and an agent."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from llama_index.core import Document, SimpleKeywordTableIndex, VectorStoreIndex
from llama_index.core.agent.workflow import AgentStream, FunctionAgent, ToolCallResult
from llama_index.core.callbacks import CallbackManager, TokenCountingHandler
from llama_index.core.node_parser import MarkdownNodeParser
from rich.text import Text

from demo.tools import QUESTION, get_weather
from llama_index_tir import TIR, TIREmbedding
from tir_client import TIRError

if TYPE_CHECKING:
    from llama_index.core.base.base_query_engine import BaseQueryEngine
    from rich.console import Console

    from demo.endpoint import Endpoint
    from demo.tally import Tally

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = ("README.md", "CONTRIBUTING.md", "SECURITY.md", "docs/guides/testing.md")
DOCUMENTS_QUESTION = "Is the sandbox a model, and how are its answers made?"


def query_engine(endpoint: Endpoint, console: Console, tally: Tally) -> None:
    """Answer a question from this repository's documents, and print the sources."""
    llm, counter = _model(endpoint)
    engine = _engine(endpoint, llm, console)
    llm.callback_manager = CallbackManager([counter])  # building the index replaced it
    console.print(Text(f"> {DOCUMENTS_QUESTION}", style="cyan"))
    answer = engine.query(DOCUMENTS_QUESTION)
    console.print(Text(str(answer), style="bold"))
    for source in answer.source_nodes:
        title = source.node.get_content().strip().partition("\n")[0].lstrip("# ")
        where = f"{source.node.metadata['file']}, “{title}”"
        score = "" if source.score is None else f" ({source.score:.2f})"
        console.print(Text(f"  from {where}{score}", style="green"))
    tally.add("LlamaIndex query engine", counter.prompt_llm_token_count, counter.completion_llm_token_count)


def _engine(endpoint: Endpoint, llm: TIR, console: Console) -> BaseQueryEngine:
    paths = [ROOT / name for name in DOCUMENTS]
    documents = [Document(text=path.read_text("utf-8"), metadata={"file": path.name}) for path in paths]
    nodes = MarkdownNodeParser().get_nodes_from_documents(documents)
    embedding = TIREmbedding(model_name=endpoint.embedding_model, **endpoint.settings)
    try:
        return VectorStoreIndex(nodes, embed_model=embedding).as_query_engine(llm=llm, similarity_top_k=3)
    except TIRError as error:
        console.print(Text(f"No embeddings here ({type(error).__name__}): searching by keyword.", style="yellow"))
        return SimpleKeywordTableIndex(nodes, llm=llm).as_query_engine(llm=llm, retriever_mode="simple")


async def agent(endpoint: Endpoint, console: Console, tally: Tally) -> None:
    """Run a `FunctionAgent` and print its reasoning, calls and text."""
    llm, counter = _model(endpoint)
    console.print(Text(f"> {QUESTION}", style="cyan"))
    run = FunctionAgent(tools=[get_weather], llm=llm).run(QUESTION)
    thinking = False
    async for event in run.stream_events():
        if isinstance(event, AgentStream):
            if thinking and event.delta:
                console.print()
            thinking = bool(event.thinking_delta) or (thinking and not event.delta)
            console.print(Text(event.thinking_delta or "", style="dim italic"), end="")
            console.print(Text(event.delta, style="bold"), end="")
        elif isinstance(event, ToolCallResult):
            console.print(Text(f"\n  calls {event.tool_name}({event.tool_kwargs})", style="magenta"))
            console.print(Text(f"  -> {event.tool_output.content}", style="green"))
            thinking = False
    await run
    console.print()
    tally.add("LlamaIndex agent", counter.prompt_llm_token_count, counter.completion_llm_token_count)


def _model(endpoint: Endpoint) -> tuple[TIR, TokenCountingHandler]:
    counter = TokenCountingHandler()
    manager = CallbackManager([counter])
    return TIR(model=endpoint.model, callback_manager=manager, **endpoint.settings), counter
