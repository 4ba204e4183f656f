"""ChatRequest, EmbeddingRequest and RerankRequest: pydantic models that report mistakes before anything is sent."""

from __future__ import annotations

import json
from typing import Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from tir_client.errors import InvalidRequestError
from tir_client.protocol.parameters import Parameters, did_you_mean
from tir_client.protocol.responses import Json

_DEEP = 10
"""Maximum depth of the search for an invalid value."""


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)
    _own: ClassVar[tuple[str, ...]] = ("model", "stream")
    """Fields of the body that `extra_body` must not replace."""

    model: str = Field(description="Slug of the model, or its name on the server.")
    extra_body: Json | None = Field(
        default=None, description="Further fields of the body, sent unchanged. They replace fields of the same name."
    )

    @classmethod
    def of(cls, **fields: Any) -> Self:
        """Build a request.

        Raises:
            InvalidRequestError: A field is unknown or has a value that cannot be sent.
        """
        try:
            return cls(**fields)
        except ValidationError as error:
            problems = "; ".join(cls._problem(details) for details in error.errors())
            raise InvalidRequestError(f"The request cannot be sent: {problems}.") from None

    @classmethod
    def _problem(cls, details: Any) -> str:
        """Describe one of pydantic's errors; for an unknown field, suggest the nearest name."""
        name = ".".join(map(str, details["loc"]))
        if details["type"] != "extra_forbidden":
            return f"`{name}`: {details['msg']}"
        hint = did_you_mean(name, cls.model_fields).removesuffix("?")
        return f"`{name}` is not a field of {cls.__name__}{hint}"

    def body(self, **more: Any) -> Json:
        """The body to send: the fields that are set, then `more`, then `extra_body`."""
        fields = {name: value for name, value in self.__dict__.items() if value is not None}
        extra = fields.pop("extra_body", {})
        for name in self._own:
            if name in extra:
                raise InvalidRequestError(f"`extra_body` must not have {name!r}: pass it as an argument.")
        return {**fields, **more, **extra}


class ChatRequest(Parameters, _Request, defer_build=False):
    """A request for a chat completion. None is not sent, so the server's default applies.

    The fields are parameters that vLLM documents and the frameworks use. `extra_body` takes any other parameter.
    """

    _own: ClassVar[tuple[str, ...]] = ("model", "messages", "stream")

    messages: list[Json] = Field(description="The conversation, in OpenAI's form.")
    n: int | None = Field(default=None, ge=1, description="Number of answers.")
    response_format: Json | None = Field(default=None, description="The format of the answer, such as a JSON schema.")
    tools: list[Json] | None = Field(default=None, description="Tools that the model may call, each with its schema.")
    tool_choice: Literal["auto", "none", "required"] | Json | None = Field(
        default=None, description="Whether a tool must be called, and which."
    )
    parallel_tool_calls: bool | None = Field(
        default=None, description="Whether an answer may hold several calls. Sent with `tools` only."
    )

    @field_validator("tools")
    @classmethod
    def _named(cls, tools: list[Json] | None) -> list[Json] | None:
        for tool in tools or ():
            function = tool.get("function")
            if not isinstance(function, dict) or not isinstance(function.get("name"), str):
                raise ValueError(f"{tool!r} is not a tool: it has no function with a name")  # noqa: TRY004 - pydantic
        return tools

    def body(self, **more: Any) -> Json:
        """The body to send. Without `tools`, the fields about tools are left out; vLLM rejects an empty list.

        Raises:
            InvalidRequestError: `tool_choice` requires a call, but there are no tools.
        """
        body = super().body(**more)
        if not body.get("tools"):
            if body.get("tool_choice") not in (None, "auto", "none"):
                raise InvalidRequestError(f"`tool_choice` is {body['tool_choice']!r}, but no tools are offered.")
            for name in ("tools", "tool_choice", "parallel_tool_calls"):
                body.pop(name, None)
        return body

    def streamed(self) -> Json:
        """The body to send for a stream, usage included."""
        return self.body(stream=True, stream_options={"include_usage": True, **(self.stream_options or {})})

    def whole(self) -> Json:
        """The body to send for a whole answer."""
        body = self.body()
        body.pop("stream_options", None)
        return body

    def required_tool(self) -> str | None:
        """Name of the tool that must be called, if one is named."""
        function = self.tool_choice.get("function") if isinstance(self.tool_choice, dict) else None
        return function.get("name") if isinstance(function, dict) else None

    def tool_names(self) -> frozenset[str]:
        """Names of the tools that are offered."""
        return frozenset(tool["function"]["name"] for tool in self.tools or ())


class EmbeddingRequest(_Request):
    """A request for embeddings. Texts are sent unchanged."""

    _own: ClassVar[tuple[str, ...]] = ("model", "input", "stream")

    input: list[str] = Field(min_length=1, description="The texts.")
    encoding_format: Literal["float"] = Field(default="float", description="The encoding of the vectors: JSON numbers.")
    dimensions: int | None = Field(default=None, ge=1, description="Length of the vectors, for models that can choose.")
    truncate_prompt_tokens: int | None = Field(
        default=None, ge=-1, description="Tokens to which vLLM cuts each text; -1 for the model's context window."
    )
    user: str | None = Field(default=None, description="An id of the end user.")


class RerankRequest(_Request):
    """A request to score documents by their relevance to a query. Texts are sent unchanged.

    `path` and `documents_field` are not part of the body. Their defaults suit vLLM, SGLang and llama.cpp;
    text-embeddings-inference needs `path="/rerank"` and `documents_field="texts"`.
    """

    _own: ClassVar[tuple[str, ...]] = ("model", "query", "documents", "texts", "top_n", "stream")

    query: str = Field(description="The query.")
    documents: list[str] = Field(min_length=1, description="The documents.")
    top_n: int | None = Field(default=None, ge=1, description="Number of best results to return. Default: all.")
    truncate_prompt_tokens: int | None = Field(
        default=None,
        ge=-1,
        description="Tokens to which vLLM cuts a query and its document; -1 for the model's context window.",
    )
    user: str | None = Field(default=None, description="An id of the end user.")
    path: str = Field(
        default="rerank",
        pattern=r"^/?[\w.~-]+(/[\w.~-]+)*$",
        description="Path of the rerank API: below `/v1`, or in place of it with a leading `/`.",
    )
    documents_field: Literal["documents", "texts"] = Field(
        default="documents", description="Name of the body's field for the documents."
    )

    def body(self, **more: Any) -> Json:
        """The body to send, with the documents in `documents_field`."""
        body = super().body(**more)
        del body["path"]
        name, documents = body.pop("documents_field"), body.pop("documents")
        return {**body, name: documents}


def to_bytes(body: Json) -> bytes:
    """Encode a body as JSON.

    Raises:
        InvalidRequestError: It has a value that JSON cannot express; the message has its path.
    """
    try:
        return _encode(body)
    except (TypeError, ValueError, RecursionError) as error:  # UnicodeEncodeError is a ValueError
        reason = "a lone surrogate in a text" if isinstance(error, UnicodeEncodeError) else str(error)
        place = _unwritable(body)
        at = f"`{place}`: " if place else ""
        raise InvalidRequestError(f"The request cannot be written as JSON: {at}{reason}.") from None


_JSON = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _encode(value: Any) -> bytes:
    return _JSON.encode(value).encode()


def _unwritable(value: Any, place: str = "") -> str:
    """The path of the first value that JSON cannot express, such as `tools[0].function`."""
    if place.count(".") + place.count("[") > _DEEP:  # may be a circular reference
        return place
    named = value.items() if isinstance(value, dict) else ()
    numbered = enumerate(value) if isinstance(value, list | tuple) else ()
    parts = [*((part, f"{place}.{name}") for name, part in named), *((part, f"{place}[{i}]") for i, part in numbered)]
    for part, name in parts:
        try:
            _encode(part)
        except (TypeError, ValueError, RecursionError):
            return _unwritable(part, name.removeprefix("."))
    return place
