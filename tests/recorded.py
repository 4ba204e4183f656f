"""Reads the recordings of vLLM and of other servers."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "recordings"


@dataclass(frozen=True)
class Recording:
    """One request and its answer."""

    name: str
    path: str
    body: dict[str, Any]
    status: int
    headers: dict[str, str]
    content: bytes

    @property
    def is_stream(self) -> bool:
        return self.headers.get("content-type", "").startswith("text/event-stream")

    @property
    def is_chat(self) -> bool:
        return self.path == "/v1/chat/completions"


@cache
def recording(name: str) -> Recording:
    """One recording by its name, such as `vllm-gpt-oss/hello`."""
    text = (FOLDER / f"{name}.txt").read_bytes()
    asked, _, answer = text.partition(b"### RESPONSE\n") if text.startswith(b"### REQUEST") else (b"", b"", text)
    head, _, content = re.split(rb"(\r?\n\r?\n)", answer, maxsplit=1)
    status, *lines = head.decode().splitlines()
    headers = {key.lower(): value for key, value in (line.split(": ", 1) for line in lines)}
    content = content.partition(b"\n### ELAPSED")[0]
    content = content[: int(headers["content-length"])] if "content-length" in headers else content.strip() + b"\n\n"
    path = asked.split(b" ", 3)[2 if asked.startswith(b"### ") else 1].split()[0].decode() if asked else ""
    request = asked.partition(b"\n\n")[2].strip()
    return Recording(name, path or "/v1/chat/completions", _json(request), int(status.split()[1]), headers, content)


def _json(request: bytes) -> dict[str, Any]:
    try:
        return json.loads(request)
    except ValueError:
        return {}


@cache
def recordings(server: str = "") -> tuple[Recording, ...]:
    """All of them, or those whose names begin with `server`, in the order of their names."""
    names = sorted(path.relative_to(FOLDER).with_suffix("").as_posix() for path in FOLDER.glob("*/*.txt"))
    return tuple(recording(name) for name in names if name.startswith(server))
