"""How many requests are under way at once, against simulated servers with a simulated clock."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count

import pytest

from tir_client import RateLimitError, RetryPolicy, ServerError
from tir_client.bulk.controller import IGNORED, START, Controller

STEADY = RetryPolicy(base=0.5, ceiling=8, patience=60, jitter=0)
BUSY = RateLimitError("busy", status_code=429)
NOW = RateLimitError("busy", status_code=429, retry_after=0.0)


def controller(ceiling: int = 64) -> Controller:
    return Controller(ceiling, STEADY)


def answer(control: Controller, times: int, *, start: float = 0.0) -> float:
    """Have requests answered one after the other, each within a second; return the time at the end."""
    for number in range(times):
        control.answered(start + number, 1.0, start + number + 1)
    return start + times


def limits(
    control: Controller, rows: int, seconds: Callable[[int, int], float], most: int | None = None
) -> tuple[list[int], float]:
    """Simulate a server.

    Args:
        control: The controller.
        rows: How many requests to answer.
        seconds: How long the answer to a row takes, by its number and the requests under way.
        most: Requests that the server takes at once; it refuses others at once.

    Returns:
        The limit at each answer, and the time at the end.
    """
    now, numbers = 0.0, count()
    under_way: list[tuple[float, int, float]] = []
    found: list[int] = []
    while len(found) < rows:
        while len(under_way) < control.limit and now >= control.resume_at:
            if most is not None and len(under_way) >= most:
                control.refused(now, BUSY, now)
                break
            row = next(numbers)
            heapq.heappush(under_way, (now + seconds(row, len(under_way) + 1), row, now))
        if not under_way:
            now = control.resume_at
            continue
        now, _, sent = heapq.heappop(under_way)
        control.answered(sent, now - sent, now)
        found.append(control.limit)
    return found, now


def test_it_doubles_from_round_to_round_up_to_the_ceiling():
    control = controller(40)
    found = [control.limit]
    for _ in range(4):
        answer(control, control.limit, start=100.0 * len(found))
        found.append(control.limit)

    assert found == [START, 16, 32, 40, 40]


def test_the_ceiling_holds_from_the_start():
    assert controller(3).limit == 3


def test_a_refusal_halves_it_and_later_growth_is_by_one_a_round():
    control = controller()
    now = answer(control, 8 + 16)
    control.refused(now, BUSY, now)

    assert control.limit == 16
    now = answer(control, 15, start=now)
    assert control.limit == 16
    now = answer(control, 1, start=now)
    assert control.limit == 17
    answer(control, 17, start=now)
    assert control.limit == 18


def test_refusals_of_one_round_count_once():
    control = controller()
    now = answer(control, 8 + 16)
    for _ in range(32):
        control.refused(now, BUSY, now + 0.5)

    assert control.limit == 16


def test_a_refusal_counts_though_the_limit_has_grown_since_its_request():
    control = controller()
    now = answer(control, 8)
    assert control.limit == 16
    control.refused(now - 0.5, BUSY, now)

    assert control.limit == 8


def test_answers_to_requests_from_before_a_refusal_do_not_raise_it():
    control = controller()
    control.refused(1.0, BUSY, 2.0)
    for _ in range(50):
        control.answered(1.5, 1.0, 2.5)

    assert control.limit == 4


def test_it_never_falls_below_one():
    control = controller()
    for second in range(20):
        control.refused(float(second), BUSY, float(second))

    assert control.limit == 1


def test_one_refusal_pauses_nothing():
    control = controller()
    control.refused(1.0, BUSY, 2.0)

    assert control.resume_at == 0.0


def test_refusals_without_an_answer_between_them_pause_all_requests_ever_longer():
    control = controller()
    pauses = []
    for second in (0.0, 100.0, 200.0, 300.0, 400.0, 500.0, 600.0):
        control.refused(second, BUSY, second)
        pauses.append(max(0.0, control.resume_at - second))

    assert pauses == [0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 8.0]


def test_an_answer_ends_the_pauses():
    control = controller()
    control.refused(0.0, BUSY, 0.0)
    control.refused(1.0, BUSY, 1.0)
    answer(control, 1, start=2.0)
    control.refused(10.0, BUSY, 10.0)

    assert control.resume_at == 1.5


@pytest.mark.parametrize(("wish", "resume_at"), [(7.0, 9.0), (60.0, 62.0), (3600.0, 62.0)])
def test_retry_after_holds_for_all_up_to_the_patience(wish, resume_at):
    control = controller()
    control.refused(1.0, RateLimitError("busy", status_code=429, retry_after=wish), 2.0)

    assert control.resume_at == resume_at


def test_a_retry_after_of_zero_means_now_and_halves_once_a_round():
    control = controller()
    now = answer(control, 8 + 16)
    for _ in range(32):
        control.refused(now, NOW, now + 0.5)
    control.answered(now, 1.0, now + 1)
    control.refused(now + 1, NOW, now + 1)

    assert (control.limit, control.resume_at) == (8, 0.0)


def test_a_server_that_only_refuses_gets_pauses_though_it_says_now():
    control = controller()
    pauses = []
    for second in range(IGNORED + 1):
        control.refused(100.0 * second, NOW, 100.0 * second)
        pauses.append(max(0.0, control.resume_at - 100.0 * second))

    assert pauses == [*[0.0] * IGNORED, 4.0]


def test_the_longest_retry_after_of_a_round_counts():
    control = controller()
    for wish in (3.0, 9.0, 5.0):
        control.refused(1.0, ServerError("busy", status_code=503, retry_after=wish), 2.0)

    assert control.resume_at == 11.0
    assert control.limit == 4


def test_a_timeout_halves_it_without_a_pause():
    control = controller()
    now = answer(control, 8 + 16)
    control.slowed(now, now + 1)
    control.slowed(now, now + 1)

    assert (control.limit, control.resume_at) == (16, 0.0)


def test_it_comes_back_quickly_after_an_outage():
    control = controller()
    now = answer(control, 8 + 16 + 32)
    assert control.limit == 64
    for _ in range(10):
        control.refused(now, BUSY, now)
        now += 1
    assert control.limit == 1
    answer(control, 1 + 2 + 4 + 8 + 16, start=now)

    assert control.limit == 32


def test_a_server_that_refuses_over_ten_at_once_is_kept_busy():
    control = controller(64)
    found, seconds = limits(control, 4000, lambda *_: 1.0, most=10)

    assert max(found[100:]) <= 11
    assert 4000 / seconds > 0.7 * 10


def test_a_server_that_queues_over_ten_at_once_is_not_sent_sixty_four():
    """It answers ten a second, however many wait."""
    control = controller(64)
    found, seconds = limits(control, 4000, lambda _, under_way: max(1.0, under_way / 10))

    assert max(found[1000:]) < 40
    assert 4000 / seconds > 0.9 * 10


def test_a_server_that_batches_is_used_up_to_the_ceiling():
    """With 64 at once each answer takes 3.5 times as long as with one, and 18 times as many come in a second."""
    control = controller(64)
    found, _ = limits(control, 4000, lambda _, under_way: 1.0 + under_way / 25)

    assert min(found[2000:]) == 64


def test_rows_that_take_longer_by_themselves_do_not_lower_it_for_long():
    control = controller(64)
    found, _ = limits(control, 6000, lambda row, _: 1.0 if row < 2000 else 6.0)

    assert min(found[4000:]) == 64


def test_answers_of_very_different_length_do_not_lower_it_for_long():
    control = controller(64)
    found, _ = limits(control, 6000, lambda row, _: 0.5 + 10 * ((row * 7919) % 101 / 101) ** 3)

    assert sum(found[1000:]) / 5000 > 55
