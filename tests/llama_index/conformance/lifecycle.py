"""Promises about an LLM as an object: loops, threads, copies, saved forms, secrets, failures."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import pickle
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from llama_index.core import Settings
from llama_index.core.llms.loading import load_llm

from tir_sandbox import Fault, Reply

from .base import Promises, collect, question

SECRET = "a-secret-that-nobody-may-see"


def to_json(llm):
    return llm.to_json()


def to_payload(llm):
    return str(llm.to_payload())


class LifecyclePromises(Promises):
    def test_an_llm_works_in_each_new_event_loop(self, make, sandbox):
        """LlamaIndex's evaluators and extractors create an event loop for each call."""
        llm = make(max_retries=0)
        for _ in range(3):
            assert asyncio.run(llm.achat(question())).message.content
            assert asyncio.run(collect(llm.astream_chat(question())))
        assert len(sandbox.requests) == 6

    def test_threads_share_an_llm(self, llm):
        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(lambda _: llm.chat(question()).message.content, range(8)))
        assert all(answers)

    def test_an_llm_can_be_copied_after_use(self, llm):
        llm.chat(question())
        assert copy.deepcopy(llm).chat(question()).message.content

    def test_an_llm_can_be_pickled_after_use(self, llm):
        llm.chat(question())
        assert pickle.loads(pickle.dumps(llm)).model == llm.model

    def test_pickling_does_not_change_the_original(self, llm):
        llm.chat(question())
        before = dict(llm.__dict__)
        pickle.dumps(llm)
        assert llm.__dict__ == before
        assert llm.chat(question()).message.content

    @pytest.mark.parametrize("shown", [repr, str, to_json, to_payload])
    def test_the_key_is_in_no_representation(self, make, shown):
        assert SECRET not in shown(make(api_key=SECRET))

    @pytest.mark.parametrize("shown", [repr, to_json])
    def test_values_of_headers_are_in_no_representation(self, make, shown):
        assert SECRET not in shown(make(default_headers={"X-Key": SECRET}))

    def test_the_key_is_not_pickled(self, make):
        with contextlib.suppress(TypeError):  # refusing is fine, too
            assert SECRET.encode() not in pickle.dumps(make(api_key=SECRET))

    def test_an_openai_key_of_the_environment_is_not_sent(self, make_without_key, sandbox, monkeypatch):
        monkeypatch.setenv("OPENAI_API_KEY", SECRET)
        with contextlib.suppress(Exception):  # refusing is fine, too
            make_without_key().chat(question())
        assert all(SECRET not in request.headers.get("authorization", "") for request in sandbox.requests)

    def test_the_saved_form_of_equal_llms_is_equal(self, make):
        """It is the cache key of an ingestion pipeline."""
        first = make().to_json()
        assert make().to_json() == first
        assert " at 0x" not in first

    def test_an_llm_can_be_saved_and_loaded(self, make, sandbox):
        llm = make(temperature=0.25)
        loaded = load_llm({**llm.to_dict(), "api_key": sandbox.token})
        assert (type(loaded), loaded.temperature) == (type(llm), 0.25)

    def test_an_llm_can_be_closed(self, llm):
        llm.chat(question())
        llm.close()
        asyncio.run(llm.aclose())

    def test_an_llm_can_be_the_default_of_settings(self, llm):
        """`Settings` sets one of its fields."""
        before = Settings._llm
        try:
            Settings.llm = llm
            assert Settings.llm is llm
        finally:
            Settings._llm = before

    def test_a_field_can_be_changed(self, llm, sandbox):
        llm.temperature = 0.75
        llm.chat(question())
        assert sandbox.requests[-1].body["temperature"] == 0.75

    # Failures

    @pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500, 503])
    def test_a_failure_carries_its_status(self, llm, sandbox, status):
        sandbox.script(Fault(status=status))
        with pytest.raises(Exception, match=r".") as caught:
            llm.chat(question())
        assert caught.value.status_code == status

    def test_an_answer_without_choices_is_an_error_that_says_so(self, llm, sandbox):
        sandbox.script(Reply(body={"id": "1", "object": "chat.completion", "choices": [], "usage": None}))
        with pytest.raises(Exception, match="choice"):
            llm.chat(question())

    def test_a_failure_is_retried_up_to_max_retries_times(self, make, sandbox):
        """Retries happen in one layer only."""
        sandbox.strict = False  # the number of requests is what is tested
        sandbox.script(*[Fault(status=500)] * 20)
        with pytest.raises(Exception, match=r"."):
            make(max_retries=1).chat(question())
        assert len(sandbox.requests) == 2

    def test_max_retries_zero_disables_retries(self, make, sandbox):
        sandbox.strict = False  # the number of requests is what is tested
        sandbox.script(*[Fault(status=500)] * 5)
        with pytest.raises(Exception, match=r"."):
            make(max_retries=0).chat(question())
        assert len(sandbox.requests) == 1

    def test_retry_after_is_honoured(self, make, sandbox):
        sandbox.script(Fault(status=429, headers={"Retry-After": "1"}), Reply(text="Fine."))
        began = time.monotonic()
        assert make(max_retries=1).chat(question()).message.content == "Fine."
        assert time.monotonic() - began >= 0.95
