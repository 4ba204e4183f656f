"""What a request may say: the parameters of `ChatTIR`, and how a call's own arguments beat them."""

from __future__ import annotations

import warnings
from typing import Any

from pydantic import AliasChoices, BaseModel, Field, model_validator

from tir_client import DEFAULT_MODEL, ChatRequest, InvalidRequestError

Json = dict[str, Any]

ALIASES = {
    "model_name": "model",
    "max_completion_tokens": "max_tokens",
    "stop_sequences": "stop",
}
"""Names that LangChain users know from elsewhere. Older servers know `max_tokens` only, so that goes on the wire."""

_FRAMEWORK = frozenset({"stream", "ls_structured_output_format", "structured_output_format"})
"""Arguments of a call by which LangChain speaks to itself."""

_ROOMS = ("model_kwargs", "extra_body")
_KNOWN = frozenset(ChatRequest.model_fields) - {"messages", "extra_body"}


class Sampling(BaseModel):
    """Parameters of an answer. None is not sent: the server's default holds."""

    model: str = Field(default=DEFAULT_MODEL, validation_alias=AliasChoices("model", "model_name"))
    """Slug of the model. On TIR it is part of the URL, also when a call names another one."""
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    max_tokens: int | None = Field(default=None, validation_alias=AliasChoices("max_tokens", "max_completion_tokens"))
    """Most tokens of an answer, its reasoning included."""
    min_tokens: int | None = None
    stop: list[str] | str | None = Field(default=None, validation_alias=AliasChoices("stop", "stop_sequences"))
    """Where to stop. gpt-oss is matched on its raw output: a stop word may end its reasoning, too."""
    stop_token_ids: list[int] | None = None
    seed: int | None = None
    n: int | None = None
    """How many answers. `generate` returns all; `invoke` and `stream` the first."""
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    repetition_penalty: float | None = None
    logit_bias: dict[str, float] | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    reasoning_effort: str | None = None
    """How long to think: "low", "medium" or "high" for gpt-oss."""
    include_reasoning: bool | None = None
    parallel_tool_calls: bool | None = None
    chat_template_kwargs: Json | None = None
    priority: int | None = None
    user: str | None = None
    stream_options: Json | None = None
    extra_body: Json | None = None
    """Whatever else the deployment knows, put into the body as it is."""
    model_kwargs: Json = Field(default_factory=dict)
    """The same under the name that LangChain uses for parameters without a field."""
    streaming: bool | None = None
    """Let `invoke` stream, too (True), or nothing (False)."""

    @model_validator(mode="before")
    @classmethod
    def _collect_unknown(cls, values: Any) -> Any:
        """Move unknown arguments to `model_kwargs`, with a warning, as LangChain's own models do."""
        if not isinstance(values, dict):
            return values
        unknown = {name: value for name, value in values.items() if name not in known_arguments(cls)}
        if not unknown:
            return values
        warnings.warn(
            f"{cls.__name__} has no {', '.join(f'`{name}`' for name in unknown)}: put into `model_kwargs`, and sent "
            "with each request. Name it there, or in `extra_body`, if that is meant.",
            stacklevel=6,
        )
        rest = {name: value for name, value in values.items() if name not in unknown}
        return {**rest, "model_kwargs": {**(values.get("model_kwargs") or {}), **unknown}}

    @property
    def model_name(self) -> str:
        """The model, under the name by which much of LangChain asks for it."""
        return self.model

    def _set_params(self) -> Json:
        """The parameters that are set."""
        values = {name: getattr(self, name) for name in (*_KNOWN, *_ROOMS) if name in type(self).model_fields}
        return {name: values[name] for name in sorted(values) if values[name] not in (None, {}, [])}


def known_arguments(cls: type[BaseModel]) -> frozenset[str]:
    """Names under which the constructor of `cls` takes something."""
    return frozenset({*cls.model_fields, *ALIASES, "request_timeout"})


def merged(constructor: Json, call: Json) -> Json:
    """The fields of a request: the call's arguments beat the constructor's, one by one, also within `extra_body`.

    Raises:
        InvalidRequestError: The call has an argument that is no parameter.
    """
    given = {ALIASES.get(name, name): value for name, value in call.items() if name not in _FRAMEWORK}
    for name in given:
        if name not in _KNOWN and name not in _ROOMS:
            raise InvalidRequestError(
                f"`{name}` is not a parameter of a call. If the deployment knows it, pass extra_body={{{name!r}: ...}}."
            )
    return _settled(constructor) | _settled(given, constructor.get("extra_body"))


def _settled(params: Json, below: Json | None = None) -> Json:
    """Parameters without the two rooms for the rest: what has a field goes there, everything else to `extra_body`."""
    fields = {name: value for name, value in params.items() if name not in _ROOMS}
    loose = {ALIASES.get(name, name): value for name, value in (params.get("model_kwargs") or {}).items()}
    extra = {name: value for name, value in loose.items() if name not in _KNOWN}
    extra = {**(below or {}), **extra, **(params.get("extra_body") or {})}
    named = {name: value for name, value in loose.items() if name in _KNOWN}
    return {**named, **fields, **({"extra_body": extra} if extra else {})}
