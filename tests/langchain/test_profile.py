"""The profile of an unknown model: when its window is requested, and what copies and pickles contain."""

from __future__ import annotations

import copy
import json
import pickle
from typing import Any

import pytest
from langchain.agents.middleware import SummarizationMiddleware

from langchain_tir import ChatTIR
from tests.logs import ours
from tir_sandbox import Sandbox


@pytest.fixture
def own(patient_windows: None):
    with Sandbox(models=["mine", "llama_4_scout_17b_16e_instruct"], context_window=8_192) as started:
        yield started


def mine(own: Sandbox, **more: Any) -> ChatTIR:
    return ChatTIR(**{"model": "mine", "api_key": own.token, "base_url": own.base_url, **more})


@pytest.mark.parametrize(
    "read",
    [
        lambda profile: profile["max_input_tokens"],
        lambda profile: profile.get("max_input_tokens"),
        lambda profile: dict(profile)["max_input_tokens"],
        lambda profile: {**profile}["max_input_tokens"],
        lambda profile: dict(profile.items())["max_input_tokens"],
        lambda profile: next(iter(profile.values())),
        lambda profile: json.loads(json.dumps(profile))["max_input_tokens"],
        lambda profile: copy.deepcopy(profile)["max_input_tokens"],
    ],
)
def test_the_window_is_read_once_when_the_profile_is_first_used(own: Sandbox, read: Any):
    model = mine(own)
    assert own.requests == []

    assert [read(model.profile) for _ in range(2)] == [8_192] * 2
    assert [request.path for request in own.requests] == ["/v1/models"]


def test_other_uses_do_not_request_the_window(own: Sandbox):
    model = mine(own)

    assert "max_input_tokens" in repr(model.profile)
    assert list(model.profile) == ["max_input_tokens"]
    assert model.profile
    assert (model.profile.get("structured_output"), model.profile.get("tool_calling", True)) == (None, True)
    with pytest.raises(KeyError):
        model.profile["tool_calling"]
    assert (mine(own).profile == model.profile, repr(model)) == (True, repr(mine(own)))
    assert own.requests == []


def test_repr_shows_the_window_once_it_was_read(own: Sandbox):
    model = mine(own)
    assert repr(model.profile) == "{'max_input_tokens': None}"

    model.list_models()
    assert repr(model.profile) == "{'max_input_tokens': 8192}"
    assert [request.path for request in own.requests] == ["/v1/models"]


def test_known_fields_are_kept_next_to_the_requested_window(own: Sandbox):
    profile = mine(own, model="llama_4_scout_17b_16e_instruct").profile

    assert (profile["image_inputs"], profile.get("image_inputs"), profile["max_input_tokens"]) == (True, True, 8_192)


def test_a_profile_has_no_window_if_the_server_does_not_answer(own: Sandbox, caplog: pytest.LogCaptureFixture):
    profile = mine(own, base_url="http://127.0.0.1:1/v1").profile

    assert profile.get("max_input_tokens", 7) == 7
    assert profile["max_input_tokens"] is None
    assert len(ours(caplog)) == 1


def test_a_profile_that_is_set_is_not_requested(own: Sandbox):
    assert mine(own, profile={"max_input_tokens": 9}).profile == {"max_input_tokens": 9}
    assert own.requests == []


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda model: model.model_copy(), "update", "pickle"])
def test_the_profile_of_a_copy_is_requested_at_the_copys_address(
    own: Sandbox, copied: Any, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("E2E_TIR_ACCESS_TOKEN", own.token)
    original = ChatTIR("mine", base_url="http://127.0.0.1:1/v1")
    if copied == "update":
        twin = original.model_copy(update={"base_url": own.base_url})
    else:
        twin = pickle.loads(pickle.dumps(original)) if copied == "pickle" else copied(original)
        twin.base_url = own.base_url

    assert twin.profile["max_input_tokens"] == 8_192
    assert original.profile["max_input_tokens"] is None


@pytest.mark.parametrize("deep", [False, True])
def test_a_copy_with_another_model_has_that_models_profile(own: Sandbox, deep: bool):
    known = mine(own).model_copy(update={"model": "gpt_oss_120b"}, deep=deep)
    assert known.profile == ChatTIR("gpt_oss_120b", api_key="t", project_id=1).profile
    back = known.model_copy(update={"model": "mine"}, deep=deep)
    assert not own.requests
    assert back.profile["max_input_tokens"] == 8_192

    given = {"max_input_tokens": 7}
    assert mine(own, profile=given).model_copy(update={"model": "gpt_oss_120b"}, deep=deep).profile == given
    assert known.model_copy(update={"model": "mine", "profile": given}, deep=deep).profile == given


def test_a_profile_follows_the_model_to_a_known_one_and_back(own: Sandbox):
    model = mine(own)

    model.model = "gpt_oss_120b"
    assert (model.profile["max_input_tokens"], own.requests) == (131_072, [])
    model.model = "mine"
    assert model.profile["max_input_tokens"] == 8_192


def test_summarization_by_a_fraction_of_the_window_works_for_a_private_deployment(own: Sandbox):
    made = SummarizationMiddleware(mine(own), trigger=("fraction", 0.5))

    assert made._get_profile_limits() == 8_192
