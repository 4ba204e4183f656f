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
    """The profile of a model whose context window only its server knows: it is read there when it is first used.

    The window is None if the server does not say it. `repr`, the names and comparisons do not ask for it; `repr` shows
    it once it is known.

    Args:
        model: The model, whose address may change later.
        facts: What is known of it without its server.
    """

    def __init__(self, model: Connection, facts: Mapping[str, Any]) -> None:
        super().__init__({**facts, WINDOW: None})
        self._model = model

    def __getitem__(self, name: str) -> Any:
        return self._model.served_window() if name == WINDOW else super().__getitem__(name)

    def get(self, name: str, default: Any = None) -> Any:
        """The fact `name`, or `default` if it is not known."""
        value = self._model.served_window() if name == WINDOW else super().get(name)
        return default if value is None else value

    def __repr__(self) -> str:
        return repr({**dict(super().items()), WINDOW: self._model.known_window()})

    def __iter__(self) -> Iterator[str]:
        return super().__iter__()  # a method of its own makes `dict(profile)` read the values one by one

    def items(self) -> ItemsView[str, Any]:  # type: ignore[override]  # a plain dict's
        """The facts by name."""
        return {name: self[name] for name in self}.items()

    def values(self) -> ValuesView[Any]:  # type: ignore[override]  # a plain dict's
        """The facts."""
        return {name: self[name] for name in self}.values()

    def of(self, model: Connection) -> ServedProfile:
        """The profile of a copy of the model."""
        return ServedProfile(model, dict(super().items()))

    def __deepcopy__(self, memo: object) -> ServedProfile:
        return self.of(self._model)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the model as the profile's state, because the model's own state has the profile."""
        return _without_model, (dict(super().items()),), {"_model": self._model}


def _without_model(facts: Mapping[str, Any]) -> ServedProfile:
    profile = ServedProfile.__new__(ServedProfile)
    profile.update(facts)
    return profile


def profile_for(model: Connection) -> ModelProfile | None:
    """Return the profile of a model; without a known context window, one that asks the server."""
    info = model_info(model.model)
    facts = profile_of(model.model)
    if info.context_window is not None or info.dimensions is not None:
        return facts
    return cast("ModelProfile", ServedProfile(model, cast("dict[str, Any]", facts or {})))


def own_profile(model: Copied) -> Copied:
    """Return a copied model with a profile that asks for the copy's address, not for the original's."""
    profile = model.__dict__["profile"]
    if isinstance(profile, ServedProfile):
        model.__dict__["profile"] = profile.of(model)
    return model


def profile_of(model: str) -> ModelProfile | None:
    """Return the profile of a known model, else None. A `profile=` of the user replaces it.

    There is no `structured_output` in it on purpose: `create_agent` would send a response format together with the
    tools, and a server that binds its whole output to the format can then call none of them. Without it, agents call
    a tool to answer, which works on every server.
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
