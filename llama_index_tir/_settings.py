"""ModelSettings, the base of all models, and ChatSettings: the fields of `TIR`, and the requests built from them."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from llama_index.core.llms.function_calling import FunctionCallingLLM
from pydantic import ConfigDict, Field

from llama_index_tir._aliases import without_ignored
from llama_index_tir._messages import to_wire
from tir_client import ChatRequest, InvalidRequestError
from tir_client.aliases import refuse_unknown_parameters, rename
from tir_client.chat import ChatArguments as SharedChatArguments
from tir_client.chat import ChatParameters
from tir_client.config import DEFAULT_MODEL
from tir_client.embeddings import EmbeddingArguments as SharedEmbeddingArguments
from tir_client.models import reads_text_only
from tir_client.protocol.parameters import PARAMETER_ALIASES, Parameters, further_parameters, merge_parameters
from tir_client.protocol.text_only import for_text_only
from tir_client.rerankers import RerankArguments as SharedRerankArguments
from tir_client.settings import Connection

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from llama_index.core.base.llms.types import ChatMessage
    from llama_index.core.callbacks import CallbackManager
    from llama_index.core.storage.kvstore.types import BaseKVStore
    from llama_index.core.types import BaseOutputParser, PydanticProgramMode

    from tir_client.protocol.responses import Json

TOOL_NAMES = "tool_names"
"""The internal argument of a call with the original names of tools that were renamed to be sent."""

_JSON_PARAMETERS = {
    "tools": "`chat_with_tools` takes tools of LlamaIndex",
    "response_format": "`as_structured_llm` and `structured_predict` take a class",
}
"""Parameters that must be JSON, and the methods that take LlamaIndex's tools or a class instead."""

_PARAMETERS = frozenset(ChatRequest.model_fields) - {"messages"}
_OWN = {"model", *Parameters.model_fields}


class ModelSettings(Connection):
    """Server and credentials. Fields that are not set come from the environment."""

    @classmethod
    def _fields_from(cls, arguments: dict[str, Any]) -> dict[str, Any]:
        used, messages = without_ignored(arguments)
        for message in messages:
            warnings.warn(message, stacklevel=4)
        return super()._fields_from(used)


class ChatSettings(ModelSettings, ChatParameters, FunctionCallingLLM):
    """The fields of `TIR`. None is not sent, so the server's default applies."""

    model_config = ConfigDict(extra="forbid")

    model: str = Field(default=DEFAULT_MODEL, description="Slug of the model, or its name on your server.")
    strict: bool | None = Field(
        default=None, description="Enforce the schemas of tool arguments and structured answers strictly."
    )
    additional_kwargs: dict[str, Any] = Field(
        default_factory=dict,
        description="Parameters of the request, under the name of this field in LlamaIndex's other LLMs.",
    )
    context_window: int | None = Field(
        default=None,
        description="Tokens of prompt and answer. Default: depends on the model's name, else from the server's list of "
        "models, which is read when `metadata` is first used.",
    )
    is_chat_model: bool = Field(default=True, description="Whether LlamaIndex sends messages, not text.")
    is_function_calling_model: bool | None = Field(
        default=None, description="Whether the model calls tools. Default: depends on the model's name."
    )

    def to_payload(self) -> Json:
        """The model's settings for events and callbacks, without secrets. Observability tools read `model`."""
        return {**super().to_payload(), "model": self.model}

    def _request(self, messages: Sequence[ChatMessage], kwargs: Mapping[str, Any]) -> ChatRequest:
        """Return the request for one call. Its arguments override the constructor's; None unsets them.

        In the constructor, `additional_kwargs` override fields, and `extra_body` overrides both.

        Raises:
            InvalidRequestError: An argument or a message cannot be sent.
        """
        call = {name: value for name, value in kwargs.items() if name != TOOL_NAMES}
        fields = merge_parameters(self._own_parameters(), self._as_parameters(call))
        if fields.get("n") not in (None, 1):
            wanted = fields.pop("n")
            warnings.warn(f"`n` is {wanted!r}, but LlamaIndex's responses hold one answer.", UserWarning, stacklevel=2)
        request = ChatRequest.of(**{**fields, "messages": to_wire(messages)})
        return for_text_only(request) if reads_text_only(request.model) else request

    def _own_parameters(self) -> Json:
        fields = {name: value for name, value in self.__dict__.items() if name in _OWN and value is not None}
        further = self._as_parameters(further_parameters("additional_kwargs", self.additional_kwargs))
        extra = {
            **further_parameters("extra_body", self.extra_body),
            **further_parameters("extra_body", further.get("extra_body")),
        }
        return {**fields, **further, "extra_body": extra}

    def _as_parameters(self, arguments: Mapping[str, Any]) -> Json:
        """Rename arguments to their wire names."""
        parameters = rename(arguments, PARAMETER_ALIASES)
        refuse_unknown_parameters(parameters, _PARAMETERS, type(self).model_fields, self.unsupported)
        _check_json_parameters(parameters)
        return parameters


def _check_json_parameters(parameters: Json) -> None:
    """Check that tools and response format are JSON.

    Raises:
        InvalidRequestError: One is a tool of LlamaIndex or a class; the message names the method that takes it.
    """
    for name, advice in _JSON_PARAMETERS.items():
        value = parameters.get(name)
        parts = value if isinstance(value, list | tuple) else [value]
        if not all(part is None or isinstance(part, dict) for part in parts):
            raise InvalidRequestError(f"`{name}` must be JSON in the form of OpenAI's API; {advice}.")


class ChatArguments(SharedChatArguments, total=False):
    """The fields of `TIR` except `model`, for type checkers."""

    strict: bool | None
    additional_kwargs: dict[str, Any]
    context_window: int | None
    is_chat_model: bool
    is_function_calling_model: bool | None
    # LlamaIndex's own
    callback_manager: CallbackManager | None
    system_prompt: str | None
    messages_to_prompt: Callable[[Sequence[ChatMessage]], str] | None
    completion_to_prompt: Callable[[str], str] | None
    output_parser: BaseOutputParser | None
    pydantic_program_mode: PydanticProgramMode
    query_wrapper_prompt: Any
    rate_limiter: Any


class EmbeddingArguments(SharedEmbeddingArguments, total=False):
    """The fields of `TIREmbedding` except `model`, for type checkers."""

    model_name: str
    embed_batch_size: int
    num_workers: int | None
    callback_manager: CallbackManager | None
    embeddings_cache: BaseKVStore | None
    rate_limiter: Any


class RerankArguments(SharedRerankArguments, total=False):
    """The fields of `TIRRerank` except `model`, for type checkers."""

    keep_retrieval_score: bool
    callback_manager: CallbackManager | None
