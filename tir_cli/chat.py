"""`tir chat`: one question, or a conversation."""

from __future__ import annotations

import base64
import mimetypes
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from tir_cli.connection import DEFAULT_MODEL, AllowHTTP, AsJSON, BaseURL, EndpointID, Model, ProjectID, Timeout, connect
from tir_cli.input import piped_text
from tir_cli.output import print_error, print_json, printable, reporting, stderr, stdout
from tir_client import ChatRequest, InvalidRequestError, TIRClient, TIRError
from tir_client.protocol.responses import Completion

if TYPE_CHECKING:
    from collections.abc import Sequence

Json = dict[str, Any]

MAX_FILE = 20_000_000
"""Maximum size of an attached file in bytes."""


def chat(
    prompt: Annotated[
        str | None, typer.Argument(help="The question. Without it and without input, a conversation begins.")
    ] = None,
    model: Model = DEFAULT_MODEL,
    system: Annotated[str | None, typer.Option("--system", "-s", help="The system message.")] = None,
    file: Annotated[
        list[Path] | None,
        typer.Option("--file", "-f", exists=True, dir_okay=False, help="A text or image to send along; repeatable."),
    ] = None,
    reasoning: Annotated[bool | None, typer.Option(help="Show the reasoning. Default: on a terminal.")] = None,
    reasoning_effort: Annotated[str | None, typer.Option(help="low, medium or high.")] = None,
    temperature: Annotated[
        float | None, typer.Option(help="Sampling temperature; 0 always chooses the likeliest token.")
    ] = None,
    max_tokens: Annotated[int | None, typer.Option(help="Maximum number of tokens of an answer.")] = None,
    project_id: ProjectID = None,
    endpoint_id: EndpointID = None,
    base_url: BaseURL = None,
    allow_http: AllowHTTP = False,
    timeout: Timeout = None,
    as_json: AsJSON = False,
) -> None:
    """Ask a model, and print its answer as it arrives. The reasoning is dimmed.

    Piped input is added to the question. If the output is not a terminal, only the answer is printed.

    Example: cat report.txt | tir chat "Summarise this in three lines."
    """
    with reporting(as_json=as_json):
        client = connect(
            project_id=project_id, endpoint_id=endpoint_id, base_url=base_url, allow_http=allow_http, timeout=timeout
        )
        settings: Json = {
            "model": model,
            "reasoning_effort": reasoning_effort,
            "temperature": temperature,
            "max_tokens": max_tokens,
        }
        shown = stdout.is_terminal if reasoning is None else reasoning
        history: list[Json] = [{"role": "system", "content": system}] if system else []
        question = _question(prompt, file or [])
        if question is None and not _on_terminal():
            raise InvalidRequestError("No question: pass it as an argument, or on standard input.")
        if question is None:
            _converse(client, settings, history, shown=shown)
            return
        request = ChatRequest.of(messages=[*history, question], **settings)
        if as_json:
            print_json(_as_json(client.chat(request)))
        else:
            _print_stream(client, request, shown=shown)


def _on_terminal() -> bool:
    return sys.stdin is not None and sys.stdin.isatty()


def _question(prompt: str | None, files: Sequence[Path]) -> Json | None:
    """The user's message, from the argument, the files and piped input; None if all are empty."""
    piped = piped_text()
    parts = [_part(path) for path in files]
    texts = [text for text in (prompt, piped.strip()) if text]
    if not texts and not parts:
        return None
    images = [part for part in parts if part["type"] != "text"]
    text = "\n\n".join([*texts, *(part["text"] for part in parts if part["type"] == "text")])
    content: Any = [{"type": "text", "text": text}, *images] if images else text
    return {"role": "user", "content": content}


def _part(path: Path) -> Json:
    """Read a file as a message part.

    Raises:
        InvalidRequestError: The file is too large, or neither text nor an image.
    """
    if path.stat().st_size > MAX_FILE:
        raise InvalidRequestError(f"{path} is larger than {MAX_FILE:,} bytes.")
    data = path.read_bytes()
    kind = mimetypes.guess_type(path.name)[0] or ""
    if kind.startswith("image/"):
        encoded = base64.b64encode(data).decode("ascii")
        return {"type": "image_url", "image_url": {"url": f"data:{kind};base64,{encoded}"}}
    try:
        return {"type": "text", "text": f"{path.name}:\n{data.decode('utf-8')}"}
    except UnicodeDecodeError:
        raise InvalidRequestError(f"{path} is neither text in UTF-8 nor an image.") from None


def _converse(client: TIRClient, settings: Json, history: list[Json], *, shown: bool) -> None:
    """Answer each line that the user types until the input ends. Failed questions are not added to the history."""
    stderr.print(Text(f"{settings['model']}; an empty line or Ctrl-D ends the conversation.", style="dim"))
    while (line := _typed()) is not None:
        question = {"role": "user", "content": line}
        try:
            answer = _print_stream(client, ChatRequest.of(messages=[*history, question], **settings), shown=shown)
        except TIRError as error:
            print_error(error)
            continue
        history += [question, {"role": "assistant", "content": answer.choice.text}]


def _typed() -> str | None:
    try:
        return stdout.input("[bold cyan]> [/]").strip() or None
    except EOFError:
        return None


def _print_stream(client: TIRClient, request: ChatRequest, *, shown: bool) -> Completion:
    """Print an answer as it arrives; return it."""
    reasons = False
    with client.stream(request) as stream:
        for delta in stream:
            if delta.reasoning and shown:
                stdout.print(printable(delta.reasoning, style="dim italic"), end="")
                reasons = True
            if delta.text:
                if reasons:
                    stdout.print("\n")
                    reasons = False
                stdout.print(printable(delta.text), end="")
            last = delta
    stdout.print()
    completion = last.accumulator.completion()
    if completion.choice.finish_reason == "length":
        stderr.print(Text("The answer was cut off at the maximum number of tokens.", style="yellow"))
    return completion


def _as_json(completion: Completion) -> Json:
    choice = completion.choice
    return {
        "model": completion.model,
        "text": choice.text,
        "reasoning": choice.reasoning,
        "finish_reason": choice.finish_reason,
        "usage": completion.raw_usage,
        "request_id": completion.request_id,
    }
