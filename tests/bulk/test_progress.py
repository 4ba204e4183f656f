"""Counts, rates, cost and the time left. No I/O."""

from __future__ import annotations

from tir_client.bulk import Progress, Result, RowError
from tir_client.protocol.responses import Usage


def test_results_are_counted():
    progress = Progress()
    progress.add(Result(0, "ab", usage=Usage(1, 2, 3)))
    progress.add(Result(1, "ab", usage=Usage(10, 20, 30), error=RowError("ServerError", "no")))
    progress.add(Result(2, "ab", error=RowError("ServerError", "no")))
    progress.add(Result(3, "ab"))

    assert (progress.answered, progress.failed, progress.done) == (2, 2, 4)
    assert progress.usage.counts() == {"prompt_tokens": 11, "completion_tokens": 22, "total_tokens": 33}


def test_the_rate_counts_only_this_run():
    progress = Progress(answered=30, failed=10, skipped=1000, started_at=100.0)

    assert progress.rate(120.0) == 2.0
    assert progress.rate(100.0) == 0.0
    assert Progress(answered=1, started_at=100.0).rate(100.5) == 2.0
    assert Progress(answered=1).rate(50.0) == 0.0


def test_the_time_left_counts_only_what_this_run_has_done():
    progress = Progress(answered=40, started_at=100.0, start_fraction=0.5, fraction=0.75)

    assert progress.seconds_left(120.0) == 20.0
    assert Progress(answered=40, started_at=100.0, fraction=0.75).seconds_left(115.0) == 5.0


def test_the_time_left_is_unknown_without_a_size_or_before_the_first_row():
    assert Progress(answered=1, started_at=0.0).seconds_left(1.0) is None
    assert Progress(answered=0, started_at=0.0, fraction=0.5).seconds_left(1.0) is None
    assert Progress(answered=1, fraction=0.5).seconds_left(1.0) is None
    assert Progress(answered=1, started_at=0.0, fraction=0.5, start_fraction=0.5).seconds_left(1.0) is None


def test_prices_are_for_a_million_tokens():
    progress = Progress(usage=Usage(2_000_000, 500_000, 2_500_000))

    assert progress.cost((1.5, 4.0)) == 5.0
    assert progress.cost(None) is None


def test_the_cost_is_unknown_after_an_answer_without_token_counts():
    progress = Progress(usage=Usage(2_000_000, 500_000, 2_500_000))
    progress.add(Result(0, "ab", error=RowError("BadRequestError", "no")))
    assert progress.cost((1.5, 4.0)) == 5.0
    for number in (1, 2):
        progress.add(Result(number, "ab"))
    progress.add(Result(3, "ab", usage=Usage(1, 1, 2)))

    assert (progress.cost((1.5, 4.0)), progress.without_usage) == (None, 2)
