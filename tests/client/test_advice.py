"""Warnings about a model and its answers are logged once for each model. No I/O."""

from __future__ import annotations

from tests.logs import ours
from tir_client import ChatRequest
from tir_client.protocol.responses import Choice, Completion
from tir_client.transport.advice import AdviceLog

IMAGE = {"type": "image_url", "image_url": {"url": "https://x.test/a.png"}}


def request(model: str) -> ChatRequest:
    return ChatRequest.of(model=model, messages=[{"role": "user", "content": [IMAGE]}])


def test_an_image_is_warned_about_once_for_each_model_that_reads_text_only(caplog):
    log = AdviceLog()
    for model in ("gpt_oss_120b", "phi_4", "qwen2_vl_72b_instruct", "gpt_oss_120b"):
        log.check_request(request(model))

    assert [record.getMessage().partition(":")[0] for record in ours(caplog)] == ["gpt_oss_120b", "phi_4"]


def test_an_answer_with_only_reasoning_is_warned_about_once_for_each_requested_model(caplog):
    log = AdviceLog()
    for number, model in enumerate(("one", "two", "one")):
        answer = Completion(model=f"replica {number}", choices=[Choice(reasoning="Hm.", finish_reason="length")])
        assert log.check(request(model), answer) is answer

    assert [record.getMessage().partition(":")[0] for record in ours(caplog)] == ["one", "two"]
