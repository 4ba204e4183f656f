"""Which failures are retried, and after which pause."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tir_client import (
    APIConnectionError,
    APITimeoutError,
    BadRequestError,
    ConfigurationError,
    RateLimitError,
    ResponseError,
    RetryPolicy,
    ServerError,
    StartPolicy,
    StreamInterruptedError,
)
from tir_client.protocol.error_responses import error_from_response
from tir_client.protocol.retry_after import retry_after

NOW = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)
PLAIN = RetryPolicy(max_retries=10, base=0.5, ceiling=8, patience=60, jitter=0)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("3", 3.0),
        ("0.5", 0.5),
        ("0", 0.0),
        ("-5", 0.0),
        ("Mon, 23 Nov 2026 12:00:07 GMT", 7.0),
        ("Mon, 23 Nov 2026 11:59:00 GMT", 0.0),
        ("Mon, 23 Nov 2026 17:30:10 +0530", 10.0),
        ("Mon, 23 Nov 2026 12:00:05 -0000", 5.0),
        ("Mon, 23 Nov 2026 12:00:05", 5.0),
        ("999999999", 999999999.0),
        ("soon", None),
        ("", None),
        ("nan", None),
        ("inf", None),
        ("Mon, 99 Nov 2026 12:00:07 GMT", None),
    ],
)
def test_retry_after_is_read_in_every_form(value, seconds):
    assert seconds == retry_after({"retry-after": value}, NOW)


def test_retry_after_in_milliseconds_takes_precedence():
    assert retry_after({"retry-after-ms": "250", "retry-after": "9"}) == 0.25
    assert retry_after({"retry-after-ms": "x", "retry-after": "9"}) == 9.0
    assert retry_after({}) is None


def test_a_date_is_compared_with_the_clock():
    assert retry_after({"retry-after": "Mon, 23 Nov 2099 12:00:00 GMT"}) > 1_000_000
    assert retry_after({"retry-after": "Mon, 23 Nov 2009 12:00:00 GMT"}) == 0


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 502, 503, 504, 529])
def test_temporary_statuses_are_retried(status):
    assert PLAIN.delay(1, error_from_response(status, {}, b"")) == 0.5


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 413, 422, 501])
def test_permanent_statuses_are_not_retried(status):
    assert PLAIN.delay(1, error_from_response(status, {}, b"")) is None


def test_lost_connections_are_retried_and_slow_answers_are_not():
    assert PLAIN.delay(1, APIConnectionError("reset")) == 0.5
    assert PLAIN.delay(1, StreamInterruptedError("cut")) == 0.5
    assert PLAIN.delay(1, APITimeoutError("slow", phase="connect")) == 0.5
    for phase in ("first_byte", "chunk", "total"):
        assert PLAIN.delay(1, APITimeoutError("slow", phase=phase)) is None
    for failure in (ConfigurationError("x"), ResponseError("x"), BadRequestError("x")):
        assert PLAIN.delay(1, failure) is None


def test_pauses_double_up_to_a_maximum_until_the_last_try():
    failure = ServerError("x", status_code=500)

    assert [PLAIN.delay(n, failure) for n in range(1, 7)] == [0.5, 1, 2, 4, 8, 8]
    assert RetryPolicy(max_retries=2).delay(2, failure) is not None
    assert RetryPolicy(max_retries=2).delay(3, failure) is None
    assert RetryPolicy(max_retries=0).delay(1, failure) is None


def test_pauses_stay_at_the_maximum_for_any_number_of_tries():
    assert RetryPolicy(max_retries=10_000).delay(5_000, ServerError("", status_code=503), chance=0.0) == 8.0


def test_a_negative_number_of_retries_is_refused():
    with pytest.raises(ConfigurationError, match="`max_retries` must be 0 or more; it is -1"):
        RetryPolicy(max_retries=-1)


def test_jitter_shortens_a_pause_by_its_share():
    policy = RetryPolicy(jitter=0.25)
    failure = ServerError("x", status_code=500)

    assert (policy.delay(1, failure, chance=0), policy.delay(1, failure, chance=1)) == (0.5, 0.375)
    assert 0.375 <= policy.delay(1, failure) <= 0.5


@pytest.mark.parametrize(("wish", "pause"), [(3.0, 3.0), (60.0, 60.0), (60.5, None), (0.0, 0.5), (None, 0.5)])
def test_retry_after_is_followed_up_to_the_patience(wish, pause):
    assert pause == PLAIN.delay(1, RateLimitError("x", status_code=429, retry_after=wish))


START = StartPolicy(900, base=1, ceiling=15, jitter=0)


@pytest.mark.parametrize("status", [502, 503, 504])
def test_errors_of_a_gateway_mean_that_a_deployment_is_starting(status):
    assert START.delay(1, error_from_response(status, {}, b""), waited=0) == 1


@pytest.mark.parametrize("status", [400, 401, 403, 404, 408, 429, 500, 501, 529])
def test_after_other_errors_there_is_no_wait_for_a_start(status):
    failure = error_from_response(status, {}, b"")

    assert not START.applies(failure)
    assert START.delay(1, failure, waited=0) is None


@pytest.mark.parametrize("cls", [APIConnectionError, APITimeoutError])
def test_a_call_waits_for_a_start_without_a_connection_or_an_answer_but_not_after_a_broken_answer(cls):
    assert [START.applies(cls("x", phase=phase)) for phase in ("connect", "first_byte")] == [True, True]
    assert not any(START.applies(cls("x", phase=phase)) for phase in ("chunk", "total", "certificate", None))
    for failure in (StreamInterruptedError("cut"), ResponseError("x"), ConfigurationError("x")):
        assert not START.applies(failure)


def test_pauses_during_a_start_grow_to_a_maximum_and_the_last_try_is_at_the_end():
    failure = ServerError("x", status_code=503)

    assert [START.delay(n, failure, waited=0) for n in range(1, 7)] == [1, 2, 4, 8, 15, 15]
    assert START.delay(5_000, failure, waited=0) == 15
    assert START.delay(9, failure, waited=896) == 4
    assert START.delay(9, failure, waited=900) is None
    assert START.delay(9, failure, waited=1_500) is None


def test_clients_do_not_try_at_the_same_time_while_a_deployment_starts():
    policy = StartPolicy(900)
    failure = ServerError("x", status_code=503)

    assert (policy.delay(1, failure, waited=0, chance=0), policy.delay(1, failure, waited=0, chance=1)) == (1, 0.75)
    assert 0.75 <= policy.delay(1, failure, waited=0) <= 1


@pytest.mark.parametrize(("wish", "pause"), [(40.0, 40.0), (100.0, 100.0), (100.5, 100.0), (0.0, 1.0), (None, 1.0)])
def test_retry_after_is_followed_within_the_wait_for_a_start(wish, pause):
    assert pause == START.delay(1, ServerError("x", status_code=503, retry_after=wish), waited=800)


def test_by_default_there_is_no_wait_for_a_start():
    failure = ServerError("x", status_code=503)

    for none in (StartPolicy(), StartPolicy.of(None), StartPolicy.of(0)):
        assert not none.applies(failure)
        assert none.delay(1, failure, waited=0) is None
    assert StartPolicy.of(30) == StartPolicy(30.0)
    assert StartPolicy.of(START) is START


@pytest.mark.parametrize("value", [-1, float("inf"), float("nan"), True, "900", [900]])
def test_a_wait_that_is_not_a_number_of_seconds_is_refused(value):
    with pytest.raises(ConfigurationError, match="`wait_for_start` must be a number of seconds"):
        StartPolicy.of(value)
