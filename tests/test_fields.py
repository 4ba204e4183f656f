"""Every field of a public class describes itself, and the signatures for type checkers have every field."""

from __future__ import annotations

import inspect
from dataclasses import fields, is_dataclass
from importlib import import_module
from typing import Any, get_type_hints

import pytest
from pydantic import BaseModel

from langchain_tir import ChatTIR, TIREmbeddings
from langchain_tir import TIRRerank as LangChainRerank
from langchain_tir import _settings as of_langchain
from llama_index_tir import TIR, TIREmbedding
from llama_index_tir import TIRRerank as LlamaIndexRerank
from llama_index_tir import _settings as of_llama_index
from tir_client.protocol.parameters import ParameterArguments, Parameters
from tir_client.rerankers import RerankArguments
from tir_client.settings import Connection, ConnectionArguments

PACKAGES = ("tir_client", "langchain_tir", "llama_index_tir")


def public_classes() -> list[type]:
    modules = map(import_module, PACKAGES)
    shown = {getattr(module, name) for module in modules for name in module.__all__}
    return sorted((thing for thing in shown if inspect.isclass(thing)), key=lambda cls: (cls.__name__, cls.__module__))


def own_fields(cls: type[BaseModel]) -> dict[str, Any]:
    """The fields that a class has from us, not from its framework."""
    ours = [base for base in cls.__mro__ if base.__module__.partition(".")[0] in PACKAGES]
    names = {name for base in ours for name in inspect.get_annotations(base)}
    return {name: field for name, field in cls.model_fields.items() if name in names}


MODELS = [cls for cls in public_classes() if issubclass(cls, BaseModel)]
DATACLASSES = [cls for cls in public_classes() if is_dataclass(cls)]


def test_public_classes_are_found():
    assert {"ChatTIR", "TIREmbeddings", "TIR", "TIREmbedding", "ChatRequest", "EmbeddingRequest"} <= {
        cls.__name__ for cls in MODELS
    }
    assert {"Config", "Timeouts", "RetryPolicy", "ModelInfo"} <= {cls.__name__ for cls in DATACLASSES}


@pytest.mark.parametrize("cls", MODELS)
def test_every_field_has_a_description(cls: type[BaseModel]):
    described = own_fields(cls)

    assert len(described) > 3
    assert [name for name, field in described.items() if not field.description] == []


@pytest.mark.parametrize("cls", DATACLASSES)
def test_every_attribute_of_a_dataclass_is_in_its_docstring(cls: Any):
    text = inspect.getdoc(cls) or ""

    assert [field.name for field in fields(cls) if f"{field.name}:" not in text] == []


@pytest.mark.parametrize(
    ("cls", "arguments", "positional"),
    [
        (Connection, ConnectionArguments, set()),
        (Parameters, ParameterArguments, set()),
        (ChatTIR, of_langchain.ChatArguments, {"model"}),
        (TIREmbeddings, of_langchain.EmbeddingArguments, {"model"}),
        (TIR, of_llama_index.ChatArguments, {"model"}),
        (TIREmbedding, of_llama_index.EmbeddingArguments, set()),
        (LangChainRerank, RerankArguments, {"model"}),
        (LlamaIndexRerank, of_llama_index.RerankArguments, {"model"}),
    ],
)
def test_the_arguments_for_type_checkers_are_the_fields(cls: type[BaseModel], arguments: type, positional: set[str]):
    assert set(arguments.__annotations__) == cls.model_fields.keys() - positional


@pytest.mark.parametrize("cls", [ChatTIR, TIREmbeddings, TIR, TIREmbedding, LangChainRerank, LlamaIndexRerank])
def test_the_model_comes_first_and_the_signature_shows_every_field(cls: type[BaseModel]):
    parameters = inspect.signature(cls).parameters

    assert next(iter(parameters)) == "model"
    assert own_fields(cls).keys() <= parameters.keys()


@pytest.mark.parametrize("cls", [Connection, Parameters])
def test_annotations_can_be_read(cls: type[BaseModel]):
    assert get_type_hints(cls)
