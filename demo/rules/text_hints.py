"""Finds the values of a schema's fields in a text."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from demo.rules.prompt import best_sentences, sentences
from demo.rules.words import significant
from tir_sandbox.schema import type_of

_NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?![\w]|\.\d)")
_NAME = re.compile(r"\b[A-Z][\w'-]*(?:\s+[A-Z][\w'-]*)*")
_OPENERS = frozenset(
    re.findall(
        r"\w+",
        "A Add An And Answer Are Book Calculate Call Can Check Compare Compute Could Create Describe Did Do Does "
        "Extract Fetch Find Get Give Has Have Hello Hi How I If In Is It Let List Look Make Me Multiply My Name No "
        "Not Of On Please Run Say Search Send Set Show Summarise Summarize Tell That The Then There This To Use We "
        "What When Where Which Who Why Will With Would Write Yes You Your",
    )
)
PROPER = re.compile(
    r"city|cities|town|place|location|name|person|people|country|company|author|capital|who|destination"
)
_WHOLE = re.compile(r"query|question|input|text|prompt|message|request|task|search|content|instruction")
_SUM = re.compile(r"[-+]?[\d.(][\d\s.+*/^()%-]*[\d)]")
_FORMULA = re.compile(r"expression|formula|equation|calculation|math")
_FORMATS = {
    "date": re.compile(r"\d{4}-\d{2}-\d{2}"),
    "email": re.compile(r"[\w.+-]+@[\w-]+\.[\w.]*\w"),
    "uri": re.compile(r"https?://[^\s>\"']*[\w/]"),
    "uuid": re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE),
}


@dataclass
class TextHints:
    """Suggests values from a text. Each number and name is used once before any is repeated."""

    text: str
    _taken: dict[str, int] = field(default_factory=dict)

    def suggest(self, name: str, schema: Mapping[str, Any], required: bool) -> Any:
        """Return the value of a field, or None. Optional fields get a value only if the text names them."""
        kind = type_of(schema)
        if "enum" in schema:
            return next(iter(self.mentioned(schema["enum"])), None)
        if kind == "array":
            items = schema.get("items")
            options = self.mentioned(items.get("enum", [])) if isinstance(items, Mapping) else []
            return options[: schema.get("maxItems")] if required and options else None
        if kind in ("integer", "number") and (required or self.labelled(name) is not None):
            return self.number(name, whole=kind == "integer")
        if kind == "string" and (required or self.labelled(name) is not None):
            return self.formatted(schema["format"]) if schema.get("format") else self.string(name, _about(schema))
        return False if kind == "boolean" and required and self.denies(name) else None

    def mentioned(self, options: Sequence[Any]) -> list[Any]:
        """Return the options that the text contains as whole words."""
        return [
            one
            for one in options
            if isinstance(one, str | int)
            and re.search(rf"(?<!\w){re.escape(str(one))}(?!\w)", self.text, re.IGNORECASE)
        ]

    def number(self, name: str, *, whole: bool) -> float | None:
        """Return the number that follows the field's name, or the next one."""
        label = self.labelled(name)
        if label is not None and _NUMBER.fullmatch(label):
            found: str | None = label
        else:
            found = self._next("number", _NUMBER.findall(self.text))
        if found is None:
            return None
        value = float(found)
        return int(value) if whole or value.is_integer() else value

    def denies(self, name: str) -> bool:
        """Whether the text negates a field's name."""
        word = re.escape(_plain(name))
        return bool(word) and bool(
            re.search(rf"\b(?:not|no|without|isn't|never)\s+(?:\w+\s+)?{word}", self.text.lower())
        )

    def labelled(self, name: str) -> str | None:
        """Return the text after a field's name, such as `Ada` in `the name is Ada`."""
        word = re.escape(_plain(name))
        pattern = rf"\b{word}\b\s*(?:is|are|was|:|=|of|as)\s*[\"']?(-?[\w.@+-]*\w)"
        found = re.search(pattern, self.text, re.IGNORECASE) if word else None
        return found[1] if found else None

    def formatted(self, kind: str) -> str | None:
        """Return the date, address or other formatted value in the text."""
        found = _FORMATS[kind].search(self.text) if kind in _FORMATS else None
        return found[0] if found else None

    def string(self, name: str, description: str) -> str:
        """Return the best part of the text for a field."""
        plain = _plain(name)
        if _FORMULA.search(plain) and (found := _SUM.search(self.text)):
            return found[0].strip()
        if (label := self.labelled(name)) is not None:
            return label
        if PROPER.search(plain) and (proper := self.name()):
            return proper
        if _WHOLE.search(plain) and self.text.strip():
            return self.text.strip()
        return self._phrase(f"{plain} {description}")

    def name(self) -> str | None:
        """Return the next capitalised name that is not only the first word of a sentence."""
        return self._next("name", _names(self.text))

    def _phrase(self, about: str) -> str:
        best = best_sentences(self.text, about, limit=1) or sentences(self.text)[:1]
        return best[0] if best else "sandbox"

    def _next(self, kind: str, found: Sequence[str]) -> str | None:
        if not found:
            return None
        turn = self._taken.get(kind, 0)
        self._taken[kind] = turn + 1
        return found[turn % len(found)]


def _about(schema: Mapping[str, Any]) -> str:
    return str(schema.get("description", ""))


def _names(text: str) -> list[str]:
    found = []
    for match in _NAME.finditer(text):
        words = match[0].split()
        while words and words[0].partition("'")[0] in _OPENERS:
            words.pop(0)
        if words and (words != match[0].split() or not _begins(text, match.start()) or significant(words[0])):
            found.append(re.sub(r"'s$", "", " ".join(words)))
    return list(dict.fromkeys(found))


def _begins(text: str, at: int) -> bool:
    before = text[:at].rstrip()
    return not before or before[-1] in ".!?:"


def _plain(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])|_+", " ", name).lower().strip()
