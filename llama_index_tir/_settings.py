"""The fields of the LLM, and the request that is made of them and of the arguments of a call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from llama_index.core.base.llms.types import ChatMessage, LLMMetadata
from llama_index.core.constants import DEFAULT_CONTEXT_WINDOW, DEFAULT_NUM_OUTPUTS
from llama_index.core.llms.function_calling import FunctionCallingLLM
from pydantic import Field

from llama_index_tir._component import TIRComponent
from llama_index_tir._messages import to_wire
from tir_client import DEFAULT_MODEL, ChatRequest, InvalidRequestError, model_info

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from llama_index_tir._content import Json

SAMPLING = (
    "temperature",
    "max_tokens",
    "top_p",
    "top_k",
    "min_p",
    "frequency_penalty",
    "presence_penalty",
    "repetition_penalty",
    "stop",
    "seed",
    "reasoning_effort",
    "logprobs",
    "top_logprobs",
)
TOOL_NAMES = "tool_names"
"""The argument of a call that gives tools their names back, where these cannot be sent as they are."""

THINKING_OUTPUT = 4_096
"""Tokens to leave for the answer of a model that thinks first: its thoughts use up the same room."""


class TIRSettings(TIRComponent, FunctionCallingLLM):
    """The fields of `TIR`. What is None is not sent: the server's own default holds."""

    other_names: ClassVar[Mapping[str, str]] = {
        **TIRComponent.other_names,
        "model_name": "model",
        "max_completion_tokens": "max_tokens",
    }

    model: str = Field(default=DEFAULT_MODEL, description="The slug of the model, or the name that your server has.")
    temperature: float | None = None
    max_tokens: int | None = Field(default=None, description="Most tokens of an answer, its reasoning included.")
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    repetition_penalty: float | None = None
    stop: str | list[str] | None = None
    seed: int | None = None
    reasoning_effort: str | None = Field(default=None, description="gpt-oss knows `low`, `medium` and `high`.")
    logprobs: bool | None = None
    top_logprobs: int | None = None
    strict: bool | None = Field(
        default=None, description="Hold the arguments of tools, and structured answers, to their schemas strictly."
    )
    additional_kwargs: dict[str, Any] = Field(
        default_factory=dict, description="Further fields of the request that `ChatRequest` knows, such as `n`."
    )
    extra_body: dict[str, Any] | None = Field(
        default=None, description="Whatever else the deployment understands; put into the request as it is."
    )
    context_window: int | None = Field(
        default=None,
        description="Tokens of prompt and answer. Default: what is known of the model. `list_models` asks the server.",
    )
    is_chat_model: bool = True
    is_function_calling_model: bool | None = Field(default=None, description="Default: what is known of the model.")

    @property
    def metadata(self) -> LLMMetadata:
        """What LlamaIndex plans with. A model that nothing is known of gets LlamaIndex's own defaults."""
        known = model_info(self.model)
        window = self.context_window or known.context_window or DEFAULT_CONTEXT_WINDOW
        output = self.max_tokens or (THINKING_OUTPUT if known.reasoning else DEFAULT_NUM_OUTPUTS)
        calls = known.tools if self.is_function_calling_model is None else self.is_function_calling_model
        return LLMMetadata(
            context_window=window,
            num_output=min(output, window // 2),
            is_chat_model=self.is_chat_model,
            is_function_calling_model=calls,
            model_name=self.model,
        )

    def _request(self, messages: Sequence[ChatMessage], kwargs: Mapping[str, Any]) -> ChatRequest:
        """The request for one call: its arguments win over all that the constructor got; None says nothing.

        Of the constructor's, `additional_kwargs` win over fields, and `extra_body` over both.

        Raises:
            InvalidRequestError: An argument or a message cannot be sent.
        """
        own = {"model": self.model, **{name: getattr(self, name) for name in SAMPLING}}
        said = _set(kwargs)
        fields = {**own, **_set(self.additional_kwargs), **said}
        lasting = {**(self.extra_body or {}), **(self.additional_kwargs.get("extra_body") or {})}
        extra = {name: value for name, value in lasting.items() if name not in said} | (said.get("extra_body") or {})
        if fields.get("n") not in (None, 1):
            raise InvalidRequestError("`n` must be 1: LlamaIndex's responses hold one answer.")
        return ChatRequest.of(**{**fields, "messages": to_wire(messages), "extra_body": extra or None})


def _set(kwargs: Mapping[str, Any]) -> Json:
    """The arguments that say something, under the names that go on the wire: older servers know no other."""
    said = {name: value for name, value in kwargs.items() if value is not None and name != TOOL_NAMES}
    limit = said.pop("max_completion_tokens", None)
    if limit is not None and said.setdefault("max_tokens", limit) != limit:
        raise InvalidRequestError("Give `max_tokens` or `max_completion_tokens`, not both: they are the same.")
    return said
