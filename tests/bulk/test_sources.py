"""Reading rows from files and iterables."""

from __future__ import annotations

import csv
import gzip
import json
import os
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from tir_client import ConfigurationError
from tir_client.bulk.prompts import Row
from tir_client.bulk.sources import open_source

TABLE = [{"id": n, "text": f"row {n}, é\n"} for n in range(150)]


async def read(rows: Any) -> list[Row]:
    return [row async for block in open_source(rows).blocks() for row in block]


def write(path: Path) -> Path:
    """Write `TABLE` as a file in the format of its suffix."""
    if path.suffix == ".parquet":
        parquet.write_table(pa.Table.from_pylist(TABLE), path, row_group_size=40)
    elif path.suffix == ".csv":
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, ["id", "text"])
            writer.writeheader()
            writer.writerows(TABLE)
    else:
        path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in TABLE), "utf-8")
    return path


@pytest.mark.parametrize("name", ["in.jsonl", "in.NDJSON", "in.csv", "in.parquet"])
async def test_files_of_every_kind_have_the_same_rows(tmp_path: Path, name: str):
    source = open_source(write(tmp_path / name))
    blocks, fractions = [], [source.fraction()]
    async for block in source.blocks():
        blocks.append(block)
        fractions.append(source.fraction())

    assert [len(block) for block in blocks] == [64, 64, 22]
    assert [row.index for block in blocks for row in block] == list(range(150))
    assert [str(row.id) for block in blocks for row in block] == [str(row["id"]) for row in TABLE]
    assert [(row.value or {})["text"] for block in blocks for row in block] == [row["text"] for row in TABLE]
    assert fractions == sorted(fractions)
    assert (fractions[0], fractions[-1]) == (0.0, 1.0)


async def test_empty_lines_are_skipped_and_invalid_ones_are_rows_with_a_problem(tmp_path: Path):
    path = tmp_path / "in.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"prompt": "a"}\r\n\n  \n{"prompt"\n"b"\n\xff\n{"prompt": "c"}')
    rows = await read(path)

    assert [row.value for row in rows] == [{"prompt": "a"}, None, {"prompt": "b"}, None, {"prompt": "c"}]
    assert [bool(row.problem) for row in rows] == [False, True, False, True, False]


async def test_an_empty_file_has_no_rows(tmp_path: Path):
    for name in ("in.jsonl", "in.csv"):
        (tmp_path / name).touch()
        assert await read(tmp_path / name) == []


async def test_csv_fields_may_be_long_and_the_limit_of_the_csv_module_is_not_changed(tmp_path: Path):
    path = tmp_path / "in.csv"
    path.write_text("text\n" + "x" * 300_000 + "\n", "utf-8")
    former = csv.field_size_limit()
    (row,) = await read(path)

    assert len((row.value or {})["text"]) == 300_000
    assert csv.field_size_limit() == former < sys.maxsize


async def test_a_csv_record_with_too_many_fields_is_a_row_with_a_problem(tmp_path: Path):
    path = tmp_path / "in.csv"
    path.write_text("a,b\n1,2,3\n4\n", "utf-8")
    rows = await read(path)

    assert rows[0].problem == "it has more fields than the header"
    assert rows[1].value == {"a": "4", "b": None}


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"a\nb\n\xff\n", r"is not UTF-8, in line 1 or later"),
        (b'a\n1\n"not closed\n2\n3\n', r"the record from line 3: unexpected end of data"),
        (b'a\n1\n"closed"early\n2\n', r"the record from line 3: ',' expected after '\"'"),
        (b"a,b,a\n1,2,3\n", r"two columns with the name `a`"),
    ],
)
async def test_a_csv_file_that_cannot_be_read_is_refused_with_the_place(tmp_path: Path, content: bytes, problem: str):
    path = tmp_path / "in.csv"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=rf"in\.csv.*{problem}"):
        await read(path)


async def test_csv_columns_without_names_may_repeat(tmp_path: Path):
    path = tmp_path / "in.csv"
    path.write_text("a,,\n1,,\n", "utf-8")

    assert [(row.value or {})["a"] for row in await read(path)] == ["1"]


@pytest.mark.parametrize("name", ["in.jsonl", "in.csv"])
async def test_a_compressed_file_has_the_same_rows(tmp_path: Path, name: str):
    plain = write(tmp_path / name)
    packed = tmp_path / f"{name}.GZ"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    source = open_source(packed)

    assert [row async for block in source.blocks() for row in block] == await read(plain)
    assert source.fraction() == 1.0


@pytest.mark.parametrize("damage", [slice(0, -20), slice(5, None)])
async def test_a_damaged_compressed_file_is_refused(tmp_path: Path, damage: slice):
    path = tmp_path / "in.jsonl.gz"
    path.write_bytes(gzip.compress(write(tmp_path / "in.jsonl").read_bytes())[damage])
    with pytest.raises(ConfigurationError, match=r"in\.jsonl\.gz cannot be decompressed"):
        await read(path)


@pytest.mark.parametrize(("name", "problem"), [("-", "could not read a pipe again"), (os.devnull, "The input must")])
def test_an_input_that_cannot_be_read_again_is_refused(name: str, problem: str):
    with pytest.raises(ConfigurationError, match=problem):
        open_source(name)


@pytest.mark.parametrize("name", ["in.parquet.gz", "in.gz", "in.json", "in"])
def test_an_unknown_kind_of_file_is_refused(tmp_path: Path, name: str):
    with pytest.raises(ConfigurationError, match=r"must end in \.jsonl, .*\.jsonl\.gz, not in"):
        open_source(tmp_path / name)


async def test_iterables_are_read_row_by_row():
    async def later():
        for value in ("a", {"prompt": "b"}, 3):
            yield value

    expected = [({"prompt": "a"}, ""), ({"prompt": "b"}, ""), (None, "a row must be a text or an object, not int")]
    for rows in (["a", {"prompt": "b"}, 3], iter(["a", {"prompt": "b"}, 3]), later()):
        assert [(row.value, row.problem) for row in await read(rows)] == expected


async def test_the_fraction_of_an_iterable_is_known_if_it_has_a_length():
    source = open_source(["a", "b"])
    fractions = [source.fraction() async for _ in source.blocks()]

    assert fractions == [0.5, 1.0]
    assert open_source([]).fraction() == 0.0
    assert open_source(iter("ab")).fraction() is None


async def test_without_pyarrow_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = write(tmp_path / "in.parquet")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ConfigurationError, match=r'pip install "tir-llm\[parquet\]"'):
        open_source(path)


async def test_a_file_that_is_not_parquet_is_refused(tmp_path: Path):
    path = tmp_path / "in.parquet"
    path.write_text("text", "utf-8")
    with pytest.raises(ConfigurationError, match=r"in\.parquet cannot be read"):
        open_source(path)


async def test_a_damaged_parquet_file_is_refused_at_the_damaged_place(tmp_path: Path):
    path = write(tmp_path / "in.parquet")
    content = bytearray(path.read_bytes())
    content[4:400] = bytes(396)
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"in\.parquet, after row 0"):
        await read(path)
