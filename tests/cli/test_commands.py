"""`tir models`, `chat`, `embed`, `rerank` and `sandbox`: what they send, print and return."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys

import pytest
from rich.text import Text

from tir_cli import chat as chat_command
from tir_cli import output
from tir_client.models import KNOWN
from tir_sandbox import Fault, Reply, Sandbox

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


def sent_messages(sandbox):
    return sandbox.requests[-1].body["messages"]


# chat


def test_chat_prints_only_the_answer_if_the_output_is_not_a_terminal(tir, tir_sandbox):
    tir_sandbox.script(Reply("Hello.", reasoning="Greet."))

    assert tir("chat", "Hi").stdout == "Hello.\n"
    assert sent_messages(tir_sandbox) == [{"role": "user", "content": "Hi"}]


def test_chat_shows_the_reasoning_before_the_answer(tir, tir_sandbox):
    tir_sandbox.script(Reply("Hello.", reasoning="Greet."))

    assert tir("chat", "Hi", "--reasoning").stdout == "Greet.\n\nHello.\n"


def test_chat_prints_rich_markup_unchanged(tir, tir_sandbox):
    tir_sandbox.script("[bold]a list: [1, 2][/bold] :smile:")

    assert tir("chat", "Hi").stdout == "[bold]a list: [1, 2][/bold] :smile:\n"


def test_chat_sends_the_settings_the_system_message_and_what_is_piped_in(tir, tir_sandbox):
    tir_sandbox.script("Short.")
    options = ("--system", "Be brief.", "--temperature", "0", "--max-tokens", "9", "--reasoning-effort", "low")
    tir("chat", "Summarise this.", *options, "--model", "qwen3_32b", piped="A long text.\n")

    assert sent_messages(tir_sandbox) == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Summarise this.\n\nA long text."},
    ]
    body = tir_sandbox.requests[-1].body
    sent = {name: body[name] for name in ("model", "temperature", "max_tokens", "reasoning_effort")}
    assert sent == {"model": "qwen3_32b", "temperature": 0, "max_tokens": 9, "reasoning_effort": "low"}


def test_chat_sends_files_of_text_and_images(tir, tir_sandbox, tmp_path):
    tir_sandbox.script("Seen.")
    (tmp_path / "notes.md").write_text("Some notes.", "utf-8")
    (tmp_path / "dot.png").write_bytes(PNG)
    tir("chat", "What is it?", "-f", str(tmp_path / "notes.md"), "-f", str(tmp_path / "dot.png"))

    ((text, image),) = [message["content"] for message in sent_messages(tir_sandbox)]
    assert text == {"type": "text", "text": "What is it?\n\nnotes.md:\nSome notes."}
    assert image["image_url"]["url"] == f"data:image/png;base64,{base64.b64encode(PNG).decode()}"


@pytest.mark.parametrize("name", ["archive.zip", "large.txt"])
def test_chat_refuses_a_file_that_it_cannot_send(tir, tir_sandbox, tmp_path, monkeypatch, name):
    monkeypatch.setattr(chat_command, "MAX_FILE", 10)
    (tmp_path / name).write_bytes(b"\xff\x00" if name == "archive.zip" else b"x" * 11)
    done = tir("chat", "What is it?", "-f", str(tmp_path / name))

    assert done.exit_code == 2
    assert name in done.stderr
    assert tir_sandbox.requests == []


def test_chat_as_json_has_the_text_the_reasoning_and_the_usage(tir, tir_sandbox):
    tir_sandbox.script(Reply("Hello.", reasoning="Greet."))
    (answer,) = tir.json("chat", "Hi")

    assert {name: answer[name] for name in ("text", "reasoning", "finish_reason")} == {
        "text": "Hello.",
        "reasoning": "Greet.",
        "finish_reason": "stop",
    }
    assert answer["usage"]["completion_tokens"] > 0


def test_a_conversation_keeps_its_history_without_the_question_that_failed(tir, tir_sandbox, monkeypatch):
    tir_sandbox.script("One.", Fault(status=400), "Three.")
    typed = iter(["first", "second", "third"])
    monkeypatch.setattr(chat_command, "_question", lambda prompt, files: None)
    monkeypatch.setattr(chat_command, "_on_terminal", lambda: True)
    monkeypatch.setattr(chat_command, "_typed", lambda: next(typed, None))
    done = tir("chat", "--system", "Be brief.")

    assert done.exit_code == 0
    assert done.stdout == "One.\nThree.\n"
    assert "BadRequestError" in done.stderr
    assert [message["content"] for message in sent_messages(tir_sandbox)] == ["Be brief.", "first", "One.", "third"]


def test_chat_says_that_an_answer_was_cut_off(tir, tir_sandbox):
    tir_sandbox.script(Reply("Hel", finish_reason="length"))
    done = tir("chat", "Hi")

    assert done.stdout == "Hel\n"
    assert "cut off" in done.stderr


@pytest.mark.parametrize("arguments", [("chat", "hi"), ("embed",), ("rerank", "query", "-m", "bge")])
def test_input_that_is_not_utf8_is_refused(tir, tir_sandbox, arguments):
    done = tir(*arguments, piped=b"caf\xe9")

    assert (done.exit_code, tir_sandbox.requests) == (2, [])
    assert "Standard input is not UTF-8" in done.stderr


def test_the_byte_order_mark_of_the_input_is_not_sent(tir, tir_sandbox):
    tir_sandbox.script("Yes.")
    tir("chat", piped=b"\xef\xbb\xbfcaf\xc3\xa9")

    assert sent_messages(tir_sandbox) == [{"role": "user", "content": "café"}]


def test_empty_input_is_a_usage_error(tir, tir_sandbox):
    done = tir("chat", piped="")

    assert (done.exit_code, tir_sandbox.requests) == (2, [])
    assert "No question" in done.stderr


# The other commands


def test_models_requests_each_known_slug(tir, tir_sandbox):
    (answer,) = tir.json("models")

    assert [row["model"] for row in answer["models"]] == list(KNOWN)
    assert all(row["served"] for row in answer["models"])
    assert len(tir_sandbox.requests) == len(KNOWN)


def test_models_fails_if_a_named_model_is_not_served(tir, monkeypatch):
    with Sandbox(models=["gpt_oss_120b"]) as sandbox:
        for name, value in sandbox.env.items():
            monkeypatch.setenv(name, value)
        done, none = tir("models", "gpt_oss_120b", "qwen3_32b"), tir("models", "qwen3_32b")

    assert (done.exit_code, none.exit_code) == (1, 1)
    _, served, failed = done.stdout.splitlines()
    assert served.startswith("✓  gpt_oss_120b")
    assert failed.startswith("✗  qwen3_32b")
    assert "NotFoundError (404)" in failed


def test_a_model_that_a_server_does_not_list_is_not_served(tir, tir_sandbox):
    arguments = ("models", "gpt_oss_120b", "qwen3_32b_typo", "--base-url", tir_sandbox.base_url)
    done, as_json = tir(*arguments), tir(*arguments, "--json")
    row = json.loads(as_json.stdout)["models"][1]

    assert (done.exit_code, as_json.exit_code) == (1, 1)
    assert {row.pop("model"), row.pop("served")} == {"qwen3_32b_typo", False}
    assert set(row.values()) == {None}
    assert done.stdout.splitlines()[2].split() == ["✗", "qwen3_32b_typo", "not", "served"]


def test_models_shows_what_another_server_lists(tir, tir_sandbox):
    (answer,) = tir.json("models", "--base-url", tir_sandbox.base_url)

    assert [row["served"] for row in answer["models"]] == [True] * len(answer["models"])
    assert len(tir_sandbox.requests) == 1


def test_embed_prints_one_line_for_each_text(tir):
    lines = tir.json("embed", piped="a cat\n\nan invoice\n")

    assert [(line["index"], line["text"]) for line in lines] == [(0, "a cat"), (1, "an invoice")]
    assert all(len(line["embedding"]) == 4096 for line in lines)
    assert "a cat" in tir("embed", "a cat").stdout


def test_rerank_puts_the_best_document_first(tir):
    documents = "a cat on a mat\nhow an invoice is corrected\na red car\n"
    lines = tir.json("rerank", "correct an invoice", "-m", "bge", "-n", "2", piped=documents)

    assert lines[0]["document"] == "how an invoice is corrected"
    assert lines[0]["index"] == 1
    assert len(lines) == 2
    assert "an invoice" in tir("rerank", "invoice", "a cat", "an invoice", "-m", "bge").stdout.splitlines()[1]


@pytest.mark.parametrize("arguments", [("embed",), ("rerank", "query", "-m", "bge")])
def test_commands_without_texts_say_how_to_give_them(tir, arguments):
    done = tir(*arguments)

    assert done.exit_code == 2
    assert "one per line on standard input" in done.stderr


# Errors


@pytest.mark.parametrize(
    ("status", "code", "name"),
    [
        (400, 1, "BadRequestError"),
        (401, 3, "AuthenticationError"),
        (403, 3, "PermissionDeniedError"),
        (404, 3, "NotFoundError"),
        (429, 4, "RateLimitError"),
        (500, 4, "ServerError"),
    ],
)
@pytest.mark.usefixtures("pauses")
def test_an_error_has_an_exit_code_and_no_traceback(tir, tir_sandbox, status, code, name):
    tir_sandbox.script(*[Fault(status=status, headers={"retry-after": "0"})] * 6)
    done, as_json = tir("chat", "Hi"), tir("chat", "Hi", "--json")
    tir_sandbox.reset()

    assert (done.exit_code, as_json.exit_code) == (code, code)
    assert done.stdout == ""
    assert done.stderr.startswith(f"{name}: ")
    assert json.loads(as_json.stdout)["error"]["status_code"] == status
    assert tir_sandbox.token not in done.output + as_json.output


def test_without_a_token_nothing_is_sent(tir, tir_sandbox, monkeypatch):
    monkeypatch.delenv("E2E_TIR_ACCESS_TOKEN")
    done = tir("chat", "Hi")

    assert (done.exit_code, tir_sandbox.requests) == (2, [])
    assert "E2E_TIR_ACCESS_TOKEN" in done.stderr


@pytest.mark.usefixtures("pauses")
def test_an_unreachable_server_has_its_own_exit_code(tir, monkeypatch):
    monkeypatch.setenv("MODEL_API_CLIENT_HOST", "http://127.0.0.1:9")
    done = tir("embed", "a cat")

    assert done.exit_code == 4
    assert "APIConnectionError" in done.stderr


@pytest.mark.parametrize("command", ["chat", "embed", "models", "rerank", "sandbox"])
def test_help_has_an_example(tir, command):
    done = tir(command, "--help")

    assert done.exit_code == 0
    assert f"tir {command}" in " ".join(done.stdout.split("Example:")[1].split())


def run_into(tir_sandbox, output, *arguments, **variables):
    environment = {**os.environ, **tir_sandbox.env, **variables}
    command = [sys.executable, "-m", "tir_cli", *arguments]
    return subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.PIPE,
        env=environment,
        timeout=200,
        check=False,
    )


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_an_output_that_cannot_be_written_is_one_line_of_error(tir_sandbox, options, tmp_path):
    path = tmp_path / "output"
    path.touch()
    with path.open("rb") as read_only:
        done = run_into(tir_sandbox, read_only, "embed", "a cat", *options)

    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1


CLOSED = [("embed", "a cat"), ("embed", "a cat", "--json"), ("models",), ("bulk",), ("bulk", "--json")]


@pytest.mark.parametrize("arguments", CLOSED)
def test_a_closed_pipe_is_not_a_failure(tir_sandbox, tmp_path, arguments):
    if arguments[0] == "bulk":
        rows = tmp_path / "in.jsonl"
        rows.write_text('"Hi"\n', "utf-8")
        arguments = (*arguments, str(rows), str(tmp_path / "out.jsonl"))
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = run_into(tir_sandbox, writer, *arguments)
    finally:
        os.close(writer)

    assert (done.returncode, done.stderr) == (0, b"")


def test_characters_that_the_encoding_lacks_are_replaced(tir_sandbox):
    done = run_into(tir_sandbox, subprocess.PIPE, "models", PYTHONIOENCODING="latin-1")

    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.splitlines()[1].startswith(b"?  ")


ESCAPES = "\x1b[31mred\x1b]0;title\x07\tend\n\x9b"
PLAIN = "[31mred]0;title\tend\n"


def test_control_characters_of_an_answer_do_not_reach_a_terminal(monkeypatch):
    assert output.printable(ESCAPES).plain == Text(ESCAPES).plain
    monkeypatch.setattr(output.stdout, "_force_terminal", True)
    assert output.printable(ESCAPES).plain == PLAIN
    assert output.printable(ESCAPES, console=output.stderr).plain == Text(ESCAPES).plain


COMMANDS = [("doctor",), ("models", "gpt_oss_120b"), ("chat", "Hi"), ("chat", "Hi", "--json"), ("embed", "Hi")]


@pytest.mark.parametrize("arguments", COMMANDS)
@pytest.mark.parametrize("status", [200, 400])
def test_no_command_passes_control_characters_of_a_server_on_to_a_terminal(tir, monkeypatch, arguments, status):
    with Sandbox(rules=lambda _: ESCAPES if status == 200 else Fault(status=400, body=ESCAPES)) as sandbox:
        for name, value in sandbox.env.items():
            monkeypatch.setenv(name, value)
        for console in (output.stdout, output.stderr):
            monkeypatch.setattr(console, "_force_terminal", True)
            monkeypatch.setattr(console, "_color_system", None)
        done = tir(*arguments)

    assert [mark for mark in ("\x1b]", "\x1b[31m", "\x07", "\x9b") if mark in done.output] == []
    assert "title" in done.output or arguments[0] in {"models", "embed"}


@pytest.mark.parametrize("path", ["wrong", "/wrong"])
def test_a_wrong_rerank_path_is_reported_with_its_option(tir, tir_sandbox, path):
    done = tir("rerank", "rain", "sun", "rain", "--model", "m", "--path", path)

    assert done.exit_code == 3
    assert "Check the `--path`, too" in done.stderr
    assert "has no `/v1`" not in done.stderr
