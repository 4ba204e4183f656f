"""The rules for answers without a script: call tools, fill a schema, or repeat the message."""

import json
import re
from collections.abc import Mapping
from typing import Any

from tir_sandbox.answers import Reply, ToolCall
from tir_sandbox.patterns import example_of
from tir_sandbox.requests import Request
from tir_sandbox.schema import Suggest, fill, problem_of
from tir_sandbox.tokenizer import text_of

_COMMON_WORDS = frozenset(
    re.findall(r"\w+", "a all call do find for get give in is it list look make me of run set the to up")
)


def answer_by_rule(request: Request) -> Reply:
    """Return the answer of the first rule that applies to a chat request."""
    return call(request) or structured(request.body, request.user) or results(request) or echo(request.user)


def call(request: Request) -> Reply | None:
    """Call the tool that `tool_choice` requires, or tools whose names share a word with the last user message."""
    choice, results = request.body.get("tool_choice"), _turn(request, "tool")
    functions = {str(one["function"]["name"]): one["function"] for one in request.body.get("tools") or []}
    if isinstance(choice, Mapping):
        names = [str(choice["function"]["name"])]
    elif choice == "required":
        names = [name for name in functions if name not in _called(request)][:1] or list(functions)[-1:]
    elif choice != "none" and not results:
        names = [name for name in functions if _words(request.user) & _words(name.replace("_", " "))]
    else:
        names = []
    names = names[:1] if request.body.get("parallel_tool_calls") is False else names
    calls = [ToolCall(name, arguments(functions[name])) for name in names if name in functions]
    return Reply(tool_calls=calls, reasoning="The request needs a tool. I call it.") if calls else None


def arguments(function: Mapping[str, Any], suggest: Suggest = lambda *_: None) -> dict[str, Any]:
    """Return arguments that fit a function's parameters, or none if the schema is invalid, which vLLM allows."""
    schema = {"type": "object", **(function.get("parameters") or {})}
    filled = {} if problem_of(schema) else fill(schema, suggest, str(function["name"]))
    return filled if isinstance(filled, dict) else {}


def structured(body: Mapping[str, Any], user: str, suggest: Suggest = lambda *_: None) -> Reply | None:
    """Return an answer that fits the requested schema, choices or pattern; None without a constraint."""
    why = "The answer has a fixed form. I fill it in."
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
    """Repeat the tool results of the last turn, if any."""
    texts = [text_of(one.get("content")) for one in _turn(request, "tool")]
    return Reply(f"The tools say: {' '.join(texts)}", reasoning="The tools have answered.") if texts else None


def echo(user: str) -> Reply:
    """Say that this is not a model, and repeat the message."""
    said = f' You said: "{user.strip()}"' if user.strip() else ""
    return Reply(
        f"Hello from the TIR sandbox. I am not a model, so I repeat your message.{said}",
        reasoning="No other rule applies. I repeat the message.",
    )


def _words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text.lower())) - _COMMON_WORDS


def _turn(request: Request, role: str) -> list[Mapping[str, Any]]:
    """Return the messages of a role since the last user message."""
    places = [at for at, one in enumerate(request.messages) if one.get("role") == "user"]
    return [one for one in request.messages[places[-1] + 1 if places else 0 :] if one.get("role") == role]


def _called(request: Request) -> set[str]:
    calls = [call for one in _turn(request, "assistant") for call in one.get("tool_calls") or []]
    return {str(call.get("function", {}).get("name", "")) for call in calls}
