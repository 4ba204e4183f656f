"""Rules for LlamaIndex's evaluators: yes or no, a score, the better of two answers."""

import re

from demo.rules.prompt import Prompt
from demo.rules.words import significant
from tir_sandbox.answers import Reply

_ENOUGH = 0.5
_YES_NO = re.compile(r"\bYES\b[\s\S]*\bNO\b")
_CLAIM = re.compile(
    r"(?:Information|Query and Response|present in the context information|with the context information):\s*"
    r"((?:(?!Information:|Query and Response:)[\s\S])+?)\s*\n(?:Context:|We have provided)"
)
_SINCE = re.compile(r"(?:\nContext:|\n-{6,}\n)([\s\S]+)$")
_PARTS = re.compile(r"Query:\s*([\s\S]+?)\n(?:Response|Context):\s*([\s\S]+?)\nFeedback:")


def yes_or_no(prompt: Prompt) -> Reply | None:
    """Answer YES if the context has most of the claim's words."""
    if not _YES_NO.search(prompt.user):
        return None
    claims = list(_CLAIM.finditer(prompt.user))
    if not claims:
        return None
    after = prompt.user[claims[-1].end(1) :]
    found = _SINCE.search(after)
    share = _share(claims[-1][1], found[1] if found else after)
    stays = bool(re.search(r"existing YES/NO answer:\s*YES", prompt.user))
    return Reply(text="YES" if share >= _ENOUGH or stays else "NO", reasoning=f"{share:.0%} of the words are there.")


def score(prompt: Prompt) -> Reply | None:
    """Answer with a score in the requested format, from the words that two texts share."""
    if "[RESULT]" in prompt.user:
        found = _PARTS.search(prompt.user)
        share = _share(found[1], found[2]) if found else 0.0
        points = 4 if "2 points" in prompt.user else 2
        return Reply(text=f"They share words.\n[RESULT] {round(points * share) or 1}", reasoning="I count words.")
    if "a line with only the score" in prompt.system:
        parts = re.split(r"##[^\n]*\n", prompt.user)
        share = _share(parts[-2], parts[-1]) if len(parts) > 2 else 0.0  # noqa: PLR2004  (reference, answer)
        return Reply(text=f"{1 + 4 * share:.1f}\nThat share of the words is there.", reasoning="I count words.")
    return None


def better_of_two(prompt: Prompt) -> Reply | None:
    """Prefer the answer that shares more words with the question."""
    if "'[[A]]'" not in prompt.system:
        return None
    question, *answers = re.split(r"\[The Start of Assistant ..s Answer\]", prompt.user)
    shares = [_share(question, answer) for answer in answers]
    verdict = "[[C]]" if len(set(shares)) < len(shares) else f"[[{'AB'[shares.index(max(shares))]}]]"
    return Reply(text=f"I compare the words.\n{verdict}", reasoning="I count words.")


def _share(claim: str, text: str) -> float:
    """Return the share of a claim's words that a text contains."""
    wanted = significant(claim)
    return len(wanted & significant(text)) / len(wanted) if wanted else 0.0
