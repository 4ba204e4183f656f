"""`make demo` runs without a token, on the sandbox."""

import os
import re
import subprocess
import sys

from demo.with_bulk import REVIEWS
from tests.blocked_imports import ROOT


def test_agents_compare_both_cities_and_a_bulk_run_is_resumed():
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("E2E_TIR", "TIR_", "MODEL_API"))}
    wide = {**kept, "COLUMNS": "100"}
    shown = subprocess.run(
        [sys.executable, "-m", "demo"], env=wide, cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout

    assert shown.count("> Is it colder in Paris than in Delhi?") == 2
    for city in ("Paris", "Delhi"):
        assert shown.count(f"calls get_weather({{'city': '{city}'}})") == 2
    assert shown.count("Yes: Paris has 9 °C, and Delhi has 31 °C.") == 2
    assert "is **not a model**" in " ".join(shown.split())
    stopped, others = (int(re.search(text, shown)[1]) for text in (r"stopped after (\d+)", r"answers the other (\d+)"))
    assert stopped + others == len(REVIEWS)
    assert "{'mood': 'happy'}  The battery lasts two days" in shown
