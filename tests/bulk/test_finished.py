"""The set of finished rows. No I/O."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tir_client import ConfigurationError
from tir_client.bulk.finished import BLOCK, FinishedRows
from tir_client.bulk.prompts import Row


def mark(row: Row) -> int:
    """A fingerprint."""
    return hash(("a row", row.index, str(row.value))) % 2**64


def table(size: int) -> list[Row]:
    return [Row(index, {"prompt": f"row {index}"}) for index in range(size)]


def finished(rows: list[Row]) -> FinishedRows:
    found = FinishedRows()
    for row in rows:
        found.add(row.index, mark(row))
    return found


@given(st.integers(1, 300), st.sets(st.integers(0, 299)), st.integers(1, 100))
def test_rows_that_were_not_added_are_left(size: int, done: set[int], part: int):
    rows = table(size)
    done &= set(range(size))
    found = finished([rows[index] for index in sorted(done, reverse=True)])
    left = [row for at in range(0, size, part) for row in found.unfinished(rows[at : at + part], mark)]
    found.check_end(size)

    assert [row.index for row in left] == [index for index in range(size) if index not in done]
    assert len(found) == len(done)
    assert all((index in found) == (index in done) for index in range(size + 100))


@given(st.sets(st.integers(0, 199), min_size=1), st.data())
def test_a_change_of_a_finished_row_is_found(done: set[int], data: st.DataObject):
    rows = table(200)
    found = finished([rows[index] for index in done])
    changed = data.draw(st.sampled_from(sorted(done)))
    rows[changed] = Row(changed, {"prompt": "other"})
    first = changed // BLOCK * BLOCK
    with pytest.raises(ConfigurationError, match=f"Rows {first} to {first + BLOCK - 1} "):
        read_all(found, rows)


def read_all(found: FinishedRows, rows: list[Row]) -> None:
    for row in rows:
        found.unfinished([row], mark)
    found.check_end(len(rows))


def test_a_changed_block_is_refused_before_its_rows_are_sent():
    rows = table(2 * BLOCK)
    found = finished(rows[: BLOCK + 1])
    found.unfinished(rows[:BLOCK], mark)
    rows[BLOCK] = Row(BLOCK, {"prompt": "other"})
    with pytest.raises(ConfigurationError):
        found.unfinished(rows[BLOCK:], mark)


def test_changes_can_be_accepted():
    rows = table(100)
    found = finished(rows[:50])
    rows[3] = Row(3, {"prompt": "other"})

    assert len(found.unfinished(rows, mark, check=False)) == 50


@pytest.mark.parametrize("size", [0, 1, 63, 64, 65, 127, 128])
def test_an_input_that_was_shortened_is_refused(size: int):
    found = finished(table(129))
    for row in table(size):
        found.unfinished([row], mark)
    with pytest.raises(ConfigurationError, match=f"result for row 128, but the input has {size} rows"):
        found.check_end(size)


def test_a_row_counts_once():
    found = FinishedRows()

    assert found.add(3, 5)
    assert not found.add(3, 5)
    assert len(found) == 1


def test_without_finished_rows_there_is_nothing_to_check():
    found = FinishedRows()

    assert found.unfinished(table(3), mark) == table(3)
    found.check_end(3)


def test_the_set_takes_two_bits_per_row():
    tracemalloc.start()
    found = FinishedRows()
    for index in range(0, 1_000_000, 50):
        found.add(index, index)
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert len(found) == 20_000
    assert used < 2 * 1_000_000 / 8 * 1.5
