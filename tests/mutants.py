"""Plants small mistakes in the pure modules, one at a time, and reports those that no test notices.

`python -m tests.mutants` runs mutmut, which is set up in `pyproject.toml`, and fails if fewer than `GOAL` are noticed.
With names of modules (`tir_client.protocol.sse`) it changes only those; `--report` shows what the last run found.

Two kinds of mistakes are not counted: changed wordings of a sentence, which tests need not repeat literally, and
those that `tests/mutants.toml` lists because they change nothing that can be seen, each with the reason.
"""

from __future__ import annotations

import argparse
import difflib
import io
import shutil
import subprocess
import sys
import tokenize
import tomllib
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

from mutmut.mutation.data import SourceFileMutationData
from mutmut.mutation.diff_apply import read_functions_from_index
from mutmut.stats import status_by_exit_code
from mutmut.utils.file_utils import walk_mutatable_files

GOAL = 0.9
EQUIVALENT = Path(__file__).with_suffix(".toml")
UNNOTICED = {"survived", "no tests", "not checked"}
KILLED, SURVIVOR = "killed", "survivor"

Key = tuple[str, str, str]
"""A function, the lines that a mistake removes, and those that it adds."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """A planted mistake.

    Attributes:
        name: mutmut's name, for `mutmut show`.
        function: Dotted name of the function that it is in.
        removed: The lines without it.
        added: The lines with it.
        status: The status that mutmut reports, such as "killed".
    """

    name: str
    function: str
    removed: str
    added: str
    status: str

    @property
    def module(self) -> str:
        """Dotted name of the module."""
        return self.name.rpartition(".")[0]

    @property
    def key(self) -> Key:
        """What it is listed under; mutmut's own numbers change with each line of the function."""
        return self.function, self.removed, self.added

    def is_wording(self) -> bool:
        """Whether it changes nothing but the words of a sentence."""
        before, after = _tokens(self.removed), _tokens(self.added)
        changed = [pair for pair in zip(before, after, strict=False) if pair[0] != pair[1]]
        if len(before) != len(after) or len(changed) != 1:
            return False
        old, new = changed[0]
        sentence = old[:1] in {'"', "'"} and " " in old[1:-1].strip()
        return sentence and new.casefold() in {old.casefold(), f"{old[0]}xx{old[1:-1]}xx{old[-1]}".casefold()}


def main() -> int:
    """Run mutmut and report; 1 if too many mistakes go unnoticed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("modules", nargs="*", help="dotted names of modules; by default all that are set up")
    parser.add_argument("--report", action="store_true", help="report the last run")
    parser.add_argument("--jobs", default="2", help="processes at a time")
    arguments = parser.parse_args()
    names = [f"{module}.*" for module in arguments.modules]
    if not arguments.report:
        shutil.rmtree("mutants", ignore_errors=True)  # it has results of earlier tests, which mutmut would take over
        subprocess.run([sys.executable, "-m", "mutmut", "run", "--max-children", arguments.jobs, *names], check=True)
    found = [mutant for mutant in mutants() if not names or mutant.module in arguments.modules]
    equivalent = read_equivalent()
    if not names:
        report_unused(found, equivalent)
    return report(found, equivalent)


def mutants() -> list[Mutant]:
    """All mistakes of the last run."""
    found = []
    for path in sorted(walk_mutatable_files()):
        data = SourceFileMutationData(path=path)
        data.load()
        for name, exit_code in data.exit_code_by_key.items():
            removed, added = _change(name, path)
            found.append(Mutant(name, _function(name), removed, added, status_by_exit_code[exit_code]))
    return found


def report(found: list[Mutant], equivalent: set[Key]) -> int:
    """Print how many mistakes were noticed in each module, and those that were not; 1 if these are too many."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for mutant in found:
        kind = _kind(mutant, equivalent)
        counts[mutant.module][kind] += 1
        if kind == SURVIVOR:
            change = _indented("- ", mutant.removed) + _indented("+ ", mutant.added)
            sys.stdout.write(f"{mutant.name} ({mutant.status})\n{change}\n")
    for module, count in sorted(counts.items()):
        sys.stdout.write(f"{module}: {_summary(count)}\n")
    total = sum(counts.values(), Counter())
    sys.stdout.write(f"all: {_summary(total)}\n")
    return int(not found or total[KILLED] < GOAL * (total[KILLED] + total[SURVIVOR]))


def report_unused(found: list[Mutant], equivalent: set[Key]) -> None:
    """Print the entries of `tests/mutants.toml` that mutmut no longer generates."""
    for function, removed, added in sorted(equivalent - {mutant.key for mutant in found}):
        sys.stdout.write(f"not planted any more: {function}: {removed} -> {added}\n")


def read_equivalent() -> set[Key]:
    """The mistakes that change nothing."""
    entries = tomllib.loads(EQUIVALENT.read_text("utf-8"))["equivalent"]
    if unexplained := [entry["function"] for entry in entries if not entry["reason"]]:
        raise ValueError(f"no reason is given for {unexplained}")
    return {(entry["function"], entry["removed"], entry["added"]) for entry in entries}


def _kind(mutant: Mutant, equivalent: set[Key]) -> str:
    if mutant.is_wording():
        return "wording"
    if mutant.status not in UNNOTICED:
        return KILLED
    return "equivalent" if mutant.key in equivalent else SURVIVOR


def _summary(count: Counter[str]) -> str:
    counted = count[KILLED] + count[SURVIVOR]
    share = count[KILLED] / counted if counted else 1.0
    return (
        f"killed {count[KILLED]} of {counted} ({share:.1%}), {count['equivalent']} equivalent, "
        f"{count['wording']} wordings not counted"
    )


def _indented(sign: str, text: str) -> str:
    return "".join(f"    {sign}{line}\n" for line in text.splitlines())


def _change(name: str, path: Path) -> tuple[str, str]:
    """The lines that a mistake removes and adds, without their indentation."""
    functions = read_functions_from_index(name, path)
    if functions is None:
        raise LookupError(f"mutmut has no source for {name}: remove the directory `mutants`")
    before, after = (_code(function) for function in functions)
    lines = [line for line in difflib.ndiff(before, after) if line[:1] in "+-"]
    removed, added = (
        "\n".join(line[2:].strip() for line in lines if line.startswith(sign)).strip() for sign in ("-", "+")
    )
    return removed, added


def _code(function: object) -> list[str]:
    import libcst  # noqa: PLC0415

    return libcst.Module([function]).code.strip().splitlines()


def _function(name: str) -> str:
    module, _, mangled = name.rpartition(".")
    plain = mangled.rpartition("__mutmut_")[0]
    return f"{module}.{plain.removeprefix('xǁ').replace('ǁ', '.')}" if "ǁ" in plain else f"{module}.{plain[2:]}"


def _tokens(code: str) -> list[str]:
    try:
        return [token.string for token in tokenize.generate_tokens(io.StringIO(code).readline)]
    except (tokenize.TokenError, IndentationError):
        return code.split()


if __name__ == "__main__":
    sys.exit(main())
