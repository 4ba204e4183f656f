"""The limit on concurrent requests adapts to the server: simulated servers, with a simulated clock."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from itertools import count

import pytest

from tir_client import RateLimitError, RetryPolicy, ServerError
from tir_client.bulk.controller import IGNORED, START, Controller, Round

STEADY = RetryPolicy(base=0.5, ceiling=8, patience=60, jitter=0)
BUSY = RateLimitError("busy", status_code=429)
NOW = RateLimitError("busy", status_code=429, retry_after=0.0)


def controller(ceiling: int = 64) -> Controller:
    return Controller(ceiling, STEADY)


def answer(control: Controller, times: int, *, start: float = 0.0) -> float:
    """Record answers one after the other, each within a second; return the time at the end."""
    for number in range(times):
        control.answered(start + number, 1.0, start + number + 1)
    return start + times


def full_round(control: Controller, seconds: float, *, sent: float) -> float:
    """Record as many answers as the limit allows, all sent and answered at the same time."""
    for _ in range(control.limit):
        control.answered(sent, seconds, sent + seconds)
    return sent + seconds


class Server:
    """A simulated server that refuses at once, within 2 ms.

    Args:
        seconds: How long an answer takes, by the number of the row and the requests under way.
        refuses: Whether a request is refused, by the requests under way and the time.
    """

    def __init__(
        self,
        seconds: Callable[[int, int], float] = lambda *_: 1.0,
        refuses: Callable[[int, float], bool] = lambda *_: False,
    ) -> None:
        self.refusals = 0
        self._seconds = seconds
        self._refuses = refuses

    def answer(self, control: Controller, rows: int) -> tuple[list[int], float]:
        """Answer so many rows; return the limit at each answer, and the time at the end."""
        now, rows_so_far, busy = 0.0, count(), 0
        events: list[tuple[float, int, float, bool]] = []
        found: list[int] = []
        while len(found) < rows:
            while len(events) < control.limit and now >= control.resume_at:
                is_refused, row = self._refuses(busy, now), next(rows_so_far)
                busy += not is_refused
                took = 0.002 if is_refused else self._seconds(row, busy)
                heapq.heappush(events, (now + took, row, now, is_refused))
            if not events:
                now = control.resume_at
                continue
            now, _, sent, is_refused = heapq.heappop(events)
            if is_refused:
                self.refusals += 1
                control.refused(sent, BUSY, now)
            else:
                busy -= 1
                control.answered(sent, now - sent, now)
                found.append(control.limit)
        return found, now


def at_random(share: float, seed: int) -> Callable[[int, float], bool]:
    """Refuse a share of the requests, whatever the load."""
    chance = random.Random(seed)
    return lambda *_: chance.random() < share


def test_the_limit_doubles_each_round_up_to_the_ceiling():
    control = controller(40)
    found = [control.limit]
    for _ in range(4):
        answer(control, control.limit, start=100.0 * len(found))
        found.append(control.limit)

    assert found == [START, 16, 32, 40, 40]


def test_the_ceiling_holds_from_the_start():
    assert controller(3).limit == 3


def refuse(control: Controller, times: int, sent: float) -> None:
    """Refuse requests that were all sent at the same time."""
    for _ in range(times):
        control.refused(sent, BUSY, sent + 0.01)


def test_a_refusal_lowers_the_limit_by_one_until_the_round_ends():
    control = controller(8)
    refuse(control, 1, 0.0)
    assert control.limit == 7
    now = answer(control, 6)
    assert control.limit == 7
    answer(control, 1, start=now)

    assert control.limit == 8


def test_too_many_refusals_in_a_round_lower_the_limit_by_their_number_and_slow_later_growth():
    control = controller()
    now = answer(control, 8 + 16)
    refuse(control, 12, now)
    now = answer(control, 20, start=now)
    found = [control.limit]
    for _ in range(4):
        now = answer(control, control.limit, start=now)
        found.append(control.limit)

    assert found == [20, 20, 25, 31, 38]


def test_a_round_that_is_mostly_refused_halves_the_limit_once():
    control = controller()
    now = answer(control, 8 + 16)
    refuse(control, 32, now)
    assert control.limit == 16
    refuse(control, 10, now)

    assert control.limit == 16


def test_a_few_refusals_do_not_stop_the_growth():
    control = controller()
    for limit in (8, 16, 32):
        assert control.limit == limit
        refuse(control, limit // 8, 100.0 * limit)
        answer(control, limit - limit // 8, start=100.0 * limit)

    assert control.limit == 64


def test_a_refusal_counts_even_if_the_limit_grew_after_its_request():
    control = controller()
    now = answer(control, 8)
    assert control.limit == 16
    refuse(control, 1, now - 0.5)

    assert control.limit == 15


def test_answers_to_requests_sent_before_a_decrease_do_not_raise_the_limit():
    control = controller()
    refuse(control, 8, 1.0)
    for _ in range(50):
        control.answered(1.005, 1.0, 2.5)

    assert control.limit == 4


def test_two_refusals_without_an_answer_between_them_halve_the_limit():
    control = controller()
    now = answer(control, 8 + 16)
    refuse(control, 1, now)
    refuse(control, 1, now + 1)

    assert control.limit == 16


def test_a_decrease_that_does_not_help_is_undone_and_its_share_of_refusals_is_tolerated():
    control = controller(32)
    now = answer(control, 8 + 16)
    found = []
    for _ in range(6):
        limit = control.limit
        refuse(control, limit // 3, now)
        now = answer(control, limit - limit // 3, start=now)
        found.append(control.limit)

    assert found == [22, 32, 32, 32, 32, 32]


TAKES_SIXTEEN, REFUSES_A_FIFTH = Round(32, 16, 0.4), Round(16, 4, 0.2)


@pytest.mark.parametrize(
    ("before", "ended", "alike"),
    [
        (TAKES_SIXTEEN, Round(22, 6, 0.2), False),
        (TAKES_SIXTEEN, Round(22, 7, 0.15), False),
        (REFUSES_A_FIFTH, Round(12, 4, 0.08), False),
        (REFUSES_A_FIFTH, Round(12, 4, 0.1), False),
        (REFUSES_A_FIFTH, Round(12, 4, 0.12), True),
        (REFUSES_A_FIFTH, Round(12, 1, 0.2), True),
    ],
)
def test_a_lower_limit_helps_if_refusals_halve_or_the_server_has_a_fixed_capacity(before, ended, alike):
    assert ended.is_refused_like(before) is alike


def test_a_decrease_that_helps_is_kept():
    control = controller(32)
    now = answer(control, 8 + 16)
    refuse(control, 10, now)
    now = answer(control, 22, start=now)
    answer(control, 22, start=now)

    assert control.limit == 22


@pytest.mark.parametrize("ceiling", [1, 64])
def test_the_limit_never_falls_below_one(ceiling):
    control = controller(ceiling)
    for second in range(20):
        control.refused(float(second), BUSY, float(second))

    assert control.limit == 1


def test_one_refusal_does_not_pause_requests():
    control = controller()
    control.refused(1.0, BUSY, 2.0)

    assert control.resume_at == 0.0


def test_refusals_without_an_answer_between_them_pause_all_requests_for_longer_each_time():
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
def test_retry_after_pauses_all_requests_up_to_the_patience(wish, resume_at):
    control = controller()
    control.refused(1.0, RateLimitError("busy", status_code=429, retry_after=wish), 2.0)

    assert control.resume_at == resume_at


def test_a_retry_after_of_zero_means_now():
    control = controller()
    now = answer(control, 8 + 16)
    for _ in range(32):
        control.refused(now, NOW, now + 0.5)
    control.answered(now, 1.0, now + 1)
    control.refused(now + 1, NOW, now + 1)

    assert (control.limit, control.resume_at) == (15, 0.0)


def test_repeated_refusals_pause_requests_even_if_retry_after_is_zero():
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


def test_a_timeout_halves_the_limit_without_a_pause():
    control = controller()
    now = answer(control, 8 + 16)
    control.slowed(now, now + 1)
    control.slowed(now, now + 1)

    assert (control.limit, control.resume_at) == (16, 0.0)
    answer(control, 16, start=now + 1)
    assert control.limit == 20


def test_timeouts_in_successive_rounds_halve_the_limit_down_to_one():
    control = controller(7)
    found = []
    for second in (0.0, 1.0, 2.0):
        control.slowed(second, second + 1)
        found.append(control.limit)

    assert found == [3, 1, 1]


def test_the_limit_recovers_quickly_after_an_outage():
    control = controller()
    now = answer(control, 8 + 16 + 32)
    assert control.limit == 64
    for _ in range(10):
        control.refused(now, BUSY, now)
        now += 1
    assert control.limit == 1
    answer(control, 1 + 2 + 4 + 8 + 16, start=now)

    assert control.limit == 32


@pytest.mark.parametrize(("most", "at_thousand"), [(1, 200), (3, 130), (10, 90), (40, 70), (50, 120)])
def test_a_server_with_a_fixed_capacity_is_fully_used_with_few_refusals(most: int, at_thousand: int):
    server = Server(refuses=lambda busy, _: busy >= most)
    found, seconds = server.answer(controller(64), 4000)

    assert 0.75 * most <= sum(found[1000:]) / 3000 <= 1.25 * most
    assert 4000 / seconds > 0.9 * most
    assert server.refusals < at_thousand * 4


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize(("share", "factor"), [(0.01, 1.1), (0.05, 1.2), (0.1, 2.0)])
def test_refusals_that_do_not_depend_on_the_load_cost_little_time(share: float, factor: float, seed: int):
    took = random.Random(seed)
    _, usual = Server(lambda *_: took.uniform(0.02, 0.04)).answer(controller(64), 2000)
    _, seconds = Server(lambda *_: took.uniform(0.02, 0.04), at_random(share, seed)).answer(controller(64), 2000)

    assert seconds < factor * usual


def test_a_refusal_rate_of_a_fifth_does_not_keep_the_limit_low():
    found, _ = Server(lambda *_: 0.03, at_random(0.2, 1)).answer(controller(64), 10_000)

    assert sum(found[5000:]) / 5000 > 40


def test_the_limit_follows_a_capacity_that_falls_and_rises_again():
    server = Server(refuses=lambda busy, now: busy >= (10 if 30 < now < 130 else 40))
    found, _ = server.answer(controller(64), 8000)

    assert 8 <= found[1600] <= 14
    assert min(found[-1000:]) >= 35
    assert server.refusals < 1000


def test_a_server_with_a_rate_limit_is_fully_used():
    """It accepts 500 requests a second, plus up to 50 that it did not use in the seconds before."""
    tokens, at = 50.0, 0.0

    def refuses(_: int, now: float) -> bool:
        nonlocal tokens, at
        tokens, at = min(50.0, tokens + (now - at) * 500), now
        if tokens < 1:
            return True
        tokens -= 1
        return False

    server = Server(lambda *_: 0.03, refuses)
    _, seconds = server.answer(controller(64), 6000)

    assert seconds < 1.1 * 12
    assert server.refusals < 900


@pytest.mark.parametrize(("ceiling", "limit"), [(7, 7), (START, 5)])
@pytest.mark.parametrize("second", [1.0, 0.01])
def test_a_growing_time_to_first_byte_lowers_the_limit_unless_few_requests_are_open(ceiling, limit, second):
    control = controller(ceiling)
    full_round(control, second, sent=0.0)
    full_round(control, 10 * second, sent=0.5 * second)

    assert control.limit == limit


@pytest.mark.parametrize(("seconds", "limit"), [(1.0, 13), (9.0, 13), (10.0, 16)])
def test_a_lower_limit_is_kept_if_first_bytes_then_arrive_sooner(seconds, limit):
    control = controller(16)
    now = full_round(control, 1.0, sent=0.0)
    now = full_round(control, 1.0, sent=now)
    now = full_round(control, 10.0, sent=now)
    assert control.limit == 11
    full_round(control, seconds, sent=now)

    assert control.limit == limit


def test_a_server_that_queues_more_than_ten_requests_is_not_sent_sixty_four():
    """It answers ten a second, however many wait."""
    control = controller(64)
    found, seconds = Server(lambda _, under_way: max(1.0, under_way / 10)).answer(control, 4000)

    assert max(found[1000:]) < 40
    assert 4000 / seconds > 0.9 * 10


def test_a_server_that_batches_is_used_up_to_the_ceiling():
    """With 64 at once each answer takes 3.5 times as long as with one, and 18 times as many come in a second."""
    control = controller(64)
    found, _ = Server(lambda _, under_way: 1.0 + under_way / 25).answer(control, 4000)

    assert min(found[2000:]) == 64


def test_slow_rows_do_not_lower_the_limit_for_long():
    control = controller(64)
    found, _ = Server(lambda row, _: 1.0 if row < 2000 else 6.0).answer(control, 6000)

    assert min(found[4000:]) == 64


def test_answers_of_very_different_length_do_not_lower_the_limit_for_long():
    control = controller(64)
    found, _ = Server(lambda row, _: 0.5 + 10 * ((row * 7919) % 101 / 101) ** 3).answer(control, 6000)

    assert sum(found[1000:]) / 5000 > 55
