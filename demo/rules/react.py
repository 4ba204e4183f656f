"""The rule for the text format of LlamaIndex's `ReActAgent`: thought, action, observation, answer."""

import json
import re
from dataclasses import replace

from demo.rules.calls import offered_call
from demo.rules.prompt import Prompt
from tir_sandbox.answers import Reply

_TOOL = re.compile(
    r"> Tool Name: (?P<name>.+)\nTool Description: (?P<description>[\s\S]*?)\nTool Args: (?P<args>\{.*\})"
)
_OBSERVATION = re.compile(r"Observation:\s*([\s\S]+)")


def react(prompt: Prompt) -> Reply | None:
    """Call a tool in ReAct's text format, or answer with the last observation."""
    if "Action Input:" not in prompt.system:
        return None
    observed = _OBSERVATION.search(prompt.user)
    if observed or prompt.results:
        said = observed[1].strip() if observed else " ".join(prompt.results)
        return _answer(f"The tool says: {said}")
    asked = offered_call(_with_tools(prompt))
    if asked is None:
        return _answer(f"I am a sandbox, not a model, and no tool fits what you said: {prompt.user}")
    call = asked.tool_calls[0]
    steps = "Thought: I need to use a tool to help me answer the question.\n"
    return Reply(
        text=f"{steps}Action: {call.name}\nAction Input: {json.dumps(call.arguments)}", reasoning=asked.reasoning
    )


def _with_tools(prompt: Prompt) -> Prompt:
    """Add the tools that the system prompt lists to a prompt."""
    functions = [
        {"name": found["name"], "description": found["description"], "parameters": json.loads(found["args"])}
        for found in _TOOL.finditer(prompt.system)
    ]
    tools = [{"type": "function", "function": function} for function in functions]
    return Prompt(replace(prompt.request, body={**prompt.body, "tools": tools, "tool_choice": "auto"}))


def _answer(text: str) -> Reply:
    thought = "Thought: I can answer without using any more tools. I'll use the user's language to answer"
    return Reply(text=f"{thought}\nAnswer: {text}", reasoning="Nothing is left to look up.")
