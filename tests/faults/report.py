"""Writes the table of `docs/measured/reliability.md`: the outcomes of the fault matrix for this library and its peers.

`python -m tests.faults.report` makes a separate environment under `.venvs/`, installs the peers there, runs the matrix,
and puts the result between the markers of the document. `--from FILE` reads outcomes that an earlier run wrote.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import venv
from collections import Counter
from pathlib import Path
from typing import Any

from tests.faults.peers import ALL, OURS, REQUIREMENTS

ROOT = Path(__file__).parents[2]
HOME = ROOT / ".venvs" / "reliability"
DOCUMENT = ROOT / "docs" / "measured" / "reliability.md"
BEGIN, END = "<!-- the table begins -->", "<!-- the table ends -->"
GOOD = ("right", "typed error")
LINES_OF_HEAD = 2
WORDS = (*GOOD, "untyped error", "silent loss", "hang")

Row = dict[str, Any]


def main() -> int:
    """Run the matrix, write the table, and fail if an outcome of ours is neither right nor a typed error."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--from", dest="played", type=Path, help="outcomes that an earlier run wrote")
    played = parser.parse_args().played or _play()
    found = json.loads(played.read_text("utf-8"))
    _write(found)
    ours = {driver.name for driver in OURS}
    bad = [row for row in found["rows"] if row["library"] in ours and row["outcome"] not in GOOD]
    sys.stdout.write("".join(f"FAILED: {row}\n" for row in bad))
    return bool(bad)


def _play() -> Path:
    python = HOME / "bin" / "python"
    if not python.exists():
        venv.create(HOME, with_pip=True)
    packages = ["--editable", ".[langchain,llama-index,sandbox]", *REQUIREMENTS]
    install = [str(python), "-m", "pip", "install", "--quiet", *packages]
    subprocess.run(install, cwd=ROOT, check=True)
    out = HOME / "outcomes.json"
    subprocess.run([str(python), "-m", "tests.faults.runner", str(out)], cwd=ROOT, check=True)
    return out


def _write(found: dict[str, Any]) -> None:
    before, _, rest = DOCUMENT.read_text("utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    versions = ", ".join(f"{name} {number}" for name, number in found["versions"].items())
    table = "\n\n".join([_summary(found["rows"]), *_groups(found["rows"])])
    DOCUMENT.write_text(f"{before}{BEGIN}\n\nVersions: {versions}.\n\n{table}\n\n{END}{after}", "utf-8")


def _summary(rows: list[Row]) -> str:
    """How often each library had each outcome, and how often it failed where a right answer was possible."""
    names = [driver.name for driver in ALL]
    counts = {name: Counter(row["outcome"] for row in rows if row["library"] == name) for name in names}
    lines = [_line("Outcome", *(_label(name) for name in names)), _line("---", *["---:"] * len(names))]
    lines += [_line(word, *(str(counts[name][word]) for name in names)) for word in WORDS]
    missed = [sum(row["library"] == name and _missed(row) for row in rows) for name in names]
    return "\n".join([*lines, _line("*an error instead of a right answer*", *map(str, missed))])


def _missed(row: Row) -> bool:
    return bool(row["expected"] == "right" and row["outcome"] != "right")


def _groups(rows: list[Row]) -> list[str]:
    names = [driver.name for driver in ALL]
    tables = []
    for group in dict.fromkeys(row["group"] for row in rows):
        mine = [row for row in rows if row["group"] == group]
        lines = [_line(group, "expected", *(_label(name) for name in names)), _line(*["---"] * (len(names) + 2))]
        alike: dict[str, list[str]] = {}
        for cell in dict.fromkeys(row["cell"] for row in mine):
            played = [row for row in mine if row["cell"] == cell]
            if all(row["outcome"] == row["expected"] for row in played):
                alike.setdefault(_outcome(played, "expected"), []).append(cell)
                continue
            outcomes = (_outcome([row for row in played if row["library"] == name], "outcome") for name in names)
            lines.append(_line(cell, _outcome(played, "expected"), *outcomes))
        tables.append("\n".join(lines) if len(lines) > LINES_OF_HEAD else f"**{group}**")
        same = (f"*{outcome}* for {'; '.join(cells)}" for outcome, cells in alike.items())
        tables.append(f"As expected from all clients: {'. '.join(same)}.")
    return tables


def _outcome(rows: list[Row], name: str) -> str:
    """One outcome if all calls have the same; else one for each mode, or for its sync and async forms."""
    values = {(row["mode"], row["world"]): _marked(row[name]) for row in rows}
    if len(set(values.values())) == 1:
        return next(iter(values.values()))
    parts = []
    for mode in dict.fromkeys(mode for mode, _ in values):
        worlds = {world: value for (other, world), value in values.items() if other == mode}
        same = len(set(worlds.values())) == 1
        shown_outcome = (
            next(iter(worlds.values())) if same else ", ".join(f"{world} {value}" for world, value in worlds.items())
        )
        parts.append(f"{mode}: {shown_outcome}")
    return "<br>".join(parts)


def _marked(word: str) -> str:
    return word if word in GOOD else f"**{word}**"


def _label(name: str) -> str:
    return {"LangChain": "ChatTIR", "LlamaIndex": "TIR"}.get(name, name)


def _line(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    sys.exit(main())
