"""The rules of the notebooks: prepared answers to a few questions, and the demo's rules for all others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from demo import rules
from demo.rules.text_hints import TextHints
from tir_sandbox import Reply
from tir_sandbox.rules import structured

if TYPE_CHECKING:
    from tir_sandbox import Request

_ANSWERS = {
    "Name three rivers of India.": "The Ganges, the Godavari and the Kaveri.",
    "Name a river of India.": "The Narmada.",
    "Name a mountain of India.": "Kangchenjunga.",
    "Name a desert of India.": "The Thar.",
    "Name a lake of India.": "Chilika Lake, in Odisha.",
    "Name another.": "Wular Lake, in Kashmir.",
    "Why is the sky blue?": "Air scatters blue light more than red light, so blue reaches us from all sides.",
}
_REASONING = "A short question about facts. One sentence is enough."
_TEXTS = {"Describe Pune.": "Pune is a city; its population is 3124458."}


def answer(request: Request) -> Reply | None:
    """Return a prepared answer, or the answer of the demo's rules."""
    if request.user in _TEXTS:
        filled = structured(request.body, request.user, TextHints(_TEXTS[request.user]).suggest)
        return filled or rules.answer(request)
    if request.user in _ANSWERS:
        return Reply(_ANSWERS[request.user], reasoning=_REASONING)
    return rules.answer(request)
