"""The sandbox as a server that ignores forced tool calls, as vLLM did for gpt-oss before 0.26."""

from collections.abc import Callable
from dataclasses import replace

from tir_sandbox import Reply, Request
from tir_sandbox.rules import answer_by_rule


def ignoring_tool_choice(rules: Callable[[Request], Reply | None] = answer_by_rule) -> Callable[[Request], Reply]:
    """Rules that treat every `tool_choice` but `none` as `auto`: `Sandbox(rules=ignoring_tool_choice())`."""

    def answer(request: Request) -> Reply:
        if request.body.get("tool_choice") != "none":
            request = replace(request, body={**request.body, "tool_choice": "auto"})
        return rules(request) or answer_by_rule(request)

    return answer
