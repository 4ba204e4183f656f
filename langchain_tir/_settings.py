"""The fields of the LangChain models, and the requests built from them and from a call's arguments."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from langchain_core.language_models.chat_models import BaseChatModel
from pydantic import Field

from langchain_tir._aliases import CHAT_ALIASES, LANGCHAIN_UNSUPPORTED, rename_parameters, with_usage_option
from langchain_tir._errors import model_errors
from langchain_tir._messages import to_wire
from langchain_tir._profile import known_profile
from langchain_tir._tools import to_response_format, tool_fields
from tir_client import ChatRequest
from tir_client.aliases import refuse_unknown_parameters
from tir_client.chat import ChatArguments as SharedChatArguments
from tir_client.chat import ChatParameters
from tir_client.config import DEFAULT_MODEL
from tir_client.embeddings import EmbeddingArguments as SharedEmbeddingArguments
from tir_client.protocol.parameters import did_you_mean, further_parameters, merge_parameters
from tir_client.protocol.responses import Json
from tir_client.protocol.text_only import for_text_only
from tir_client.settings import SECRETS, Connection

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from langchain_core.caches import BaseCache
    from langchain_core.callbacks import Callbacks
    from langchain_core.language_models import ModelProfile
    from langchain_core.messages import BaseMessage
    from langchain_core.rate_limiters import BaseRateLimiter

_INTERNAL = frozenset({"stream", "ls_structured_output_format", "structured_output_format"})
"""Internal arguments of LangChain, which are not sent."""

_PARAMETERS = frozenset(ChatRequest.model_fields) - {"messages", "extra_body"}
_OF_CALLS = _PARAMETERS | {"model_kwargs", "extra_body"}


class ModelSettings(Connection):
    """Server and credentials. Fields that are not set come from the environment."""

    unsupported: ClassVar[Mapping[str, str]] = LANGCHAIN_UNSUPPORTED

    @classmethod
    def _framework_errors(cls) -> AbstractContextManager[None]:
        return model_errors()

    def _secret_digest(self) -> str:
        """A hash of the headers and the query, for cache keys; empty without them."""
        secrets = {name: dict(value) for name in SECRETS if (value := getattr(self, name))}
        return hashlib.sha256(json.dumps(secrets, sort_keys=True).encode()).hexdigest() if secrets else ""


class ChatSettings(ModelSettings, ChatParameters, BaseChatModel):
    """The fields of `ChatTIR`. None is not sent, so the server's default applies."""

    aliases: ClassVar[Mapping[str, str]] = CHAT_ALIASES

    model: str = Field(
        default=DEFAULT_MODEL,
        description="Slug of the model, or its name on your server. On TIR it is part of the URL.",
    )
    n: int | None = Field(
        default=None, description="Number of answers. `generate` returns all of them; `invoke` and `stream` the first."
    )
    parallel_tool_calls: bool | None = Field(
        default=None, description="Whether an answer may hold several calls. Sent with tools only."
    )
    model_kwargs: Json = Field(
        default_factory=dict,
        description="Further parameters, under LangChain's name; the same as `extra_body`.",
    )
    streaming: bool | None = Field(
        default=None, description="True makes `invoke` stream; False makes `stream` send one whole answer."
    )

    @classmethod
    def _fields_from(cls, arguments: dict[str, Any]) -> dict[str, Any]:
        """Return the constructor's arguments as fields. Unknown ones go to `model_kwargs`, with a warning."""
        fields = super()._fields_from(with_usage_option(arguments))
        unknown = {name: fields.pop(name) for name in sorted(fields.keys() - cls._argument_names())}
        if not unknown:
            return fields
        for name in unknown:
            hint = did_you_mean(name, cls._argument_names()) or "."
            warnings.warn(
                f"{cls.__name__} has no argument `{name}`{hint} It is moved to `model_kwargs` and sent with each call. "
                "If that is meant, pass it in `model_kwargs` or `extra_body`.",
                stacklevel=4,
            )
        return {**fields, "model_kwargs": {**(fields.get("model_kwargs") or {}), **unknown}}

    @property
    def model_name(self) -> str:
        """The model, under another name that LangChain uses."""
        return self.model

    def _own_parameters(self) -> Json:
        """The constructor's parameters that are set, sorted by name."""
        values = {name: value for name, value in self.__dict__.items() if name in _OF_CALLS and value is not None}
        if not self.model_kwargs:
            values.pop("model_kwargs", None)
        return dict(sorted(values.items()))

    def _call_parameters(self, call: Json) -> Json:
        """Return the fields of a request. A call's arguments override the constructor's; None unsets them.

        Raises:
            InvalidRequestError: The call has an argument that is not a parameter.
        """
        given = {name: value for name, value in rename_parameters(call).items() if name not in _INTERNAL}
        self._refuse_unknown_parameters(call)
        return merge_parameters(_with_model_kwargs(self._own_parameters()), _with_model_kwargs(given))

    def _refuse_unknown_parameters(self, call: Collection[str], method: Collection[str] = ()) -> None:
        """Refuse arguments of a call that are not parameters.

        Args:
            call: The names of the arguments, aliases included.
            method: The names of the method's own arguments, to suggest for a misspelt one.

        Raises:
            InvalidRequestError: An argument is unknown; the message suggests the nearest name.
        """
        known = _OF_CALLS.union(method)
        names = {name for name in call if CHAT_ALIASES.get(name, name) not in known} - _INTERNAL
        refuse_unknown_parameters(names, known, type(self).model_fields, self.unsupported)

    def _request(self, messages: list[BaseMessage], stop: list[str] | None, call: Json) -> ChatRequest:
        fields = self._call_parameters(call if stop is None else {**call, "stop": stop})
        if fields.get("response_format") is not None:
            fields["response_format"] = to_response_format(fields["response_format"])
        fields |= tool_fields(fields.get("tools") or (), fields.get("tool_choice"))
        request: ChatRequest = ChatRequest.of(messages=to_wire(messages), **fields)
        return for_text_only(request) if self._reads_text_only(request.model) else request

    def _reads_text_only(self, model: str) -> bool:
        """Whether a model is known to be text-only. For the constructor's model, `profile` decides."""
        facts = self.profile if model == self.model else known_profile(model)
        return (facts or {}).get("image_inputs") is False


def _with_model_kwargs(given: Json) -> Json:
    """Move parameters in `model_kwargs` to their fields, and unknown ones to `extra_body`.

    Raises:
        InvalidRequestError: One of the two is not a dictionary.
    """
    loose = rename_parameters(further_parameters("model_kwargs", given.get("model_kwargs")))
    named = {name: value for name, value in loose.items() if name in _PARAMETERS}
    rest = {name: value for name, value in loose.items() if name not in _PARAMETERS}
    fields = {**named, **{name: value for name, value in given.items() if name != "model_kwargs"}}
    if rest:
        fields["extra_body"] = {**rest, **further_parameters("extra_body", fields.get("extra_body"))}
    return fields


class ChatArguments(SharedChatArguments, total=False):
    """The fields of `ChatTIR` except `model`, for type checkers."""

    n: int | None
    parallel_tool_calls: bool | None
    model_kwargs: dict[str, Any]
    streaming: bool | None
    # LangChain's own
    name: str | None
    cache: BaseCache | bool | None
    verbose: bool
    callbacks: Callbacks
    tags: list[str] | None
    metadata: dict[str, Any] | None
    custom_get_token_ids: Callable[[str], list[int]] | None
    rate_limiter: BaseRateLimiter | None
    disable_streaming: bool | str
    output_version: str | None
    profile: ModelProfile | None


class EmbeddingArguments(SharedEmbeddingArguments, total=False):
    """The fields of `TIREmbeddings` except `model`, for type checkers."""

    chunk_size: int
    max_concurrency: int
    show_progress_bar: bool
