"""Adds up token counts for the table at the end of the demo."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Counts:
    """The token counts of one part of the demo."""

    prompt: int = 0
    completion: int = 0


@dataclass
class Tally:
    """The token counts of all parts, by name."""

    parts: dict[str, Counts] = field(default_factory=dict)

    def add(self, part: str, prompt: int, completion: int) -> None:
        """Add the tokens of one answer to a part."""
        counts = self.parts.setdefault(part, Counts())
        counts.prompt += prompt
        counts.completion += completion
