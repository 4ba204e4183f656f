"""Prompt and Tool: the parts of a chat request that the rules use."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from demo.rules.words import significant
from tir_sandbox.requests import Request
from tir_sandbox.tokenizer import text_of

_WRAPPED = re.compile(r"(?<=[\w,;)*`])\n(?=[\w(*`])(?!\d+[.)]\s|\w+:|```|\* )")
_HAND_OFF = re.compile(r"hand_?off|transfer_to", re.IGNORECASE)


def hands_off(name: str) -> bool:
    """Whether a tool of this name hands the conversation off to another agent."""
    return bool(_HAND_OFF.match(name))


@dataclass(frozen=True)
class Tool:
    """An offered function."""

    function: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Its name."""
        return str(self.function.get("name", ""))

    @property
    def description(self) -> str:
        """Its description, or an empty string."""
        return str(self.function.get("description") or "")

    @property
    def hands_off(self) -> bool:
        """Whether the tool hands the conversation off to another agent."""
        return hands_off(self.name)

    @property
    def fields(self) -> Mapping[str, Any]:
        """The parameters' schemas by name."""
        fields = (self.function.get("parameters") or {}).get("properties")
        return fields if isinstance(fields, Mapping) else {}

    def words(self) -> set[str]:
        """The words of its name, description and fields."""
        fields = [one for one in self.fields.values() if isinstance(one, Mapping)]
        texts = [self.description, *self.fields, *(str(one.get("description", "")) for one in fields)]
        return self.name_words() | significant(_spaced(" ".join(texts)))

    def name_words(self) -> set[str]:
        """The words of its name."""
        return significant(_spaced(self.name))


def _spaced(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|[_\W]+", " ", name)


@dataclass(frozen=True)
class Prompt:
    """A chat request."""

    request: Request

    @property
    def body(self) -> Mapping[str, Any]:
        """The request's body."""
        body: Mapping[str, Any] = self.request.body
        return body

    @property
    def messages(self) -> Sequence[Mapping[str, Any]]:
        """The conversation."""
        return self.request.messages

    @cached_property
    def system(self) -> str:
        """The text of all system messages."""
        return "\n".join(
            text_of(one.get("content")) for one in self.messages if one.get("role") in ("system", "developer")
        )

    @cached_property
    def user(self) -> str:
        """The text of the last user message."""
        return self.request.user

    @cached_property
    def turn(self) -> Sequence[Mapping[str, Any]]:
        """The messages after the last user message."""
        places = [index for index, message in enumerate(self.messages) if message.get("role") == "user"]
        return self.messages[places[-1] + 1 :] if places else self.messages

    @cached_property
    def called(self) -> list[str]:
        """The names of the tools called since the last user message."""
        calls = [call for message in self.turn for call in message.get("tool_calls") or []]
        return [str(call.get("function", {}).get("name", "")) for call in calls]

    @cached_property
    def results(self) -> list[str]:
        """The tools' results since the last user message, in the order of their calls and without hand-offs.

        Agents that run tools at the same time send the results in the order in which the tools have ended.
        """
        ids = [call.get("id") for message in self.turn for call in message.get("tool_calls") or []]
        names = dict(zip(ids, self.called, strict=True))
        places = {call_id: place for place, call_id in reversed([*enumerate(ids)])}
        results = [message for message in self.turn if message.get("role") == "tool"]
        results.sort(key=lambda message: places.get(message.get("tool_call_id"), len(places)))
        return [
            text_of(message.get("content"))
            for message in results
            if not hands_off(names.get(message.get("tool_call_id"), ""))
        ]

    @cached_property
    def source(self) -> str:
        """The text to fill a schema from: the user message and the tools' results."""
        return "\n".join([self.user, *self.results])

    @cached_property
    def tools(self) -> list[Tool]:
        """The offered functions; none if the request forbids calls."""
        if self.body.get("tool_choice") == "none":
            return []
        return [Tool(tool.get("function") or {}) for tool in self.body.get("tools") or []]

    @cached_property
    def forced(self) -> bool:
        """Whether the request requires a call."""
        return self.body.get("tool_choice") not in (None, "auto", "none")

    @cached_property
    def named(self) -> str | None:
        """The name of the required function."""
        choice = self.body.get("tool_choice")
        if not self.forced or not isinstance(choice, Mapping):
            return None
        return str(choice.get("function", {}).get("name"))


def sentences(text: str) -> list[str]:
    """Split a text into sentences. Wrapped lines are joined, but not headings, lists and tables."""
    joined = _WRAPPED.sub(" ", text)
    parts = re.split(r"(?<=[.!?])\s+|\n+", joined)
    return [part.strip() for part in parts if part.strip()]


def best_sentences(text: str, question: str, limit: int = 2) -> list[str]:
    """Return the sentences that share the most words with a question, at least one, in their order."""
    wanted = significant(question)
    scored = [(len(wanted & significant(one)), one) for one in dict.fromkeys(sentences(text))]
    best = max((score for score, _ in scored), default=0)
    if not best:
        return []
    chosen = sorted((one for one in scored if 2 * one[0] > best), key=lambda one: -one[0])[:limit]
    return [one for _, one in scored if one in {text for _, text in chosen}]
