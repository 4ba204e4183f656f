"""What the sandbox answers without a script: it calls tools, fills schemas, and repeats what it was asked."""

import json
from collections.abc import Mapping
from typing import Any

from tir_sandbox.embeddings import significant
from tir_sandbox.patterns import example_of
from tir_sandbox.replies import Reply, ToolCall
from tir_sandbox.requests import Request
from tir_sandbox.schema import Suggest, fill, no_suggestion, problem_of
from tir_sandbox.tokenizer import text_of

_MORE = " The request has been read from its first to its last message, and no other rule fits it better."
_COMMON_VERBS = significant("ask call compute create do fetch find get give list look make read run search set show")


def answer_by_rule(request: Request) -> Reply:
    """Answer a request for text."""
    body = request.body
    reply = call(request) or structured(body, request.user) or results(request) or echo(request.user)
    return Reply(
        reply.text, tool_calls=reply.tool_calls, reasoning=thought(str(reply.reasoning), body.get("reasoning_effort"))
    )


def thought(reasoning: str, effort: str | None) -> str:
    """Return a shorter or longer reasoning, as the effort says."""
    if effort == "low":
        return reasoning.partition(". ")[0].rstrip(".") + "."
    return reasoning + (_MORE if effort == "high" else "")


def call(request: Request) -> Reply | None:
    """Call the tool that has to be called, or those whose names the last user message mentions."""
    choice, results = request.body.get("tool_choice"), _turn(request, "tool")
    functions = {str(one["function"]["name"]): one["function"] for one in request.body.get("tools") or []}
    if isinstance(choice, Mapping):
        names = [str(choice["function"]["name"])]
    elif choice == "required":
        names = [name for name in functions if name not in _called(request)][:1] or list(functions)[-1:]
    elif choice != "none" and not results:
        words = significant(request.user) - _COMMON_VERBS
        names = [name for name in functions if words & significant(name.replace("_", " "))]
    else:
        names = []
    names = names[:1] if request.body.get("parallel_tool_calls") is False else names
    calls = [ToolCall(name, arguments(functions[name])) for name in names if name in functions]
    return Reply(tool_calls=calls, reasoning="The request calls for a tool. I call it.") if calls else None


def arguments(function: Mapping[str, Any], suggest: Suggest = no_suggestion) -> dict[str, Any]:
    """Fill the parameters of a function; a call is made without arguments if their schema is invalid, as by vLLM."""
    schema = {"type": "object", **(function.get("parameters") or {})}
    filled = {} if problem_of(schema) else fill(schema, suggest, str(function["name"]))
    return filled if isinstance(filled, dict) else {}


def structured(body: Mapping[str, Any], user: str, suggest: Suggest = no_suggestion) -> Reply | None:
    """Fill the schema, the list of choices or the pattern that the answer is bound to."""
    why = "The answer is bound to a form. I fill it in."
    outputs, wanted = body.get("structured_outputs") or {}, body.get("response_format") or {}
    schema = outputs.get("json")
    if wanted.get("type") == "json_schema":
        schema = wanted["json_schema"].get("schema") or {}
    if schema is not None:
        loaded = json.loads(schema) if isinstance(schema, str) else schema
        return Reply(json.dumps(fill(loaded, suggest), ensure_ascii=False), reasoning=why)
    if options := outputs.get("choice"):
        return Reply(next((one for one in options if one in user), options[0]), reasoning=why)
    if outputs.get("regex"):
        return Reply(example_of(outputs["regex"]), reasoning=why)
    if wanted.get("type") == "json_object":
        return Reply(json.dumps({"answer": user}, ensure_ascii=False), reasoning=why)
    return None


def results(request: Request) -> Reply | None:
    """Repeat the results of the tools."""
    texts = [text_of(one.get("content")) for one in _turn(request, "tool")]
    return Reply(f"The tools say: {' '.join(texts)}", reasoning="The tools have answered.") if texts else None


def echo(user: str) -> Reply:
    """Say what this is, and repeat the message."""
    said = f' You said: "{user.strip()}"' if user.strip() else ""
    return Reply(
        f"Hello from the TIR sandbox. I am not a model, so I only repeat what I hear.{said}",
        reasoning="No rule fits, so I repeat the message. That shows at least that it arrived.",
    )


def _turn(request: Request, role: str) -> list[Mapping[str, Any]]:
    """Return the messages of a role since the last user message."""
    places = [at for at, one in enumerate(request.messages) if one.get("role") == "user"]
    return [one for one in request.messages[places[-1] + 1 if places else 0 :] if one.get("role") == role]


def _called(request: Request) -> set[str]:
    calls = [call for one in _turn(request, "assistant") for call in one.get("tool_calls") or []]
    return {str(call.get("function", {}).get("name", "")) for call in calls}
