"""Promises about what is sent: parameters, roles, blocks."""

from __future__ import annotations

import base64

import pytest
from llama_index.core.base.llms.types import (
    CacheControl,
    CachePoint,
    ChatMessage,
    CitableBlock,
    DocumentBlock,
    ImageBlock,
    MessageRole,
    TextBlock,
    ToolCallBlock,
    VideoBlock,
)

from .base import Promises, question

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


class RequestPromises(Promises):
    def test_unset_parameters_are_not_sent(self, llm, sandbox):
        llm.chat(question())
        assert set(sandbox.requests[-1].body) == {"model", "messages"}

    def test_fields_are_sent(self, make, sandbox):
        make(temperature=0.25, max_tokens=7).chat(question())
        body = sandbox.requests[-1].body
        assert (body["temperature"], body["max_tokens"]) == (0.25, 7)

    def test_temperature_zero_is_sent(self, make, sandbox):
        make(temperature=0.0).chat(question())
        assert sandbox.requests[-1].body["temperature"] == 0

    @pytest.mark.parametrize(("name", "own", "called"), [("temperature", 0.25, 0.75), ("max_tokens", 100, 5)])
    def test_arguments_of_a_call_replace_those_of_the_constructor(self, make, sandbox, name, own, called):
        make(**{name: own}).chat(question(), **{name: called})
        assert sandbox.requests[-1].body[name] == called

    def test_arguments_of_a_call_replace_additional_kwargs(self, make, sandbox):
        make(additional_kwargs={"temperature": 0.25}).chat(question(), temperature=0.75)
        assert sandbox.requests[-1].body["temperature"] == 0.75

    def test_reasoning_effort_is_sent(self, make, sandbox):
        make(reasoning_effort="low").chat(question())
        assert sandbox.requests[-1].body.get("reasoning_effort") == "low"

    def test_other_parameters_of_the_server_go_through_extra_body(self, make, sandbox):
        make(additional_kwargs={"extra_body": {"top_k": 5}}).chat(question())
        assert sandbox.requests[-1].body["top_k"] == 5

    def test_a_misspelt_argument_is_refused(self, llm):
        """The server would ignore it silently."""
        with pytest.raises(Exception, match="temprature"):
            llm.chat(question(), temprature=0.5)

    def test_texts_of_a_message_are_all_sent(self, llm, sandbox):
        llm.chat([ChatMessage(blocks=[TextBlock(text="one"), TextBlock(text="two")])])
        sent = str(sandbox.requests[-1].body["messages"])
        assert "one" in sent
        assert "two" in sent

    @pytest.mark.parametrize(
        ("role", "sent"),
        [
            (MessageRole.SYSTEM, "system"),
            (MessageRole.USER, "user"),
            (MessageRole.ASSISTANT, "assistant"),
            (MessageRole.CHATBOT, "assistant"),
            (MessageRole.MODEL, "assistant"),
        ],
    )
    def test_roles_are_sent_under_the_servers_names(self, llm, sandbox, role, sent):
        """Histories of other providers' models can be continued."""
        llm.chat([ChatMessage(role=role, content="Hi"), *question()])
        assert sandbox.requests[-1].body["messages"][0]["role"] == sent

    def test_a_message_of_the_role_function_is_a_tool_message(self, llm, sandbox):
        call = ToolCallBlock(tool_call_id="c1", tool_name="now", tool_kwargs={})
        result = ChatMessage(role=MessageRole.FUNCTION, content="noon", additional_kwargs={"tool_call_id": "c1"})
        llm.chat([*question(), ChatMessage(role=MessageRole.ASSISTANT, blocks=[call]), result])
        assert sandbox.requests[-1].body["messages"][-1]["role"] == "tool"

    def test_a_message_with_tool_calls_has_an_empty_text_not_null(self, llm, sandbox):
        """Old servers iterate over it."""
        call = ToolCallBlock(tool_call_id="c1", tool_name="now", tool_kwargs={})
        result = ChatMessage(role=MessageRole.TOOL, content="noon", additional_kwargs={"tool_call_id": "c1"})
        llm.chat([*question(), ChatMessage(role=MessageRole.ASSISTANT, blocks=[call]), result])
        assert sandbox.requests[-1].body["messages"][1].get("content") == ""

    def test_images_are_sent_inline(self, llm, sandbox):
        llm.chat([ChatMessage(blocks=[TextBlock(text="What is it?"), ImageBlock(image=PIXEL)])])
        image = sandbox.requests[-1].body["messages"][0]["content"][1]
        assert image["image_url"]["url"] == "data:image/png;base64," + base64.b64encode(PIXEL).decode()

    def test_images_are_sent_by_their_url(self, llm, sandbox):
        llm.chat([ChatMessage(blocks=[TextBlock(text="What is it?"), ImageBlock(url="https://example.com/a.png")])])
        image = sandbox.requests[-1].body["messages"][0]["content"][1]
        assert image["image_url"]["url"] == "https://example.com/a.png"

    def test_cache_points_are_ignored(self, llm, sandbox):
        point = CachePoint(cache_control=CacheControl(type="ephemeral"))
        llm.chat([ChatMessage(blocks=[TextBlock(text="Hi"), point])])
        assert sandbox.requests[-1].body["messages"][0]["content"] == "Hi"

    def test_citable_content_is_sent_as_text(self, llm, sandbox):
        citable = CitableBlock(title="Rivers", source="atlas", content=[TextBlock(text="The Ganges is long.")])
        llm.chat([ChatMessage(blocks=[citable, TextBlock(text="Which is long?")])])
        assert "The Ganges is long." in str(sandbox.requests[-1].body["messages"])

    def test_a_document_that_is_text_is_sent_as_text(self, llm, sandbox):
        document = DocumentBlock(data=b"The Ganges is long.", document_mimetype="text/plain", title="rivers.txt")
        llm.chat([ChatMessage(blocks=[document])])
        assert "The Ganges is long." in str(sandbox.requests[-1].body["messages"])

    def test_videos_are_sent_inline(self, llm, sandbox):
        llm.chat([ChatMessage(blocks=[VideoBlock(video=b"\0\0\0\x18ftypmp42")])])
        (video,) = sandbox.requests[-1].body["messages"][0]["content"]
        assert video["video_url"]["url"].startswith("data:video/mp4;base64,")

    def test_the_callers_messages_are_not_changed(self, llm):
        messages = [ChatMessage(role=MessageRole.SYSTEM, content="Be brief."), *question()]
        before = [message.model_dump() for message in messages]
        llm.chat(messages)
        assert [message.model_dump() for message in messages] == before

    def test_system_messages_may_be_anywhere(self, llm, sandbox):
        """Agents append one when they stop early."""
        llm.chat([*question(), ChatMessage(role=MessageRole.SYSTEM, content="Stop now.")])
        assert [message["role"] for message in sandbox.requests[-1].body["messages"]] == ["user", "system"]
