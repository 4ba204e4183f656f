"""Bulk: reads rows, sends their requests, and stores or yields the results."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, asynccontextmanager
from copy import copy
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from tir_client.bulk.controller import Controller
from tir_client.bulk.failures import Attempts, CircuitBreaker, Verdict, classify
from tir_client.bulk.gate import Gate
from tir_client.bulk.output import Output
from tir_client.bulk.progress import Progress
from tir_client.bulk.prompts import Prompts
from tir_client.bulk.results import RowError, answer_result, error_result
from tir_client.bulk.sources import open_source
from tir_client.errors import ConfigurationError, InvalidRequestError, TIRError
from tir_client.transport.retry import StartPolicy

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable

    from tir_client.bulk.prompts import Row
    from tir_client.bulk.results import Result
    from tir_client.bulk.sources import Rows, Source
    from tir_client.client import TIRClient
    from tir_client.protocol.requests import ChatRequest
    from tir_client.protocol.responses import Completion

SYNC_SECONDS = 5.0


@dataclass(frozen=True)
class Bulk:
    """Sends many rows to a model, and stores or yields a result for each.

    Args:
        client: The client; its retry policy says how often a broken request is sent again.
        prompts: Builds the request for each row.
        at_once: Maximum number of requests at once. Fewer are sent if the server refuses some or becomes slower.
        patience: Seconds for which a row is retried while the server refuses requests (429, 502, 503, 504, 529), and
            after which the run ends if none was answered. A large model on an idle deployment takes a quarter of an
            hour to start.
        stream: Stream the answers. This costs more CPU, but prevents gateways from ending long answers.
    """

    client: TIRClient
    prompts: Prompts = field(default_factory=Prompts)
    at_once: int = 64
    patience: float = 900.0
    stream: bool = False

    def __post_init__(self) -> None:
        if self.at_once < 1:
            raise ConfigurationError(f"`at_once` must be at least 1, not {self.at_once}.")

    async def run(
        self,
        rows: Rows,
        output: str | Path,
        *,
        retry_failed: bool = True,
        accept_changes: bool = False,
        progress: Progress | None = None,
    ) -> Progress:
        """Store an answer or an error for each row in a file of JSON lines.

        The run can be stopped or killed at any time. The same call then continues with the missing rows.

        Args:
            rows: The path of a `.jsonl`, `.csv` (both also as `.gz`) or `.parquet` file, or an iterable of prompts or
                mappings.
            output: The file to write.
            retry_failed: Send rows again that an earlier run stored with an error.
            accept_changes: Continue although rows or settings have changed. Stored results are kept.
            progress: An object to keep up to date, for a progress bar.

        Returns:
            The counts, tokens and times of this run.

        Raises:
            ConfigurationError: The input, the output or a setting is wrong, or the input has changed.
            AuthenticationError: The server did not accept the token.
            NotFoundError: The server does not know the model or the path.
            PermissionDeniedError: The token may not use the model.
            APIConnectionError: The server could not be reached from the start, or for as long as `patience`.
            TIRError: The server has failed 20 rows in a row and answered nothing for as long as `patience`, or has
                rejected the first 100 rows: the last failure.
            OSError: The output cannot be written.
        """
        work = _Run(self, rows, progress, accept_changes)
        work.output = await asyncio.to_thread(Output, _checked(rows, Path(output)), retry_failed=retry_failed)
        work.progress.failed_before = work.output.failed
        work.breaker.has_answers = len(work.output.finished) > work.output.failed
        try:
            await work.finish(_discard)
            work.output.sync()
        finally:
            work.output.close()
        return work.progress

    @asynccontextmanager
    async def results(self, rows: Rows, *, progress: Progress | None = None) -> AsyncGenerator[AsyncIterator[Result]]:
        """Give an iterator over the results as they arrive, in any order. Nothing is stored.

        Use it as `async with bulk.results(rows) as results`; the end of the block ends the run.

        Args:
            rows: The path of a file, or an iterable, as for `run`.
            progress: An object to keep up to date.

        Raises:
            TIRError: The run has ended, as for `run`; the iterator raises it.
        """
        work = _Run(self, rows, progress)
        queue: asyncio.Queue[Result | Exception | None] = asyncio.Queue(self.at_once)
        sending = asyncio.create_task(_put_results(queue, work))
        try:
            yield _take_results(queue)
        finally:
            sending.cancel()
            await asyncio.wait([sending])


class _Run:
    """One run: its tasks and their shared state."""

    def __init__(self, bulk: Bulk, rows: Rows, progress: Progress | None = None, accept_changes: bool = False) -> None:
        self.progress = Progress() if progress is None else progress
        self.output: Output | None = None
        self._bulk = bulk
        self._source: Source = open_source(rows)
        self._prompts = bulk.prompts
        self._check = not accept_changes
        self._policy = bulk.client.retry
        self._controller = Controller(bulk.at_once, self._policy)
        self._gate = Gate(self._controller)
        self.breaker = CircuitBreaker(bulk.patience)
        self._client = copy(bulk.client)
        self._client.retry = replace(self._policy, max_retries=0)  # the run retries, and pauses all rows
        self._client.start = StartPolicy()
        self._read = 0

    async def finish(self, emit: Callable[[Result], Awaitable[None]]) -> None:
        """Send all unfinished rows, and pass each result to `emit`."""
        try:
            async with self._client, asyncio.TaskGroup() as group:
                syncing = group.create_task(self._keep_synced())
                await self._ask_all(emit)
                syncing.cancel()
        except ExceptionGroup as failures:
            raise _first(failures) from None

    async def _ask_all(self, emit: Callable[[Result], Awaitable[None]]) -> None:
        async with asyncio.TaskGroup() as group, aclosing(self._source.blocks()) as blocks:
            async for block in blocks:
                for row in self._unfinished(block):
                    await self._gate.enter()
                    group.create_task(self._ask(row, emit))
        if self.output is not None and self._check:
            self.output.finished.check_end(self._read)

    def _unfinished(self, block: list[Row]) -> list[Row]:
        if self._read == 0:
            self._prompts.check_first(block)
        rows = block
        if self.output is not None:
            rows = self.output.finished.unfinished(block, self._prompts.fingerprint, check=self._check)
        self._read += len(block)
        self.progress.skipped += len(block) - len(rows)
        self._update()
        if rows and self.progress.started_at is None:
            self.progress.started_at, self.progress.start_fraction = _now(), self.progress.fraction
        return rows

    async def _ask(self, row: Row, emit: Callable[[Result], Awaitable[None]]) -> None:
        """Send a row that the gate has admitted, and emit its result."""
        try:
            result = await self._result(row, self._prompts.fingerprint(row))
            if self.output is not None:
                self.output.append(result.line())
            self.progress.add(result)
            await emit(result)
        finally:
            self._gate.leave()
            self._update()

    async def _result(self, row: Row, fingerprint: int) -> Result:
        attempts = Attempts(self._policy)
        try:
            request = self._prompts.request(row)
        except InvalidRequestError as error:
            return error_result(row, fingerprint, error)
        while True:
            sent = _now()
            try:
                completion, first_byte = await self._call(request)
            except TIRError as error:
                failure = error
            else:
                self.breaker.answered()
                self._controller.answered(sent, first_byte - sent, _now())
                return answer_result(row, fingerprint, completion, self._prompts.schema)
            if not await self._may_retry(failure, sent, attempts):
                return error_result(row, fingerprint, failure)

    async def _call(self, request: ChatRequest) -> tuple[Completion, float]:
        """The answer, and the time of its first byte."""
        if not self._bulk.stream:
            return await self._client.achat(request), _now()
        first_byte = 0.0
        async with self._client.astream(request) as stream:
            async for delta in stream:
                first_byte = first_byte or _now()
                accumulator = delta.accumulator
        return accumulator.completion(), first_byte

    async def _may_retry(self, failure: TIRError, sent: float, attempts: Attempts) -> bool:
        """Wait until the row may be sent again; return False if it is not retried.

        Raises:
            TIRError: The failure ends the run.
        """
        self.progress.last_failure = RowError.of(failure)
        now, breaker = _now(), self.breaker
        verdict = breaker.check(failure, classify(failure, any_answer=breaker.any_answer), now)
        if verdict is Verdict.REFUSED:
            self._controller.refused(sent, failure, now)
        elif verdict is Verdict.SLOW:
            self._controller.slowed(sent, now)
        pause = attempts.pause(failure, verdict, now, breaker)
        if pause is None:
            breaker.row_failed(failure, verdict)
            return False
        self._gate.leave()
        self._update()
        await asyncio.sleep(pause)
        await self._gate.enter(again=True)
        return True

    async def _keep_synced(self) -> None:
        while self.output is not None:
            await asyncio.sleep(SYNC_SECONDS)
            await asyncio.to_thread(self.output.sync)

    def _update(self) -> None:
        progress = self.progress
        progress.limit, progress.under_way = self._controller.limit, self._gate.under_way
        progress.paused_until = self._controller.resume_at
        part = self._source.fraction()
        if part is not None and self._read:
            progress.fraction = part * (progress.skipped + progress.done) / self._read


def _checked(rows: Rows, output: Path) -> Path:
    """Check the output's path, which must differ from the input's; return it."""
    if output.suffix.lower() not in {".jsonl", ".ndjson"}:
        raise ConfigurationError(f"The output is JSON lines: its name must end in .jsonl, not in {output.suffix!r}.")
    if isinstance(rows, str | Path) and output.exists() and output.samefile(rows):
        raise ConfigurationError("The input and the output are the same file.")
    return output


def _now() -> float:
    return asyncio.get_running_loop().time()


def _first(failure: BaseException) -> BaseException:
    """The first error in an exception group."""
    while isinstance(failure, BaseExceptionGroup):
        failure = failure.exceptions[0]
    return failure


async def _discard(_: Result) -> None:
    """Discard a result."""


async def _put_results(queue: asyncio.Queue[Result | Exception | None], work: _Run) -> None:
    """Put each result into a queue; at the end, the error that ended the run, or None."""
    try:
        await work.finish(queue.put)
    except Exception as error:  # noqa: BLE001 - the iterator raises it
        await queue.put(error)
    else:
        await queue.put(None)


async def _take_results(queue: asyncio.Queue[Result | Exception | None]) -> AsyncIterator[Result]:
    while (item := await queue.get()) is not None:
        if isinstance(item, Exception):
            raise item
        yield item
