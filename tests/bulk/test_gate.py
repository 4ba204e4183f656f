"""The gate that limits concurrent requests, and the order in which waiting requests pass it."""

from __future__ import annotations

import asyncio

import pytest

from tir_client import RateLimitError, RetryPolicy
from tir_client.bulk.controller import Controller
from tir_client.bulk.gate import Gate

BUSY = RateLimitError("busy", status_code=429, retry_after=0.05)


@pytest.fixture
async def stopped_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stop the clock of the running loop; otherwise a short pause may be over on a busy machine."""
    loop = asyncio.get_running_loop()
    now = loop.time()
    monkeypatch.setattr(loop, "time", lambda: now)


def gate_for(limit: int) -> Gate:
    return Gate(Controller(limit, RetryPolicy()))


async def started(*tasks: asyncio.Task[None]) -> list[bool]:
    """Let tasks run as far as they can; return those that have entered."""
    for _ in range(5):
        await asyncio.sleep(0)
    return [task.done() for task in tasks]


def entering(gate: Gate, **again: bool) -> asyncio.Task[None]:
    return asyncio.create_task(gate.enter(**again))


async def test_the_gate_admits_as_many_as_the_limit_and_the_others_in_order():
    gate = gate_for(2)
    tasks = [entering(gate) for _ in range(4)]

    assert await started(*tasks) == [True, True, False, False]
    gate.leave()
    assert await started(*tasks) == [True, True, True, False]
    gate.leave()
    assert await started(*tasks) == [True] * 4
    assert gate.under_way == 2


async def test_retries_are_sent_before_new_requests_oldest_first():
    gate = gate_for(1)
    await gate.enter()
    new, first, second = entering(gate), entering(gate, again=True), entering(gate, again=True)
    order = [await started(first, second, new)]
    for _ in range(3):
        gate.leave()
        order.append(await started(first, second, new))

    assert order == [[False, False, False], [True, False, False], [True, True, False], [True, True, True]]


@pytest.mark.usefixtures("stopped_clock")
async def test_a_timer_is_set_for_a_pause_and_not_for_a_full_gate(monkeypatch: pytest.MonkeyPatch):
    loop = asyncio.get_running_loop()
    timers = []
    monkeypatch.setattr(loop, "call_at", lambda when, _: timers.append(when))
    controller = Controller(1, RetryPolicy())
    gate = Gate(controller)
    tasks = [entering(gate), entering(gate)]
    assert (await started(*tasks), timers) == ([True, False], [])

    controller.refused(loop.time(), BUSY, loop.time())
    gate.leave()
    assert (await started(*tasks), timers) == ([True, False], [controller.resume_at])
    tasks[1].cancel()


@pytest.mark.usefixtures("stopped_clock")
async def test_a_pause_stops_all_requests_and_then_ends(monkeypatch: pytest.MonkeyPatch):
    loop = asyncio.get_running_loop()
    controller = Controller(4, RetryPolicy())
    gate = Gate(controller)
    controller.refused(loop.time(), BUSY, loop.time())
    tasks = [entering(gate), entering(gate, again=True)]

    assert await started(*tasks) == [False, False]
    monkeypatch.undo()
    await asyncio.gather(*tasks)
    assert loop.time() >= controller.resume_at


async def test_a_later_longer_pause_is_waited_for_too():
    loop = asyncio.get_running_loop()
    controller = Controller(4, RetryPolicy())
    gate = Gate(controller)
    controller.refused(loop.time(), BUSY, loop.time())
    waiting = entering(gate)
    await started(waiting)
    controller.refused(loop.time(), RateLimitError("busy", status_code=429, retry_after=0.1), loop.time())
    await waiting

    assert loop.time() >= controller.resume_at


async def test_cancelled_waiters_are_removed():
    gate = gate_for(1)
    await gate.enter()
    waiting = [entering(gate) for _ in range(2)]
    await started(*waiting)
    waiting[0].cancel()
    await started(*waiting)
    gate.leave()

    assert await started(waiting[1]) == [True]
    assert gate.under_way == 1


async def test_a_waiter_cancelled_at_its_turn_lets_the_next_one_in():
    gate = gate_for(1)
    await gate.enter()
    first, second = entering(gate), entering(gate)
    await started(first, second)
    gate.leave()  # lets the first one in, which does not know yet
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first

    assert await started(second) == [True]
    assert gate.under_way == 1
