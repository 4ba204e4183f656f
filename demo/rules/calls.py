"""Rules for tools: choose a tool to call, and answer with its result."""

import re
from typing import Any

from demo.rules.prompt import Prompt, Tool, hands_off
from demo.rules.text_hints import PROPER, TextHints
from demo.rules.words import significant
from tir_sandbox.answers import Reply, ToolCall
from tir_sandbox.rules import arguments

_EVERYWHERE = significant(
    "agent answer call current function get give input name output provide query question result return run set "
    "string text tool use useful user value int str float dict list object please schema"
)
_LOOKS_UP = re.compile(r"search|quer|retriev|look_?up|knowledge|documents?|index", re.IGNORECASE)
_QUESTION = re.compile(
    r"\?|^\W*(?:who|what|when|where|why|which|how|find|search|tell|explain|describe|list|summar)\b", re.IGNORECASE
)
_TIMES = re.compile(r"\btimes\b(?=\s+-?\d)", re.IGNORECASE)  # `12 times 7` has nothing to do with the time
_STRONG = 3
_TWO = 2
_COLDER_OR_WARMER = re.compile(r"\b(colder|cooler|warmer|hotter)\b")
_PLACE = re.compile(r"\b(?:in|for|of|at|and|or|than)\s+([A-Z][\w'-]*(?:\s+[A-Z][\w'-]*)*)")
_WEATHER = significant("temperature weather")
_READING = re.compile(r"(?P<city>[\w -]+): (?P<degrees>-?\d+(?:\.\d+)?) °C")


def forced_call(prompt: Prompt) -> Reply | None:
    """Call the required tool, or the best match that has not been called."""
    if not prompt.forced or not prompt.tools:
        return None
    if prompt.named is not None:
        chosen = [tool for tool in prompt.tools if tool.name == prompt.named]
    else:
        fresh = [tool for tool in prompt.tools if tool.name not in prompt.called]
        chosen = [tool for tool in fresh if _score(tool, prompt.user)][:1] or fresh[-1:] or prompt.tools[-1:]
    return _calling(prompt, chosen)


def offered_call(prompt: Prompt) -> Reply | None:
    """Call the tools that share words with the user message, unless there are results."""
    if prompt.results:
        return None
    fresh = [tool for tool in prompt.tools if tool.name not in prompt.called]
    chosen = _matching([tool for tool in fresh if not tool.hands_off], prompt.user)
    chosen = chosen or _matching([tool for tool in fresh if tool.hands_off], prompt.user)
    return _calling(prompt, chosen) if chosen else None


def comparison(prompt: Prompt) -> Reply | None:
    """Compare the temperatures of two cities in the tools' results."""
    asked = _COLDER_OR_WARMER.search(prompt.user)
    readings = [found for result in prompt.results if (found := _READING.search(result))]
    if asked is None or len(readings) != _TWO:
        return None
    (here, first), (there, second) = ((reading["city"], float(reading["degrees"])) for reading in readings)
    holds = first < second if asked[1] in ("colder", "cooler") else first > second
    text = f"{'Yes' if holds else 'No'}: {here} has {first:g} °C, and {there} has {second:g} °C."
    return Reply(text, reasoning=f"The tools have answered for {here} and {there}. I compare the two.")


def after_tools(prompt: Prompt) -> Reply | None:
    """Repeat the tools' results."""
    if not prompt.results:
        return None
    said = " ".join(result.strip().rstrip(".") + "." for result in prompt.results if result.strip())
    names = ", ".join(f"`{name}`" for name in dict.fromkeys(prompt.called) if not hands_off(name)) or "the tool"
    return Reply(text=f"According to {names}: {said}", reasoning="The tools have answered, so I pass it on.")


def _matching(tools: list[Tool], text: str) -> list[Tool]:
    """Return the best match, and the tools whose names the text contains."""
    scored = [(score, tool) for tool in tools if (score := _score(tool, text))]
    if not scored:
        return []
    best = max(scored, key=lambda one: one[0])
    return [tool for score, tool in scored if tool is best[1] or (score >= _STRONG and not tool.hands_off)]


def _score(tool: Tool, text: str) -> int:
    words = significant(_TIMES.sub("", text))
    wanted = (words | (_WEATHER if _COLDER_OR_WARMER.search(text) else set())) - _EVERYWHERE
    by_name = len(wanted & (tool.name_words() - _EVERYWHERE))
    by_text = len(wanted & (tool.words() - _EVERYWHERE))
    looks_up = bool(_LOOKS_UP.search(tool.name + " " + tool.description)) and bool(_QUESTION.search(text))
    return _STRONG * by_name + by_text + looks_up


def _calling(prompt: Prompt, tools: list[Tool]) -> Reply:
    names = " and ".join(f"`{tool.name}`" for tool in tools)
    calls = [ToolCall(tool.name, values) for tool in tools for values in _arguments(prompt, tool)]
    kept = calls[:1] if prompt.body.get("parallel_tool_calls") is False or prompt.forced else calls
    return Reply(tool_calls=kept, reasoning=f"The user's words call for {names}. I fill in what they give.")


def _arguments(prompt: Prompt, tool: Tool) -> list[dict[str, Any]]:
    """Return the arguments of each call. There are several calls if the text has several values for the only field."""
    if tool.hands_off and "to_agent" in tool.fields:
        return [{"to_agent": _best_agent(tool, prompt.user), "reason": f"The user asks: {prompt.user}"}]
    places = dict.fromkeys(_PLACE.findall(prompt.user))
    if len(tool.fields) == 1 and PROPER.search(next(iter(tool.fields))) and len(places) > 1:
        return [arguments(tool.function, TextHints(place).suggest) for place in places]
    return [arguments(tool.function, TextHints(prompt.source).suggest)]


def _best_agent(tool: Tool, text: str) -> str:
    """Choose one of the agents that the description of LlamaIndex's hand-off tool lists as `name: description`."""
    listed = tool.description.partition("available agents:")[2] or tool.description
    agents = re.findall(r"^['\"{\s]*([\w -]+?)['\"]?:\s*(.+)$", listed.replace(", '", "\n'"), re.MULTILINE)
    wanted = significant(text)
    ranked = sorted(agents, key=lambda one: -len(wanted & significant(" ".join(one).replace("_", " "))))
    return str(ranked[0][0]) if ranked else "agent"
