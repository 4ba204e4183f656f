"""Splits a text into significant words."""

import re

_ENDINGS = ("ings", "ing", "edly", "ies", "ed", "es", "ly", "s", "e")
_SHORTEST_STEM = 3
_COMMON = frozenset(
    re.findall(
        r"\w+",
        "a an and are as at be but by can do does for from has have how i if in is it its me my no not of on or our "
        "so that the their them there these they this to was we were what when where which who why will with you your",
    )
)


def stems(text: str) -> list[str]:
    """Return the words of a text in lower case, without common endings."""
    return [_stem(word) for word in re.findall(r"\w+", text.lower())]


def significant(text: str) -> set[str]:
    """Return the stems of a text, without words such as `the` and `is`."""
    return {_stem(word) for word in re.findall(r"\w+", text.lower()) if word not in _COMMON}


def _stem(word: str) -> str:
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= _SHORTEST_STEM:
            return word.removesuffix(ending) + ("y" if ending == "ies" else "")
    return word
