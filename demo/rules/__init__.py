"""Rules that answer the sandbox's requests in the demo and the notebooks: `Sandbox(rules=answer)`.

They use plain text, and are deterministic. They call tools with arguments from the text, fill schemas with the user's
words, and answer questions with sentences of the context.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from demo.rules import calls, documents, evaluation
from demo.rules.prompt import Prompt
from demo.rules.react import react
from demo.rules.text_hints import TextHints
from tir_sandbox.rules import structured

if TYPE_CHECKING:
    from collections.abc import Callable

    from tir_sandbox import Reply, Request


_MORE = " I have read the request from its first to its last message, and no other rule fits it better."


def answer(request: Request) -> Reply | None:
    """Return the answer of the first rule that applies, or None for the sandbox's own rules."""
    prompt = Prompt(request)
    reply = next((found for rule in RULES if (found := rule(prompt)) is not None), None)
    if reply is None:
        return None
    return replace(reply, reasoning=_reasoning(str(reply.reasoning), request.body.get("reasoning_effort")))


def _reasoning(text: str, effort: str | None) -> str:
    """Return the reasoning in the length for the request's effort."""
    if effort == "low":
        return text.partition(". ")[0].rstrip(".") + "."
    return text + (_MORE if effort == "high" else "")


def constrained(prompt: Prompt) -> Reply | None:
    """Answer a request for a schema, a list of choices or a pattern."""
    return structured(prompt.request.body, prompt.user, TextHints(prompt.source).suggest)


RULES: tuple[Callable[[Prompt], Reply | None], ...] = (
    calls.forced_call,
    calls.offered_call,
    constrained,
    react,
    calls.comparison,
    calls.after_tools,
    evaluation.yes_or_no,
    evaluation.score,
    evaluation.better_of_two,
    documents.sub_questions,
    documents.choice,
    documents.ranked_documents,
    documents.standalone_question,
    documents.keywords,
    documents.title,
    documents.questions,
    documents.context_question,
    documents.summary,
)
