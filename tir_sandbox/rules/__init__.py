"""What the sandbox answers when nobody told it what: rules, tried in order.

They are plain text work, the same in every run, and make demos meaningful: they call tools with fitting arguments,
fill schemas, and answer questions with the sentences of the context.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from tir_sandbox.replies import Reply
from tir_sandbox.rules import calls, documents, judge
from tir_sandbox.rules.prompt import Prompt
from tir_sandbox.rules.react import react
from tir_sandbox.rules.regex import example_of
from tir_sandbox.rules.schema import fill

_MORE = " The request has been read from its first to its last message, and no rule before this one fits it better."


def answer_by_rule(body: Mapping[str, Any], *, ignores_forced_tools: bool = False) -> Reply:
    """Answer a chat request by the first rule that fits.

    Args:
        body: The request.
        ignores_forced_tools: Take a forced `tool_choice` for `auto`.
    """
    prompt = Prompt(body, ignores_forced_tools)
    reply = next(found for rule in RULES if (found := rule(prompt)) is not None)
    return replace(reply, reasoning=_thought(str(reply.reasoning), body.get("reasoning_effort")))


def _thought(reasoning: str, effort: str | None) -> str:
    """Think shorter or longer, as the effort says."""
    if effort == "low":
        return reasoning.partition(". ")[0].rstrip(".") + "."
    return reasoning + (_MORE if effort == "high" else "")


def structured(prompt: Prompt) -> Reply | None:
    """Fit the schema, the list of choices or the expression that the answer is bound to."""
    why = "The answer is bound to a form, so I fill it with what the prompt gives."
    outputs = prompt.body.get("structured_outputs") or {}
    if prompt.schema is not None:
        return Reply(text=json.dumps(fill(prompt.schema, prompt.source), ensure_ascii=False), reasoning=why)
    if outputs.get("choice"):
        options = outputs["choice"]
        return Reply(text=next((one for one in options if one in prompt.user), options[0]), reasoning=why)
    if outputs.get("regex"):
        return Reply(text=example_of(outputs["regex"]), reasoning=why)
    if (prompt.body.get("response_format") or {}).get("type") == "json_object":
        return Reply(text=json.dumps({"answer": prompt.user}, ensure_ascii=False), reasoning=why)
    return None


def echo(prompt: Prompt) -> Reply:
    """Say what this is, and what was heard."""
    heard = f' You said: "{prompt.user.strip()}"' if prompt.user.strip() else ""
    return Reply(
        text=f"Hello from the TIR sandbox. I am not a model, so I only repeat what I hear.{heard}",
        reasoning="No rule fits, so I repeat the message. That shows at least that it arrived.",
    )


RULES: tuple[Callable[[Prompt], Reply | None], ...] = (
    calls.forced_call,
    calls.offered_call,
    structured,
    react,
    calls.after_tools,
    judge.yes_or_no,
    judge.score,
    judge.better_of_two,
    documents.sub_questions,
    documents.choice,
    documents.ranked_documents,
    documents.standalone_question,
    documents.keywords,
    documents.title,
    documents.questions,
    documents.context_question,
    documents.summary,
    echo,
)
