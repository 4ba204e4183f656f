"""Reads the rows of the input: JSONL, CSV and Parquet files in blocks, iterables row by row.

Files are read in a thread, so a slow disk does not block the event loop. Iterables are read in the loop, because
the user's object may be bound to its thread.
"""

from __future__ import annotations

import asyncio
import csv
import gzip
import io
import zlib
from collections.abc import AsyncGenerator, AsyncIterable, Iterable, Iterator, Sized
from contextlib import closing, contextmanager
from itertools import count, islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol, cast

from pydantic_core import from_json

from tir_client.bulk.finished import BLOCK
from tir_client.bulk.prompts import Row
from tir_client.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Rows = str | Path | Iterable[Any] | AsyncIterable[Any]
"""An input: the path of a file, or prompts or mappings of columns."""


class Source(Protocol):
    """An input."""

    def blocks(self) -> AsyncGenerator[list[Row]]:
        """Read all rows, in order."""

    def fraction(self) -> float | None:
        """The part of the input that has been read, from 0 to 1; None if the size is unknown."""


def open_source(rows: Rows) -> Source:
    """Open a path or an iterable as a source.

    Raises:
        ConfigurationError: The file does not exist, or is of an unknown kind.
    """
    if isinstance(rows, str | Path):
        return FileSource(_file(Path(rows)))
    if isinstance(rows, AsyncIterable | Iterable):
        return IterableSource(rows)
    raise ConfigurationError(f"The input must be a path or an iterable of rows, not {type(rows).__name__}.")


def _file(path: Path) -> _File:
    """Choose the reader for a path by its suffix."""
    if str(path) == "-" or path.is_fifo() or path.is_char_device():
        raise ConfigurationError("The input must be a file: the next run could not read a pipe again.")
    is_packed = path.suffix.lower() == ".gz"
    kind = _KINDS.get(Path(path.stem if is_packed else path.name).suffix.lower())
    if kind is None or (is_packed and kind is _Parquet):
        raise ConfigurationError(f"The input must end in {', '.join(_KINDS)} or .jsonl.gz, not in {path.suffix!r}.")
    if not path.is_file():
        raise ConfigurationError(f"There is no file {path}.")
    return kind(path)


class _File:
    """An open file that is read row by row."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = max(1, path.stat().st_size)
        self.position = 0
        self._open: IO[bytes] | None = None

    def rows(self) -> Iterator[Row]:
        raise NotImplementedError

    def fraction(self) -> float:
        """The part that has been read. `tell` is slow in a thread: call this once for many rows."""
        position = self.position if self._open is None else self._open.tell()
        return min(1.0, position / self.size)

    @contextmanager
    def opened(self) -> Iterator[IO[bytes]]:
        """Open the file, decompressed if it is compressed."""
        with self.path.open("rb") as file:
            self._open = file
            try:
                if self.path.suffix.lower() == ".gz":
                    with gzip.GzipFile(fileobj=file) as content:
                        yield cast("IO[bytes]", content)
                else:
                    yield file
            except (EOFError, zlib.error, gzip.BadGzipFile) as error:
                raise ConfigurationError(f"{self.path} cannot be decompressed: {error}") from None
            finally:
                self._open, self.position = None, self.size


class _JsonLines(_File):
    """An object or a string on each line; empty lines are skipped."""

    def rows(self) -> Iterator[Row]:
        numbers = count()
        with self.opened() as content:
            for line in content:
                if text := line.strip():
                    yield _from_line(next(numbers), text)


def _from_line(index: int, line: bytes) -> Row:
    try:
        return Row.of(index, from_json(line.removeprefix(b"\xef\xbb\xbf")))
    except ValueError as error:
        return Row(index, None, f"it is not JSON ({error})")


class _Csv(_File):
    """CSV with column names in the first line."""

    def rows(self) -> Iterator[Row]:
        with self.opened() as content, io.TextIOWrapper(content, encoding="utf-8-sig", newline="") as text:
            reader = csv.DictReader(text, strict=True)  # without it, an unclosed quote swallows all further rows
            for index in count():
                line = reader.line_num + 1
                try:
                    columns = _next_record(reader)
                except UnicodeDecodeError as error:
                    raise ConfigurationError(f"{self.path} is not UTF-8, in line {line} or later: {error}.") from None
                except csv.Error as error:
                    raise ConfigurationError(f"{self.path}, the record from line {line}: {error}.") from None
                if columns is None:
                    return
                if index == 0:
                    self._check_names(reader.fieldnames or ())
                yield _of_record(index, columns)

    def _check_names(self, names: Sequence[str]) -> None:
        twice = next((name for name in names if name and names.count(name) > 1), None)
        if twice is not None:
            raise ConfigurationError(f"{self.path} has two columns with the name `{twice}`.")


def _next_record(reader: csv.DictReader[str]) -> dict[Any, Any] | None:
    """The next record. Fields may exceed the `csv` module's default limit of 131,072 characters."""
    former = csv.field_size_limit(2**31 - 1)
    try:
        return next(reader, None)
    finally:
        csv.field_size_limit(former)


def _of_record(index: int, columns: dict[Any, Any]) -> Row:
    return Row(index, None, "it has more fields than the header") if None in columns else Row(index, columns)


class _Parquet(_File):
    """A Parquet table; needs pyarrow."""

    def __init__(self, path: Path) -> None:
        try:
            from pyarrow import parquet  # noqa: PLC0415 - an optional package
        except ImportError as error:
            raise ConfigurationError(
                'Parquet files need `pyarrow`. Install it with `pip install "tir-llm[parquet]"`.'
            ) from error
        super().__init__(path)
        try:
            self._table = parquet.ParquetFile(path, buffer_size=1 << 20)  # read in parts, not a whole column at a time
        except ValueError as error:
            raise ConfigurationError(f"{path} cannot be read: {str(error).rstrip('.')}.") from None
        self.size = max(1, self._table.metadata.num_rows)

    def rows(self) -> Iterator[Row]:
        with closing(self._table):
            try:
                for batch in self._table.iter_batches(batch_size=BLOCK):
                    for columns in batch.to_pylist():
                        self.position += 1
                        yield Row(self.position - 1, columns)
            except (ValueError, OSError) as error:
                problem = f"{self.path}, after row {self.position}: {str(error).rstrip('.')}."
                raise ConfigurationError(problem) from None


_KINDS: dict[str, Callable[[Path], _File]] = {
    ".jsonl": _JsonLines,
    ".ndjson": _JsonLines,
    ".csv": _Csv,
    ".parquet": _Parquet,
}


class FileSource:
    """The rows of a file, read in a thread, one block ahead."""

    def __init__(self, file: _File) -> None:
        self._file = file
        self._fraction = 0.0

    async def blocks(self) -> AsyncGenerator[list[Row]]:
        """Read all rows, in order."""
        loop = asyncio.get_running_loop()
        rows = self._file.rows()
        reading = loop.run_in_executor(None, self._read, rows)
        try:
            while (read := await reading)[0]:
                reading = loop.run_in_executor(None, self._read, rows)
                block, self._fraction = read
                yield block
        finally:
            reading.cancel()

    def fraction(self) -> float | None:
        """The part of the file that has been read."""
        return self._fraction

    def _read(self, rows: Iterator[Row]) -> tuple[list[Row], float]:
        return list(islice(rows, BLOCK)), self._file.fraction()


class IterableSource:
    """The rows of an iterable, each as soon as it is available."""

    def __init__(self, rows: Iterable[Any] | AsyncIterable[Any]) -> None:
        self._rows = rows
        self._size = len(rows) if isinstance(rows, Sized) else None
        self._read = 0

    async def blocks(self) -> AsyncGenerator[list[Row]]:
        """Read all rows, in order."""
        if isinstance(self._rows, AsyncIterable):
            async for value in self._rows:
                yield [self._row(value)]
        else:
            for value in self._rows:
                yield [self._row(value)]
                if self._read % BLOCK == 0:
                    await asyncio.sleep(0)  # lets other tasks run, even if all rows are finished

    def fraction(self) -> float | None:
        """The part that has been read, if the iterable has a length."""
        return None if self._size is None else self._read / max(1, self._size)

    def _row(self, value: object) -> Row:
        self._read += 1
        return Row.of(self._read - 1, value)
