"""Conversion between LlamaIndex's messages and the wire form, beyond the conformance suite."""

from __future__ import annotations

import base64
import copy
import io
import json
import pickle
from types import SimpleNamespace
from typing import Any

import pytest
from llama_index.core.base.llms.types import (
    AudioBlock,
    CacheControl,
    ChatMessage,
    CitableBlock,
    CitationBlock,
    DocumentBlock,
    ImageBlock,
    MessageRole,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
    VideoBlock,
)
from llama_index.core.prompts import PromptTemplate
from pydantic import BaseModel

from llama_index_tir._messages import from_completion, to_completion, to_wire
from tests.llama_index.conformance.structured import City
from tir_client import InvalidRequestError
from tir_client.protocol.responses import Choice, Completion, ToolCall, Usage
from tir_sandbox import Reply


def wire(*messages: ChatMessage):
    return to_wire(messages)


def assistant(*blocks, **more) -> ChatMessage:
    return ChatMessage(role=MessageRole.ASSISTANT, blocks=list(blocks), **more)


CALL = ToolCallBlock(tool_call_id="c1", tool_name="now", tool_kwargs={"zone": "IST"})
TOLD = {"id": "c1", "type": "function", "function": {"name": "now", "arguments": '{"zone":"IST"}'}}


def test_texts_are_joined_as_llama_index_joins_them():
    message = ChatMessage(blocks=[TextBlock(text="one"), TextBlock(text="two")])
    assert wire(message) == [{"role": "user", "content": message.content}]


def test_a_message_without_blocks_is_an_empty_text():
    assert wire(ChatMessage(role=MessageRole.USER)) == [{"role": "user", "content": ""}]


def test_names_of_speakers_are_sent():
    assert wire(ChatMessage(content="Hi", additional_kwargs={"name": "asha"}))[0]["name"] == "asha"


def test_the_developer_role_is_sent():
    assert wire(ChatMessage(role=MessageRole.DEVELOPER, content="Be brief."))[0]["role"] == "developer"


def test_the_models_text_of_arguments_is_sent_back():
    """The server's prefix cache needs the same text."""
    message = assistant(CALL, additional_kwargs={"tool_calls": [TOLD]})
    assert wire(message)[0]["tool_calls"] == [TOLD]


def test_edited_arguments_are_sent_back_as_edited():
    edited = CALL.model_copy(update={"tool_kwargs": {"zone": "UTC"}})
    message = assistant(edited, additional_kwargs={"tool_calls": [TOLD]})
    assert wire(message)[0]["tool_calls"][0]["function"]["arguments"] == '{"zone": "UTC"}'


def test_calls_only_in_additional_kwargs_are_sent():
    message = assistant(TextBlock(text=""), additional_kwargs={"tool_calls": [TOLD]})
    assert wire(message)[0]["tool_calls"] == [TOLD]


def test_calls_of_other_integrations_are_objects():
    class Function(BaseModel):
        name: str = "now"
        arguments: str = '{"zone":"IST"}'

    class Call(BaseModel):
        id: str = "c1"
        type: str = "function"
        function: Function = Function()

    assert wire(assistant(additional_kwargs={"tool_calls": [Call()]}))[0]["tool_calls"] == [TOLD]


def test_non_ascii_arguments_are_sent_unescaped():
    call = CALL.model_copy(update={"tool_kwargs": {"stadt": "Köln"}})
    assert wire(assistant(call))[0]["tool_calls"][0]["function"]["arguments"] == '{"stadt": "Köln"}'


@pytest.mark.parametrize(
    "call",
    [
        {"id": "c1", "function": {"name": "now", "arguments": {"zone": "IST"}}},  # Ollama
        {"id": "c1", "name": "now", "input": {"zone": "IST"}},  # Anthropic
        {"toolUseId": "c1", "name": "now", "input": {"zone": "IST"}},  # Bedrock
        {"id": "c1", "name": "now", "args": {"zone": "IST"}},  # Google
        {"call_id": "c1", "name": "now", "arguments": '{"zone": "IST"}', "type": "function_call"},  # Responses
        SimpleNamespace(id="c1", function=SimpleNamespace(name="now", arguments='{"zone": "IST"}')),  # an SDK
        SimpleNamespace(id="c1", name="now", parameters={"zone": "IST"}),  # Cohere
    ],
)
def test_calls_of_other_integrations_are_sent(call):
    function = {"name": "now", "arguments": '{"zone": "IST"}'}
    (sent,) = wire(assistant(additional_kwargs={"tool_calls": [call]}))
    assert sent["tool_calls"] == [{"id": "c1", "type": "function", "function": function}]


@pytest.mark.parametrize(
    ("calls", "shown"),
    [
        ([{"id": "c1"}], "[tool_call]"),
        (["now()"], '[tool_call: "now()"]'),
        (7, "[tool_call: 7]"),
        ([{"function": {"name": 5, "arguments": "x"}}], '[tool_call: {"function": {"name": 5, "arguments": "x"}}]'),
    ],
)
def test_a_call_that_cannot_be_read_is_shown(calls, shown):
    (sent,) = wire(assistant(TextBlock(text="Wait."), additional_kwargs={"tool_calls": calls}))
    assert sent == {"role": "assistant", "content": f"Wait.\n{shown}"}


def test_an_old_function_call_is_sent():
    old = {"name": "now", "arguments": "{}"}
    call_message, result_message = wire(
        assistant(additional_kwargs={"function_call": old}),
        ChatMessage(role=MessageRole.FUNCTION, content="noon", additional_kwargs={"name": "now"}),
    )
    assert call_message["tool_calls"][0]["function"] == old
    assert call_message["tool_calls"][0]["id"] == result_message["tool_call_id"]


@pytest.mark.parametrize("name", ["reasoning", "reasoning_content", "thinking"])
def test_reasoning_that_other_integrations_keep_outside_of_blocks_is_sent(name):
    (sent,) = wire(assistant(TextBlock(text="Noon."), additional_kwargs={name: "Hm."}))
    assert sent["reasoning"] == "Hm."
    (sent,) = wire(assistant(ThinkingBlock(content="Own."), TextBlock(text="Noon."), additional_kwargs={name: "Hm."}))
    assert sent["reasoning"] == "Own."


def test_the_thinking_that_anthropics_integration_kept_in_a_dict_is_sent():
    thinking = {"type": "thinking", "thinking": "Hm.", "signature": "x"}
    (sent,) = wire(assistant(TextBlock(text="Noon."), additional_kwargs={"thinking": thinking}))
    assert sent["reasoning"] == "Hm."


def test_a_refusal_is_sent_back(llm, sandbox):
    sandbox.script(Reply(text="", refusal="I will not."), Reply(text="Fine."))
    refused = llm.chat([ChatMessage(content="Do it.")]).message
    llm.chat([ChatMessage(content="Do it."), refused, ChatMessage(content="Then do not.")])
    assert sandbox.requests[-1].body["messages"][1] == {"role": "assistant", "content": "I will not."}


def test_a_step_of_a_tool_that_openais_servers_ran_is_shown():
    steps = [{"type": "web_search_call", "id": "ws_1", "status": "completed"}, SimpleNamespace(), 7]
    (sent,) = wire(assistant(TextBlock(text="Noon."), additional_kwargs={"built_in_tool_calls": steps}))
    first, search, *rest = sent["content"].split("\n")
    assert (first, search) == ("Noon.", '[web_search_call: {"status": "completed"}]')
    assert [step.partition(":")[0] for step in rest] == ["[tool_step", "[tool_step"]


def test_a_result_is_matched_by_a_call_id_of_the_responses_api_too():
    result = ChatMessage(role=MessageRole.TOOL, content="noon", additional_kwargs={"call_id": "c1", "name": 5})
    assert wire(assistant(CALL), result)[1] == {"role": "tool", "tool_call_id": "c1", "name": "now", "content": "noon"}


def test_a_name_that_is_not_a_string_is_refused():
    with pytest.raises(InvalidRequestError, match=r"`name`.*5"):
        wire(ChatMessage(content="Hi", additional_kwargs={"name": 5}))


def test_a_call_without_an_id_gets_the_id_of_its_result():
    result = ChatMessage(role=MessageRole.TOOL, content="noon", additional_kwargs={"tool_call_id": "c9"})
    call_message, result_message = wire(assistant(CALL.model_copy(update={"tool_call_id": None})), result)
    assert call_message["tool_calls"][0]["id"] == result_message["tool_call_id"] == "c9"


def test_calls_and_results_without_ids_are_matched_by_their_order():
    calls = [{"function": {"name": name, "arguments": {}}} for name in ("now", "add")]
    results = [ChatMessage(role=MessageRole.TOOL, content=text) for text in ("noon", "3")]
    call_message, *result_messages = wire(assistant(additional_kwargs={"tool_calls": calls}), *results)
    ids = [call["id"] for call in call_message["tool_calls"]]
    assert [(result["tool_call_id"], result["name"]) for result in result_messages] == [
        (ids[0], "now"),
        (ids[1], "add"),
    ]
    assert len(set(ids)) == 2


def test_a_result_of_an_unknown_call_is_sent():
    """Memories truncate conversations anywhere; vLLM accepts this."""
    result = ChatMessage(role=MessageRole.TOOL, content="noon", additional_kwargs={"tool_call_id": "c9"})
    assert wire(result) == [{"role": "tool", "tool_call_id": "c9", "content": "noon"}]


def test_reasoning_text_and_calls_are_sent_back_together():
    message = assistant(ThinkingBlock(content="Hm."), ThinkingBlock(content=None), TextBlock(text="Wait."), CALL)
    (sent,) = wire(message)
    assert (sent["content"], sent["reasoning"], sent["reasoning_content"]) == ("Wait.", "Hm.", "Hm.")
    assert sent["tool_calls"][0]["function"]["name"] == "now"


def test_a_citation_is_its_text():
    block = CitationBlock(
        cited_content=TextBlock(text="Rivers run."), source="atlas", title="Rivers", additional_location_info={}
    )
    assert wire(ChatMessage(blocks=[block]))[0]["content"] == "Rivers run."


def test_the_detail_of_an_image_is_sent():
    (part,) = wire(ChatMessage(blocks=[ImageBlock(url="https://example.com/a.png", detail="low")]))[0]["content"]
    assert part["image_url"] == {"url": "https://example.com/a.png", "detail": "low"}


def test_an_image_in_a_file_is_sent_inline(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n")
    (part,) = wire(ChatMessage(blocks=[ImageBlock(path=path)]))[0]["content"]
    assert part["image_url"]["url"] == "data:image/png;base64," + base64.b64encode(b"\x89PNG\r\n\x1a\n").decode()


MP4 = b"\0\0\0\x18ftypmp42"
MEDIA = {
    "audio": (AudioBlock(audio=b"RIFF\0", format="mp3"), {"type": "input_audio", "input_audio": {"format": "mp3"}}),
    "audio of no format": (AudioBlock(audio=b"RIFF\0"), {"type": "input_audio", "input_audio": {"format": "wav"}}),
    "video": (VideoBlock(video=MP4), {"type": "video_url", "video_url": {"type": "video/mp4"}}),
}


def without_data(part: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    """Return a part with its `data:` URL replaced by the media type, and the data."""
    if part["type"] == "input_audio":
        data = part["input_audio"].pop("data")
    else:
        media_type, _, data = part["video_url"].pop("url").removeprefix("data:").partition(";base64,")
        part["video_url"]["type"] = media_type
    return part, base64.b64decode(data)


@pytest.mark.parametrize(("block", "expected"), MEDIA.values(), ids=MEDIA)
def test_audio_and_video_are_sent_inline(block, expected):
    (part,) = wire(ChatMessage(blocks=[block]))[0]["content"]
    assert without_data(part) == (expected, MP4 if isinstance(block, VideoBlock) else b"RIFF\0")


@pytest.mark.parametrize(("cls", "kind"), [(AudioBlock, "audio_url"), (VideoBlock, "video_url")])
def test_audio_and_video_are_sent_by_their_url(cls, kind):
    (part,) = wire(ChatMessage(blocks=[cls(url="https://example.com/a")]))[0]["content"]
    assert part == {"type": kind, kind: {"url": "https://example.com/a"}}


@pytest.mark.parametrize(("cls", "name"), [(AudioBlock, "a.mp3"), (VideoBlock, "a.webm")])
def test_audio_and_video_in_a_file_are_sent_inline(tmp_path, cls, name):
    path = tmp_path / name
    path.write_bytes(b"data\0")
    (part,) = wire(ChatMessage(blocks=[cls(path=path)]))[0]["content"]
    kind = {"a.mp3": {"format": "mp3"}, "a.webm": {"type": "video/webm"}}[name]
    assert without_data(part) == ({"type": part["type"], part["type"]: kind}, b"data\0")


def test_an_open_file_is_sent_as_its_bytes():
    (part,) = wire(ChatMessage(blocks=[ImageBlock(image=io.BytesIO(b"\x89PNG"), image_mimetype="image/png")]))[0][
        "content"
    ]
    assert part["image_url"]["url"] == "data:image/png;base64," + base64.b64encode(b"\x89PNG").decode()


def test_an_image_in_a_system_message_is_refused():
    with pytest.raises(InvalidRequestError, match="image_url"):
        wire(ChatMessage(role=MessageRole.SYSTEM, blocks=[ImageBlock(url="https://example.com/a.png")]))


def test_an_image_in_an_answer_is_replaced_by_a_description():
    (sent,) = wire(assistant(TextBlock(text="Look."), ImageBlock(url="https://example.com/a.png")))
    assert sent["content"] == "Look.\n[image: image/png, https://example.com/a.png]"


def test_an_image_in_a_result_is_sent():
    result = ChatMessage(
        role=MessageRole.TOOL,
        blocks=[TextBlock(text="Here."), ImageBlock(url="https://example.com/a.png")],
        additional_kwargs={"tool_call_id": "c1"},
    )
    assert [part["type"] for part in wire(result)[0]["content"]] == ["text", "image_url"]


@pytest.mark.parametrize("kind", ["text/markdown", "application/json", "application/ld+json", "text/csv"])
def test_documents_that_are_text_are_sent(kind):
    block = DocumentBlock(data=b"Rivers run.", document_mimetype=kind, title="rivers")
    assert wire(ChatMessage(blocks=[block]))[0]["content"] == "rivers:\nRivers run."


@pytest.mark.parametrize(
    ("block", "named"),
    [
        (DocumentBlock(data=b"%PDF-1.7", document_mimetype="application/pdf", title="a.pdf"), "application/pdf"),
        (DocumentBlock(data=b"\xff\xfe\x00", document_mimetype="text/plain", title="a.txt"), "a.txt"),
        (DocumentBlock(url="https://example.com/a.txt", title="a.txt"), "a.txt"),
        (VideoBlock(url="https://example.com/a.mp4", fps=2), "`fps` of a VideoBlock"),
        (AudioBlock(), "AudioBlock"),
        (ImageBlock(), "ImageBlock"),
        (ImageBlock(image=io.StringIO("text")), "ImageBlock cannot be read"),
        (DocumentBlock(url="data:text/plain;base64,a?b", title="a.txt"), "a.txt.* cannot be read"),
        (ThinkingBlock(content="Hm."), "ThinkingBlock"),
        (CALL, "ToolCallBlock"),
    ],
    ids=[
        "pdf",
        "bytes",
        "url",
        "frames",
        "no audio",
        "no image",
        "no bytes",
        "no base64",
        "thought of a user",
        "call of a user",
    ],
)
def test_unsupported_blocks_are_refused_by_name(block, named):
    with pytest.raises(InvalidRequestError, match=named):
        wire(ChatMessage(blocks=[block]))


@pytest.mark.parametrize(
    ("block", "text"),
    [
        (
            DocumentBlock(data=b"%PDF-1.7", document_mimetype="application/pdf", title="a.pdf"),
            "[document: a.pdf, application/pdf, 8 bytes]",
        ),
        (
            DocumentBlock(url="https://example.com/a.txt", title="a.txt"),
            "[document: a.txt, https://example.com/a.txt]",
        ),
        (AudioBlock(), "[audio]"),
        (ImageBlock(image=io.StringIO("text"), image_mimetype="image/png"), "[image: image/png]"),
        (VideoBlock(url="https://example.com/a.mp4", fps=2), "[video: video/mp4, https://example.com/a.mp4]"),
        (ThinkingBlock(content="Hm."), '[thinking: "Hm."]'),
        (CALL, '[tool_call now: {"zone": "IST"}]'),
        (
            CitableBlock(title="Rivers", source="atlas", content=[ImageBlock()]),
            "Rivers (atlas):\n[image]",
        ),
    ],
)
def test_blocks_of_a_tool_result_that_cannot_be_sent_are_named(block, text):
    result = ChatMessage(role=MessageRole.TOOL, blocks=[TextBlock(text="Here:"), block])
    assert wire(result)[0]["content"] == f"Here:\n{text}"


def test_a_block_of_an_unknown_class_is_refused_from_a_user_and_shown_from_a_tool():
    of_user, of_tool = ChatMessage(content="Hi"), ChatMessage(role=MessageRole.TOOL, content="Done.")
    for message in (of_user, of_tool):
        message.blocks.append(CacheControl(type="ephemeral"))
    with pytest.raises(InvalidRequestError, match="CacheControl"):
        wire(of_user)
    assert wire(of_tool)[0]["content"] == 'Done.\n[CacheControl: {"ttl": "5m"}]'


def test_text_in_a_data_url_and_of_a_media_type_with_parameters_is_sent():
    url = DocumentBlock(url="data:text/plain,a%20b#c", title="a", document_mimetype="text/plain")
    data = DocumentBlock(data=b"{}", title="b", document_mimetype="application/json; charset=utf-8")
    text = DocumentBlock(data=io.StringIO("Rivers."), title="c", document_mimetype="text/plain")
    assert wire(ChatMessage(blocks=[url, data, text]))[0]["content"] == "a:\na b#c\nb:\n{}\nc:\nRivers."


def answer(**fields) -> Completion:
    return Completion(id="1", model="m", choices=[Choice(finish_reason="stop", **fields)], usage=Usage(1, 2, 3))


def test_raw_is_the_servers_json():
    raw = from_completion(answer(text="Hi", reasoning="Hm", tool_calls=[ToolCall("c1", "now", "{}")])).raw
    message = raw["choices"][0]["message"]
    assert (message["content"], message["reasoning"]) == ("Hi", "Hm")
    assert message["tool_calls"][0]["function"] == {"name": "now", "arguments": "{}"}
    assert raw["usage"] == {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}


def test_a_refusal_is_in_additional_kwargs():
    assert from_completion(answer(refusal="No.")).additional_kwargs["refusal"] == "No."


def test_arguments_that_are_not_an_object_stay_text():
    (block,) = from_completion(answer(tool_calls=[ToolCall("c1", "now", "[1]")])).message.blocks[1:]
    assert block.tool_kwargs == "[1]"


@pytest.mark.parametrize("messages", ["Hi", None, 5, ["Hi"], [{"role": "user", "content": "Hi"}], ChatMessage("Hi")])
async def test_a_value_that_is_not_a_list_of_messages_is_refused(llm, sandbox, messages):
    structured = llm.as_structured_llm(City)
    for way in (llm.chat, llm.stream_chat, structured.chat, structured.stream_chat):
        with pytest.raises(InvalidRequestError, match="ChatMessage"):
            way(messages)
    for way in (llm.achat, llm.astream_chat, structured.achat, structured.astream_chat):
        with pytest.raises(InvalidRequestError, match="ChatMessage"):
            await way(messages)
    with pytest.raises(InvalidRequestError, match="not a PromptTemplate"):
        llm.structured_predict(City, messages)
    assert not sandbox.requests


def test_fields_of_raw_are_attributes_too(llm, sandbox):
    response = llm.chat([ChatMessage(content="Hi")])
    raw = response.raw
    assert raw.model == raw["model"]
    assert raw.choices[0].message.content == response.message.content
    assert raw.usage.total_tokens == response.additional_kwargs["total_tokens"]
    assert not hasattr(raw, "model_extra")
    for copied in (copy.deepcopy(raw), pickle.loads(pickle.dumps(raw)), json.loads(json.dumps(raw))):
        assert copied == raw
    first = next(llm.stream_chat([ChatMessage(content="Hi")]))
    assert first.raw.choices[0].delta == first.raw["choices"][0]["delta"]


def test_the_chosen_token_is_first_and_not_repeated():
    top = [{"token": "b", "logprob": -0.1, "bytes": [98]}, {"token": "a", "logprob": -2.0, "bytes": None}]
    token = {"token": "a", "logprob": -2.0, "bytes": [97], "top_logprobs": top}
    ((first, second),) = from_completion(answer(logprobs=[token])).logprobs
    assert (first.token, first.bytes, second.token) == ("a", [97], "b")


def test_a_completion_has_the_same_data_as_the_chat():
    response = from_completion(answer(text="Hi", tool_calls=[ToolCall("c1", "now", "{}")], logprobs=[]))
    completion = to_completion(response)
    assert (completion.text, completion.logprobs, completion.raw) == ("Hi", [], response.raw)
    assert completion.additional_kwargs["tool_calls"]
    assert completion.additional_kwargs["total_tokens"] == 3
    assert "total_tokens" not in response.message.additional_kwargs


@pytest.mark.parametrize("cls", [DocumentBlock, ImageBlock])
def test_a_file_that_is_missing_is_named(tmp_path, cls):
    path = tmp_path / "lost.txt"
    path.touch()
    block = cls(path=path)
    path.unlink()
    with pytest.raises(InvalidRequestError, match=rf"{cls.__name__}.*lost\.txt"):
        wire(ChatMessage(blocks=[block]))


@pytest.mark.parametrize("prompt", [PromptTemplate("Hello {name}"), None, ["Hello"]], ids=["template", "None", "list"])
async def test_a_prompt_that_is_not_a_string_is_refused(make_llm, sandbox, prompt):
    for llm in (make_llm(), make_llm().as_structured_llm(City)):
        for complete in (llm.complete, llm.stream_complete):
            with pytest.raises(InvalidRequestError, match="not a string"):
                complete(prompt)
        for acomplete in (llm.acomplete, llm.astream_complete):
            with pytest.raises(InvalidRequestError, match="not a string"):
                await acomplete(prompt)
    assert not sandbox.requests
