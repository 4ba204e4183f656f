"""Draws `docs/answer.svg`: a streamed answer in a terminal, printed by a real run against the sandbox.

`python -m tests.docs.picture` writes it. The words are written here, because the sandbox is not a model.
"""

from __future__ import annotations

import io
import re

from rich.console import Console
from rich.syntax import Syntax
from rich.text import Text

from langchain_tir import ChatTIR
from tests.docs.pages import DOCS
from tir_sandbox import Reply, Sandbox

PICTURE = DOCS / "answer.svg"
WIDTH = 84
QUESTION = "Why is the sky blue?"
REPLY = Reply(
    "Sunlight has all colours. Air scatters blue light much more than red light, so blue reaches our eyes from every "
    "direction, and the sky looks blue.",
    reasoning="The user asks why the sky is blue. The cause is Rayleigh scattering: it grows with the fourth power of "
    "the frequency. Explain it in two sentences.",
)
PROGRAM = f"""\
for chunk in ChatTIR("gpt_oss_120b").stream("{QUESTION}"):
    for block in chunk.content_blocks:
        show(block)"""


def draw() -> str:
    """The picture of a run."""
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    console.print(Syntax(PROGRAM, "python", theme="ansi_dark", background_color="default"))
    console.print()
    with Sandbox(replies=[REPLY]) as sandbox:
        llm = ChatTIR("gpt_oss_120b", api_key=sandbox.token, project_id=sandbox.project_id, host=sandbox.host)
        reasoning, text, usage = _stream(llm)
    console.print(reasoning, Text(), text, Text(), usage, sep="\n")
    return _without_fonts(console.export_svg(title="tir-llm", unique_id="answer"))


def _stream(llm: ChatTIR) -> tuple[Text, Text, Text]:
    """The reasoning, the text and the token counts of a streamed answer, in their styles."""
    reasoning, text, usage = Text(style="dim italic"), Text(style="bold"), Text(style="green")
    for chunk in llm.stream(QUESTION):
        for block in chunk.content_blocks:
            if block["type"] == "reasoning":
                reasoning.append(block["reasoning"])
            elif block["type"] == "text":
                text.append(block["text"])
        if chunk.usage_metadata:
            counts = chunk.usage_metadata
            usage.append(
                f"{counts['output_tokens']} tokens, {counts['output_token_details']['reasoning']} of reasoning"
            )
    return reasoning, text, usage


def _without_fonts(svg: str) -> str:
    """The picture with the reader's own monospaced font: nothing is loaded from another host."""
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)
    return re.sub(r"Fira Code, *monospace", "ui-monospace, Menlo, Consolas, monospace", svg)


if __name__ == "__main__":
    PICTURE.write_text(draw(), "utf-8")
