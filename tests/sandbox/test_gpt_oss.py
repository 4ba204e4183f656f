"""The sandbox as gpt-oss: differences from chat-template models that no recording shows."""

import pytest

from tir_sandbox import Reply, ToolCall

CHAT = "/v1/chat/completions"
HELLO = {"model": "gpt_oss_120b", "messages": [{"role": "user", "content": "Hello"}]}


def test_gpt_oss_reports_truncated_arguments_as_tool_calls(http, sandbox):
    sandbox.script(Reply(tool_calls=[ToolCall("f", {"city": "Delhi"})]))
    choice = http.post(CHAT, json=HELLO | {"max_tokens": 4}).json()["choices"][0]

    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["tool_calls"][0]["function"]["arguments"] == '{"city'


@pytest.mark.parametrize("stream", [False, True])
def test_a_chat_template_model_makes_no_call_with_tool_choice_none(http, sandbox, stream):
    sandbox.script(Reply(text="No.", tool_calls=[ToolCall("f", {"city": "Delhi"})]))
    answer = http.post(CHAT, json=HELLO | {"model": "qwen3_32b", "tool_choice": "none", "stream": stream})

    assert "tool_calls" not in answer.text
    assert '"finish_reason":"stop"' in answer.text


def test_a_scripted_finish_reason_is_sent_without_the_hidden_call(http, sandbox):
    sandbox.script(Reply(tool_calls=[ToolCall("f", {})], finish_reason="length"))
    choice = http.post(CHAT, json=HELLO | {"tool_choice": "none"}).json()["choices"][0]

    assert choice["finish_reason"] == "length"
    assert "tool_calls" not in choice["message"]
