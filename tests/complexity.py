"""Measures how the run time of a function grows with its input."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

TRIES = 3


def growth(function: Callable[[str], object], make: Callable[[int], str], size: int = 25_000, times: int = 8) -> float:
    """CPU time for an input that is `times` as long, divided by `times`: about 1 if linear, `times` if quadratic."""
    return cost(function, make(size * times)) / cost(function, make(size)) / times


def cost(function: Callable[[str], object], text: str, enough: float = 0.0) -> float:
    """CPU seconds of this thread for a call: the minimum of several tries, as other processes can only add to it.

    No further try is made once one takes less than `enough`.
    """
    least = _once(function, text)
    for _ in range(1, TRIES):
        if least < enough:
            break
        least = min(least, _once(function, text))
    return least


def _once(function: Callable[[str], object], text: str) -> float:
    start = time.thread_time()
    function(text)
    return max(time.thread_time() - start, 1e-5)
