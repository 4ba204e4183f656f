"""The parts of the demo that use LangChain: a chain and an agent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from langchain.agents import create_agent
from langchain_core.callbacks import UsageMetadataCallbackHandler
from langchain_core.prompts import ChatPromptTemplate
from rich.text import Text

from demo.tools import QUESTION, get_weather
from langchain_tir import ChatTIR

if TYPE_CHECKING:
    from rich.console import Console

    from demo.endpoint import Endpoint
    from demo.tally import Tally

NOTES = """\
Reasoning is for the developer: it explains how the model reached its answer.
The answer is for the user: it must not be mixed with the reasoning.
A stream therefore keeps the two apart from the first token on."""
NOTES_QUESTION = "Why does a stream keep reasoning and answer apart?"


def chain(endpoint: Endpoint, console: Console, tally: Tally) -> None:
    """Stream the answer of a prompt and a model; the reasoning is in grey."""
    llm = ChatTIR(model=endpoint.model, **endpoint.settings)
    prompt = ChatPromptTemplate.from_messages(
        [("system", "Answer from the context."), ("user", "Context: {notes}\n\nQuestion: {question}")]
    )
    usage = UsageMetadataCallbackHandler()
    console.print(Text(f"> {NOTES_QUESTION}", style="cyan"))
    kind = ""
    asked = {"notes": NOTES, "question": NOTES_QUESTION}
    for chunk in (prompt | llm).stream(asked, config={"callbacks": [usage]}):
        for block in chunk.content_blocks:
            if kind and block["type"] != kind:
                console.print()
            kind = block["type"]
            text = str(block.get("reasoning") or block.get("text") or "")
            console.print(Text(text, style="dim italic" if kind == "reasoning" else "bold"), end="")
    console.print()
    _count("LangChain chain", usage, tally)


def agent(endpoint: Endpoint, console: Console, tally: Tally) -> None:
    """Run a `create_agent` agent and print each step."""
    llm = ChatTIR(model=endpoint.model, **endpoint.settings)
    usage = UsageMetadataCallbackHandler()
    console.print(Text(f"> {QUESTION}", style="cyan"))
    steps = create_agent(llm, [get_weather]).stream(
        {"messages": [{"role": "user", "content": QUESTION}]},
        config={"callbacks": [usage]},
        stream_mode="values",
    )
    seen = 1
    for state in steps:
        for message in state["messages"][seen:]:
            for call in getattr(message, "tool_calls", ()):
                console.print(Text(f"  calls {call['name']}({call['args']})", style="magenta"))
            if message.type == "tool":
                console.print(Text(f"  -> {message.text}", style="green"))
            elif message.text:
                console.print(Text(message.text, style="bold"))
        seen = len(state["messages"])
    _count("LangChain agent", usage, tally)


def _count(part: str, usage: UsageMetadataCallbackHandler, tally: Tally) -> None:
    for counts in usage.usage_metadata.values():
        tally.add(part, counts["input_tokens"], counts["output_tokens"])
