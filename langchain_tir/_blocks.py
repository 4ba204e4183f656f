"""Standard content blocks of our messages: what LangChain shows as `content_blocks`, and `output_version="v1"`.

LangChain adds streamed blocks up by their `index`. Left to itself it numbers blocks by position, where reasoning,
text and parallel tool calls collide; the indices given here are apart for each of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from langchain_core.messages import AIMessageChunk
from langchain_core.messages.block_translators import register_translator

if TYPE_CHECKING:
    from langchain_core.messages import AIMessage
    from langchain_core.messages.content import ContentBlock

PROVIDER = "tir"
"""Name of this provider in metadata and traces."""


def blocks_of_answer(message: AIMessage, *, indexed: bool) -> list[ContentBlock]:
    """The blocks of a message whose content is text: reasoning, text, tool calls.

    Args:
        message: A message, or a chunk of one.
        indexed: Give text and reasoning the index under which chunks of them are added up.
    """
    blocks: list[dict[str, Any]] = []
    if reasoning := message.additional_kwargs.get("reasoning_content"):
        blocks.append({"type": "reasoning", "reasoning": reasoning, "index": "lc_reasoning"})
    if message.content:
        blocks.append({"type": "text", "text": message.content, "index": "lc_text"})
    if not indexed:
        blocks = [{key: value for key, value in block.items() if key != "index"} for block in blocks]
    return cast("list[ContentBlock]", [*blocks, *_calls(message)])


def _calls(message: AIMessage) -> list[dict[str, Any]]:
    if isinstance(message, AIMessageChunk) and message.chunk_position != "last":
        return [
            {**chunk, "type": "tool_call_chunk", "index": f"lc_tool_{chunk['index']}"}
            for chunk in message.tool_call_chunks
        ]
    return [
        *({**call, "type": "tool_call"} for call in message.tool_calls),
        *({**call, "type": "invalid_tool_call"} for call in message.invalid_tool_calls),
    ]


def _translate(message: AIMessage) -> list[ContentBlock]:
    if not isinstance(message.content, str):
        raise NotImplementedError  # LangChain then reads the list itself
    return blocks_of_answer(message, indexed=False)


def _translate_chunk(message: AIMessageChunk) -> list[ContentBlock]:
    if not isinstance(message.content, str):
        raise NotImplementedError
    return blocks_of_answer(message, indexed=message.chunk_position != "last")


register_translator(PROVIDER, _translate, _translate_chunk)
