"""What is sent. pydantic models, so that a user's mistake is found before it costs a request."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from tir_client.errors import InvalidRequestError
from tir_client.protocol.responses import Json

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
    max_tokens: int | None = Field(default=None, ge=1)
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

    def demanded_tool(self) -> str | None:
        """Name of the tool that must be called, if one is named."""
        function = self.tool_choice.get("function") if isinstance(self.tool_choice, dict) else None
        return function.get("name") if isinstance(function, dict) else None

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
