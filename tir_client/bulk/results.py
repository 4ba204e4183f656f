"""Result and RowError: the answer or error of a row, and its line of JSON in the output. Pure."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from pydantic_core import from_json

from tir_client.errors import StructuredOutputError, TIRError
from tir_client.protocol.json_text import find_json, replace_surrogates
from tir_client.protocol.responses import Completion, Json, ToolCall, Usage
from tir_client.protocol.schemas import may_fit
from tir_client.protocol.structured_output import unusable

if TYPE_CHECKING:
    from tir_client.bulk.prompts import Row

START = b'{"index":'
"""The beginning of each line of an output."""


@dataclass(frozen=True, slots=True)
class RowError:
    """Why a row has no answer.

    Args:
        type: The exception's class, such as `ContextOverflowError`.
        message: Its text.
        status_code: The HTTP status, if there was one.
        request_id: The server's id of the request.
    """

    type: str
    message: str
    status_code: int | None = None
    request_id: str | None = None

    @classmethod
    def of(cls, error: TIRError) -> RowError:
        """The record of an exception."""
        return cls(type(error).__name__, error.message, error.status_code, error.request_id)


@dataclass(slots=True)
class Result:
    """A row of the output.

    Args:
        index: The number of the input's row, from 0.
        fingerprint: Sixteen digits that change with the row and the settings.
        id: The row's `id`, or None.
        error: Why there is no answer, or None.
        text: The answer; after an error, the part that had arrived.
        reasoning: The reasoning.
        data: The answer as an object, if a schema was given.
        tool_calls: The tools that the model calls.
        finish_reason: Why the answer ended; `length` if `max_tokens` cut it off.
        usage: Token counts.
        model: The model that answered.
    """

    index: int
    fingerprint: str
    id: Any = None
    error: RowError | None = None
    text: str = ""
    reasoning: str = ""
    data: Any = None
    tool_calls: list[ToolCall] | None = None
    finish_reason: str | None = None
    usage: Usage | None = None
    model: str = ""

    def line(self) -> bytes:
        """The result as a line of JSON."""
        row = {name: getattr(self, name) for name in self.__slots__}
        try:
            text = _JSON.encode(row)
        except ValueError:
            text = _JSON.encode({**row, "id": _finite(self.id), "data": _finite(self.data)})
        return replace_surrogates(text).encode() + b"\n"


def answer_result(row: Row, fingerprint: int, completion: Completion, schema: Json | None) -> Result:
    """The result for an answer; it has an error if the answer does not fit `schema`."""
    result = _filled(Result(row.index, f"{fingerprint:016x}", row.id), completion)
    if schema is not None:
        try:
            result.data = read_data(completion, schema)
        except StructuredOutputError as error:
            result.error = RowError.of(error)
    return result


def error_result(row: Row, fingerprint: int, error: TIRError) -> Result:
    """The result for a row without an answer."""
    result = Result(row.index, f"{fingerprint:016x}", row.id, RowError.of(error))
    return result if error.partial is None else _filled(result, error.partial)


def read_data(completion: Completion, schema: Json) -> Any:
    """Parse the object in an answer.

    Raises:
        StructuredOutputError: The answer has no JSON, or it does not fit the schema.
    """
    choice = completion.choice
    details: Json = {"text": choice.text, "request_id": completion.request_id}
    error = unusable(choice.text, choice.finish_reason, choice.refusal)
    if error is not None:
        error.request_id = completion.request_id
        raise error
    try:
        data = find_json(choice.text)
    except ValueError as error:
        raise StructuredOutputError(f"The answer is not JSON: {error}", **details) from None
    if not may_fit(data, schema):
        raise StructuredOutputError("The answer's JSON does not fit the schema.", **details)
    return data


@dataclass(frozen=True, slots=True)
class Stored:
    """The parts of a stored line that decide whether its row is sent again."""

    index: int
    fingerprint: int
    failed: bool


def read_line(line: bytes) -> Stored | None:
    """Read a line of an output; None if it is not a result."""
    try:
        row = from_json(line)
        return Stored(_index(row["index"]), int(row["fingerprint"], 16), row["error"] is not None)
    except (ValueError, TypeError, KeyError):
        return None


def may_be_cut_off(line: bytes) -> bool:
    """Whether the last line of a file may be a half-written result."""
    return line.startswith(START) or START.startswith(line) or not line.strip(b"\0")


def _index(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError
    return value


def _filled(result: Result, completion: Completion) -> Result:
    if completion.choices:
        choice = completion.choice
        result.text, result.reasoning, result.finish_reason = choice.text, choice.reasoning, choice.finish_reason
        result.tool_calls = choice.tool_calls or None
    result.usage, result.model = completion.usage, completion.model
    return result


def _finite(value: Any) -> Any:
    """A copy of a value with strings for numbers that JSON cannot express: "nan", "inf"."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {_finite(key): _finite(item) for key, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, list | tuple) else value


def _plain(value: Any) -> Any:
    """Convert values that `json` cannot encode: dataclasses, and ids such as dates."""
    if isinstance(value, Usage | ToolCall | RowError):
        return {each.name: getattr(value, each.name) for each in fields(value)}
    return str(value)


_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=_plain, allow_nan=False)
