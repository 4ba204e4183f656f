"""Adds up tokens for the demo's last table."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Counts:
    """Tokens of one part of the demo."""

    prompt: int = 0
    completion: int = 0


@dataclass
class Tally:
    """Tokens of each part, by its name."""

    parts: dict[str, Counts] = field(default_factory=dict)

    def add(self, part: str, prompt: int, completion: int) -> None:
        """Add the tokens of one answer to a part."""
        counts = self.parts.setdefault(part, Counts())
        counts.prompt += prompt
        counts.completion += completion
