"""The JSON schemas of pydantic classes and TypedDicts, and the types of functions' arguments. Pure.

LangChain's own conversion leaves `{}` for a recursive class, fails on a recursive `TypedDict`, and offers injected
arguments to the model if a function's annotations are strings.
"""

from __future__ import annotations

import inspect
from functools import update_wrapper
from types import UnionType
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    ForwardRef,
    NotRequired,
    Required,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from langchain_core.runnables import RunnableConfig
from langchain_core.tools import InjectedToolArg
from langchain_core.utils.pydantic import is_basemodel_subclass
from pydantic import BaseModel, Field, create_model
from pydantic.fields import FieldInfo
from typing_extensions import ReadOnly, is_typeddict

from tir_client import InvalidRequestError
from tir_client.protocol.schemas import FAILURES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tir_client.protocol.responses import Json

_MARKERS = frozenset({Required, NotRequired, ReadOnly})


def schema_of_class(cls: Any) -> Json | None:
    """The JSON schema of a pydantic class (v2 or v1) or a `TypedDict`; None for anything else.

    Raises:
        InvalidRequestError: A field's type has no JSON schema.
    """
    try:
        if is_typeddict(cls):
            return _TypedDicts().model(cls).model_json_schema()
        if not isinstance(cls, type) or not is_basemodel_subclass(cls):
            return None
        schema: Json = cls.model_json_schema() if issubclass(cls, BaseModel) else _schema_v1(cls)
    except FAILURES as error:
        raise InvalidRequestError(f"{cls.__name__} has no JSON schema: {error}") from error
    return schema


def _schema_v1(cls: Any) -> Json:
    schema: Json = cls.schema()
    return schema


def is_builtin_type(tool: Any) -> bool:
    """Whether it is `list`, `list[int]` or the like, of which some versions of Python have a signature."""
    cls = get_origin(tool) or tool
    return isinstance(cls, type) and cls.__module__ == "builtins"


def with_types(function: Any) -> Any:
    """A stand-in for a function whose string annotations (PEP 563) are resolved to types.

    Raises:
        NameError: A name in an annotation is not defined in the function's module.
    """
    hints = get_type_hints(function, include_extras=True)
    signature = inspect.signature(function)
    parameters = [
        parameter.replace(annotation=hints.get(name, parameter.annotation))
        for name, parameter in signature.parameters.items()
    ]

    def substitute() -> None: ...

    update_wrapper(substitute, function)
    substitute.__annotations__ = hints
    vars(substitute)["__signature__"] = signature.replace(parameters=parameters)
    return substitute


def _is_injected(hint: Any) -> bool:
    """Whether a type marks an injected argument, also inside a union, which LangChain does not support."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        marks = hint.__metadata__
        is_marked = any(issubclass(mark if isinstance(mark, type) else type(mark), InjectedToolArg) for mark in marks)
        return is_marked or _is_injected(arguments[0])
    return origin in (Union, UnionType) and any(map(_is_injected, arguments))


def without_injected(schema: Json, hints: Mapping[str, Any]) -> Json:
    """The schema of a tool's arguments without injected ones."""
    hidden = {name for name, hint in hints.items() if RunnableConfig in (hint, *get_args(hint)) or _is_injected(hint)}
    if not hidden & (schema.get("properties") or {}).keys():
        return schema
    properties = {name: part for name, part in schema["properties"].items() if name not in hidden}
    required = [name for name in schema.get("required", ()) if name not in hidden]
    return {**schema, "properties": properties, "required": required}


class _TypedDicts:
    """Converts TypedDicts to pydantic models, which pydantic itself does not do on older versions of Python.

    As in LangChain, a field may be `Annotated[type, default or ..., description]`, and a Google-style docstring may
    describe fields.
    """

    def __init__(self) -> None:
        self._names: dict[Any, str] = {}
        self._models: dict[str, type[BaseModel]] = {}

    def model(self, typed_dict: Any) -> type[BaseModel]:
        """The model of a TypedDict."""
        self._refer(typed_dict)
        for model in self._models.values():
            model.model_rebuild(_types_namespace=self._models)
        return self._models[self._names[typed_dict]]

    def _refer(self, typed_dict: Any) -> ForwardRef:
        """A reference to the model of a TypedDict, which allows recursion."""
        if typed_dict not in self._names:
            self._names[typed_dict] = name = f"{typed_dict.__name__}_{len(self._names)}"
            text, descriptions = _split_docstring(inspect.cleandoc(typed_dict.__doc__ or ""))
            hints = get_type_hints(typed_dict, localns={typed_dict.__name__: typed_dict}, include_extras=True)
            fields: dict[str, Any] = {
                f"field_{place}": self._field(typed_dict, key, hint, descriptions.get(key))
                for place, (key, hint) in enumerate(hints.items())
            }
            self._models[name] = create_model(typed_dict.__name__, __doc__=text, **fields)
        return ForwardRef(self._names[typed_dict])

    def _field(self, typed_dict: Any, key: str, hint: Any, description: str | None) -> tuple[Any, Any]:
        required = key in typed_dict.__required_keys__
        while get_origin(hint) in _MARKERS:
            required = get_origin(hint) is Required or (required and get_origin(hint) is not NotRequired)
            (hint,) = get_args(hint)
        default: dict[str, Any] = {} if required else {"default_factory": lambda: None}
        if get_origin(hint) is Annotated and not isinstance(hint.__metadata__[0], FieldInfo):
            hint, value, *words = get_args(hint)
            default = {"default": value}
            description = description or next(iter(words), None)
        if description is not None and not isinstance(description, str):
            raise TypeError(f"the description of {key!r} is not a string but {description!r}")
        return self._type(hint), Field(alias=key, description=description, **default)

    def _type(self, hint: Any) -> Any:
        """A type hint in which references to models replace TypedDicts."""
        if is_typeddict(hint):
            return self._refer(hint)
        origin, arguments = get_origin(hint), get_args(hint)
        if not arguments:
            return hint
        if origin is Annotated:
            return Annotated[self._type(arguments[0]), *arguments[1:]]
        types = tuple(map(self._type, arguments))
        return Union[types] if origin in (Union, UnionType) else origin[types]  # noqa: UP007 - of a tuple


def _split_docstring(text: str) -> tuple[str, dict[str, str]]:
    """Split a Google-style docstring into its text and the descriptions of the arguments."""
    first, _, arguments = text.partition("\nArgs:\n")
    descriptions: dict[str, str] = {}
    name = ""
    for line in arguments.partition("\n\n")[0].splitlines():
        head, colon, rest = line.partition(":")
        indent = len(line) - len(line.lstrip())
        if colon and indent <= _ARGUMENT_INDENT:
            name = head.split("(")[0].strip()
            descriptions[name] = rest.strip()
        elif name:
            descriptions[name] += f" {line.strip()}"
    return first.strip(), descriptions


_ARGUMENT_INDENT = 4
