"""Histories written by other providers' models: everything that can be sent is sent."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from langchain_core.messages import AIMessage, ChatMessage, FunctionMessage, HumanMessage, SystemMessage, ToolMessage

from langchain_tir import ChatTIR
from langchain_tir._messages import to_wire
from langchain_tir._past_calls import with_readable_calls
from tir_client import InvalidRequestError
from tir_sandbox import Sandbox

PNG = "iVBORw0KGgo="
IMAGE = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}
CSV = base64.b64encode(b"a,b").decode()
TEXT = {"type": "text", "text": "It rained."}

# Blocks of answers that no server accepts, and the text that replaces them

STEPS: dict[str, tuple[dict[str, Any], str]] = {
    "a search of LangChain v1": (
        {"type": "server_tool_call", "id": "1", "name": "web_search", "args": {"query": "x"}},
        '[server_tool_call web_search: {"args": {"query": "x"}}]',
    ),
    "a piece of one": (
        {"type": "server_tool_call_chunk", "id": "1", "name": "web_search", "args": "{", "index": 0},
        '[server_tool_call_chunk web_search: {"args": "{"}]',
    ),
    "a result of LangChain v1": (
        {"type": "server_tool_result", "tool_call_id": "1", "status": "success", "output": [{"url": "https://a"}]},
        '[server_tool_result: {"tool_call_id": "1", "status": "success", "output": [{"url": "https://a"}]}]',
    ),
    "a search of Anthropic": (
        {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "x"}},
        '[server_tool_use web_search: {"input": {"query": "x"}}]',
    ),
    "its result": (
        {
            "type": "web_search_tool_result",
            "tool_use_id": "1",
            "content": [
                {"type": "web_search_result", "title": "Rain", "url": "https://a", "encrypted_content": "AAAA"}
            ],
        },
        '[web_search_tool_result: {"tool_use_id": "1", "content": [{"title": "Rain", "url": "https://a"}]}]',
    ),
    "a call of MCP by Anthropic": (
        {"type": "mcp_tool_use", "id": "1", "name": "add", "server_name": "sums", "input": {"a": 1}},
        '[mcp_tool_use add: {"server_name": "sums", "input": {"a": 1}}]',
    ),
    "a result of code": (
        {"type": "code_execution_tool_result", "tool_use_id": "1", "content": {"stdout": "3", "return_code": 0}},
        '[code_execution_tool_result: {"tool_use_id": "1", "content": {"stdout": "3", "return_code": 0}}]',
    ),
    "a compaction": ({"type": "compaction", "content": "We met."}, '[compaction: {"content": "We met."}]'),
    "a search of OpenAI": (
        {"type": "web_search_call", "id": "ws_1", "action": {"type": "search", "query": "x"}},
        '[web_search_call: {"action": {"query": "x"}}]',
    ),
    "code of OpenAI": (
        {"type": "code_interpreter_call", "id": "ci_1", "code": "1+2", "outputs": None},
        '[code_interpreter_call: {"code": "1+2"}]',
    ),
    "a call of MCP by OpenAI": (
        {"type": "mcp_call", "id": "1", "name": "add", "arguments": "{}", "output": "3"},
        '[mcp_call add: {"arguments": "{}", "output": "3"}]',
    ),
    "an image that OpenAI made": (
        {"type": "image_generation_call", "id": "ig_1", "result": PNG},
        "[image_generation_call: ig_1, 8 bytes]",
    ),
    "code of Google": (
        {"type": "executable_code", "executable_code": "1+2", "language": "python"},
        '[executable_code: {"executable_code": "1+2", "language": "python"}]',
    ),
    "its outcome": (
        {"type": "code_execution_result", "code_execution_result": "3", "outcome": 1},
        '[code_execution_result: {"code_execution_result": "3", "outcome": 1}]',
    ),
    "an image": (IMAGE, "[image_url: image/png, 8 bytes]"),
    "an image by URL": ({"type": "image", "url": "https://a/b.png"}, "[image: https://a/b.png]"),
    "a sound": ({"type": "audio", "base64": "AAAA", "mime_type": "audio/wav"}, "[audio: audio/wav, 3 bytes]"),
    "a document of Bedrock": (
        {"document": {"format": "pdf", "name": "a", "source": {"bytes": b"%PDF"}}},
        "[document: a, pdf, 4 bytes]",
    ),
    "a block wrapped by LangChain": (
        {"type": "non_standard", "value": {"type": "hologram", "n": 1}},
        '[hologram: {"n": 1}]',
    ),
    "a block without a type": ({"hologram": 1}, '[hologram: {"hologram": 1}]'),
    "a block whose type is no name": ({"type": ["x"], "n": 1}, "[['x']: {\"n\": 1}]"),
}


@pytest.mark.parametrize(("block", "shown"), STEPS.values(), ids=STEPS)
def test_a_block_of_an_answer_that_cannot_be_sent_is_shown_as_text(block: dict[str, Any], shown: str):
    answer = AIMessage([{"type": "text", "text": "I "}, {"type": "text", "text": "look."}, block, TEXT])

    assert to_wire([answer]) == [{"role": "assistant", "content": f"I look.\n{shown}\nIt rained."}]


SENT_FOR_A_USER = {"an image", "an image by URL", "a sound"}


@pytest.mark.parametrize("name", sorted(STEPS.keys() - SENT_FOR_A_USER))
def test_a_block_of_a_user_that_cannot_be_sent_is_refused(name: str):
    with pytest.raises(InvalidRequestError, match=r"messages\[0\]: A content block of type"):
        to_wire([HumanMessage([STEPS[name][0]])])


@pytest.mark.parametrize("mark", [{"cachePoint": {"type": "default"}}, {"type": "cache_point"}])
@pytest.mark.parametrize("kind", [SystemMessage, HumanMessage, AIMessage])
def test_cache_markers_are_dropped(kind: Any, mark: dict[str, Any]):
    (wire,) = to_wire([kind([{**TEXT, "cache_control": {"type": "ephemeral"}}, mark])])

    assert wire["content"] == "It rained."


@pytest.mark.parametrize(
    "block",
    [
        {"type": "output_text", "text": "It rained.", "annotations": []},
        {"type": "input_text", "text": "It rained."},
        {"text": "It rained."},
        {"guardContent": {"text": {"text": "It rained.", "qualifiers": ["query"]}}},
        {"type": "text-plain", "base64": base64.b64encode(b"It rained.").decode(), "mime_type": "text/plain"},
        {"document": {"format": "txt", "name": "a", "source": {"text": "It rained."}}},
        {"type": "text", "text": "It rained.", "citations": [{"url": "https://a"}]},
    ],
)
@pytest.mark.parametrize("kind", [SystemMessage, HumanMessage, AIMessage])
def test_text_of_another_provider_is_text(kind: Any, block: dict[str, Any]):
    (wire,) = to_wire([kind([block])])

    assert wire["content"] == "It rained."


@pytest.mark.parametrize(
    "block",
    [
        {"type": "input_image", "image_url": f"data:image/png;base64,{PNG}"},
        {"image": {"format": "png", "source": {"bytes": base64.b64decode(PNG)}}},
        {"type": "media", "mime_type": "image/png", "data": PNG},
        {"type": "image", "data": PNG, "mimeType": "image/png"},
    ],
)
def test_an_image_in_the_form_of_another_provider_is_sent(block: dict[str, Any]):
    (wire,) = to_wire([HumanMessage(["Look:", block])])

    assert wire["content"] == [{"type": "text", "text": "Look:"}, IMAGE]


CALL = {"id": "call_1", "name": "get_weather", "args": {"city": "Pune"}}
CALL_BLOCKS: dict[str, dict[str, Any]] = {
    "LangChain": {"type": "tool_call", **CALL},
    "Anthropic": {"type": "tool_use", "id": "call_1", "name": "get_weather", "input": {"city": "Pune"}},
    "Anthropic, streamed": {
        "type": "tool_use",
        "id": "call_1",
        "name": "get_weather",
        "input": {},
        "partial_json": '{"city": "Pune"}',
    },
    "OpenAI": {
        "type": "function_call",
        "id": "fc_1",
        "call_id": "call_1",
        "name": "get_weather",
        "arguments": '{"city": "Pune"}',
    },
    "Google": {"type": "function_call", "name": "get_weather", "args": {"city": "Pune"}},
    "Bedrock": {"toolUse": {"toolUseId": "call_1", "name": "get_weather", "input": {"city": "Pune"}}},
}


@pytest.mark.parametrize("block", CALL_BLOCKS.values(), ids=CALL_BLOCKS)
@pytest.mark.parametrize("repeated", [True, False])
def test_a_call_of_another_provider_is_sent_once(block: dict[str, Any], repeated: bool):
    answer = AIMessage([TEXT, block], tool_calls=[CALL] if repeated else [])
    result = ToolMessage([{"type": "text", "text": "31"}], tool_call_id="call_1")

    call_message, result_message = to_wire([answer, result])

    (call,) = call_message["tool_calls"]
    assert (call["id"], call["function"]["name"]) == ("call_1", "get_weather")
    assert json.loads(call["function"]["arguments"]) == {"city": "Pune"}
    assert call_message["content"] == "It rained."
    assert result_message == {"role": "tool", "tool_call_id": "call_1", "content": "31", "name": "get_weather"}


def test_a_custom_call_of_openai_is_sent_as_langchain_keeps_it():
    block = {"type": "custom_tool_call", "id": "ctc_1", "call_id": "call_1", "name": "sql", "input": "SELECT 1"}

    (wire,) = to_wire([AIMessage([block])])

    assert json.loads(wire["tool_calls"][0]["function"]["arguments"]) == {"__arg1": "SELECT 1"}


def test_an_old_function_call_and_its_result_are_sent_as_a_tool_call():
    asked = AIMessage("", additional_kwargs={"function_call": {"name": "get_weather", "arguments": '{"city": "Pune"}'}})

    asked_wire, result_message = to_wire([asked, FunctionMessage("31", name="get_weather")])

    (call,) = asked_wire["tool_calls"]
    assert call["function"] == {"name": "get_weather", "arguments": '{"city": "Pune"}'}
    assert result_message == {"role": "tool", "tool_call_id": call["id"], "content": "31", "name": "get_weather"}


def test_results_of_bedrock_in_a_users_message_become_separate_messages():
    result = {"toolResult": {"toolUseId": "1", "content": [{"text": "31"}, {"json": {"unit": "C"}}]}}

    result_message, user_message = to_wire([HumanMessage([result, {"text": "So?"}])])

    assert result_message == {"role": "tool", "tool_call_id": "1", "content": '31\n{"unit": "C"}'}
    assert user_message == {"role": "user", "content": "So?"}


@pytest.mark.parametrize(
    "answer",
    [
        AIMessage("So", additional_kwargs={"reasoning": "Because."}),
        AIMessage("So", additional_kwargs={"reasoning": {"summary": [{"type": "summary_text", "text": "Because."}]}}),
        AIMessage([{"reasoningContent": {"reasoningText": {"text": "Because.", "signature": "x"}}}, "So"]),
        AIMessage(
            [{"type": "reasoning", "summary": 7, "content": [{"type": "reasoning_text", "text": "Because."}]}, "So"]
        ),
    ],
)
def test_reasoning_is_sent_wherever_it_is_kept(answer: AIMessage):
    (wire,) = to_wire([answer])

    assert (wire["reasoning"], wire["content"]) == ("Because.", "So")


def test_reasoning_of_a_history_of_dicts_is_sent(model: ChatTIR, sandbox: Sandbox):
    calls = [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
    answer = {"role": "assistant", "content": "", "reasoning": "Because.", "tool_calls": calls}

    model.invoke([{"role": "user", "content": "Hi"}, answer, {"role": "tool", "tool_call_id": "1", "content": "ok"}])

    assert sandbox.requests[-1].body["messages"][1]["reasoning"] == "Because."


@pytest.mark.parametrize(
    ("function", "sent"),
    [
        ({"arguments": ""}, "{}"),
        ({"arguments": None}, "{}"),
        ({"arguments": "null"}, "{}"),
        ({}, "{}"),
        ({"arguments": {"a": 1}}, '{"a": 1}'),
        ({"arguments": '{"a": "x\ny"}'}, '{"a": "x\\ny"}'),
        ({"arguments": '{"a": '}, '{"invalid_arguments": "{\\"a\\": "}'),
        ({"arguments": "[1]"}, '{"invalid_arguments": "[1]"}'),
    ],
)
@pytest.mark.parametrize("given", [{"id": "c1", "content": ""}, {"id": None, "content": None}, {}])
def test_a_history_of_dicts_is_sent_whatever_arguments_a_model_wrote(
    model: ChatTIR, sandbox: Sandbox, function: dict, sent: str, given: dict
):
    content = {name: given[name] for name in given if name == "content"}
    call_id = {name: given[name] for name in given if name == "id"}
    call = {**call_id, "type": "function", "function": {"name": "f", **function}}

    model.invoke(
        [
            {"role": "assistant", **content, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c1", "content": "ok"},
            ("user", "Go on."),
        ]
    )

    answer, *_ = sandbox.requests[-1].body["messages"]
    sent_call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": sent}}
    assert answer == {"role": "assistant", "content": "", "tool_calls": [sent_call]}


def test_only_calls_in_messages_that_are_dicts_are_converted():
    messages = ["Hi", ("user", "Hi"), AIMessage("Hi"), {"role": "user", "content": "Hi", "tool_calls": None}]
    parsed = {"role": "assistant", "content": "", "tool_calls": [{"name": "f", "args": {}, "id": "c1"}]}

    assert with_readable_calls([*messages, parsed]) == [*messages, parsed]
    assert with_readable_calls("Hi") == "Hi"


def test_a_spoken_answer_is_sent_as_its_transcript():
    (wire,) = to_wire([AIMessage("", additional_kwargs={"audio": {"id": "1", "data": "AAAA", "transcript": "Hello."}})])

    assert wire == {"role": "assistant", "content": "Hello."}


def test_a_chat_message_of_the_assistant_follows_the_rule_for_answers():
    assert to_wire([ChatMessage([TEXT, {"type": "hologram"}], role="assistant")]) == [
        {"role": "assistant", "content": "It rained.\n[hologram]"}
    ]


# Results of tools

RESULTS: dict[str, tuple[dict[str, Any], str]] = {
    "a link": ({"type": "file", "url": "file:///a.csv", "mime_type": "text/csv"}, "[file: text/csv, file:///a.csv]"),
    "a text file": ({"type": "file", "base64": CSV, "mime_type": "text/csv"}, "a,b"),
    "another file": (
        {"type": "file", "base64": "AAAA", "mime_type": "application/pdf", "name": "a.pdf"},
        "[file: a.pdf, application/pdf, 3 bytes]",
    ),
    "a file in OpenAI's form": (
        {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AAAA"}},
        "[file: a.pdf, application/pdf, 3 bytes]",
    ),
    "a file by id": ({"type": "file", "file_id": "file_1"}, "[file: file_1]"),
    "text in Base64": ({"type": "text-plain", "base64": CSV, "mime_type": "text/plain"}, "a,b"),
    "text by URL": ({"type": "text-plain", "url": "https://a/b.txt"}, "[text-plain: https://a/b.txt]"),
    "JSON": ({"type": "json", "json": {"city": "पुणे"}}, '{"city": "पुणे"}'),
    "JSON of Bedrock": ({"json": {"a": [1]}}, '{"a": [1]}'),
    "JSON that is none": ({"type": "json", "json": {"a": b"x"}}, '[json: {"a": "1 bytes"}]'),
    "a search result": (
        {"type": "search_result", "title": "Rain", "source": "https://a", "content": [TEXT]},
        "[search_result: Rain, https://a]\nIt rained.",
    ),
    "a link of MCP": (
        {"type": "resource_link", "uri": "file:///a.csv", "name": "a", "mimeType": "text/csv"},
        "[resource_link: a, text/csv, file:///a.csv]",
    ),
    "a text resource of MCP": ({"type": "resource", "resource": {"uri": "file:///a", "text": "Hello."}}, "Hello."),
    "a blob of MCP": ({"type": "resource", "resource": {"uri": "x", "blob": CSV, "mimeType": "text/csv"}}, "a,b"),
    "an image of an unknown type": ({"type": "image", "base64": "AAAA"}, "[image: 3 bytes]"),
    "an image by id": ({"type": "image", "file_id": "file_1"}, "[image: file_1]"),
    "a document of texts": ({"type": "document", "source": {"type": "content", "content": [TEXT]}}, "It rained."),
    "an unknown block": ({"type": "hologram", "n": 1}, '[hologram: {"n": 1}]'),
}


@pytest.mark.parametrize(("block", "shown"), RESULTS.values(), ids=RESULTS)
def test_a_result_of_a_tool_is_sent_whatever_its_blocks_are(block: dict[str, Any], shown: str):
    (wire,) = to_wire([ToolMessage([{"type": "text", "text": "found"}, block], tool_call_id="1")])

    assert wire["content"] == f"found\n{shown}"


def test_a_block_of_a_user_that_a_tool_result_may_have_is_refused():
    with pytest.raises(InvalidRequestError, match=r"messages\[0\]: A content block of type 'json'"):
        to_wire([HumanMessage([{"json": {"a": 1}}])])


SEARCH = {"type": "search_result", "title": "Rain", "source": "https://a", "content": [TEXT]}
TEXT_FILES: dict[str, tuple[dict[str, Any], str]] = {
    "LangChain's": ({"type": "file", "base64": CSV, "mime_type": "text/csv"}, "a,b"),
    "OpenAI's": ({"type": "file", "file": {"filename": "a", "file_data": f"data:text/csv;base64,{CSV}"}}, "a,b"),
    "OpenAI's Responses": ({"type": "input_file", "file_data": f"data:text/csv;base64,{CSV}"}, "a,b"),
    "Bedrock's": ({"document": {"format": "txt", "name": "n", "source": {"bytes": "Größe".encode()}}}, "Größe"),
    "Anthropic's": ({"type": "document", "source": {"type": "content", "content": [TEXT]}}, "It rained."),
    "Google's": ({"type": "media", "mime_type": "text/csv", "data": CSV}, "a,b"),
    "a search result": (SEARCH, "[search_result: Rain, https://a]\nIt rained."),
}


@pytest.mark.parametrize(("block", "text"), TEXT_FILES.values(), ids=TEXT_FILES)
def test_a_text_file_of_a_user_is_sent_as_text(block: dict[str, Any], text: str):
    assert to_wire([HumanMessage([block])]) == [{"role": "user", "content": text}]


@pytest.mark.parametrize(
    ("block", "problem"),
    [
        (
            {"type": "file", "base64": "AAAA", "mime_type": "application/pdf", "name": "a.pdf"},
            "'a.pdf' is of type application/pdf, which is not text: extract its text and pass that",
        ),
        (
            {"document": {"format": "pdf", "name": "a", "source": {"bytes": b"%PDF-"}}},
            "'a' is of type application/pdf, which is not text: extract its text and pass that",
        ),
        (
            {"type": "media", "mime_type": "application/pdf", "data": "AAAA"},
            "its type is application/pdf, which is not text: extract its text and pass that",
        ),
        (
            {"type": "file", "base64": "/w==", "mime_type": "text/csv"},
            "its type is text/csv, but its data are not UTF-8 text in Base64",
        ),
        (
            {"type": "file", "url": "https://a/b.csv", "mime_type": "text/csv"},
            "its type is text/csv, and it has no data: load the file and pass its text",
        ),
    ],
)
def test_another_file_of_a_user_is_refused_with_its_name_and_type(block: dict[str, Any], problem: str):
    with pytest.raises(InvalidRequestError) as raised:
        to_wire([HumanMessage([block])])

    assert str(raised.value).endswith(f" cannot be sent in a user message: {problem}.")


@pytest.mark.parametrize("block", [SEARCH, {"type": "document", "source": {"type": "content"}}])
def test_files_of_a_user_that_contain_more_than_text_are_refused(block: dict[str, Any]):
    content = {"content": [TEXT, IMAGE]}
    block = {**block, **content} if block is SEARCH else {**block, "source": content}

    with pytest.raises(InvalidRequestError, match=rf"'{block['type']}' .* cannot be sent"):
        to_wire([HumanMessage([block])])


def test_an_image_of_a_tool_is_sent():
    (wire,) = to_wire([ToolMessage(["Look:", IMAGE], tool_call_id="1")])

    assert wire["content"] == [{"type": "text", "text": "Look:"}, IMAGE]


def test_a_tool_result_in_a_users_message_may_hold_anything():
    results = [{"type": "tool_result", "tool_use_id": 1, "content": content} for content in (7, {"n": 1}, [None])]

    assert [message["content"] for message in to_wire([HumanMessage(results)])] == [
        "[int: 7]",
        '[n: {"n": 1}]',
        "[NoneType]",
    ]
