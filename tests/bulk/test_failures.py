"""What follows from a failed request: pure."""

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
    EmptyAnswerError,
    InvalidRequestError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    RetryPolicy,
    ServerError,
    StreamInterruptedError,
    TIRError,
)
from tir_client.bulk.failures import Attempts, Outage, Verdict, judge

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
        (EmptyAnswerError("none"), Verdict.BROKEN),
        (APITimeoutError("slow", phase="first_byte"), Verdict.SLOW),
        (APITimeoutError("slow", phase="total"), Verdict.SLOW),
        (BadRequestError("no", status_code=400), Verdict.FAILED),
        (ContextOverflowError("long", status_code=400), Verdict.FAILED),
        (InvalidRequestError("odd"), Verdict.FAILED),
    ],
)
@pytest.mark.parametrize("any_answer", [False, True])
def test_verdicts(failure: TIRError, verdict: Verdict, any_answer: bool):
    assert judge(failure, any_answer=any_answer) is verdict


def test_a_403_is_about_the_token_until_a_row_is_answered():
    failure = PermissionDeniedError("no", status_code=403)

    assert judge(failure, any_answer=False) is Verdict.END
    assert judge(failure, any_answer=True) is Verdict.FAILED


def pauses(failures: list[TIRError], *, any_answer: bool = True, patience: float = 100.0) -> list[float | None]:
    """The pauses after failures, ten seconds apart."""
    attempts = Attempts(POLICY, patience)
    return [
        attempts.pause(failure, judge(failure, any_answer=any_answer), 10.0 * number, any_answer=any_answer)
        for number, failure in enumerate(failures)
    ]


def test_broken_requests_are_sent_again_as_the_policy_says():
    assert pauses([BROKEN] * 3) == [0.5, 1.0, None]


def test_refused_requests_are_sent_again_until_the_patience_is_used_up():
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


def test_the_run_ends_when_no_connection_was_made_for_as_long_as_the_patience():
    outage = Outage(30.0)
    outage.failed(UNREACHABLE, 100.0)
    outage.failed(UNREACHABLE, 129.0)
    with pytest.raises(APIConnectionError):
        outage.failed(UNREACHABLE, 130.0)


@pytest.mark.parametrize("answer", [BUSY, BROKEN, None])
def test_anything_from_the_server_ends_an_outage(answer: TIRError | None):
    outage = Outage(30.0)
    outage.failed(UNREACHABLE, 100.0)
    if answer is None:
        outage.answered()
    else:
        outage.failed(answer, 120.0)
    outage.failed(UNREACHABLE, 140.0)

    assert outage.since == 140.0


def test_no_row_fails_because_the_server_cannot_be_reached():
    assert pauses([UNREACHABLE] * 5, patience=10.0) == [0.0] * 5
