"""What a request may say: the parameters of `ChatTIR`, and how a call's own arguments beat them."""

from __future__ import annotations

import warnings
from typing import Any

from pydantic import BaseModel, Field, model_validator

from langchain_tir._aliases import ADVICE, OTHER_NAMES, renamed
from langchain_tir._content import Json
from tir_client import DEFAULT_MODEL, ChatRequest, InvalidRequestError

_INTERNAL = frozenset({"stream", "ls_structured_output_format", "structured_output_format"})
"""Arguments of a call by which LangChain speaks to itself."""

_LOOSE = ("model_kwargs", "extra_body")
_PARAMETERS = frozenset(ChatRequest.model_fields) - {"messages", "extra_body"}


class Settings(BaseModel):
    """Parameters of an answer. None is not sent: the server's default holds."""

    model: str = DEFAULT_MODEL
    """Slug of the model. On TIR it is part of the URL, also when a call names another one."""
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    max_tokens: int | None = None
    """Most tokens of an answer, its reasoning included."""
    min_tokens: int | None = None
    stop: list[str] | str | None = None
    """Where to stop. gpt-oss is matched on its raw output: a stop word may end its reasoning, too."""
    stop_token_ids: list[int] | None = None
    seed: int | None = None
    n: int | None = None
    """How many answers. `generate` returns all of them; `invoke` and `stream` the first."""
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    repetition_penalty: float | None = None
    logit_bias: dict[int | str, float] | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    reasoning_effort: str | None = None
    """How long to think: "low", "medium" or "high" for gpt-oss."""
    include_reasoning: bool | None = None
    parallel_tool_calls: bool | None = None
    """Whether an answer may hold several calls. It goes with tools: without any, it is not sent."""
    chat_template_kwargs: Json | None = None
    structured_outputs: Json | None = None
    """vLLM's own constraints: a `regex`, a `choice`, a `grammar`."""
    priority: int | None = None
    user: str | None = None
    stream_options: Json | None = None
    extra_body: Json | None = None
    """Whatever else the deployment knows, put into the body as it is."""
    model_kwargs: Json = Field(default_factory=dict)
    """The same, under the name that LangChain has for parameters without a field."""
    streaming: bool | None = None
    """True lets `invoke` stream, too; False keeps `stream` from streaming."""

    @model_validator(mode="before")
    @classmethod
    def _collect_unknown(cls, values: Any) -> Any:
        """Move unknown arguments to `model_kwargs`, with a warning, as LangChain's own models do."""
        if not isinstance(values, dict):
            return values
        unknown = {name: value for name, value in values.items() if name not in cls.model_fields}
        if not unknown:
            return values
        warnings.warn(
            f"{cls.__name__} has no {', '.join(f'`{name}`' for name in unknown)}: moved to `model_kwargs`, and sent "
            "with each request. If that is meant, say so with `model_kwargs` or `extra_body`.",
            stacklevel=5,
        )
        rest = {name: value for name, value in values.items() if name not in unknown}
        return {**rest, "model_kwargs": {**(values.get("model_kwargs") or {}), **unknown}}

    @property
    def model_name(self) -> str:
        """The model, under the name by which much of LangChain asks for it."""
        return self.model

    def set_parameters(self) -> Json:
        """The parameters that are set, in the order of their names."""
        names = sorted((_PARAMETERS | set(_LOOSE)) & type(self).model_fields.keys())
        values = {name: getattr(self, name) for name in names}
        return {name: value for name, value in values.items() if value not in (None, {}, [])}

    def call_parameters(self, call: Json) -> Json:
        """The fields of a request: the call's arguments beat the constructor's, one by one, also in `extra_body`.

        Raises:
            InvalidRequestError: The call has an argument that is no parameter.
        """
        given = {name: value for name, value in renamed(call).items() if name not in _INTERNAL}
        for name in given:
            if name not in _PARAMETERS and name not in _LOOSE:
                raise InvalidRequestError(f"`{name}` is not a parameter of a call{self._instead(name)}.")
        own, call = _settled(self.set_parameters()), _settled(given)
        # What is in `extra_body` is sent in place of the parameter of the same name.
        below, extra = own.pop("extra_body", {}), call.get("extra_body", {})
        extra = {name: below[name] for name in below if _here(name) not in call | extra} | extra
        return _json_keys(own | call | ({"extra_body": extra} if extra else {}))

    def _instead(self, name: str) -> str:
        if name in ADVICE:
            return f": {ADVICE[name]}"
        if name in type(self).model_fields:
            return ": pass it to the constructor"
        return f". If the deployment knows it, pass `extra_body={{{name!r}: ...}}`"


def _json_keys(fields: Json) -> Json:
    """Fields in which the tokens of `logit_bias` are texts, as JSON knows no other keys."""
    bias = fields.get("logit_bias")
    return {**fields, "logit_bias": {str(token): bias[token] for token in bias}} if isinstance(bias, dict) else fields


def _here(name: str) -> str:
    return OTHER_NAMES.get(name, name)


def _settled(given: Json) -> Json:
    """Parameters with `model_kwargs` put where they belong: to their field, or else into `extra_body`."""
    fields = {name: value for name, value in given.items() if name not in _LOOSE}
    loose = renamed(given.get("model_kwargs") or {})
    fields = {name: value for name, value in loose.items() if name in _PARAMETERS} | fields
    rest = {name: value for name, value in loose.items() if name not in _PARAMETERS}
    extra = {**rest, **(given.get("extra_body") or {})}
    return {**fields, "extra_body": extra} if extra else fields
