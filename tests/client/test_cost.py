"""The cost of an answer at the prices that the user gives."""

from __future__ import annotations

import pytest

from tir_client.protocol.cost import cost_of
from tir_client.protocol.responses import Usage


@pytest.mark.parametrize(
    ("usage", "cost"),
    [
        (Usage(1_000_000, 0, 1_000_000), (2.0, 0.0, 2.0)),
        (Usage(0, 1_000_000, 1_000_000), (0.0, 8.0, 8.0)),
        (Usage(500, 250, 750), (0.001, 0.002, 0.003)),
        (Usage(500, 250, 750, cached_tokens=400, reasoning_tokens=200), (0.001, 0.002, 0.003)),
        (Usage(), (0.0, 0.0, 0.0)),
    ],
)
def test_input_and_output_have_separate_prices(usage: Usage, cost: tuple[float, float, float]):
    names = ("input_cost", "output_cost", "total_cost")
    assert cost_of(usage, (2.0, 8.0)) == pytest.approx(dict(zip(names, cost, strict=True)))


def test_without_counts_or_price_there_is_no_cost():
    assert cost_of(None, (2.0, 8.0)) is None
    assert cost_of(Usage(1, 1, 2), None) is None
    assert cost_of(Usage(1, 1, 2), (0.0, 0.0)) == {"input_cost": 0.0, "output_cost": 0.0, "total_cost": 0.0}
