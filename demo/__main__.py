"""Runs the demo: `make demo`."""

from __future__ import annotations

import asyncio
import sys

from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from demo import with_bulk, with_langchain, with_llama_index
from demo.endpoint import PROJECT, TOKEN, Endpoint, open_endpoint
from demo.tally import Tally
from tir_client import TIRError

console = Console(highlight=False)

LANGCHAIN = """\
from langchain_tir import ChatTIR
llm = ChatTIR({shown})
print(llm.invoke("Why is the sky blue?").text)"""
LLAMA_INDEX = """\
from llama_index_tir import TIR
llm = TIR({shown})
print(llm.complete("Why is the sky blue?"))"""


def main() -> int:
    """Run the demo; return the exit status of the process."""
    tally = Tally()
    try:
        with open_endpoint() as endpoint:
            _print_endpoint(endpoint)
            _run(endpoint, tally)
    except TIRError as error:
        console.print(Panel(Text(str(error)), title=type(error).__name__, border_style="red"))
        return 1
    _print_summary(tally, endpoint)
    return 0


def _print_endpoint(endpoint: Endpoint) -> None:
    text = Text.assemble("Calling ", (endpoint.name, "bold"), f", model {endpoint.model}.")
    if not endpoint.is_model:
        text.append(
            "\nThe sandbox is not a model: it has TIR's API over real HTTP, but simple rules produce its answers. "
            f"Set {TOKEN} and {PROJECT} to call TIR.",
            style="yellow",
        )
    console.print(Panel(text, title="tir-llm"))


def _run(endpoint: Endpoint, tally: Tally) -> None:
    console.rule("LangChain: a chain that streams reasoning and answer separately")
    with_langchain.chain(endpoint, console, tally)
    console.rule("LangChain: an agent that calls a Python function")
    with_langchain.agent(endpoint, console, tally)
    console.rule("LlamaIndex: a query engine over this repository's documents")
    with_llama_index.query_engine(endpoint, console, tally)
    console.rule("LlamaIndex: an agent that calls a Python function")
    asyncio.run(with_llama_index.agent(endpoint, console, tally))
    console.rule("A bulk run that is stopped and started again")
    with_bulk.bulk(endpoint, console, tally)


def _print_summary(tally: Tally, endpoint: Endpoint) -> None:
    table = Table("part", "prompt tokens", "completion tokens", title="Tokens, as the server counted them")
    for part, counts in tally.parts.items():
        table.add_row(part, f"{counts.prompt:,}", f"{counts.completion:,}")
    console.print(table)
    console.rule("In your own project, with E2E_TIR_ACCESS_TOKEN and E2E_TIR_PROJECT_ID set")
    for title, lines in (("LangChain", LANGCHAIN), ("LlamaIndex", LLAMA_INDEX)):
        console.print(Panel(Text(lines.format(shown=endpoint.shown)), title=title))


if __name__ == "__main__":
    sys.exit(main())
