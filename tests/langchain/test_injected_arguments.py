"""Arguments that the application passes to a tool, not the model, are hidden from the model.

The annotations of this module are strings, which LangChain's own conversion of functions does not resolve.
"""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from langchain.tools import InjectedState, InjectedStore, ToolRuntime
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import InjectedToolArg, InjectedToolCallId, tool
from langgraph.store.base import BaseStore

from langchain_tir._tools import to_tool
from tir_client import InvalidRequestError


def with_token(city: str, token: Annotated[str, InjectedToolArg]) -> str:
    """Get the weather."""
    return city + token


def with_marks(city: str, call: Annotated[str, InjectedToolCallId()], token: Annotated[str, InjectedToolArg()]) -> str:
    """Get the weather."""
    return city + call + token


def with_state(city: str, state: Annotated[dict[str, Any], InjectedState("x")]) -> str:
    """Get the weather."""
    return city + str(state)


def with_store(city: str, store: Annotated[BaseStore, InjectedStore()]) -> str:
    """Get the weather."""
    return city + str(store)


def with_runtime(city: str, runtime: ToolRuntime[Any, Any]) -> str:
    """Get the weather."""
    return city + str(runtime)


def with_config(city: str, config: RunnableConfig) -> str:
    """Get the weather.

    Args:
        city: Of the weather.
        config: Of the run.
    """
    return city + str(config)


def with_optional_config(city: str, config: RunnableConfig | None = None) -> str:
    """Get the weather."""
    return city + str(config)


async def awaited(city: str, runtime: ToolRuntime) -> str:
    """Get the weather."""
    return city + str(runtime)


def with_optional_state(city: str, state: Annotated[dict[str, Any], InjectedState] | None = None) -> str:
    """Get the weather."""
    return city + str(state)


class Weather:
    def of(self, city: str, token: Annotated[str, InjectedToolArg]) -> str:
        """Get the weather."""
        return city + token


INJECTED = [
    with_token,
    with_marks,
    with_state,
    with_optional_state,
    with_store,
    with_runtime,
    with_config,
    with_optional_config,
    awaited,
]
INJECTED.append(Weather().of)


@pytest.mark.parametrize("function", INJECTED)
def test_injected_arguments_are_hidden_from_the_model(function: Any):
    assert all(isinstance(hint, str) for hint in function.__annotations__.values())
    before = dict(function.__annotations__)

    for form in (function, tool(function)):
        parameters = to_tool(form)["function"]["parameters"]
        assert (list(parameters["properties"]), parameters["required"]) == (["city"], ["city"])
    assert function.__annotations__ == before


def with_list(city: str, names: list[Annotated[str, InjectedToolArg]], count=1) -> str:
    """Get the weather."""
    return city + str(names) + str(count)


def test_arguments_of_other_types_are_not_hidden():
    function = to_tool(with_list)["function"]

    assert (function["name"], function["description"]) == ("with_list", "Get the weather.")
    assert function["parameters"]["properties"] == {
        "city": {"type": "string"},
        "names": {"type": "array", "items": {"type": "string"}},
        "count": {"default": 1},
    }
    assert function["parameters"]["required"] == ["city", "names"]


def test_a_type_that_the_module_does_not_have_is_refused_by_name():
    def local(city: Missing) -> str:  # type: ignore[name-defined]  # noqa: F821 - that is the case
        return city

    with pytest.raises(InvalidRequestError, match="name 'Missing' is not defined"):
        to_tool(local)
