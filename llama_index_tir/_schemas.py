"""The JSON schemas of pydantic classes. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tir_client import InvalidRequestError
from tir_client.protocol.schemas import FAILURES

if TYPE_CHECKING:
    from tir_client.protocol.responses import Json


def schema_of_class(cls: Any) -> Json:
    """Return the JSON schema of a pydantic class.

    Raises:
        InvalidRequestError: It is not a pydantic class, or a field's type has no JSON schema.
    """
    if not isinstance(cls, type) or not hasattr(cls, "model_json_schema"):
        raise InvalidRequestError(f"{cls!r} is not a pydantic class. Define a pydantic class that has it as a field.")
    try:
        schema: Json = cls.model_json_schema()
    except FAILURES as error:
        raise InvalidRequestError(f"{cls.__name__} has no JSON schema: {error}") from error
    return schema
