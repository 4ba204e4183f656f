"""Rules for prompts with documents: questions about a context, summaries, keywords, titles, choices."""

import json
import re
from collections import Counter

from demo.rules.prompt import Prompt, best_sentences, sentences
from demo.rules.words import significant, stems
from tir_sandbox.answers import Reply

_RULE = r"-{6,}"
_CONTEXT = re.compile(
    rf"(?:context|documents?|information|passages?|sources?)\b[^\n]*:?[^\n]*\n\s*{_RULE}\n([\s\S]+?)\n\s*{_RULE}"
    r"|relevant documents for the context:\s*([\s\S]+?)\n\s*(?:Instruction:|Existing Answer:)"
    r"|(?:^|\n)\s*(?:New )?Context:\s*([\s\S]+?)(?=\n\s*(?:Query|Question|Answer|Helpful Answer|User)\b|$)"
    r"|<context>([\s\S]+?)</context>",
    re.IGNORECASE,
)
_QUESTION = re.compile(
    r"(?:^|\n)\s*(?:Query|Question|original query is as follows):\s*([\s\S]+?)(?=\n|$)", re.IGNORECASE
)
_EXISTING = re.compile(r"(?:existing answer|Original Answer):\s*([^\n]+)", re.IGNORECASE)
_STANDALONE = re.compile(
    r"(?:<Follow Up Message>|Follow[ -]?Up (?:Input|Question|Message):)\s*([\s\S]+?)\s*<?Standalone question",
    re.IGNORECASE,
)
_HOW_MANY = re.compile(r"(?:up to|give|generate|than)\s+(\d+)", re.IGNORECASE)
_BODY = re.compile(rf"{_RULE}\n([\s\S]+?)\n{_RULE}")
_CHOICE = re.compile(r"^\((\d+)\)\s*([\s\S]+?)(?=^\(\d+\)|\Z)", re.MULTILINE)
_DOCUMENT = re.compile(r"^Document (\d+):\n([\s\S]+?)(?=^Document \d+:|^Question:)", re.MULTILINE)
_METADATA = re.compile(
    r"^(?:file_path|file_name|page_label|source|[a-z_]+_(?:id|type|date|size|name)|Sub question):.*$|^Response:",
    re.MULTILINE,
)
_KEYWORDS = 5


def standalone_question(prompt: Prompt) -> Reply | None:
    """Repeat a follow-up question, with the names from the conversation."""
    found = _STANDALONE.search(prompt.user) or _STANDALONE.search(prompt.system)
    return Reply(text=found[1].strip(), reasoning="The question can stand alone.") if found else None


def keywords(prompt: Prompt) -> Reply | None:
    """Answer with the most frequent words."""
    if not re.search(r"KEYWORDS: <keywords>|comma separated\. Keywords:", prompt.user):
        return None
    body = _BODY.search(prompt.user)
    text = body[1] if body else prompt.user.rpartition("Give")[0]
    limit = _HOW_MANY.search(prompt.user.replace(text, ""))
    words = ", ".join(frequent_words(text, int(limit[1]) if limit else _KEYWORDS))
    prefix = "KEYWORDS: " if "KEYWORDS:" in prompt.user else ""
    return Reply(text=prefix + words, reasoning="I count words.")


def frequent_words(text: str, limit: int) -> list[str]:
    """Return the significant words of a text, the most frequent first."""
    meaningful = significant(text)
    counts = Counter(word for word in re.findall(r"[a-z][\w-]+", text.lower()) if stems(word)[-1] in meaningful)
    return [word for word, _ in counts.most_common(limit)]


def title(prompt: Prompt) -> Reply | None:
    """Answer with the first sentence, shortened, as a title."""
    if not prompt.user.rstrip().endswith("Title:"):
        return None
    text = re.sub(r"^\s*Context:\s*", "", prompt.user)
    first = (sentences(text) or ["Untitled"])[0]
    return Reply(text=" ".join(first.rstrip(".").split()[:8]), reasoning="The beginning names the subject.")


def questions(prompt: Prompt) -> Reply | None:
    """Ask about each of the first sentences."""
    asked = re.search(r"generate (\d+) questions", prompt.user)
    if not asked:
        return None
    text = re.sub(r"^[\s\S]*?(?:context:|-{6,})\s*", "", prompt.user, count=1)
    subjects = [" ".join(one.rstrip(".").split()[:8]) for one in sentences(text)][: int(asked[1])]
    lines = [f"{number}. What does the text say about: {one}?" for number, one in enumerate(subjects, 1)]
    return Reply(text="\n".join(lines), reasoning="One question for each sentence.")


def summary(prompt: Prompt) -> Reply | None:
    """Keep the first two sentences."""
    wanted = re.search(r"\bsummar(?:y:?\s*$|i[sz]e\b|ies of)|write a (?:concise )?summary", prompt.user, re.IGNORECASE)
    if not wanted or _QUESTION.search(prompt.user):
        return None
    body = re.sub(r"^\s*[^\n]{0,160}(?:summar\w+|section)[^\n:]{0,80}:\s*", "", prompt.user, flags=re.IGNORECASE)
    body = re.sub(r"\s*Summari[sz]e the key[\s\S]*$|\s*SUMMARY:[\s\"]*$", "", body)
    return Reply(text=" ".join(sentences(body)[:2]), reasoning="The beginning says what it is about.")


def choice(prompt: Prompt) -> Reply | None:
    """Select an item of a numbered list, for LlamaIndex's selectors."""
    if not prompt.user.startswith("Some choices are given below"):
        return None
    body = _BODY.search(prompt.user)
    options = _CHOICE.findall(body[1] if body else prompt.user)
    wanted = significant(prompt.user.rpartition("question:")[2])
    ranked = sorted(options, key=lambda one: -len(wanted & significant(one[1])))
    number = int(ranked[0][0]) if ranked else 1
    reason = "It shares the most words with the question."
    return Reply(text=json.dumps([{"choice": number, "reason": reason}]), reasoning="I compare words.")


def ranked_documents(prompt: Prompt) -> Reply | None:
    """Rank numbered documents, for LlamaIndex's `LLMRerank`."""
    if "A list of documents is shown below" not in prompt.user:
        return None
    text = prompt.user.rpartition("Let's try this now:")[2]
    wanted = significant(text.rpartition("Question:")[2])
    scored = [(len(wanted & significant(body)), number) for number, body in _DOCUMENT.findall(text + "\nQuestion:")]
    lines = [
        f"Doc: {number}, Relevance: {min(10, 3 + 2 * score)}" for score, number in sorted(scored, reverse=True) if score
    ]
    return Reply(text="\n".join(lines) or "Doc: 1, Relevance: 1", reasoning="I count shared words.")


def sub_questions(prompt: Prompt) -> Reply | None:
    """Generate a sub-question for each tool whose description shares a word with the question."""
    text = prompt.user.rpartition("# Example 2")[2]
    found = re.search(r"<Tools>\s*```json\s*(\{[\s\S]*?\})\s*```\s*<User Question>\s*([\s\S]+?)\s*<Output>", text)
    if not found:
        return None
    tools, question = json.loads(found[1]), found[2]
    wanted = significant(question)
    fitting = [name for name, about in tools.items() if wanted & significant(f"{name} {about}".replace("_", " "))]
    items = [{"sub_question": question, "tool_name": name} for name in fitting or list(tools)[:1]]
    return Reply(text="```json\n" + json.dumps({"items": items}, indent=4) + "\n```", reasoning="I split the question.")


def context_question(prompt: Prompt) -> Reply | None:
    """Answer with the sentences of the context that share the most words with the question."""
    whole = f"{prompt.system}\n\n{prompt.user}"
    found = _CONTEXT.search(prompt.user) or _CONTEXT.search(whole)
    if not found:
        return None
    context = _without_metadata(next(group for group in found.groups() if group))
    asked = _QUESTION.search(prompt.user)
    question = asked[1] if asked else prompt.user.replace(found[0], "")
    best = best_sentences(context, question)
    existing = _EXISTING.search(whole)
    kept = existing[1].strip() if existing else "The context does not say."
    return Reply(text=" ".join(best) or kept, reasoning=f"I look for the words of the question: {question.strip()}")


def _without_metadata(context: str) -> str:
    """Remove the lines that LlamaIndex puts above a document's text."""
    return _METADATA.sub("", context)
