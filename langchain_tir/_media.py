"""Content blocks from local files."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tir_client import InvalidRequestError
from tir_client.protocol.media import LIMIT, media_problem, media_type_of, too_large_message

if TYPE_CHECKING:
    from os import PathLike


def media_block(path: str | PathLike[str]) -> dict[str, Any]:
    """Read an image, audio or video file as a content block for a message.

    ```python
    from langchain_core.messages import HumanMessage
    from langchain_tir import ChatTIR, media_block

    model = ChatTIR("llama_4_scout_17b_16e_instruct")
    model.invoke([HumanMessage([{"type": "text", "text": "What is on it?"}, media_block("photo.jpg")])])
    ```

    The block is a standard LangChain block with Base64 data, and also works with other providers' models.

    Args:
        path: The file. Its type is found from its first bytes, or else from its name.

    Raises:
        InvalidRequestError: The file cannot be read, is empty or too large, or is not an image, audio or video.
    """
    file = Path(path)
    try:
        size = file.stat().st_size
        data = file.read_bytes() if size <= LIMIT else b""
    except OSError as error:
        raise InvalidRequestError(f"The file cannot be read: {error}.") from None
    media_type = media_type_of(data[:32], file.name)
    kind = media_type.partition("/")[0]
    encoded = base64.b64encode(data).decode()
    problem = (
        too_large_message(size) if size > LIMIT else _kind_problem(kind, media_type) or media_problem(kind, encoded)
    )
    if problem:
        raise InvalidRequestError(f"{file.name!r} cannot be sent: {problem}.")
    return {"type": kind, "base64": encoded, "mime_type": media_type}


def _kind_problem(kind: str, media_type: str) -> str:
    known = kind in {"image", "audio", "video"}
    return "" if known else f"its type is {media_type or 'unknown'}, and only image, audio and video can be sent"
