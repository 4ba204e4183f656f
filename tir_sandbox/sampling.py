"""The numbers of a request, and their bounds, in the order in which vLLM looks at them."""

import math
from collections.abc import Mapping
from typing import Any

from tir_sandbox import errors

Body = Mapping[str, Any]
_MOST_CHOICES = 16384
_MOST_LOGPROBS = 20
_HOTTEST = 2
_FURTHEST_PENALTY = 2


def limit(body: Body) -> int | None:
    """Return how many tokens the answer may have."""
    newer: int | None = body.get("max_completion_tokens")
    older: int | None = body.get("max_tokens")
    return older if newer is None else newer


def check(body: Body) -> None:
    """Refuse numbers and stop strings that nothing can be made of."""
    for one in (_choices, _penalties, _temperature, _likely_tokens, _lengths, _logprobs, _stops, _bias):
        one(body)


def _choices(body: Body) -> None:
    n = 1 if body.get("n") is None else body["n"]
    if n < 1:
        raise errors.bad_request(f"n must be at least 1, got {n}.")
    if n > _MOST_CHOICES:
        hint = "To increase this limit, set the VLLM_MAX_N_SEQUENCES environment variable."
        raise errors.bad_request(f"n must be at most {_MOST_CHOICES}, got {n}. {hint}")


def _penalties(body: Body) -> None:
    for name in ("presence_penalty", "frequency_penalty"):
        value = _float(body, name, 0)
        if not -_FURTHEST_PENALTY <= value <= _FURTHEST_PENALTY:
            raise errors.bad_request(f"{name} must be in [-2, 2], got {value}.")
    value = _float(body, "repetition_penalty", 1)
    if not math.isfinite(value):
        raise errors.bad_request(f"repetition_penalty must be a finite number, got {value}.")
    if value <= 0:
        raise errors.bad_request(f"repetition_penalty must be greater than zero, got {value}.")


def _temperature(body: Body) -> None:
    value = _float(body, "temperature", 1)
    if 0 <= value <= _HOTTEST:
        return
    wanted = "non-negative" if value < 0 else f"in [0, {_HOTTEST}]"
    wanted = wanted if math.isfinite(value) else "a finite number"
    raise errors.bad_value(f"temperature must be {wanted}, got {value}.", "temperature", value)


def _likely_tokens(body: Body) -> None:
    top_p, top_k, min_p = _float(body, "top_p", 1), body.get("top_k") or 0, _float(body, "min_p", 0)
    if not 0 < top_p <= 1:
        raise errors.bad_value(f"top_p must be in (0, 1], got {top_p}.", "top_p", top_p)
    if top_k < -1:
        raise errors.bad_request(f"top_k must be 0 (disable), or at least 1, got {top_k}.")
    if not 0 <= min_p <= 1:
        raise errors.bad_request(f"min_p must be in [0, 1], got {min_p}.")


def _lengths(body: Body) -> None:
    most, least = limit(body), body.get("min_tokens") or 0
    if most is not None and most < 1:
        raise errors.bad_value(f"max_tokens must be at least 1, got {most}.", "max_tokens", most)
    if least < 0:
        raise errors.bad_request(f"min_tokens must be greater than or equal to 0, got {least}.")
    if most is not None and least > most:
        raise errors.bad_request(f"min_tokens must be less than or equal to max_tokens={most}, got {least}.")


def _logprobs(body: Body) -> None:
    top = body.get("top_logprobs") or 0
    if top < 0 or top > _MOST_LOGPROBS:
        asked = "all tokens" if top < 0 else top
        message = f"Requested sample logprobs of {asked}, which is greater than max allowed: {_MOST_LOGPROBS}"
        raise errors.bad_value(message, "logprobs", asked)


def _stops(body: Body) -> None:
    stop = body.get("stop")
    if stop == "" or (isinstance(stop, list) and "" in stop):
        raise errors.bad_request("stop cannot contain an empty string.")


def _bias(body: Body) -> None:
    wrong = [key for key in body.get("logit_bias") or {} if not key.lstrip("-").isdecimal()]
    if wrong:
        message = f"logit_bias contains key(s) that cannot be converted to integer token IDs: {wrong}"
        raise errors.bad_value(message, "logit_bias", wrong)


def _float(body: Body, name: str, default: float) -> float:
    value = body.get(name)
    return float(default if value is None else value)
