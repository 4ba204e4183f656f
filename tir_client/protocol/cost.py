"""The cost of an answer at the user's prices. TIR bills prompt and answer tokens; there are no built-in prices."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tir_client.protocol.responses import Usage

Price = tuple[float, float]
"""The prices per million prompt tokens and per million answer tokens, in any currency."""

MILLION = 1_000_000


def cost_of(usage: Usage | None, price: Price | None) -> dict[str, float] | None:
    """The cost of an answer, under LangSmith's names: `input_cost`, `output_cost` and `total_cost`.

    `usage` includes the tokens of a second request (after a stop word in the reasoning, or for a missing tool call).
    Cached prompt tokens cost as much as others, because TIR does not bill them separately.

    Args:
        usage: The token counts of the answer.
        price: The price of its model.

    Returns:
        The cost, in the currency of the price; None without token counts or without a price.
    """
    if usage is None or price is None:
        return None
    prompt, answer = usage.prompt_tokens * price[0] / MILLION, usage.completion_tokens * price[1] / MILLION
    return {"input_cost": prompt, "output_cost": answer, "total_cost": prompt + answer}
