"""The classes of answers: completions and their parts, embeddings, rerankings, models.

They are slotted dataclasses without validation: one unexpected field must not make the rest unusable, and validation
would cost more per chunk than all other work.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tir_client.protocol.json_text import parse_json

Json = dict[str, Any]
"""A parsed JSON object."""


@dataclass(slots=True)
class Usage:
    """Token counts of an answer.

    Args:
        prompt_tokens: Tokens of the prompt.
        completion_tokens: Tokens of the answer, its reasoning included.
        total_tokens: Both together.
        cached_tokens: Tokens of the prompt that were cached, or None if the server does not report them.
        reasoning_tokens: Tokens of the reasoning, or None if the server does not report them.
    """

    prompt_tokens: int = 0
    completion_tokens: int = 0
    total_tokens: int = 0
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None

    @classmethod
    def of(cls, raw: Json) -> Usage:
        """Read the `usage` of an answer. Any field may be null or missing."""
        prompt, completion = _count(raw, "prompt_tokens") or 0, _count(raw, "completion_tokens") or 0
        return cls(
            prompt_tokens=prompt,
            completion_tokens=completion,
            total_tokens=_count(raw, "total_tokens") or prompt + completion,
            cached_tokens=_count(raw.get("prompt_tokens_details"), "cached_tokens"),
            reasoning_tokens=_count(raw.get("completion_tokens_details") or raw, "reasoning_tokens"),  # `raw`: SGLang
        )

    def counts(self) -> Json:
        """The three counts that every server reports, under the server's names."""
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "total_tokens": self.total_tokens,
        }

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            self.total_tokens + other.total_tokens,
            _sum(self.cached_tokens, other.cached_tokens),
            _sum(self.reasoning_tokens, other.reasoning_tokens),
        )


def _count(raw: object, name: str) -> int | None:
    """A count as an integer. Some servers send a float or a string."""
    value = raw.get(name) if isinstance(raw, dict) else None
    if not isinstance(value, int | float | str) or isinstance(value, bool):
        return None
    try:
        return int(value) if isinstance(value, int) else int(float(value))
    except (ValueError, OverflowError):
        return None


def _sum(one: int | None, other: int | None) -> int | None:
    return None if one is None and other is None else (one or 0) + (other or 0)


NO_ARGUMENTS = ("", "null", '""', "[]")
"""Texts that models and servers write for no arguments. LangChain reads them as `{}` in whole answers."""


@dataclass(slots=True)
class ToolCall:
    """A finished tool call.

    Args:
        id: The id of the call; the tool's result refers to it.
        name: Name of the tool.
        arguments: The arguments as the model wrote them, which may not be JSON.
        cut: Whether the answer was cut off; then empty arguments do not mean "none".
    """

    id: str
    name: str
    arguments: str
    cut: bool = False

    def parsed(self) -> Json:
        """The arguments as an object; `{}` for one of `NO_ARGUMENTS`.

        Raises:
            ValueError: The text is not a JSON object.
        """
        if self.cut and not self.arguments.strip():
            raise ValueError("the answer was cut off before the arguments")
        if self.arguments.strip() in NO_ARGUMENTS:
            return {}
        value = parse_json(self.arguments)
        if not isinstance(value, dict):
            raise ValueError(f"the arguments must be a JSON object, not {self.arguments!r}")  # noqa: TRY004 - bad JSON
        return value

    def problem(self) -> str:
        """The reason why the arguments are not an object; empty if they are."""
        try:
            self.parsed()
        except ValueError as error:
            return str(error)
        return ""


@dataclass(slots=True)
class ToolCallDelta:
    """A piece of a tool call.

    Args:
        index: Index of the call in the answer, from 0.
        id: The id of the call, in its first delta only.
        name: The name of the tool, in its first delta only.
        arguments: The next part of the arguments.
    """

    index: int
    id: str | None
    name: str | None
    arguments: str


@dataclass(slots=True)
class Choice:
    """One choice of an answer; there are several if `n` was set.

    Args:
        index: Index of the choice, from 0.
        text: The answer, without its reasoning.
        reasoning: The reasoning.
        tool_calls: The tools that the model calls.
        finish_reason: Why the answer ended: "stop", "length", "tool_calls" or another reason.
        stop_reason: The stop word or token at which it ended, if the server reports it.
        refusal: The text of a refusal.
        logprobs: Log probabilities of the tokens, if requested.
        token_ids: Ids of the tokens, if requested.
    """

    index: int = 0
    text: str = ""
    reasoning: str = ""
    tool_calls: list[ToolCall] = field(default_factory=list)
    finish_reason: str | None = None
    stop_reason: int | str | None = None
    refusal: str = ""
    logprobs: list[Json] | None = None
    token_ids: list[int] | None = None

    def advice(self) -> str:
        """What to do about an answer that has only reasoning; empty for other answers."""
        if self.text or self.tool_calls or self.refusal or not self.reasoning:
            return ""
        if self.finish_reason == "length":
            return "The answer was cut off in its reasoning: raise `max_tokens`, or lower `reasoning_effort`."
        return "The answer has reasoning but no text: send the request again, or lower `reasoning_effort`."


@dataclass(slots=True)
class Completion:
    """An answer; streamed and whole answers have the same form.

    Args:
        id: The server's id of the answer.
        model: The model that answered.
        created: When the answer was created, in seconds since 1970.
        system_fingerprint: The server's configuration, if it reports one.
        service_tier: The tier that served the request, if the server reports it.
        choices: The choices; several if `n` was set.
        usage: Token counts.
        raw_usage: Token counts in the server's form.
        request_id: The id of the request, from the response's headers.
    """

    id: str = ""
    model: str = ""
    created: int | None = None
    system_fingerprint: str | None = None
    service_tier: str | None = None
    choices: list[Choice] = field(default_factory=list)
    usage: Usage | None = None
    raw_usage: Json | None = None
    request_id: str | None = None

    @property
    def choice(self) -> Choice:
        """The first choice: the only one unless `n` was set. It is empty if a stream broke before any had arrived."""
        return self.choices[0] if self.choices else Choice()


@dataclass(slots=True)
class Embeddings:
    """The vectors of a request.

    Args:
        vectors: One for each text, in the order of the texts.
        model: The model that was used.
        usage: Token counts.
    """

    vectors: list[list[float]]
    model: str = ""
    usage: Usage | None = None


@dataclass(slots=True)
class RerankResult:
    """The score of one document.

    Args:
        index: Index of the document in the request, from 0.
        score: Its relevance to the query; higher is more relevant. The range depends on the model.
    """

    index: int
    score: float


@dataclass(slots=True)
class Reranking:
    """The scores of a request's documents.

    Args:
        results: The most relevant first; equal scores in the order of the documents.
        model: The model that scored them.
        usage: Token counts.
    """

    results: list[RerankResult]
    model: str = ""
    usage: Usage | None = None


@dataclass(slots=True)
class ModelCard:
    """A model that an endpoint serves.

    Args:
        id: Its name.
        max_model_len: Its context window in tokens, or None if the server does not report it.
        raw: The server's JSON for the model.
    """

    id: str
    max_model_len: int | None = None
    raw: Json = field(default_factory=dict)
