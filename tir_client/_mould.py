"""Objects of a pydantic class made without its validation, which for one chunk of a stream costs more than all else."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

from pydantic import BaseModel

Model = TypeVar("Model", bound=BaseModel)

_set = object.__setattr__


class Mould(Generic[Model]):
    """Makes objects like `pattern`, with some of its fields changed.

    Only for values that have been checked already, in a class whose validators would not change them. What a
    framework's users may change of an object (dictionaries, lists) has to be given anew for each.

    Args:
        pattern: An object as the class's own constructor makes it. It must not be changed afterwards.
    """

    __slots__ = ("_cls", "_fields", "_has_extra", "_named")

    def __init__(self, pattern: Model) -> None:
        state = pattern.__getstate__()
        self._cls = type(pattern)
        self._fields: dict[str, Any] = state["__dict__"]
        self._named: set[str] = state["__pydantic_fields_set__"]
        self._has_extra = state["__pydantic_extra__"] is not None

    def cast(self, **fields: Any) -> Model:
        """An object with these values of fields. Those that the pattern was made with count as set, and no others."""
        made = self._cls.__new__(self._cls)
        _set(made, "__dict__", self._fields | fields)
        _set(made, "__pydantic_fields_set__", self._named.copy())
        _set(made, "__pydantic_extra__", {} if self._has_extra else None)
        _set(made, "__pydantic_private__", None)
        return made
