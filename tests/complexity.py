"""Measures how the run time of a function grows with its input.

A busy machine can only add to a time, so the least of several counts. Short and long inputs take turns, because a
machine may be slow for a while; and a time that is too long is measured again: code that is too slow is so each time.
"""

from __future__ import annotations

import sys
import time
from math import inf
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sized

Input = TypeVar("Input", bound="Sized")

TRIES = 3
ROUNDS = 15

CPU_SECONDS = time.perf_counter if sys.platform == "win32" else time.thread_time
"""The CPU time of this thread. On Windows it has steps of 16 ms, so that the time of day is more exact."""


def growth(function: Callable[[str], object], make: Callable[[int], str], size: int = 25_000, times: int = 8) -> float:
    """CPU time for an input that is `times` as long, divided by `times`: about 1 if linear, `times` if quadratic."""
    return growth_between(function, make(size), make(size * times), enough=times**0.5)


def growth_between(function: Callable[[Input], object], short: Input, long: Input, *, enough: float) -> float:
    """CPU time for each item of a long input, divided by that of a short one.

    It is measured again until it is less than `enough`, or for a number of rounds.
    """
    times = len(long) / len(short)
    least_short, least_long = cost(function, short), inf
    for _ in range(ROUNDS):
        least_long = min(least_long, _once(function, long))
        if least_long < enough * times * least_short:
            break
        least_short = min(least_short, _once(function, short))
    return least_long / least_short / times


def cost(function: Callable[[Input], object], given: Input, enough: float = 0.0) -> float:
    """CPU seconds of this thread for a call: the least of several.

    It is measured again until it is less than `enough`, or for a number of rounds.
    """
    least = inf
    for _ in range(ROUNDS if enough else TRIES):
        least = min(least, _once(function, given))
        if least < enough:
            break
    return least


def _once(function: Callable[[Input], object], given: Input) -> float:
    start = CPU_SECONDS()
    function(given)
    return max(CPU_SECONDS() - start, 1e-5)
