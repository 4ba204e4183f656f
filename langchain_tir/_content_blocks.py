"""Converts answers to standard content blocks, for `content_blocks` and `output_version="v1"`.

LangChain merges streamed blocks by their `index`. Its default index is the position in the chunk, which would merge
reasoning with text and parallel tool calls with each other; these indices are distinct. Importing this module registers
the conversion with LangChain, for `content_blocks`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from langchain_core.messages import AIMessageChunk
from langchain_core.messages.block_translators import register_translator
from langchain_core.messages.content import KNOWN_BLOCK_TYPES

if TYPE_CHECKING:
    from langchain_core.messages import AIMessage
    from langchain_core.messages.content import ContentBlock
    from langchain_core.messages.tool import ToolCallChunk

PROVIDER = "tir"
"""The name of this provider in metadata and traces."""


def standard_blocks(message: AIMessage, *, indexed: bool) -> list[ContentBlock]:
    """Return the blocks of a message whose content is text: reasoning, text, refusal, tool calls.

    Args:
        message: A message, or a chunk of one.
        indexed: Give reasoning, text and refusal the index by which LangChain merges chunks.
    """
    blocks: list[dict[str, Any]] = []
    if reasoning := message.additional_kwargs.get("reasoning_content"):
        blocks.append({"type": "reasoning", "reasoning": reasoning, "index": "lc_reasoning"})
    if message.content:
        blocks.append({"type": "text", "text": message.content, "index": "lc_text"})
    if refusal := message.additional_kwargs.get("refusal"):
        blocks.append({**_refusal(refusal), "index": "lc_refusal"})
    if not indexed:
        blocks = [{key: value for key, value in block.items() if key != "index"} for block in blocks]
    return cast("list[ContentBlock]", [*blocks, *_calls(message)])


def _refusal(words: str) -> dict[str, Any]:
    block = {"type": "refusal", "refusal": words}
    return block if "refusal" in KNOWN_BLOCK_TYPES else {"type": "non_standard", "value": block}


def _calls(message: AIMessage) -> list[dict[str, Any]]:
    if isinstance(message, AIMessageChunk) and message.tool_call_chunks and not _is_whole(message):
        return [_piece(piece) for piece in message.tool_call_chunks]
    return [
        *({**call, "type": "tool_call"} for call in message.tool_calls),
        *({**call, "type": "invalid_tool_call"} for call in message.invalid_tool_calls),
    ]


def _piece(piece: ToolCallChunk) -> dict[str, Any]:
    block: dict[str, Any] = {**piece, "type": "tool_call_chunk"}
    if block.get("index") is not None:
        block["index"] = f"lc_tool_{block['index']}"
    return block


def _is_whole(message: AIMessageChunk) -> bool:
    """Whether a message is a complete answer, so its calls are complete."""
    return message.chunk_position == "last" and "model_name" in message.response_metadata


def _translate(message: AIMessage) -> list[ContentBlock]:
    if not isinstance(message.content, str):
        raise NotImplementedError  # LangChain then converts the list itself
    return standard_blocks(message, indexed=isinstance(message, AIMessageChunk) and not _is_whole(message))


register_translator(PROVIDER, _translate, _translate)
