"""What goes over the wire: the requests that are sent, and the parts that an answer is made of.

Requests are pydantic models: a user's mistake is found before it is sent. The parts of an answer are plain slotted
classes, filled by hand in `_accumulate`: any field of an answer may be null or missing, one odd field must not spoil
the rest, and they are made once per chunk, where validation would cost more than all other work on it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from tir_client._errors import InvalidRequestError

Json = dict[str, Any]
"""A parsed JSON object."""

Finite = Annotated[float, Field(allow_inf_nan=False)]
"""JSON has no infinity and no NaN."""

_OURS = ("model", "messages", "stream")


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    model: str
    extra_body: Json | None = None

    @classmethod
    def of(cls, **fields: Any) -> Self:
        """Build a request.

        Raises:
            InvalidRequestError: A field is unknown or has a value that cannot be sent.
        """
        try:
            return cls(**fields)
        except ValidationError as error:
            problems = "; ".join(
                f"`{'.'.join(map(str, e['loc']))}`: {e['msg']}" for e in error.errors(include_url=False)
            )
            raise InvalidRequestError(f"The request cannot be sent: {problems}.") from None

    def body(self, **more: Any) -> Json:
        """The body to send: fields that are set, then `more`, then `extra_body`, which the user owns."""
        fields = {name: value for name, value in self.__dict__.items() if value is not None}
        extra = fields.pop("extra_body", {})
        for name in _OURS:
            if name in extra:
                raise InvalidRequestError(f"`extra_body` must not have {name!r}: it has an argument of its own.")
        return {**fields, **more, **extra}


class ChatRequest(_Request):
    """A request for a chat completion. `None` means "not sent": the server's default holds.

    The fields are those that vLLM documents and frameworks name; whatever else a deployment knows goes through
    `extra_body`, whose members are put beside them.
    """

    messages: list[Json]
    temperature: Finite | None = None
    top_p: Finite | None = None
    top_k: int | None = None
    min_p: Finite | None = None
    max_tokens: int | None = None
    min_tokens: int | None = None
    n: int | None = Field(default=None, ge=1)
    seed: int | None = None
    stop: str | list[str] | None = None
    stop_token_ids: list[int] | None = None
    frequency_penalty: Finite | None = None
    presence_penalty: Finite | None = None
    repetition_penalty: Finite | None = None
    logit_bias: dict[str, Finite] | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    reasoning_effort: str | None = None
    include_reasoning: bool | None = None
    response_format: Json | None = None
    structured_outputs: Json | None = None
    tools: list[Json] | None = None
    tool_choice: Literal["auto", "none", "required"] | Json | None = None
    parallel_tool_calls: bool | None = None
    chat_template_kwargs: Json | None = None
    priority: int | None = None
    user: str | None = None
    stream_options: Json | None = None

    @field_validator("tools")
    @classmethod
    def _named(cls, tools: list[Json] | None) -> list[Json] | None:
        for tool in tools or ():
            function = tool.get("function")
            if not isinstance(function, dict) or not isinstance(function.get("name"), str):
                raise ValueError(f"{tool!r} is not a tool: it has no function with a name")  # noqa: TRY004 - pydantic
        return tools

    def body(self, **more: Any) -> Json:
        """The body to send. An empty `tools` is left out, with what depends on it: vLLM refuses `[]`."""
        body = super().body(**more)
        if not body.get("tools"):
            for name in ("tools", "tool_choice", "parallel_tool_calls"):
                body.pop(name, None)
        return body

    def streamed(self) -> Json:
        """The body to send for a stream, usage included."""
        return self.body(stream=True, stream_options={"include_usage": True, **(self.stream_options or {})})

    def whole(self) -> Json:
        """The body to send for an answer in one piece."""
        body = self.body()
        body.pop("stream_options", None)
        return body

    def tool_names(self) -> frozenset[str]:
        """Names of the tools that are offered."""
        return frozenset(tool["function"]["name"] for tool in self.tools or ())


class EmbeddingRequest(_Request):
    """A request for the embeddings of some texts, sent as they are."""

    input: list[str] = Field(min_length=1)
    encoding_format: Literal["float"] = "float"
    dimensions: int | None = Field(default=None, ge=1)
    user: str | None = None


def to_bytes(body: Json) -> bytes:
    """Encode a body.

    Raises:
        InvalidRequestError: It holds something that JSON cannot say; the message names it.
    """
    try:
        return json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except (TypeError, ValueError, RecursionError) as error:  # UnicodeEncodeError is a ValueError
        reason = "a lone surrogate in a text" if isinstance(error, UnicodeEncodeError) else str(error)
        raise InvalidRequestError(f"The request cannot be written as JSON: {reason}.") from None


@dataclass(slots=True)
class Usage:
    """Token counts of an answer. The details are None where the server does not report them."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    total_tokens: int = 0
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None

    @classmethod
    def of(cls, raw: Json) -> Usage:
        """Read the `usage` of an answer, any part of which may be null or missing."""
        prompt, completion = _count(raw, "prompt_tokens") or 0, _count(raw, "completion_tokens") or 0
        return cls(
            prompt_tokens=prompt,
            completion_tokens=completion,
            total_tokens=_count(raw, "total_tokens") or prompt + completion,
            cached_tokens=_count(raw.get("prompt_tokens_details"), "cached_tokens"),
            reasoning_tokens=_count(raw.get("completion_tokens_details"), "reasoning_tokens"),
        )

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            self.total_tokens + other.total_tokens,
            _sum(self.cached_tokens, other.cached_tokens),
            _sum(self.reasoning_tokens, other.reasoning_tokens),
        )


def _count(raw: object, name: str) -> int | None:
    value = raw.get(name) if isinstance(raw, dict) else None
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _sum(one: int | None, other: int | None) -> int | None:
    return None if one is None and other is None else (one or 0) + (other or 0)


@dataclass(slots=True)
class ToolCall:
    """A finished tool call. `arguments` is the model's text: it may not be JSON."""

    id: str
    name: str
    arguments: str

    def parsed(self) -> Json:
        """The arguments as an object; `{}` for an empty or null text, which models write for "none".

        Raises:
            ValueError: The text is not a JSON object.
        """
        value = json.loads(self.arguments) if self.arguments.strip() else {}
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise ValueError(f"the arguments are not an object but {self.arguments!r}")  # noqa: TRY004 - bad JSON
        return value


@dataclass(slots=True)
class ToolCallDelta:
    """A piece of a tool call. `id` and `name` come once, with its first pieces; `index` counts calls from 0."""

    index: int
    id: str | None
    name: str | None
    arguments: str


@dataclass(slots=True)
class Choice:
    """One of the answers. `reasoning` and `text` are apart, whatever way the server sent them."""

    index: int = 0
    text: str = ""
    reasoning: str = ""
    tool_calls: list[ToolCall] = field(default_factory=list)
    finish_reason: str | None = None
    stop_reason: int | str | None = None
    refusal: str = ""
    logprobs: list[Json] | None = None
    token_ids: list[int] | None = None


@dataclass(slots=True)
class Completion:
    """An answer, whole or streamed: the same result either way."""

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
        """The first choice: the only one unless `n` was set."""
        return self.choices[0]


@dataclass(slots=True)
class Embeddings:
    """The vectors of a request, in the order of its texts."""

    vectors: list[list[float]]
    model: str = ""
    usage: Usage | None = None


@dataclass(slots=True)
class ModelCard:
    """A model that an endpoint serves. `max_model_len` is its context window in tokens, when reported."""

    id: str
    max_model_len: int | None = None
    raw: Json = field(default_factory=dict)
