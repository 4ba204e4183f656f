"""The checks of one model: whether it answers, and what it can do."""

from __future__ import annotations

import json
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from tir_cli.connection import own_card
from tir_cli.doctor.findings import Finding, Mark, Outcome, run_check
from tir_cli.doctor.observer import Observer
from tir_client import (
    ChatRequest,
    Config,
    EmbeddingRequest,
    ForcedToolError,
    RerankRequest,
    RetryPolicy,
    TIRClient,
    model_info,
)
from tir_client.protocol.responses import Completion

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tir_client.protocol.accumulator import Delta

Json = dict[str, Any]

SHORT, LONG = 64, 512
"""Token limits for a plain answer, and for one with a tool call or object, which includes reasoning."""
COST = 5_000
"""Approximate maximum tokens for the checks of one model, prompts included."""

_QUESTION = "What is the weather in Paris? Use the tool."
_CODE = "K7-Q"
"""A value that a model writes only if the server enforces the schema."""


def _tool(**city: Any) -> Json:
    schema = {"type": "object", "properties": {"city": {"type": "string", **city}}, "required": ["city"]}
    parameters = {**schema, "additionalProperties": False}
    return {
        "type": "function",
        "function": {"name": "get_weather", "description": "The weather in a city.", "parameters": parameters},
    }


class ModelChecks:
    """Checks one model, in the order of `run`.

    Args:
        config: The connection.
        model: The model.
        timeout: Seconds for a whole call.
    """

    def __init__(self, config: Config, model: str, timeout: float) -> None:
        self._model = model
        self._info = model_info(model)
        self._observer = Observer()
        self._http = self._observer.client()
        retry = RetryPolicy(max_retries=0)
        self._client = TIRClient(config, timeout={"total": timeout}, retry=retry, http_client=self._http)
        self._reasoning_fields: set[str] = set()

    def run(self) -> Iterator[Finding]:
        """Run the checks; the first failure is the last finding."""
        with self._http:
            for step, check, ability in self._steps():
                finding = run_check(step, check, ability=ability)
                yield finding
                if finding.mark is Mark.FAILED:
                    return

    def _steps(self) -> list[tuple[str, Callable[[], Outcome], str | None]]:
        embeddings = ("embeddings", self._embed, "embeddings")
        if self._info.dimensions:
            return [("/models", self._served, "listed"), (embeddings[0], embeddings[1], None)]
        return [
            ("/models", self._served, "listed"),
            ("answer", self._answer, None),
            ("stream", self._stream, None),
            ("reasoning", self._reasoning, None),
            ("tools, auto", partial(self._call, "auto"), "tools_auto"),
            ("tools, required", partial(self._call, "required"), "tools_required"),
            ("tools, named", partial(self._call, "named"), "tools_named"),
            ("tools, strict", self._strict, "tools_strict"),
            ("JSON schema", self._schema, "json_schema"),
            ("n", self._several, "n"),
            ("logprobs", self._logprobs, "logprobs"),
            ("/tokenize", self._tokenize, "tokenize"),
            embeddings,
            ("rerank", self._rerank, "rerank"),
        ]

    # Requests

    def _request(self, text: str, max_tokens: int = SHORT, **fields: Any) -> ChatRequest:
        effort = "low" if "low" in self._info.reasoning_efforts else None
        messages = [{"role": "user", "content": text}]
        return ChatRequest.of(
            model=self._model, messages=messages, max_tokens=max_tokens, reasoning_effort=effort, **fields
        )

    def _ask(self, text: str, max_tokens: int = SHORT, **fields: Any) -> Completion:
        return self._client.chat(self._request(text, max_tokens, **fields))

    # Does it answer?

    def _served(self) -> Outcome:
        cards = self._client.models(self._model)
        names = ", ".join(card.id for card in cards[:5])
        card = own_card(self._client, self._model, cards)
        if card is None and cards:
            facts = {"context_window": self._info.context_window}
            return Mark.NOTE, f"does not list {self._model}; it lists {names}", facts
        window = card.max_model_len if card else None
        seen = f"serves {names or 'nothing'}" + (f"; context window {window:,} tokens" if window else "")
        return Mark.OK, seen, {"context_window": window or self._info.context_window}

    def _answer(self) -> Outcome:
        start = time.monotonic()
        completion = self._ask("Hi", max_tokens=1)
        return Mark.OK, f"one token after {time.monotonic() - start:.2f} s, from {completion.model!r}", {}

    def _stream(self) -> Outcome:
        start = time.monotonic()
        with self._client.stream(self._request("Count from one to ten, in words.")) as stream:
            first, *others = [(time.monotonic(), delta) for delta in self._looked_at(stream)]
        completion = (others or [first])[-1][1].accumulator.completion()
        wait, took = first[0] - start, (others or [first])[-1][0] - first[0]
        tokens = completion.usage.completion_tokens if completion.usage else 0
        done = self._observer.tail.rstrip().endswith(b"[DONE]")
        facts = {"first_token_seconds": round(wait, 3), "stream_usage": tokens > 0, "stream_done": done}
        seen = f"first token after {wait:.2f} s"
        if tokens > 1 and took > 0:
            facts["tokens_per_second"] = round((tokens - 1) / took, 1)
            seen += f", then {facts['tokens_per_second']:,} tokens a second"
        missing = [name for name, there in (("usage", tokens > 0), ("[DONE]", done)) if not there]
        seen += f"; without {' and '.join(missing)}" if missing else ", with usage and [DONE]"
        return (Mark.NOTE if missing else Mark.OK), seen, facts

    def _looked_at(self, stream: Any) -> Iterator[Delta]:
        for delta in stream:
            for choice in delta.event.get("choices") or ():
                fields = (choice or {}).get("delta") or {}
                self._reasoning_fields |= {name for name in ("reasoning", "reasoning_content") if fields.get(name)}
                if delta.reasoning and not self._reasoning_fields:
                    self._reasoning_fields.add("<think>")
            yield delta

    def _reasoning(self) -> Outcome:
        fields = sorted(self._reasoning_fields)
        facts = {"reasoning_fields": fields}
        if fields:
            return Mark.OK, f"in {' and '.join(fields)}", facts
        if self._info.reasoning:
            return Mark.NOTE, "none in the stream, though the model is known to reason", facts
        return Mark.OK, "none", facts

    # What can it do?

    def _call(self, choice: str) -> Outcome:
        named = {"type": "function", "function": {"name": "get_weather"}}
        before = self._observer.requests
        request = self._request(_QUESTION, LONG, tools=[_tool()], tool_choice=named if choice == "named" else choice)
        fact = f"tools_{choice}"
        try:
            completion = self._client.chat(request)
        except ForcedToolError as error:
            return Mark.NOTE, f"ignored: {error.message.splitlines()[0]}", {fact: "ignored"}
        if not completion.choice.tool_calls:
            return Mark.NOTE, "the model answers without a call", {fact: "no call"}
        if self._observer.requests - before > 1:
            return (
                Mark.NOTE,
                "the server ignores it; this library got the call with a second request",
                {fact: "rescued"},
            )
        return Mark.OK, f"called get_weather({completion.choice.tool_calls[0].arguments})", {fact: "honoured"}

    def _strict(self) -> Outcome:
        tool = _tool(enum=[_CODE])
        tool["function"]["strict"] = True
        completion = self._ask(_QUESTION, LONG, tools=[tool], tool_choice="auto")
        calls = completion.choice.tool_calls
        if not calls:
            return Mark.NOTE, "unknown: the model answers without a call", {"tools_strict": None}
        bound = _is_object(calls[0].arguments, {"city": _CODE})
        seen = "arguments follow the schema" if bound else f"not bound: the model wrote {calls[0].arguments}"
        return (Mark.OK if bound else Mark.NOTE), seen, {"tools_strict": bound}

    def _schema(self) -> Outcome:
        schema = {"type": "object", "properties": {"code": {"enum": [_CODE]}}, "required": ["code"]}
        form = {"name": "code", "schema": {**schema, "additionalProperties": False}, "strict": True}
        completion = self._ask(
            "Reply with the single word: hello", LONG, response_format={"type": "json_schema", "json_schema": form}
        )
        text = completion.choice.text
        if completion.choice.finish_reason == "length":
            return Mark.NOTE, f"unknown: the answer was cut off at {LONG} tokens", {"json_schema": None}
        bound = _is_object(text, {"code": _CODE})
        seen = "answers follow the schema" if bound else f"not bound: the model wrote {text[:40]!r}"
        return (Mark.OK if bound else Mark.NOTE), seen, {"json_schema": bound}

    def _several(self) -> Outcome:
        number = len(self._ask("Hi", max_tokens=1, n=2).choices)
        return (Mark.OK if number > 1 else Mark.NOTE), f"{number} answers for n=2", {"n": number > 1}

    def _logprobs(self) -> Outcome:
        found = bool(self._ask("Hi", max_tokens=1, logprobs=True, top_logprobs=1).choice.logprobs)
        return (Mark.OK if found else Mark.NOTE), "returned" if found else "not returned", {"logprobs": found}

    def _tokenize(self) -> Outcome:
        number = self._client.count_tokens(self._request("Hi"))
        return Mark.OK, f"counts {number} tokens", {"tokenize": True}

    def _embed(self) -> Outcome:
        (vector,) = self._client.embed(EmbeddingRequest.of(model=self._model, input=["Hi"])).vectors
        return Mark.OK, f"{len(vector):,} numbers", {"embeddings": True, "dimensions": len(vector)}

    def _rerank(self) -> Outcome:
        request = RerankRequest.of(model=self._model, query="rain", documents=["sun", "rain"])
        best = self._client.rerank(request).results[0]
        return Mark.OK, f"scores documents; the best has {best.score:.3f}", {"rerank": True}


def _is_object(text: str, wanted: Json) -> bool:
    try:
        return bool(json.loads(text) == wanted)
    except ValueError:
        return False
