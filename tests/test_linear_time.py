"""Code that reads a model's or a server's text takes time that is linear in its length, for any text.

Each regular expression of the packages has a case here; `test_each_regular_expression_has_a_case` finds new ones.
"""

from __future__ import annotations

import ast
import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from langchain_core.messages import AIMessage, ToolMessage

from langchain_tir._messages import to_wire
from langchain_tir._placeholders import placeholder
from langchain_tir._stream import DeltaMapper as ChunkMapper
from langchain_tir._stream import ending_for_broken_call
from langchain_tir._structured import StructuredParser
from llama_index_tir._past_calls import wire_name
from llama_index_tir._structured import _name
from tests.complexity import cost, growth_between
from tir_client import ChatRequest, Config, ConfigurationError
from tir_client.aliases import refuse_unsupported
from tir_client.bulk import output
from tir_client.config import check_model
from tir_client.models import model_info
from tir_client.protocol import error_responses, json_text, placeholders, server_json
from tir_client.protocol.media import media_type_of
from tir_client.protocol.messages import sendable_arguments
from tir_client.protocol.reader import AnswerStream, accumulator_for, read_answer
from tir_client.protocol.reasoning import ThinkSplitter
from tir_client.protocol.responses import ToolCall
from tir_client.protocol.sse import SSEDecoder
from tir_client.protocol.stop_words import StopCutter, cut_at_stop
from tir_client.protocol.tool_calls import repair_name
from tir_sandbox import app, checks, retrieval, rules, tokenizer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parent.parent
PACKAGES = ("tir_client", "langchain_tir", "llama_index_tir", "tir_sandbox")
SIZE = 100_000
"""Characters of a text."""
PIECES = 2_000
"""Pieces of a text that arrives."""
PIECE = 100
"""Characters of a piece."""


class Case(NamedTuple):
    """A function of a text, and the texts to try: each is repeated, or has a repeated part between `|` and `|`."""

    run: Callable[[str], object]
    texts: tuple[str, ...]
    size: int = SIZE


def text_of(pattern: str, size: int) -> str:
    """`pattern` at a length: `a|b|c` is an `a`, many `b`s and a `c`."""
    before, unit, after = pattern.split("|") if pattern.count("|") == 2 else ("", pattern, "")
    return before + unit * ((size - len(before) - len(after)) // len(unit)) + after


def quietly(function: Callable[..., Any]) -> Callable[[str], object]:
    """Return `function` with its refusals of a text ignored."""

    def run(text: str) -> object:
        try:
            return function(text)
        except (ValueError, ConfigurationError):
            return None

    return run


def resolve(**fields: Any) -> Config:
    return Config.resolve(**{"api_key": "x", "project_id": "1", "host": "https://a", **fields})


def pieces(text: str) -> Iterator[str]:
    return (text[place : place + PIECE] for place in range(0, len(text), PIECE))


# fmt: off
JSON_TEXTS = (
    "```", "``` ", "```json ", "`", "```a", "[", '{"a":', '{"a":"\n', "{name} ```json {", '{"a": "|"\\|',
    "```|a|", "```| |", "```json\n| |[", '"|a|', '"|\\|', "|{}|", "[|1,|", " ",
)
# fmt: on
NAMES = ("a", "-", "_", "a.", " ", "a |a|", "1", "p-", ":")

# The regular expressions, by file and by the name that holds them or the function that uses them

PATTERNS: dict[str, Case] = {
    "tir_client/protocol/json_text.py:_FENCE": Case(quietly(json_text.find_json), JSON_TEXTS),
    "tir_client/protocol/json_text.py:_STRING": Case(json_text.escape_controls, JSON_TEXTS),
    "tir_client/protocol/json_text.py:_CONSTANT": Case(
        json_text.quote_constants, (*JSON_TEXTS, "-", "Infinit", "NaN", "-Infinity", "Na")
    ),
    "tir_client/protocol/json_text.py:_CONTROL": Case(json_text.escape_controls, ("\n", '"|\n|"', '"|\n"|')),
    "tir_client/protocol/json_text.py:_MARK": Case(
        lambda text: [json_text.ValueEnd().feed(text)], ("{", "}", '"', "\\", "a")
    ),
    "tir_client/protocol/json_text.py:_HALF": Case(
        json_text.replace_half_escapes, (*JSON_TEXTS, "\\", "\\ud83d", "\\ude42", "\\ud83d\\u", "|\\ud83d|")
    ),
    "tir_client/protocol/server_json.py:_ESCAPE": Case(
        quietly(lambda text: server_json.ends_in_half(text.encode())),
        (*JSON_TEXTS, "\\", "\\ud83d", '"\\ude42', '\\ud83d"', '"|\\ud83d|"'),
    ),
    "tir_client/protocol/error_responses.py:_OVERFLOW": Case(
        error_responses._OVERFLOW.search, ("maximum ", "maximum context lengt", "m", "max_tokens must be at least ")
    ),
    "tir_client/protocol/sse.py:_LINE_END": Case(
        lambda text: SSEDecoder().feed(text.encode()), ("\r", "\n", "\r\n", "\r\r\n", "data:\r", "a|\r|")
    ),
    "tir_client/protocol/stop_words.py:_MARKERS": Case(
        lambda text: _stopped(text, "a"), ("<|", "a", "<|a|>", "<|a|>b b ", "<|a", "<|a_|>b")
    ),
    "tir_client/config.py:_HOST": Case(
        quietly(lambda text: resolve(host="https://" + text)), ("a", "a.", "a-", "-", "1:", ":", "%a", "f:|a|%")
    ),
    "tir_client/config.py:_SLUG": Case(quietly(lambda text: resolve().url_for(text, "chat")), NAMES),
    "tir_client/config.py:_HEADER_NAME": Case(quietly(lambda text: resolve(default_headers={text: "a"})), NAMES),
    "tir_client/config.py:check_model": Case(quietly(check_model), NAMES),
    "tir_client/environment.py:looks_like_auth_token": Case(
        quietly(lambda text: resolve(api_key=text)), ("eyJ|a|", "eyJ|.|", "eyJ|a.|", "eyJa.|a|.")
    ),
    "tir_client/config.py:_number": Case(quietly(lambda text: resolve(project_id=text)), ("p-", "p", "1", "p-|1|p-")),
    "tir_client/config.py:_number#2": Case(quietly(lambda text: resolve(project_id=text)), ("1|1|a", "0", "1")),
    "tir_client/config.py:_split": Case(
        quietly(lambda text: resolve(base_url=text)), ("https://a/|a|", "https://|a|", " ")
    ),
    "tir_client/config.py:_shown": Case(quietly(lambda text: resolve(project_id=text)), ("a", "a-|a|!", ".")),
    "tir_client/aliases.py:_CREDENTIAL": Case(
        quietly(lambda text: refuse_unsupported([text], {})), ("api_", "token", "toke", "secre", "a")
    ),
    "tir_client/models.py:model_info": Case(model_info.__wrapped__, ("a", "-", "bge-", "multilingual-e5-|a|", "/")),
    "tir_client/protocol/media.py:media_type_of": Case(
        lambda text: media_type_of(text.encode()), (" ", "<", "\0", "RIFF", "| |<!doctype htm")
    ),
    "tir_client/bulk/output.py:_INDEX": Case(
        lambda text: output._INDEX.match(text.encode()), ("1", f"{output.START.decode()}|1|", "a")
    ),
    "tir_client/bulk/output.py:_INDEX#2": Case(len, ("a",)),  # escapes a constant
    "llama_index_tir/_past_calls.py:wire_name": Case(wire_name, ("a", ".", "é")),
    "llama_index_tir/_structured.py:_name": Case(lambda text: _name(type(text, (), {})), ("a", "é", "[")),
    "tir_sandbox/tokenizer.py:_PIECE": Case(tokenizer.pieces, (" ", "a", "é", " a", ".", "\n", "a| |", "_")),
    "tir_sandbox/retrieval.py:_stems": Case(lambda text: retrieval.vector_of(text, 8), ("a", "a ", " ", ".", "s")),
    "tir_sandbox/rules.py:_words": Case(rules._words, ("a", "a ", " ", ".")),
    "tir_sandbox/rules.py:_COMMON_WORDS": Case(rules._words, ("a ",)),
    "tir_sandbox/app.py:_PROJECT": Case(app._PROJECT.match, ("/project/p-|a|", "/", "/project/", "p-")),
    "tir_sandbox/checks.py:_VISION": Case(checks._VISION.search, ("vl", "v", "visio", "gemma_", "multimoda", "a")),
    # Patterns that users give to the sandbox are not tested.
    "tir_sandbox/patterns.py:example_of": Case(len, ("a",)),
    "tir_sandbox/script.py:fits": Case(len, ("a",)),
    "tir_sandbox/script.py:fits#2": Case(len, ("a",)),
}


def _regular_expressions(path: Path) -> list[str]:
    """Where a file uses `re`: names of constants and functions, with a number from the second use on."""
    tree = ast.parse(path.read_text())
    found: list[str] = []

    def visit(node: ast.AST, name: str) -> None:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            name = node.name
        elif isinstance(node, ast.Assign | ast.AnnAssign) and name == "":
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            name = ast.unparse(target)
        elif isinstance(node, ast.ImportFrom):
            assert node.module != "re", f"{path} must `import re`, so that its uses are found"
        if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("re."):
            found.append(name)
        for child in ast.iter_child_nodes(node):
            visit(child, name)

    visit(tree, "")
    seen: Counter[str] = Counter()
    names = []
    for name in found:
        seen[name] += 1
        number = f"#{seen[name]}" if seen[name] > 1 else ""
        names.append(f"{path.relative_to(ROOT).as_posix()}:{name}{number}")
    return names


def test_each_regular_expression_has_a_case():
    files = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
    found = {name for path in files for name in _regular_expressions(path)}

    assert found == PATTERNS.keys()


# Functions that read text without regular expressions, or while it arrives


def _stopped(text: str, word: str) -> StopCutter:
    cutter = StopCutter([word])
    for place, piece in enumerate(pieces(text)):
        cutter.feed(piece, first=not place)
    cutter.end(word)
    return cutter


def _split(text: str) -> None:
    splitter = ThinkSplitter()
    for piece in pieces(text):
        splitter.feed(piece)
    splitter.flush()


def _events(text: str, key: str) -> list[dict[str, Any]]:
    return [{"choices": [{"index": 0, "delta": _delta(key, piece)}]} for piece in pieces(text)]


def _delta(key: str, piece: str) -> dict[str, Any]:
    match key:
        case "index":
            return {"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}
        case "name":
            return {"tool_calls": [{"function": {"name": "f", "arguments": piece}}]}
        case "calls":
            return {"tool_calls": [{"id": piece, "function": {"name": "f", "arguments": "{}"}}]}
        case "nameless":
            return {"tool_calls": [{"function": {"name": piece, "arguments": "{}"}}]}
        case "thinking":
            return {"content": [{"type": "thinking", "thinking": piece}, {"type": "text", "text": piece}]}
    return {key: piece}


REQUEST = ChatRequest.of(model="m", messages=[], tools=[{"type": "function", "function": {"name": "f"}}], stop="Stop")


def _read(key: str, map_delta: Callable[[Any], object] = bool) -> Callable[[str], object]:
    """Reads a stream of which `key` says how its events hold the text."""

    def run(text: str) -> object:
        accumulator = accumulator_for(REQUEST)
        end = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
        for event in [*_events(text, key), end]:
            for delta in accumulator.add(event):
                map_delta(delta)
        map_delta(accumulator.finish())
        return accumulator.completion()

    return run


def _to_chunks(key: str) -> Callable[[str], object]:
    def run(text: str) -> object:
        return _read(key, ChunkMapper().map)(text)

    return run


def _streamed_bytes(text: str) -> None:
    stream = AnswerStream(accumulator_for(REQUEST))
    body = "".join(f"data: {json.dumps(event)}\n\n" for event in _events(text, "content")).encode()
    for place in range(0, len(body), 7 * PIECE):
        list(stream.feed(body[place : place + 7 * PIECE]))


def _decoded(text: str) -> None:
    decoder = SSEDecoder()
    for piece in pieces(text):
        decoder.feed(piece.encode())


def _numbers(text: str) -> str:
    """A text of the same length, of which each piece is another one."""
    return "".join(f"{place:{PIECE}}" for place in range(len(text) // PIECE))


def _answer(text: str) -> AIMessage:
    call: Any = {"id": "1", "name": text, "args": text, "error": text}
    return AIMessage(text, invalid_tool_calls=[call])


def _results(text: str) -> list[ToolMessage]:
    return [ToolMessage(piece, tool_call_id=piece) for piece in pieces(text)]


def _whole_answer(text: str) -> None:
    parts = [part for piece in pieces(text) for part in _delta("thinking", piece)["content"]]
    calls = [call for piece in pieces(text) for call in _delta("calls", piece)["tool_calls"]]
    message = {"content": parts, "tool_calls": calls, "refusal": text}
    read_answer(REQUEST, json.dumps({"choices": [{"message": message, "finish_reason": "stop"}]}).encode())


HTML = ("<", "<p>", "<title", "<title>", "<p>|a |", "<|a|", "<p|>|", "<| |<")
WORDS = ("a", " ", "{", '{"a": "|a|', "null| |")
STREAMS = {
    "content": (*WORDS, "<", "<|", "Sto", "Stop", "<think>|a|"),
    "reasoning": ("a",),
    "refusal": ("a",),
    "thinking": ("a", " "),
    "index": WORDS,
    "name": (*WORDS, '"|{|'),
    "nameless": ("a", "f"),
}
TEXT_READERS: dict[str, Case] = {
    "parse_json": Case(quietly(json_text.parse_json), JSON_TEXTS),
    "find_json_source": Case(quietly(json_text.find_json_source), JSON_TEXTS),
    "find_partial_json": Case(json_text.find_partial_json, JSON_TEXTS),
    "StructuredParser": Case(quietly(StructuredParser().parse), JSON_TEXTS),
    "sendable_arguments": Case(sendable_arguments, (*JSON_TEXTS, "\ud800")),
    "ending_for_broken_call": Case(
        lambda text: ending_for_broken_call(ToolCall("1", "f", text)), ("a", '{"a": "|a|', "[", '{"|\\|')
    ),
    "escape_surrogates": Case(json_text.escape_surrogates, ("\ud800", "a", "a\udfff")),
    "replace_surrogates": Case(json_text.replace_surrogates, ("\ud800", "a", "a\udfff")),
    "describe_body": Case(error_responses.describe_body, (*HTML, "a")),
    "parse_error_body": Case(
        lambda text: error_responses.parse_error_body(text.encode()), (*HTML, "[", '{"error":', " ")
    ),
    "error_from_response": Case(
        lambda text: error_responses.error_from_response(
            400, {"retry-after": text}, text.encode(), url="https://a/v1/b"
        ),
        (*HTML, "1", '{"detail": [|1,|'),
    ),
    "masked": Case(lambda text: error_responses.masked(text, ["a" * 9, "ab" * 9]), ("a", "aaaaaaaab", "ab")),
    "repair_name": Case(
        lambda text: repair_name(text, ("f", "functions.")), (" ", "functions.", "<|", ".", "json", "a ")
    ),
    "cut_at_stop": Case(lambda text: cut_at_stop(text, ["ab", "aac"]), ("a", "aa", "b")),
    "value_placeholder": Case(
        lambda text: placeholders.value_placeholder("a", {"b": [text, *text.split()]}), ("a", "a ")
    ),
    "decoded_text": Case(lambda text: placeholders.decoded_text(text, "text/plain"), ("a", "=", "é", "AAAA")),
    "placeholder": Case(lambda text: placeholder({"type": "file", "url": text}), ("data:", "data:,", "a", "data:|,|")),
}
ARRIVING = PIECES * PIECE
PIECE_READERS: dict[str, Case] = {
    "StopCutter": Case(lambda text: _stopped(text, "aaab"), ("a", "aaa", "b", "<|", "<"), ARRIVING),
    "ThinkSplitter": Case(
        _split, (" ", "\n", "<", "<think>", "<think>|a|", "<think>|<|", "<think>|\n|", "<think></think>|\n|"), ARRIVING
    ),
    "SSEDecoder": Case(_decoded, ("a", "\r", "\n", "data: a\n\n", "data:\n"), ARRIVING),
    "a stream": Case(_streamed_bytes, ("a", "Sto"), ARRIVING),
    "a whole answer": Case(_whole_answer, ("a", " "), ARRIVING),
    "a stream of many calls": Case(lambda text: _read("calls")(_numbers(text)), ("a",), ARRIVING),
    "a history": Case(lambda text: to_wire([_answer(text), *_results(text)]), ("a", "\ud800"), ARRIVING),
    **{f"a stream of {key}": Case(_read(key), texts, ARRIVING) for key, texts in STREAMS.items()},
    "chunks of content": Case(_to_chunks("content"), ("a",), ARRIVING),
    "chunks of arguments": Case(_to_chunks("index"), ("a", " ", "{", "null| |", "nu| |"), ARRIVING),
}


CASES = [
    pytest.param(case, text, id=f"{name} {text!r}".replace("::", ":"))
    for name, case in (PATTERNS | TEXT_READERS | PIECE_READERS).items()
    for text in case.texts
]


LIMIT = 300
"""The most that a text of 100,000 characters may cost, in passes over them: about a tenth of a second."""


@pytest.fixture(scope="module")
def limit() -> float:
    """CPU seconds that a text may take."""
    return LIMIT * cost(lambda text: [None for _ in text], "a" * SIZE)


@pytest.mark.parametrize(("case", "text"), CASES)
def test_each_case_takes_linear_time(case: Case, text: str, limit: float):
    short, long = text_of(text, case.size // 8), text_of(text, case.size)

    assert growth_between(case.run, short, long, enough=3) < 3
    if case.size <= SIZE:
        assert cost(case.run, long, enough=limit) < limit
