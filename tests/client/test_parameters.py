"""The parameters of a request: a call's arguments replace the model's settings."""

from __future__ import annotations

import pytest

from tir_client.protocol.parameters import Parameters, did_you_mean, merge_parameters

OWN = {"model": "m", "temperature": 0.5, "extra_body": {"top_p": 0.1, "max_completion_tokens": 5, "x": 1}}


@pytest.mark.parametrize(
    ("call", "changed"),
    [
        ({}, {}),
        ({"temperature": 0.1}, {"temperature": 0.1}),
        ({"temperature": None}, {"temperature": None}),
        ({"model": "other"}, {"model": "other"}),
        ({"model": None}, {}),
        ({"top_p": 0.2}, {"top_p": 0.2, "extra_body": {"max_completion_tokens": 5, "x": 1}}),
        ({"max_tokens": 7}, {"max_tokens": 7, "extra_body": {"top_p": 0.1, "x": 1}}),
        ({"extra_body": {"x": 2}}, {"extra_body": {"top_p": 0.1, "max_completion_tokens": 5, "x": 2}}),
        ({"extra_body": {"max_tokens": 2}}, {"extra_body": {"top_p": 0.1, "max_tokens": 2, "x": 1}}),
        ({"extra_body": {}}, {}),
        ({"extra_body": None}, {"extra_body": None}),
    ],
)
def test_a_calls_argument_replaces_the_constructors_field_and_extra_body(call, changed):
    before = {**OWN, "extra_body": dict(OWN["extra_body"])}

    assert merge_parameters(OWN, call) == {**OWN, **changed}
    assert before == OWN


@pytest.mark.parametrize("own", [{"model": "m"}, {"model": "m", "extra_body": None}, {"model": "m", "extra_body": {}}])
def test_an_empty_extra_body_is_unset(own):
    assert merge_parameters(own, {}) == {"model": "m", "extra_body": None}
    assert merge_parameters(own, {"extra_body": {"a": 1}})["extra_body"] == {"a": 1}


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("temprature", ": did you mean `temperature`?"),
        ("TEMPERATURE", ": did you mean `temperature`?"),
        ("top_q", ": did you mean `top_p`?"),
        ("seeed", ": did you mean `seed`?"),
        ("tap", ""),
        ("topic", ""),
        ("sum", ""),
    ],
)
def test_the_error_has_the_nearest_name(name, hint):
    assert did_you_mean(name, {"temperature", "top_p", "seed"}) == hint


def test_the_keys_of_logit_bias_may_be_numbers():
    assert Parameters(logit_bias={17: -1.0, "18": 2}).logit_bias == {"17": -1.0, "18": 2.0}
    with pytest.raises(ValueError, match="logit_bias"):
        Parameters(logit_bias=[1])
