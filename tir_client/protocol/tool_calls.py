"""Assembles tool calls from streamed pieces. No I/O.

It handles what servers are known to send: several pieces in one event, interleaved calls, an id and name that are
repeated or missing, no index or one index for all calls, the end of a call's arguments under the next index, a call
that is sent twice, and names with the model's markers in them.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from tir_client.protocol.json_fields import as_dict, as_str
from tir_client.protocol.json_text import ValueEnd
from tir_client.protocol.responses import Json, ToolCall, ToolCallDelta

if TYPE_CHECKING:
    from collections.abc import Collection

_VALUES = frozenset({"null", '""', "true", "false"})
"""Complete arguments without brackets."""
_SHORT = 10
"""Only arguments shorter than this are checked for such values."""


class _Call:
    __slots__ = ("_end", "_unread", "arguments", "dropped", "id", "name", "position", "wire_id")

    def __init__(self, call_id: str, wire_id: str) -> None:
        self.position: int | None = None  # None until the call is yielded
        self.id = call_id
        self.wire_id = wire_id
        self.name = ""
        self.arguments: list[str] = []
        self.dropped = False
        self._end = ValueEnd()
        self._unread: list[str] = []

    def append(self, arguments: str) -> None:
        """Add a piece of the arguments."""
        self.arguments.append(arguments)
        self._unread.append(arguments)

    def text(self) -> str:
        """The arguments so far. Pieces are joined only once, because this is read for each chunk."""
        if len(self.arguments) > 1:
            self.arguments[:] = ["".join(self.arguments)]
        return self.arguments[0] if self.arguments else ""

    def is_complete(self) -> bool:
        """Whether the arguments are a complete JSON value. Each piece is read once, and only if this is called."""
        for piece in self._unread:
            self._end.feed(piece)
        self._unread.clear()
        return self._end.is_reached or (self._end.length < _SHORT and self.text().strip() in _VALUES)


class ToolCallAssembler:
    """The tool calls of one choice.

    Args:
        offered: Names of the tools that were offered.
        seed: The id of the answer, used to make ids for calls without one.
        only: The only tool whose calls are kept; servers may call another one than the request requires.
    """

    __slots__ = ("_by_id", "_by_index", "_calls", "_ids", "_offered", "_only", "_seed", "_shown")

    def __init__(self, offered: Collection[str] = (), seed: str = "", only: str | None = None) -> None:
        self._offered = offered
        self._seed = seed
        self._only = only
        self._shown: list[_Call] = []
        self._calls: list[_Call] = []
        self._by_index: dict[int, _Call] = {}
        self._by_id: dict[str, _Call] = {}
        self._ids: set[str] = set()

    def __len__(self) -> int:
        return len(self._shown)

    def calls(self, *, cut: bool = False) -> list[ToolCall]:
        """The calls so far, in order. Set `cut` if the answer was truncated."""
        return [call for call, part in zip(self.shown(cut=cut), self._shown, strict=True) if not part.dropped]

    def shown(self, *, cut: bool = False) -> list[ToolCall]:
        """The calls that deltas have yielded, dropped ones included, in order of their indices."""
        return [ToolCall(call.id, call.name, call.text(), cut) for call in self._shown]

    def drop(self) -> None:
        """Drop the calls so far. Later calls continue their indices, because a stream may have yielded them."""
        for call in self._shown:
            call.dropped = True

    def add(self, pieces: list[Any], *, whole: bool = False) -> list[ToolCallDelta]:
        """Add the `tool_calls` of one event, and return one delta for each call in it.

        In a whole answer each entry is a separate call.
        """
        deltas: dict[int, ToolCallDelta] = {}
        for piece in pieces:
            delta = None if piece is None else self._add(as_dict(piece, "tool_calls[]"), whole=whole)
            if delta is None:
                continue
            first = deltas.setdefault(delta.index, delta)
            if first is not delta:  # LangChain does not merge pieces within one chunk
                first.name = f"{first.name or ''}{delta.name or ''}" or None
                first.arguments += delta.arguments
        return list(deltas.values())

    def _add(self, piece: Json, *, whole: bool) -> ToolCallDelta | None:
        function = as_dict(piece.get("function") or piece, "tool_calls[].function")  # some servers have no `function`
        call_id, name = as_str(piece.get("id")), as_str(function.get("name"))
        index, arguments = piece.get("index"), _arguments(function.get("arguments"))
        call = None if whole else self._find(index, call_id, name)
        if call is not None and name and call.is_complete():
            if call_id and call_id == call.wire_id and arguments == call.text():
                return None  # sent twice
            call = None if arguments.lstrip().startswith("{") or self._is_another(name, call) else call
        if call is None:
            call = self._begin(index, call_id)
        if arguments:
            call.append(arguments)
        more = self._name(call, name)
        if call.position is not None:
            return ToolCallDelta(call.position, None, more or None, arguments)
        if self._only is not None and call.name != self._only:
            return None
        call.position = len(self._shown)
        self._shown.append(call)
        return ToolCallDelta(call.position, call.id, call.name or None, call.text())

    def _find(self, index: object, call_id: str, name: str) -> _Call | None:
        """The call that a piece continues, or None if it begins a new one."""
        if isinstance(index, int):
            call = self._by_index.get(index)
            if call is None:
                # The end of a call's arguments under the next index (vLLM with speculative decoding).
                return None if name or call_id or not self._calls else self._calls[-1]
            another = name and call_id and call.wire_id and call_id != call.wire_id
            return None if another else call
        if call_id:
            return self._by_id.get(call_id)
        last = self._calls[-1] if self._calls else None
        return None if last is None or (name and (name != last.name or last.is_complete())) else last

    def _is_another(self, name: str, call: _Call) -> bool:
        return bool(call.name) and repair_name(name, self._offered) != call.name

    def _begin(self, index: object, call_id: str) -> _Call:
        position = len(self._calls)
        ours = call_id
        if not call_id or call_id in self._ids:
            ours = f"{self._seed or f'call_{uuid4().hex}'}-tool-{position}"
        call = _Call(ours, call_id)
        self._calls.append(call)
        self._ids.add(ours)
        if call_id:
            self._by_id[call_id] = call
        if isinstance(index, int):
            self._by_index[index] = call
        return call

    def _name(self, call: _Call, name: str) -> str:
        """The part of the name that a piece adds: all, a further part, or nothing if it is repeated."""
        if not name:
            return ""
        if not call.name:
            call.name = repair_name(name, self._offered)
            return call.name
        longer = name if name in self._offered and name.startswith(call.name) else call.name + name
        if call.name in self._offered or not any(tool.startswith(longer) for tool in self._offered):
            return ""
        more, call.name = longer.removeprefix(call.name), longer
        return more


def repair_name(name: str, offered: Collection[str]) -> str:
    """Repair gpt-oss's names: `get_weather<|channel|>commentary`, `functions.get_weather`, `get_weather.json`.

    Other changes than removing markers are made only if the result is the name of an offered tool.
    """
    clean = name.partition("<|")[0].strip()
    for word in (clean, *clean.split()[:1]):
        candidates = (
            word,
            word.removeprefix("functions."),
            word.removesuffix("json").rstrip("."),
            word.rstrip(".:"),
        )
        if found := next((candidate for candidate in candidates if candidate in offered), None):
            return found
    return clean or name


def _arguments(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
