"""The parameters of a chat request: fields of `ChatRequest` and of the chat models of both integrations."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated, Any, TypedDict

from pydantic import BaseModel, Field, field_validator

from tir_client.errors import InvalidRequestError
from tir_client.protocol.responses import Json

if TYPE_CHECKING:
    from collections.abc import Collection

Finite = Annotated[float, Field(allow_inf_nan=False)]
"""JSON has no infinity and no NaN."""

PARAMETER_ALIASES = {
    "model_name": "model",
    "max_completion_tokens": "max_tokens",
    "stop_sequences": "stop",
}
"""Other names of parameters, and the names that are sent, which older servers accept, too."""


class Parameters(BaseModel, defer_build=True):
    """The parameters of a chat request. None is not sent, so the server's default applies."""

    temperature: Finite | None = Field(
        default=None, description="Sampling temperature; 0 always chooses the likeliest token."
    )
    top_p: Finite | None = Field(
        default=None, description="Choose among the likeliest tokens whose probabilities add up to this."
    )
    top_k: int | None = Field(default=None, description="Choose among this many likeliest tokens.")
    min_p: Finite | None = Field(
        default=None, description="Leave out tokens below this fraction of the likeliest one's probability."
    )
    max_tokens: int | None = Field(
        default=None, ge=1, description="Maximum number of tokens of an answer, its reasoning included."
    )
    min_tokens: int | None = Field(default=None, description="Minimum number of tokens of an answer.")
    stop: str | list[str] | None = Field(
        default=None,
        description="Texts at which the answer ends. If one ends the reasoning, the answer is requested again.",
    )
    stop_token_ids: list[int] | None = Field(default=None, description="Ids of tokens at which to stop.")
    seed: int | None = Field(default=None, description="Seed for sampling.")
    frequency_penalty: Finite | None = Field(
        default=None, description="Penalty for tokens in proportion to how often they occur in the answer."
    )
    presence_penalty: Finite | None = Field(
        default=None, description="Penalty for tokens that occur in the answer at all."
    )
    repetition_penalty: Finite | None = Field(
        default=None, description="Penalty factor for tokens of the prompt and the answer; above 1 reduces repetition."
    )
    logit_bias: dict[str, Finite] | None = Field(
        default=None, description="Values to add to the logits of tokens, by token id."
    )
    logprobs: bool | None = Field(default=None, description="Return the log probability of each token.")
    top_logprobs: int | None = Field(
        default=None, description="Number of likeliest tokens to return at each position; needs `logprobs`."
    )
    reasoning_effort: str | None = Field(
        default=None, description="How long to reason: `low`, `medium` or `high` for gpt-oss."
    )
    include_reasoning: bool | None = Field(default=None, description="Return the reasoning with the answer.")
    chat_template_kwargs: Json | None = Field(
        default=None, description="Arguments of the model's chat template, such as `{'enable_thinking': False}`."
    )
    structured_outputs: Json | None = Field(
        default=None, description="vLLM's constraints on the answer, such as `regex`, `choice` or `grammar`."
    )
    priority: int | None = Field(
        default=None, description="Priority of the request on a vLLM server that schedules by priority."
    )
    user: str | None = Field(default=None, description="An id of the end user.")
    stream_options: Json | None = Field(
        default=None, description="Options for streams. `include_usage` is True unless it is set to False here."
    )

    @field_validator("logit_bias", mode="before")
    @classmethod
    def _as_json_keys(cls, bias: Any) -> Any:
        """Accept the ids of tokens as numbers; the keys of a JSON object are strings."""
        return {str(token): value for token, value in bias.items()} if isinstance(bias, dict) else bias


class ParameterArguments(TypedDict, total=False):
    """`Parameters` as keyword arguments, for type checkers."""

    temperature: float | None
    top_p: float | None
    top_k: int | None
    min_p: float | None
    max_tokens: int | None
    min_tokens: int | None
    stop: str | list[str] | None
    stop_token_ids: list[int] | None
    seed: int | None
    frequency_penalty: float | None
    presence_penalty: float | None
    repetition_penalty: float | None
    logit_bias: dict[int, float] | dict[str, float] | None
    logprobs: bool | None
    top_logprobs: int | None
    reasoning_effort: str | None
    include_reasoning: bool | None
    chat_template_kwargs: dict[str, Any] | None
    structured_outputs: dict[str, Any] | None
    priority: int | None
    user: str | None
    stream_options: dict[str, Any] | None


def did_you_mean(name: str, names: Collection[str]) -> str:
    """A suggestion of the nearest of `names`, to append to an error about `name`; empty if none is near."""
    near = get_close_matches(name.lower(), sorted(names), cutoff=0.75)
    return f": did you mean `{near[0]}`?" if near else ""


def merge_parameters(own: Json, call: Json) -> Json:
    """The fields of one request: a call's arguments replace the constructor's, also those in its `extra_body`.

    Args:
        own: The constructor's arguments, `model` included.
        call: The arguments of the call. None removes a field; for `model` it keeps the constructor's.

    Raises:
        InvalidRequestError: An `extra_body` is not a dictionary.
    """
    extra = call.get("extra_body", {})
    if extra is not None:
        extra = further_parameters("extra_body", extra)
        lasting = further_parameters("extra_body", own.get("extra_body"))
        kept = {name: lasting[name] for name in lasting if PARAMETER_ALIASES.get(name, name) not in {**call, **extra}}
        extra = {**kept, **extra}
    model = own["model"] if call.get("model") is None else call["model"]
    return {**own, **call, "model": model, "extra_body": extra or None}


def further_parameters(name: str, value: Any) -> Json:
    """The parameters in a field such as `extra_body`; none if it is None.

    Raises:
        InvalidRequestError: It is not a dictionary.
    """
    if value is not None and not isinstance(value, Mapping):
        raise InvalidRequestError(f"`{name}` must be a dictionary, not {type(value).__name__}.")
    return dict(value or {})
