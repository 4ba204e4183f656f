"""Plants small mistakes in the pure modules, one at a time, and reports those that no test notices.

`python -m tests.mutants` runs mutmut, which is set up in `pyproject.toml`, and fails if fewer than `GOAL` are noticed.
With names of modules (`tir_client.protocol.sse`) it plants in those only; `--report` shows what the last run found.

Two kinds of mistakes are not counted: the other wordings of a sentence, which tests need not repeat word by word, and
those that `tests/mutants.toml` lists because they change nothing that can be seen, each with the reason.
"""

from __future__ import annotations

import argparse
import difflib
import io
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
LISTED = 4
"""Columns in front of a survivor's change."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """A planted mistake.

    Attributes:
        name: mutmut's name, for `mutmut show`.
        function: Dotted name of the function that it is in.
        removed: The lines without it.
        added: The lines with it.
        status: What mutmut says of it, such as "killed".
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
        subprocess.run([sys.executable, "-m", "mutmut", "run", "--max-children", arguments.jobs, *names], check=True)
    return report([mutant for mutant in mutants() if not names or mutant.module in arguments.modules])


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


def report(found: list[Mutant]) -> int:
    """Print how many mistakes were noticed in each module, and those that were not."""
    equivalent = {
        (entry["function"], entry["removed"].strip(), entry["added"].strip())
        for entry in tomllib.loads(EQUIVALENT.read_text("utf-8")).get("equivalent", [])
    }
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    survivors, used = [], set()
    for mutant in found:
        key = (mutant.function, mutant.removed, mutant.added)
        unnoticed = mutant.status in UNNOTICED
        used |= {key} & equivalent
        kind = "wording" if mutant.is_wording() else "equivalent" if unnoticed and key in equivalent else "counted"
        counts[mutant.module][kind] += 1
        counts[mutant.module]["killed"] += kind == "counted" and not unnoticed
        if kind == "counted" and unnoticed:
            survivors.append(mutant)
    _print(counts, survivors)
    stale = equivalent - used if len({mutant.module for mutant in found}) == len(counts) and len(counts) > 1 else set()
    for function, removed, added in sorted(stale):
        sys.stdout.write(f"listed as equivalent, and not planted any more: {function}: {removed} -> {added}\n")
    total = sum(counts.values(), Counter())
    unchecked = sum(mutant.status == "not checked" for mutant in found)
    if unchecked:
        sys.stdout.write(f"{unchecked} were not tried\n")
    return int(unchecked > 0 or not found or total["killed"] < GOAL * total["counted"])


def _print(counts: dict[str, Counter[str]], survivors: list[Mutant]) -> None:
    for mutant in survivors:
        sys.stdout.write(
            f"{mutant.name} ({mutant.status})\n{_indented('- ', mutant.removed)}{_indented('+ ', mutant.added)}\n"
        )
    for module, count in sorted(counts.items()):
        sys.stdout.write(f"{module}: {_summary(count)}\n")
    sys.stdout.write(f"all: {_summary(sum(counts.values(), Counter()))}\n")


def _summary(count: Counter[str]) -> str:
    share = count["killed"] / count["counted"] if count["counted"] else 1.0
    return (
        f"killed {count['killed']} of {count['counted']} ({share:.1%}), {count['equivalent']} equivalent; "
        f"{count['wording']} wordings not counted"
    )


def _indented(sign: str, text: str) -> str:
    return "".join(f"{' ' * LISTED}{sign}{line}\n" for line in text.splitlines())


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
