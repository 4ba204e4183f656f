"""Whole runs on the sandbox: what is stored, which rows are sent again, and what ends a run."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.bulk.conftest import echo
from tests.client.paths import NO_PAUSE, TOKEN
from tests.ports import held_port
from tests.waiting import auntil
from tests.wire_server import RESET, WireServer
from tir_client import (
    APIConnectionError,
    AuthenticationError,
    BadRequestError,
    Config,
    ConfigurationError,
    NotFoundError,
    PermissionDeniedError,
    RetryPolicy,
    ServerError,
    Timeouts,
    TIRClient,
)
from tir_client.bulk import Bulk, Progress, Prompts, RowError, sort_output
from tir_client.bulk.failures import FAILED_ROWS, REJECTED_ROWS
from tir_sandbox import Fault, Reply, Request, Sandbox

SCHEMA = {"type": "object", "properties": {"mood": {"type": "string"}}, "required": ["mood"]}


def bulk(client: TIRClient, **options: Any) -> Bulk:
    prompts = {name: options.pop(name) for name in list(options) if name not in {"at_once", "patience", "stream"}}
    return Bulk(client, Prompts(**{"model": "m", **prompts}), **options)


def write(path: Path, *rows: Any) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


def stored(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def request_counts(sandbox: Sandbox) -> Counter[str]:
    return Counter(request.user for request in sandbox.requests)


async def test_each_row_gets_an_answer(sandbox: Sandbox, client: TIRClient, tmp_path: Path):
    rows = write(tmp_path / "in.jsonl", *({"id": f"r{n}", "prompt": f"row {n}"} for n in range(100)))
    progress = await bulk(client, at_once=10).run(rows, tmp_path / "out.jsonl")
    found = sorted(stored(tmp_path / "out.jsonl"), key=lambda row: row["index"])

    assert [(row["index"], row["id"], row["text"]) for row in found] == [
        (n, f"r{n}", f"re: row {n}") for n in range(100)
    ]
    assert {(row["reasoning"], row["error"], row["finish_reason"], row["model"]) for row in found} == {
        ("Repeat it.", None, "stop", "m")
    }
    assert (progress.answered, progress.failed, progress.skipped, progress.fraction) == (100, 0, 0, 1.0)
    assert progress.usage.completion_tokens == sum(row["usage"]["completion_tokens"] for row in found) > 0


@pytest.mark.parametrize("stream", [False, True])
async def test_streamed_and_whole_answers_are_stored_in_the_same_form(
    sandbox: Sandbox, client: TIRClient, tmp_path: Path, stream: bool
):
    await Bulk(client, Prompts(model="m", parameters={"max_tokens": 50}), stream=stream).run(
        ["Hi"], tmp_path / "out.jsonl"
    )
    (row,) = stored(tmp_path / "out.jsonl")
    (request,) = sandbox.requests

    assert (row["text"], row["reasoning"], row["finish_reason"]) == ("re: Hi", "Repeat it.", "stop")
    assert row["usage"]["total_tokens"] > 0
    assert (request.body.get("stream", False), request.body["max_tokens"]) == (stream, 50)


async def test_finished_rows_are_not_sent_again(sandbox: Sandbox, client: TIRClient, tmp_path: Path):
    rows, out = [f"row {n}" for n in range(200)], tmp_path / "out.jsonl"
    await bulk(client).run(rows, out)
    kept = out.read_text("utf-8").splitlines(keepends=True)
    out.write_text("".join(kept[:150]) + kept[150][:40], "utf-8")
    sandbox.reset()
    progress = await bulk(client).run(rows, out)

    assert (progress.skipped, progress.answered) == (150, 50)
    assert len(sandbox.requests) == 50
    assert sorted(row["index"] for row in stored(out)) == list(range(200))


async def test_a_failed_row_is_stored_with_its_error_and_sent_again_by_the_next_run(
    sandbox: Sandbox, client: TIRClient, tmp_path: Path
):
    out = tmp_path / "out.jsonl"
    rows = ["one", "two", "three"]
    sandbox.script(Fault(status=400, body={"error": {"message": "not this one"}}), user="two")
    progress = await bulk(client).run(rows, out)
    (failed,) = [row for row in stored(out) if row["error"]]

    assert (progress.answered, progress.failed) == (2, 1)
    assert (failed["index"], failed["text"]) == (1, "")
    assert (failed["error"]["type"], failed["error"]["status_code"]) == ("BadRequestError", 400)
    assert "not this one" in failed["error"]["message"]

    progress = await bulk(client).run(rows, out, retry_failed=False)
    assert (progress.done, progress.skipped, progress.failed_before) == (0, 3, 1)

    progress = await bulk(client).run(rows, out)
    assert (progress.answered, progress.skipped) == (1, 2)
    assert sorted((row["index"], row["text"]) for row in stored(out)) == [
        (0, "re: one"),
        (1, "re: two"),
        (2, "re: three"),
    ]


async def test_rows_that_cannot_be_sent_are_stored_with_their_error(
    sandbox: Sandbox, client: TIRClient, tmp_path: Path
):
    rows = tmp_path / "in.jsonl"
    rows.write_text('{"prompt": "Hi"}\nnot json\n\n[1]\n{"prompt": 3}\n{"messages": []}\n"Ho"\n', "utf-8")
    progress = await bulk(client).run(rows, tmp_path / "out.jsonl")
    errors = {row["index"]: row["error"] and row["error"]["message"] for row in stored(tmp_path / "out.jsonl")}

    assert (progress.answered, progress.failed) == (2, 4)
    assert errors[0] is errors[5] is None
    assert "not JSON" in errors[1]
    assert "must be a text or an object, not list" in errors[2]
    assert "`prompt` must be a text" in errors[3]
    assert "`messages` must be a list" in errors[4]
    assert len(sandbox.requests) == 2


async def test_a_row_is_sent_again_until_the_retries_are_used_up(sandbox: Sandbox, client: TIRClient, tmp_path: Path):
    sandbox.script(*[Fault(status=500)] * 2, user="two")
    sandbox.script(*[Fault(status=500)] * 3, user="three")
    await bulk(client).run(["one", "two", "three"], tmp_path / "out.jsonl")
    errors = {row["index"]: row["error"] for row in stored(tmp_path / "out.jsonl")}

    assert request_counts(sandbox) == {"one": 1, "two": 3, "three": 3}
    assert errors[0] is errors[1] is None
    assert errors[2]["type"] == "ServerError"


async def test_refused_requests_are_sent_again_until_they_are_answered(
    sandbox: Sandbox, client: TIRClient, tmp_path: Path
):
    sandbox.script(*[Fault(status=429, headers={"Retry-After": "0.01"})] * 30, *[Fault(status=503)] * 10)
    progress = await bulk(client, at_once=20).run([f"row {n}" for n in range(50)], tmp_path / "out.jsonl")

    assert (progress.answered, progress.failed) == (50, 0)
    assert progress.last_failure is not None
    assert progress.last_failure.status_code in {429, 503}
    assert len(sandbox.requests) == 90


async def test_a_server_that_refuses_for_longer_than_the_patience_fails_the_row(
    sandbox: Sandbox, client: TIRClient, tmp_path: Path
):
    sandbox.script(*[Fault(status=503)] * 3, user="two")
    progress = await bulk(client, patience=0).run(["one", "two"], tmp_path / "out.jsonl")
    sandbox.reset()

    assert (progress.answered, progress.failed) == (1, 1)


@pytest.mark.parametrize(
    ("status", "error"), [(401, AuthenticationError), (404, NotFoundError), (403, PermissionDeniedError)]
)
async def test_an_error_that_every_row_would_get_ends_the_run(
    sandbox: Sandbox, client: TIRClient, tmp_path: Path, status: int, error: type[Exception]
):
    sandbox.script(*[Fault(status=status)] * 8)
    with pytest.raises(error):
        await bulk(client).run([f"row {n}" for n in range(100)], tmp_path / "out.jsonl")

    assert len(sandbox.requests) <= 8
    assert stored(tmp_path / "out.jsonl") == []
    sandbox.reset()


async def test_a_403_after_an_answer_is_an_error_of_its_row(sandbox: Sandbox, client: TIRClient, tmp_path: Path):
    sandbox.script(Fault(status=403), user="bad")
    progress = await bulk(client, at_once=1).run(["good", "bad", "good"], tmp_path / "out.jsonl")

    assert (progress.answered, progress.failed) == (2, 1)


async def test_a_server_that_cannot_be_reached_from_the_start_ends_the_run(tmp_path: Path):
    config = Config.resolve(api_key=TOKEN, base_url="http://127.0.0.1:9/v1")
    with pytest.raises(APIConnectionError):
        await bulk(TIRClient(config, retry=NO_PAUSE)).run(["Hi"], tmp_path / "out.jsonl")


async def test_a_server_that_dies_ends_the_run_and_the_next_run_continues(client: TIRClient, tmp_path: Path):
    rows, out, progress = [f"row {n}" for n in range(40)], tmp_path / "out.jsonl", Progress()
    with held_port() as port, Sandbox(rules=echo, strict=False, token=TOKEN, port=port) as server:
        mortal = TIRClient(Config.resolve(api_key=TOKEN, base_url=server.base_url), retry=NO_PAUSE)

        async def dying():
            for number, row in enumerate(rows):
                if number == 20:
                    assert await auntil(lambda: progress.answered == 20)
                    await asyncio.to_thread(server.stop)
                yield row

        with pytest.raises(APIConnectionError):
            await bulk(mortal, patience=0.05).run(dying(), out, progress=progress)

    assert progress.failed == 0
    again = await bulk(client).run(rows, out)
    assert (again.skipped, again.answered) == (20, 20)


@pytest.mark.parametrize("status", [500, 503])
async def test_a_server_that_fails_every_row_ends_the_run_and_the_next_run_continues(
    sandbox: Sandbox, client: TIRClient, tmp_path: Path, status: int
):
    rows, out = [f"row {n}" for n in range(500)], tmp_path / "out.jsonl"
    with Sandbox(rules=lambda _: Fault(status=status), token=TOKEN) as broken:
        failing = TIRClient(Config.resolve(api_key=TOKEN, base_url=broken.base_url), retry=NO_PAUSE)
        with pytest.raises(ServerError, match=rf"answered nothing for \d+ seconds.*HTTP {status}"):
            await bulk(failing, patience=0.0, at_once=4).run(rows, out)

    assert [row["error"]["status_code"] for row in stored(out)] == [status] * FAILED_ROWS
    again = await bulk(client).run(rows, out)
    assert (again.skipped, again.answered) == (0, 500)


async def test_settings_that_fail_every_row_end_the_run(client: TIRClient, tmp_path: Path):
    rows, out, progress = [f"row {n}" for n in range(500)], tmp_path / "out.jsonl", Progress()
    with Sandbox(rules=lambda _: Fault(status=400), token=TOKEN) as refusing:
        failing = TIRClient(Config.resolve(api_key=TOKEN, base_url=refusing.base_url), retry=NO_PAUSE)
        with pytest.raises(BadRequestError, match="None of the first 100 rows was answered"):
            await bulk(failing).run(rows, out, progress=progress)
        assert progress.failed == REJECTED_ROWS - 1

        await bulk(client).run(rows[:10], out, accept_changes=True)
        await bulk(failing).run(rows, out, progress=progress)

    assert len(stored(out)) == 500


async def test_a_connection_that_is_reset_is_a_failure_of_its_row(tmp_path: Path):
    with WireServer((RESET,)) as server:
        config = Config.resolve(api_key=TOKEN, base_url=server.base_url)
        progress = await bulk(TIRClient(config, retry=NO_PAUSE)).run(["Hi"], tmp_path / "out.jsonl")

    assert progress.failed == 1
    assert len(server.connections) == 3


async def test_an_answer_that_does_not_come_in_time_fails_its_row_at_once(tmp_path: Path):
    def rules(request: Request) -> Reply:
        return Reply(request.user, delay=60 if request.user == "slow" else 0)

    for seconds in (0.2, 3, 20):  # a slow machine needs longer for any answer
        with Sandbox(rules=rules, token=TOKEN) as sandbox:
            config = Config.resolve(api_key=TOKEN, base_url=sandbox.base_url)
            client = TIRClient(config, retry=NO_PAUSE, timeout=Timeouts(first_byte=seconds))
            progress = await bulk(client).run(["slow", "fast"], tmp_path / f"{seconds}.jsonl")
            assert await auntil(lambda: len(sandbox.requests) == 2)
        if progress.answered:
            break

    assert (progress.answered, progress.failed) == (1, 1)
    assert request_counts(sandbox) == {"slow": 1, "fast": 1}


async def test_structured_rows_have_their_data(sandbox: Sandbox, client: TIRClient, tmp_path: Path):
    sandbox.script('```json\n{"mood": "good"}\n```', user="one")
    sandbox.script("No idea.", user="two")
    sandbox.script('{"temper": 1}', user="three")
    sandbox.script(Reply('{"mood": "go', finish_reason="length"), user="four")
    sandbox.script(Reply(refusal="I will not."), user="five")
    await bulk(client, schema=SCHEMA).run(["one", "two", "three", "four", "five"], tmp_path / "out.jsonl")
    found = sorted(stored(tmp_path / "out.jsonl"), key=lambda row: row["index"])

    assert [row["data"] for row in found] == [{"mood": "good"}, None, None, None, None]
    assert [row["error"] and row["error"]["type"] for row in found] == [
        None,
        "StructuredOutputError",
        "StructuredOutputError",
        "TruncatedOutputError",
        "RefusedOutputError",
    ]
    assert found[1]["text"] == "No idea."
    assert sandbox.requests[0].body["response_format"]["json_schema"]["schema"] == SCHEMA


@pytest.mark.parametrize("change", ["prompt", "order", "shorter", "model"])
async def test_a_changed_input_or_setting_is_refused_before_any_request(
    sandbox: Sandbox, client: TIRClient, tmp_path: Path, change: str
):
    out = tmp_path / "out.jsonl"
    rows = write(tmp_path / "in.jsonl", *({"prompt": f"row {n}"} for n in range(140)))
    await bulk(client).run(rows, out)
    out.write_text("".join(out.read_text("utf-8").splitlines(keepends=True)[:-40]), "utf-8")
    texts = [f"row {n}" for n in range(140)]
    if change == "prompt":
        texts[70] = "other"
    elif change == "order":
        texts.reverse()
    elif change == "shorter":
        del texts[50:]
    write(rows, *({"prompt": text} for text in texts))
    sandbox.reset()
    with pytest.raises(ConfigurationError, match="input"):
        await bulk(client, model="other" if change == "model" else "m").run(rows, out)

    assert len(sandbox.requests) < 100
    before = len(stored(out))
    progress = await bulk(client).run(rows, out, accept_changes=True)
    assert progress.skipped + progress.answered == len(texts)
    assert len(stored(out)) == before + progress.answered


async def test_rows_may_be_added_at_the_end(sandbox: Sandbox, client: TIRClient, tmp_path: Path):
    out = tmp_path / "out.jsonl"
    await bulk(client).run(["one", "two"], out)
    progress = await bulk(client).run(["one", "two", "three"], out)

    assert (progress.skipped, progress.answered) == (2, 1)


async def test_a_first_row_without_the_templates_column_ends_the_run(
    sandbox: Sandbox, client: TIRClient, tmp_path: Path
):
    with pytest.raises(ConfigurationError, match=r"no column `text`; its columns are `body`"):
        await bulk(client, template="Sum up: {text}").run([{"body": "x"}], tmp_path / "out.jsonl")
    with pytest.raises(ConfigurationError, match="neither `prompt` nor `messages`"):
        await bulk(client).run([{"body": "x"}], tmp_path / "out.jsonl")

    assert sandbox.requests == []


@pytest.mark.parametrize(
    ("rows", "output", "problem"),
    [
        ("in.txt", "out.jsonl", "must end in"),
        ("missing.jsonl", "out.jsonl", "There is no file"),
        ("in.jsonl", "in.jsonl", "same file"),
        ("in.jsonl", "out.csv", "must end in .jsonl"),
        (3, "out.jsonl", "a path or an iterable"),
    ],
)
async def test_wrong_files_are_refused_by_name(client: TIRClient, tmp_path: Path, rows: Any, output: str, problem: str):
    write(tmp_path / "in.jsonl", {"prompt": "Hi"})
    source = tmp_path / rows if isinstance(rows, str) else rows
    with pytest.raises(ConfigurationError, match=problem):
        await bulk(client).run(source, tmp_path / output)


async def test_cancelling_keeps_what_is_stored(sandbox: Sandbox, client: TIRClient, tmp_path: Path):
    out, progress = tmp_path / "out.jsonl", Progress()
    sandbox.script(Reply("late", delay=30), user="row 50")
    running = asyncio.create_task(bulk(client, at_once=4).run([f"row {n}" for n in range(51)], out, progress=progress))
    assert await auntil(lambda: progress.answered == 50)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert len(stored(out)) == 50

    again = await bulk(client).run([f"row {n}" for n in range(51)], out)
    assert (again.skipped, again.answered) == (50, 1)


async def test_at_once_limits_the_open_requests(sandbox: Sandbox, client: TIRClient, tmp_path: Path):
    most = 0
    progress = Progress()

    async def rows():
        nonlocal most
        for n in range(100):
            most = max(most, progress.under_way)
            yield f"row {n}"

    await bulk(client, at_once=3).run(rows(), tmp_path / "out.jsonl", progress=progress)

    assert 1 <= most <= 3
    assert progress.limit == 3
    assert sandbox.open_connections <= 3


async def test_an_output_that_cannot_be_written_ends_the_run(
    client: TIRClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def full(*_: Any) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.write", full)
    with pytest.raises(OSError, match="No space left"):
        await bulk(client).run(["Hi"], tmp_path / "out.jsonl")


async def test_results_are_yielded_as_they_arrive(client: TIRClient):
    async with bulk(client).results(["one", {"id": 7, "prompt": "two"}]) as results:
        found = {(result.index, result.id, result.text) async for result in results}

    assert found == {(0, None, "re: one"), (1, 7, "re: two")}


async def test_leaving_the_iterator_ends_the_requests(sandbox: Sandbox, client: TIRClient):
    async with bulk(client, at_once=2).results(f"row {n}" for n in range(1000)) as results:
        async for result in results:
            assert result.error is None
            break

    assert len(sandbox.requests) < 20
    assert await auntil(lambda: sandbox.open_connections == 0)


async def test_an_error_that_ends_the_run_is_raised_by_the_iterator(sandbox: Sandbox, client: TIRClient):
    sandbox.script(Fault(status=401))
    async with bulk(client, at_once=1).results(["one", "two"]) as results:
        with pytest.raises(AuthenticationError):
            await anext(results)


async def test_a_failed_row_is_a_result_with_an_error(sandbox: Sandbox, client: TIRClient):
    sandbox.script(Fault(status=400, body={"error": {"message": "no"}}))
    async with bulk(client).results(["one"]) as results:
        (result,) = [result async for result in results]

    assert isinstance(result.error, RowError)
    assert result.error.status_code == 400


async def test_the_output_can_be_sorted_into_the_order_of_the_input(
    sandbox: Sandbox, client: TIRClient, tmp_path: Path
):
    out = tmp_path / "out.jsonl"
    await bulk(client).run([f"row {n}" for n in range(50)], out)
    lines = {json.loads(line)["index"]: line for line in out.read_text("utf-8").splitlines(keepends=True)}
    out.write_text("".join(lines[17 * n % 50] for n in range(50)), "utf-8")
    sort_output(out)

    assert [row["index"] for row in stored(out)] == list(range(50))


def test_at_once_is_at_least_one(client: TIRClient):
    with pytest.raises(ConfigurationError, match="at_once"):
        bulk(client, at_once=0)


async def test_the_clients_retry_policy_is_not_changed(client: TIRClient, tmp_path: Path):
    await bulk(client).run(["Hi"], tmp_path / "out.jsonl")

    assert client.retry == NO_PAUSE
    assert isinstance(client.retry, RetryPolicy)
