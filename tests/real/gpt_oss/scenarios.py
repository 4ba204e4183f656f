"""What the tests on gpt-oss ask: scenarios by their names, and the tools and the schema that these were written for."""

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel

SCENARIOS: dict[str, list[str]] = json.loads(Path(__file__).with_name("scenarios.json").read_text(encoding="utf-8"))
SYSTEM = "You are a test assistant. Be brief."
ENDLESS = ("loop", "thinkloop")
"""Scenarios that do not end before `max_tokens`."""


class Verdict(BaseModel):
    """A verdict."""

    verdict: Literal["yes", "no"]
    score: Literal[7, 8]


def get_weather(city: Literal["Delhi", "Mumbai", "Paris"], unit: Literal["c", "f"] | None = None) -> str:
    """Weather for a city."""
    return "rain"


def get_time(tz: Literal["UTC", "IST"]) -> str:
    """Time in a zone."""
    return f"noon {tz}"


def asking(scenario: str) -> str:
    """Return the user's words that choose a scenario."""
    return f"Please run scenario {scenario} now."


def tool(name: str, properties: dict[str, list[Any]], strict: bool | None = None) -> dict[str, Any]:
    """Return a tool in wire form; each property lists its values, and the first property is required."""
    schema = {
        "type": "object",
        "properties": {key: {"enum": values} for key, values in properties.items()},
        "required": list(properties)[:1],
        "additionalProperties": False,
    }
    function = {"name": name, "description": f"Calls {name}.", "parameters": schema}
    return {"type": "function", "function": function if strict is None else {**function, "strict": strict}}


def tools(strict: bool | None = None) -> list[dict[str, Any]]:
    """Return the tools that the scenarios call, in wire form."""
    weather = {"city": ["Delhi", "Mumbai", "Paris"], "unit": ["c", "f"]}
    return [tool("get_weather", weather, strict), tool("get_time", {"tz": ["UTC", "IST"]}, strict)]


def named(name: str) -> dict[str, Any]:
    """Return a `tool_choice` in wire form."""
    return {"type": "function", "function": {"name": name}}
