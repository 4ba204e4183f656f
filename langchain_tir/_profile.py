"""The capabilities of a model in LangChain's form: `ChatTIR.profile`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, cast

from tir_client import ModelInfo, model_info

if TYPE_CHECKING:
    from collections.abc import ItemsView, Iterator, Mapping, ValuesView

    from langchain_core.language_models import ModelProfile

    from tir_client.settings import Connection

Copied = TypeVar("Copied", bound="Connection")

WINDOW = "max_input_tokens"


class ServedProfile(dict[str, Any]):
    """The profile of a model whose context window is read from its server on first use.

    The window is None if the server does not report it. `repr`, iteration and comparison send no request; `repr` shows
    the window once it has been read.

    Args:
        model: The model; its address may change later.
        facts: The other entries.
    """

    def __init__(self, model: Connection, facts: Mapping[str, Any]) -> None:
        super().__init__({**facts, WINDOW: None})
        self._model = model

    def __getitem__(self, name: str) -> Any:
        return self._model.served_window() if name == WINDOW else super().__getitem__(name)

    def get(self, name: str, default: Any = None) -> Any:
        """The value of `name`, or `default` if it is unknown."""
        value = self._model.served_window() if name == WINDOW else super().get(name)
        return default if value is None else value

    def __repr__(self) -> str:
        return repr({**dict(super().items()), WINDOW: self._model.known_window()})

    def __iter__(self) -> Iterator[str]:
        return super().__iter__()  # overriding this makes `dict(profile)` call `__getitem__`

    def items(self) -> ItemsView[str, Any]:  # type: ignore[override]  # a plain dict's
        """The facts by name."""
        return {name: self[name] for name in self}.items()

    def values(self) -> ValuesView[Any]:  # type: ignore[override]  # a plain dict's
        """The facts."""
        return {name: self[name] for name in self}.values()

    def of(self, model: Connection) -> ServedProfile:
        """A copy of the profile for another model object."""
        return ServedProfile(model, dict(super().items()))

    def __deepcopy__(self, memo: object) -> ServedProfile:
        return self.of(self._model)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the model as state, because the model and its profile refer to each other."""
        return _without_model, (dict(super().items()),), {"_model": self._model}


def _without_model(facts: Mapping[str, Any]) -> ServedProfile:
    profile = ServedProfile.__new__(ServedProfile)
    profile.update(facts)
    return profile


def profile_for(model: Connection) -> ModelProfile | None:
    """Return the profile of a model; if its context window is unknown, one that reads it from the server."""
    info = model_info(model.model)
    facts = known_profile(model.model)
    if info.context_window is not None or info.dimensions is not None:
        return facts
    return cast("ModelProfile", ServedProfile(model, cast("dict[str, Any]", facts or {})))


def with_own_profile(model: Copied) -> Copied:
    """Give a copied model a profile that uses the copy's address, not the original's; return the model."""
    profile = model.__dict__["profile"]
    if isinstance(profile, ServedProfile):
        model.__dict__["profile"] = profile.of(model)
    return model


def known_profile(model: str) -> ModelProfile | None:
    """Return the profile of a known model, else None. The user's `profile` replaces it.

    It has no `structured_output` on purpose: with it, `create_agent` would send a response format together with the
    tools, and servers that apply the format to the whole output could not call them. Without it, agents return
    objects through a tool call, which works on every server.
    """
    info = model_info(model)
    if info == ModelInfo() or info.dimensions is not None:
        return None
    facts = {
        "max_input_tokens": info.context_window,
        "max_output_tokens": info.max_output,
        "text_inputs": True,
        "text_outputs": True,
        "image_inputs": info.images,
        "image_url_inputs": info.images,
        "reasoning_output": info.reasoning,
        "reasoning_effort_levels": list(info.reasoning_efforts) or None,
        "tool_calling": info.tools,
        "tool_choice": info.tools,
        "tool_call_streaming": info.tools,
        "open_weights": True,
    }
    return cast("ModelProfile", {name: fact for name, fact in facts.items() if fact is not None})
