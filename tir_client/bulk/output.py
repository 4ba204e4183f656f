"""The output of a bulk run: a file of JSON lines that is appended to, repaired after a kill, and sorted.

Each result is passed to the operating system with one `write` before it counts as finished, so killing the process
loses no stored result. A crash of the machine loses at most the results since the last `sync`.
"""

from __future__ import annotations

import heapq
import os
import re
from contextlib import ExitStack, closing, suppress
from os.path import samestat
from shutil import copymode
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING

from tir_client.bulk.finished import FinishedRows
from tir_client.bulk.results import START, may_be_cut_off, read_line
from tir_client.errors import ConfigurationError

with suppress(ImportError):  # not on Windows
    import fcntl

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_RUN = 64 * 1024 * 1024
"""Bytes that `sort_output` sorts in memory."""


class Output:
    """An open output file, and the rows in it.

    Args:
        path: The file, which is created if it does not exist.
        retry_failed: Remove the results with an error; their rows are sent again.

    Attributes:
        finished: The rows that need not be sent.
        failed: How many of these have an error.

    Raises:
        ConfigurationError: The file is no output of this library, or another process is writing it.
    """

    def __init__(self, path: Path, *, retry_failed: bool = True) -> None:
        self.path = path.resolve()
        self.finished = FinishedRows()
        self.failed = 0
        self._file = _open(self.path)
        self._is_broken = False
        try:
            self._load(retry_failed)
        except BaseException:
            self.close()
            raise

    def append(self, line: bytes) -> None:
        """Store a result.

        Raises:
            OSError: Writing failed. Nothing more is written; the next run removes the half line at the end.
        """
        if self._is_broken:
            raise OSError(f"{self.path} cannot be written any more.")
        self._is_broken = True
        rest = memoryview(line)
        while rest:
            rest = rest[os.write(self._file.fileno(), rest) :]
        self._is_broken = False

    def sync(self) -> None:
        """Flush the file to disk (fsync)."""
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file and release its lock."""
        self._file.close()

    def _load(self, retry_failed: bool) -> None:
        """Read which rows are finished; remove a half line at the end, and the rows to send again."""
        end, superfluous = 0, 0
        for number, line in enumerate(self._file):
            stored = read_line(line) if line.endswith(b"\n") else None
            if stored is None:
                self._check_cut_off(number, line)
                break
            end += len(line)
            if (stored.failed and retry_failed) or not self.finished.add(stored.index, stored.fingerprint):
                superfluous += 1
            else:
                self.failed += stored.failed
        self._file.truncate(end)
        if superfluous:
            self._remove(retry_failed)

    def _check_cut_off(self, number: int, line: bytes) -> None:
        """Refuse a file whose line `number` is not a result, unless it is the last one and half written."""
        if not may_be_cut_off(line) or any(read_line(rest) for rest in self._file):
            raise ConfigurationError(
                f"{self.path}, line {number + 1}, is not a result of a bulk run. Write to another output."
            )

    def _remove(self, retry_failed: bool) -> None:
        """Rewrite the file atomically without failed and duplicate results."""
        kept = FinishedRows()

        def is_kept(line: bytes) -> bool:
            stored = read_line(line)
            wanted = stored is not None and not (stored.failed and retry_failed)
            return wanted and stored is not None and kept.add(stored.index, stored.fingerprint)

        self._file.seek(0)
        _replace(self.path, (line for line in self._file if is_kept(line)))
        self._file.close()
        self._file = _open(self.path)


def sort_output(path: Path) -> None:
    """Sort the rows of an output into the order of the input, in constant memory.

    Parts of 64 MB are sorted in memory and merged from temporary files. The file is replaced atomically.

    Raises:
        ConfigurationError: The file is no output of this library, or another process is writing it.
    """
    with ExitStack() as stack:
        output = stack.enter_context(closing(Output(path, retry_failed=False)))  # locked until replaced
        file = stack.enter_context(output.path.open("rb"))
        runs = [stack.enter_context(_sorted_run(lines)) for lines in _parts(file)]
        _replace(output.path, heapq.merge(*runs, key=_index))


_INDEX = re.compile(re.escape(START) + rb"(\d+)")


def _index(line: bytes) -> int:
    found = _INDEX.match(line)
    return int(found[1]) if found else -1


def _parts(file: Iterable[bytes]) -> Iterator[list[bytes]]:
    lines: list[bytes] = []
    size = 0
    for line in file:
        lines.append(line)
        size += len(line)
        if size >= _RUN:
            yield lines
            lines, size = [], 0
    yield lines


def _sorted_run(lines: list[bytes]) -> IO[bytes]:
    lines.sort(key=_index)
    run = TemporaryFile()  # noqa: SIM115 - the caller closes it
    run.writelines(lines)
    run.seek(0)
    return run


def _replace(path: Path, lines: Iterable[bytes]) -> None:
    """Write a new file with the same permissions, and replace the old one when it is complete."""
    temporary = path.with_name(path.name + ".tmp")
    try:
        with temporary.open("wb") as file:
            copymode(path, temporary)
            file.writelines(lines)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _open(path: Path) -> IO[bytes]:
    if path.exists() and not path.is_file():  # a device may have no end
        raise ConfigurationError(f"{path} is not a file.")
    file = path.open("a+b")
    if not _locked(file) or not samestat(os.fstat(file.fileno()), path.stat()):  # replaced before it was locked
        file.close()
        raise ConfigurationError(f"Another process is writing {path}.")
    file.seek(0)
    return file


def _locked(file: IO[bytes]) -> bool:
    """Lock a file for this process; return whether it is locked, True where locks are not supported."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except (NameError, OSError):
        return True
    return True
