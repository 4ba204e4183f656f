"""The output file: how it is repaired, rewritten, locked and sorted, and which files are refused."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import IO

import pytest

from tir_client import ConfigurationError, ServerError
from tir_client.bulk import output as output_module
from tir_client.bulk import sort_output
from tir_client.bulk.output import Output
from tir_client.bulk.prompts import Row
from tir_client.bulk.results import Result, error_result, read_line


def line(index: int, *, broken: bool = False) -> bytes:
    if broken:
        return error_result(Row(index, {}), index, ServerError("no")).line()
    return Result(index, f"{index:016x}", text=f"answer {index}").line()


def indexes(path: Path) -> list[int]:
    return [stored.index for stored in map(read_line, path.read_bytes().splitlines(keepends=True)) if stored]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "out.jsonl"


def test_a_new_file_is_made_and_appended_to(path: Path):
    output = Output(path)
    output.append(line(0))
    output.append(line(1))
    output.sync()
    output.close()

    assert path.read_bytes() == line(0) + line(1)
    again = Output(path)
    again.close()
    assert len(again.finished) == 2


@pytest.mark.parametrize("length", [0, 1, 9, 40, len(line(2)) - 1])
def test_a_half_written_line_is_cut_off(path: Path, length: int):
    path.write_bytes(line(0) + line(1) + line(2)[:length])
    output = Output(path)
    output.append(line(3))
    output.close()

    assert path.read_bytes() == line(0) + line(1) + line(3)
    assert (0 in output.finished, 2 in output.finished) == (True, False)


def test_a_tail_of_zeros_is_cut_off(path: Path):
    path.write_bytes(line(0) + bytes(4096))
    Output(path).close()

    assert path.read_bytes() == line(0)


@pytest.mark.parametrize(
    ("content", "number"),
    [
        (b"my notes\n", 1),
        (b"my notes", 1),
        (b'{"prompt": "Hi"}\n', 1),
        (line(0) + b"my notes\n", 2),
        (line(0) + line(1)[:30] + b"\n" + line(2), 2),
        (line(0) + line(1)[:30] + line(2) + line(3), 2),
    ],
)
def test_a_file_that_is_not_an_output_is_refused_and_left_unchanged(path: Path, content: bytes, number: int):
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=f"line {number}, is not a result"):
        Output(path)

    assert path.read_bytes() == content


def test_failed_and_repeated_results_are_removed(path: Path):
    path.write_bytes(line(0) + line(1, broken=True) + line(0) + line(2) + line(1)[:20])
    output = Output(path)
    output.append(line(1))
    output.close()

    assert path.read_bytes() == line(0) + line(2) + line(1)
    assert (len(output.finished), output.failed) == (2, 0)
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_failed_results_can_be_kept(path: Path):
    content = line(0) + line(1, broken=True)
    path.write_bytes(content)
    output = Output(path, retry_failed=False)
    output.close()

    assert path.read_bytes() == content
    assert (len(output.finished), output.failed) == (2, 1)


def test_a_result_that_was_repeated_after_a_failure_is_kept_once(path: Path):
    path.write_bytes(line(1, broken=True) + line(1))
    Output(path).close()

    assert path.read_bytes() == line(1)


def test_two_processes_cannot_write_one_file(path: Path):
    first = Output(path)
    with pytest.raises(ConfigurationError, match="Another process"):
        Output(path)
    with pytest.raises(ConfigurationError, match="Another process"):
        sort_output(path)
    first.close()
    Output(path).close()


def test_the_file_stays_locked_while_it_is_rewritten(path: Path):
    path.write_bytes(line(0) + line(1, broken=True))
    output = Output(path)
    with pytest.raises(ConfigurationError, match="Another process"):
        Output(path)
    output.close()


def test_after_a_failed_write_nothing_more_is_appended(path: Path, monkeypatch: pytest.MonkeyPatch):
    output = Output(path)
    write = os.write

    def half(descriptor: int, data: bytes) -> int:
        monkeypatch.setattr(os, "write", full)
        return write(descriptor, data[:20])

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", half)
    with pytest.raises(OSError, match="No space left"):
        output.append(line(0))
    monkeypatch.setattr(os, "write", write)
    with pytest.raises(OSError, match="cannot be written any more"):
        output.append(line(1))
    output.close()
    assert path.read_bytes() == line(0)[:20]

    Output(path).close()
    assert path.read_bytes() == b""


def test_a_short_write_is_completed(path: Path, monkeypatch: pytest.MonkeyPatch):
    output = Output(path)
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:7]))
    output.append(line(0))
    output.close()

    assert path.read_bytes() == line(0)


@pytest.mark.parametrize("size", [1, 200, 10_000])
def test_sorting_in_parts_of_any_size_puts_rows_in_order(path: Path, monkeypatch: pytest.MonkeyPatch, size: int):
    monkeypatch.setattr(output_module, "_RUN", size)
    order = [17 * n % 50 for n in range(50)]
    path.write_bytes(b"".join(map(line, order)) + line(7)[:9])
    sort_output(path)

    assert path.read_bytes() == b"".join(map(line, range(50)))


@pytest.mark.parametrize("rewrite", [sort_output, lambda path: Output(path).close()])
def test_symbolic_links_and_permissions_are_kept(path: Path, rewrite: Callable[[Path], None]):
    link = path.with_name("link.jsonl")
    path.write_bytes(line(1) + line(0) + line(1))
    path.chmod(0o600)
    link.symlink_to(path.name)
    rewrite(link)

    assert link.is_symlink()
    assert sorted(indexes(path)) == [0, 1]
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_file_stays_locked_until_the_sorted_one_replaces_it(path: Path, monkeypatch: pytest.MonkeyPatch):
    path.write_bytes(line(1) + line(0))
    replace = Path.replace

    def refused(temporary: Path, target: Path) -> Path:
        with pytest.raises(ConfigurationError, match="Another process"):
            Output(path)
        return replace(temporary, target)

    monkeypatch.setattr(Path, "replace", refused)
    sort_output(path)

    assert indexes(path) == [0, 1]


def test_a_failed_rewrite_keeps_the_file_and_leaves_no_temporary_one(path: Path, monkeypatch: pytest.MonkeyPatch):
    path.write_bytes(line(1) + line(0))

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        sort_output(path)

    assert path.read_bytes() == line(1) + line(0)
    assert list(path.parent.iterdir()) == [path]


def test_a_file_that_is_replaced_before_it_is_locked_is_not_written(path: Path, monkeypatch: pytest.MonkeyPatch):
    path.write_bytes(line(0))
    other = path.with_name("other.jsonl")
    other.write_bytes(line(1))
    lock = output_module._locked

    def late(file: IO[bytes]) -> bool:
        other.replace(path)
        return lock(file)

    monkeypatch.setattr(output_module, "_locked", late)
    with pytest.raises(ConfigurationError, match="Another process"):
        Output(path)


@pytest.mark.parametrize("other", [os.devnull, "."])
def test_devices_and_folders_are_refused(other: str):
    with pytest.raises(ConfigurationError, match="is not a file"):
        Output(Path(other))


def test_only_outputs_are_sorted(path: Path):
    path.write_bytes(b"b\na\n")
    with pytest.raises(ConfigurationError, match="is not a result"):
        sort_output(path)

    assert path.read_bytes() == b"b\na\n"
    assert indexes(path) == []


def test_outputs_are_written_where_files_cannot_be_locked(path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delattr(output_module, "fcntl")
    output = Output(path)
    output.append(line(0))
    output.close()

    assert path.read_bytes() == line(0)
