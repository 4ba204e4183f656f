"""The question for both agents of the demo, and the Python function that they call."""

from __future__ import annotations

QUESTION = "Is it colder in Paris than in Delhi?"
WEATHER = {"Delhi": "31 °C and hazy", "Mumbai": "33 °C and humid", "Paris": "9 °C and raining"}


def get_weather(city: str) -> str:
    """The weather in a city today."""
    return f"{city}: {WEATHER.get(city, 'no report for this city')}"
