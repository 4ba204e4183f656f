"""CopyMethods: the mixin with what copying a `ChatTIR`, or changing its fields in place, does beside the fields.

The profile follows the model, unless the user has set one, and LangChain's cache sees changed settings.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar

from langchain_tir._profile import profile_for, with_own_profile
from langchain_tir._settings import ChatSettings

if TYPE_CHECKING:
    from langchain_core.language_models import ModelProfile


class CopyMethods(ChatSettings):
    """The methods of `ChatTIR` for copies, profiles and cache keys."""

    if not TYPE_CHECKING:  # a type checker would accept any attribute

        def __setattr__(self, name, value):  # noqa: ANN001, ANN204
            follows = name == "model" and self._has_models_profile()
            super().__setattr__(name, value)
            _forget_serialized(self)
            if follows:
                self.profile = profile_for(self)

    def __copy__(self) -> Self:
        return _forget_serialized(with_own_profile(super().__copy__()))

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        return _forget_serialized(with_own_profile(super().__deepcopy__(memo)))

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Return a copy with the fields of `update`. With another `model` it has that model's profile."""
        copied = super().model_copy(update=update, deep=deep)
        if update and "model" in update and "profile" not in update and self._has_models_profile():
            copied.profile = profile_for(copied)
        return copied

    def _has_models_profile(self) -> bool:
        """Whether the profile is the model's, not one that the user has set."""
        return self.profile == profile_for(self)

    def _resolve_model_profile(self) -> ModelProfile | None:
        return profile_for(self)

    def _get_llm_string(self, stop: list[str] | None = None, **kwargs: Any) -> str:
        _forget_serialized(self)  # a value inside a field may have changed
        return super()._get_llm_string(stop, **kwargs) + self._secret_digest()


Model = TypeVar("Model", bound=ChatSettings)


def _forget_serialized(model: Model) -> Model:
    """Remove the serialized settings that LangChain keeps for its cache and traces; return the model."""
    model.__dict__.pop("_serialized", None)
    return model
