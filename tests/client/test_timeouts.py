"""`Timeouts`: accepted and refused values. No I/O."""

from __future__ import annotations

import httpx
import pytest

from tir_client import ConfigurationError, Timeouts


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, Timeouts(10.0, 600.0, 120.0, None)),
        (5, Timeouts(5, 5.0, 5.0, None)),
        (90.0, Timeouts(10.0, 90.0, 90.0, None)),
        ({"connect": 1, "first_byte": 2, "chunk": 3, "total": 4}, Timeouts(1, 2, 3, 4)),
        ({"total": 30}, Timeouts(10.0, 600.0, 120.0, 30)),
        ({"first_byte": None}, Timeouts(10.0, None, 120.0, None)),
        (Timeouts(chunk=3), Timeouts(10.0, 600.0, 3, None)),
    ],
)
def test_a_timeout_may_be_seconds_or_phases(given, expected):
    assert expected == Timeouts.of(given)


def test_an_httpx_timeout_keeps_its_phases():
    assert Timeouts(1.0, 2.0, 2.0, None) == Timeouts.of(httpx.Timeout(9, connect=1, read=2))


@pytest.mark.parametrize(
    "given", [0, -1, float("nan"), True, float("inf"), "5", {"read": 5}, {"connect": 0}, {"chunk": "x"}]
)
def test_an_invalid_timeout_is_refused(given):
    with pytest.raises(ConfigurationError, match="`timeout`"):
        Timeouts.of(given)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (Timeouts(), Timeouts(5.0, 5.0, 5.0, None)),
        (Timeouts(connect=1, first_byte=9, chunk=3, total=60), Timeouts(1, 5.0, 3, 60)),
        (Timeouts(connect=None, first_byte=None, chunk=None), Timeouts(5.0, 5.0, 5.0, None)),
    ],
)
def test_no_wait_is_longer_than_the_time_that_is_left(given: Timeouts, expected: Timeouts):
    assert given.shortened(5.0) == expected


class Half:
    """An object with one of the two attributes by which an `httpx.Timeout` is recognized."""

    connect = 5.0


@pytest.mark.parametrize("given", ["5", Half(), {"read": 5}])
def test_a_timeout_of_another_type_is_refused_with_the_accepted_types(given):
    with pytest.raises(ConfigurationError, match="any of connect, first_byte, chunk, total, or"):
        Timeouts.of(given)
