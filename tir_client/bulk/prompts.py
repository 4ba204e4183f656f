"""Builds the requests of rows, and their fingerprints. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b
from string import Formatter
from typing import TYPE_CHECKING, Any

from tir_client.bulk.schema_check import check_schema
from tir_client.config import DEFAULT_MODEL, check_model
from tir_client.errors import ConfigurationError, InvalidRequestError
from tir_client.protocol.requests import ChatRequest
from tir_client.protocol.tool_choice import response_format

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tir_client.protocol.responses import Json

PROMPT_COLUMNS = ("prompt", "prompts")
"""Columns that hold a prompt; TIR's own Bulk Prompts uses the second name."""

_INSTRUCTIONS = ("system", "developer")


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the input.

    Args:
        index: Its number, from 0.
        value: Its columns; None if it could not be read.
        problem: Why it could not be read.
    """

    index: int
    value: Mapping[str, Any] | None
    problem: str = ""

    @classmethod
    def of(cls, index: int, value: object) -> Row:
        """Build a row from a prompt or a mapping of columns."""
        if isinstance(value, str):
            return cls(index, {"prompt": value})
        if isinstance(value, Mapping):
            return cls(index, dict(value))
        return cls(index, None, f"a row must be a text or an object, not {type(value).__name__}")

    @property
    def id(self) -> Any:
        """The value of its `id` column, or None."""
        return None if self.value is None else self.value.get("id")


@dataclass(frozen=True)
class Prompts:
    """Builds the request for each row.

    Without a template, a row has its prompt in the column `prompt` (or `prompts`), or a conversation in `messages`.

    Args:
        model: The model to call.
        template: The prompt, with names of columns in braces: `"Summarise: {text}"`. `{{` and `}}` are plain braces.
        system: A system message for each row; a system message in a row's own `messages` replaces it.
        schema: A JSON schema. It is sent as the response format, and each answer is parsed as JSON.
        parameters: Further fields of each request, such as `temperature`.

    Raises:
        ConfigurationError: The template, the schema or a parameter is wrong.
    """

    model: str = DEFAULT_MODEL
    template: str | None = None
    system: str | None = None
    schema: Json | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_model(self.model)
        if self.schema is not None:
            check_schema(self.schema)
        if self.parameters.get("n", 1) != 1 or "messages" in self.parameters:
            raise ConfigurationError("Each row has its own prompt and one answer: leave out `messages` and `n`.")
        try:
            _ = self._request
        except InvalidRequestError as error:
            raise ConfigurationError(error.message) from None
        _ = self._parts

    def check_first(self, rows: Sequence[Row]) -> None:
        """Check that the first rows are not all unreadable, and that the first one has the columns of its prompt.

        Raises:
            ConfigurationError: They are, or it lacks one, so probably no row can be sent.
        """
        row = rows[0]
        if len(rows) > 1 and all(row.value is None for row in rows):
            raise ConfigurationError(f"None of the first {len(rows)} rows can be read. The first one: {row.problem}.")
        if row.value is None:
            return
        try:
            self.messages(row)
        except InvalidRequestError as error:
            missing = {column for _, column in self._parts if column} - row.value.keys()
            if missing or (self.template is None and row.value.keys().isdisjoint((*PROMPT_COLUMNS, "messages"))):
                raise ConfigurationError(f"The first row cannot be sent: {error.message}") from None

    def request(self, row: Row) -> ChatRequest:
        """The request for a row.

        Raises:
            InvalidRequestError: The row has no prompt.
        """
        return self._request.model_copy(update={"messages": self.messages(row)})

    def messages(self, row: Row) -> list[Json]:
        """The messages of a row.

        Raises:
            InvalidRequestError: The row has no prompt.
        """
        if row.value is None:
            raise InvalidRequestError(f"The row cannot be read: {row.problem}.")
        if self.template is not None:
            return self._with_system([{"role": "user", "content": self._filled(row.value)}])
        messages = row.value.get("messages")
        if messages is not None:
            return self._with_system(_checked(messages))
        return self._with_system([{"role": "user", "content": _prompt(row.value)}])

    def fingerprint(self, row: Row) -> int:
        """A 64-bit hash of the row's id and prompt and of these settings."""
        try:
            content: Any = self.messages(row)
        except InvalidRequestError:
            content = row.value
        return _digest([row.id, content], self._settings)

    @cached_property
    def _request(self) -> ChatRequest:
        fields: Json = {"messages": [], **self.parameters}
        if self.schema is not None:
            fields.setdefault("response_format", response_format("row", self.schema, strict=True))
        return ChatRequest.of(model=self.model, **fields)

    @cached_property
    def _settings(self) -> bytes:
        return _digest(self._request.body()).to_bytes(8, "big")

    @cached_property
    def _parts(self) -> list[tuple[str, str | None]]:
        """The template as pairs of a text and the column whose value follows it."""
        try:
            parts = list(Formatter().parse(self.template or ""))
        except ValueError as error:
            raise ConfigurationError(f"`template`: {error}. Write a plain brace twice.") from None
        for _, column, form, conversion in parts:
            if column == "" or form or conversion:
                raise ConfigurationError("`template`: braces hold the name of a column, and nothing else.")
        return [(text, column) for text, column, _, _ in parts]

    def _filled(self, columns: Mapping[str, Any]) -> str:
        return "".join(text + ("" if name is None else _shown(columns, name)) for text, name in self._parts)

    def _with_system(self, messages: list[Json]) -> list[Json]:
        if self.system is None or messages[0].get("role") in _INSTRUCTIONS:
            return messages
        return [{"role": "system", "content": self.system}, *messages]


def _prompt(columns: Mapping[str, Any]) -> str:
    name = next((name for name in PROMPT_COLUMNS if name in columns), None)
    if name is None:
        raise InvalidRequestError(
            "the row has neither `prompt` nor `messages`, and there is no `template`; "
            f"its columns are {_names(columns)}."
        )
    if not isinstance(columns[name], str):
        raise InvalidRequestError(f"`{name}` must be a text, not {type(columns[name]).__name__}.")
    return str(columns[name])


def _checked(messages: object) -> list[Json]:
    """Check that a row's messages are objects with a role, and with content or tool calls; return them."""
    if not isinstance(messages, list) or not messages:
        raise InvalidRequestError("`messages` must be a list of at least one message.")
    for message in messages:
        if not isinstance(message, dict) or not isinstance(message.get("role"), str):
            raise InvalidRequestError("`messages` must be a list of objects, each with a `role`.")
        if message.get("content") is None and not message.get("tool_calls"):
            raise InvalidRequestError(f"a message of the role `{message['role']}` has no `content`.")
    return messages


def _shown(columns: Mapping[str, Any], name: str) -> str:
    if name not in columns:
        raise InvalidRequestError(f"the row has no column `{name}`; its columns are {_names(columns)}.")
    value = columns[name]
    if value is None:
        raise InvalidRequestError(f"the column `{name}` is null.")
    if isinstance(value, bool | int | float | list | dict):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)


def _names(columns: Mapping[str, Any]) -> str:
    return ", ".join(f"`{name}`" for name in columns) or "none"


def _digest(value: object, salt: bytes = b"") -> int:
    data = _JSON.encode(value).encode()
    return int.from_bytes(blake2b(data, digest_size=8, salt=salt).digest(), "big")


_JSON = json.JSONEncoder(default=str, separators=(",", ":"))
