"""The settings that the chat models of both integrations share: request parameters, `extra_body` and prices."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from tir_client.protocol.parameters import ParameterArguments, Parameters
from tir_client.protocol.responses import Json
from tir_client.settings import ConnectionArguments

if TYPE_CHECKING:
    from tir_client.protocol.cost import Price

Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class ChatParameters(Parameters):
    """The request parameters of a chat model, and the prices of its tokens."""

    prices: dict[str, tuple[Amount, Amount]] | None = Field(
        default=None,
        description="Prices per million prompt tokens and answer tokens, by model: `{'gpt_oss_120b': (0.15, 0.6)}`. "
        "With them, each answer has its cost, in the same currency. There are no built-in prices.",
    )
    extra_body: Json | None = Field(default=None, description="Further fields of the request body, sent unchanged.")

    def _price_of(self, model: str) -> Price | None:
        """The price of a model; without one, a warning if there are others."""
        if self.prices and model not in self.prices:
            names = ", ".join(sorted(self.prices))
            warnings.warn(f"`prices` has no {model!r}, so its answers have no cost; it has: {names}.", stacklevel=2)
        return (self.prices or {}).get(model)


class ChatArguments(ConnectionArguments, ParameterArguments, total=False):
    """The fields of `ChatParameters` and `Connection` for type checkers."""

    prices: dict[str, tuple[float, float]] | None
    extra_body: dict[str, Any] | None
