"""Decisions after a failed request: send it again, fail its row, or end the run. No I/O."""

from __future__ import annotations

import pytest

from tir_client import (
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    AuthenticationError,
    BadRequestError,
    ConfigurationError,
    ContextOverflowError,
    InvalidRequestError,
    NoAnswerError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    RetryPolicy,
    ServerError,
    StreamInterruptedError,
    TIRError,
)
from tir_client.bulk.failures import FAILED_ROWS, REJECTED_ROWS, Attempts, CircuitBreaker, Verdict, classify

POLICY = RetryPolicy(max_retries=2, base=0.5, jitter=0)
UNREACHABLE = APIConnectionError("refused", phase="connect")
BUSY = ServerError("busy", status_code=503)
BROKEN = StreamInterruptedError("cut")


@pytest.mark.parametrize(
    ("failure", "verdict"),
    [
        (ConfigurationError("no token"), Verdict.END),
        (AuthenticationError("no", status_code=401), Verdict.END),
        (NotFoundError("no", status_code=404), Verdict.END),
        (APIConnectionError("bad certificate", phase="certificate"), Verdict.END),
        (RateLimitError("busy", status_code=429), Verdict.REFUSED),
        (ServerError("starting", status_code=502), Verdict.REFUSED),
        (BUSY, Verdict.REFUSED),
        (ServerError("starting", status_code=504), Verdict.REFUSED),
        (APIStatusError("overloaded", status_code=529), Verdict.REFUSED),
        (UNREACHABLE, Verdict.REFUSED),
        (APITimeoutError("no route", phase="connect"), Verdict.REFUSED),
        (ServerError("broke", status_code=500), Verdict.BROKEN),
        (APIConnectionError("reset", phase="first_byte"), Verdict.BROKEN),
        (BROKEN, Verdict.BROKEN),
        (NoAnswerError("none"), Verdict.BROKEN),
        (APITimeoutError("slow", phase="first_byte"), Verdict.SLOW),
        (APITimeoutError("slow", phase="total"), Verdict.SLOW),
        (BadRequestError("no", status_code=400), Verdict.FAILED),
        (ContextOverflowError("long", status_code=400), Verdict.FAILED),
        (InvalidRequestError("odd"), Verdict.FAILED),
    ],
)
@pytest.mark.parametrize("any_answer", [False, True])
def test_each_failure_has_its_verdict(failure: TIRError, verdict: Verdict, any_answer: bool):
    assert classify(failure, any_answer=any_answer) is verdict


def test_a_403_is_about_the_token_until_a_row_is_answered():
    failure = PermissionDeniedError("no", status_code=403)

    assert classify(failure, any_answer=False) is Verdict.END
    assert classify(failure, any_answer=True) is Verdict.FAILED


def pauses(failures: list[TIRError], *, any_answer: bool = True, patience: float = 100.0) -> list[float | None]:
    """The pauses after failures, ten seconds apart."""
    attempts, breaker = Attempts(POLICY), CircuitBreaker(patience, any_answer=any_answer)
    return [
        attempts.pause(failure, classify(failure, any_answer=any_answer), 10.0 * number, breaker)
        for number, failure in enumerate(failures)
    ]


def test_broken_requests_are_retried_as_the_policy_says():
    assert pauses([BROKEN] * 3) == [0.5, 1.0, None]


def test_refused_requests_are_retried_until_the_patience_ends():
    assert pauses([BUSY] * 4, patience=30.0) == [0.0, 0.0, 0.0, None]


def test_refusals_do_not_count_as_retries():
    assert pauses([BUSY] * 5 + [BROKEN] * 3) == [0.0] * 5 + [0.5, 1.0, None]


def test_other_failures_are_final():
    assert pauses([BadRequestError("no", status_code=400)]) == [None]
    assert pauses([APITimeoutError("slow", phase="first_byte")]) == [None]


def test_an_error_for_all_rows_is_raised():
    with pytest.raises(AuthenticationError):
        pauses([AuthenticationError("no", status_code=401)])


def test_a_server_that_is_unreachable_from_the_start_is_not_waited_for():
    assert pauses([UNREACHABLE] * 2, any_answer=False) == [0.0, 0.0]
    with pytest.raises(APIConnectionError):
        pauses([UNREACHABLE] * 3, any_answer=False)
    assert pauses([UNREACHABLE] * 5) == [0.0] * 5
    assert pauses([BUSY] * 5, any_answer=False) == [0.0] * 5


def test_the_run_ends_once_there_was_no_connection_for_the_whole_patience():
    breaker = CircuitBreaker(30.0)
    for now in (100.0, 129.0):
        assert breaker.check(UNREACHABLE, Verdict.REFUSED, now) is Verdict.REFUSED
    with pytest.raises(APIConnectionError, match=r"nothing for 30 seconds, so the run has ended. Last error: refused"):
        breaker.check(UNREACHABLE, Verdict.REFUSED, 130.0)


@pytest.mark.parametrize("failure", [BadRequestError("no", status_code=400), None])
def test_an_answer_or_an_error_about_the_row_shows_that_the_server_works(failure: TIRError | None):
    breaker = CircuitBreaker(30.0)
    breaker.check(UNREACHABLE, Verdict.REFUSED, 100.0)
    if failure is None:
        breaker.answered()
    else:
        breaker.check(failure, Verdict.FAILED, 120.0)
    breaker.check(UNREACHABLE, Verdict.REFUSED, 140.0)

    assert breaker.since == 140.0


def opened(failure: TIRError, verdict: Verdict) -> CircuitBreaker:
    """A breaker after as many failed rows as it takes, one a second."""
    breaker = CircuitBreaker(60.0, any_answer=True)
    for second in range(FAILED_ROWS):
        assert breaker.check(failure, verdict, float(second)) is verdict
        breaker.row_failed(failure, verdict)
    return breaker


FAILURES = [
    (BUSY, Verdict.REFUSED),
    (ServerError("broke", status_code=500), Verdict.BROKEN),
    (APITimeoutError("slow", phase="first_byte"), Verdict.SLOW),
]


@pytest.mark.parametrize(("failure", "verdict"), FAILURES)
def test_after_many_failed_rows_no_further_row_fails_and_the_run_ends(failure: TIRError, verdict: Verdict):
    breaker = opened(failure, verdict)
    assert breaker.check(failure, verdict, 59.0) is Verdict.REFUSED
    assert breaker.check(AuthenticationError("no"), Verdict.END, 60.0) is Verdict.END
    with pytest.raises(type(failure), match="nothing for 60 seconds") as raised:
        breaker.check(failure, verdict, 60.0)

    assert raised.value.status_code == failure.status_code


def test_an_answer_closes_the_breaker():
    breaker = opened(BROKEN, Verdict.BROKEN)
    breaker.answered()

    assert breaker.check(BROKEN, Verdict.BROKEN, 100.0) is Verdict.BROKEN


def test_a_row_is_not_retried_once_there_was_no_answer_for_the_whole_patience():
    breaker = CircuitBreaker(30.0)
    breaker.check(BUSY, Verdict.REFUSED, 0.0)

    assert Attempts(POLICY).pause(BUSY, Verdict.REFUSED, 29.0, breaker) == 0.0
    assert Attempts(POLICY).pause(BUSY, Verdict.REFUSED, 30.0, breaker) is None


def test_settings_that_fail_every_row_end_the_run():
    failure, breaker = BadRequestError("no such field", status_code=400), CircuitBreaker(30.0)
    for _ in range(REJECTED_ROWS - 1):
        breaker.row_failed(failure, Verdict.FAILED)
    with pytest.raises(BadRequestError, match=r"None of the first 100 rows was answered.*no such field"):
        breaker.row_failed(failure, Verdict.FAILED)


@pytest.mark.parametrize("answers", [{"has_answers": True}, {"any_answer": True}])
def test_failed_rows_do_not_end_the_run_once_there_was_an_answer(answers: dict[str, bool]):
    failure, breaker = BadRequestError("no", status_code=400), CircuitBreaker(30.0, **answers)
    for _ in range(2 * REJECTED_ROWS):
        breaker.row_failed(failure, Verdict.FAILED)

    assert breaker.failed == 0


def test_no_row_fails_because_the_server_cannot_be_reached():
    assert pauses([UNREACHABLE] * 5, patience=10.0) == [0.0] * 5
