"""The plot for the README: what a streamed chunk costs each contender, as an SVG without dependencies."""

from __future__ import annotations

from html import escape
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.experiments import Samples

GROUPS = {
    "LangChain": ("ChatTIR", "ChatNVIDIA", "ChatMistralAI", "ChatOpenAI"),
    "LlamaIndex": ("TIR", "OpenAILike"),
    "no framework": ("httpx + jiter", "openai SDK"),
}
OURS = ("ChatTIR", "TIR")
METRICS = ("stream/one", "astream/one")

WIDTH, LEFT, RIGHT, ROW, TOP, GAP = 760, 190, 80, 30, 62, 16

STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #24292f }
  .title { font-size: 15px; font-weight: 600 } .faint { fill: #57606a; font-size: 12px }
  .ours { fill: #0969da } .peer { fill: #afb8c1 } .async { opacity: 0.55 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .faint { fill: #9198a1 } .ours { fill: #4493f8 } .peer { fill: #656c76 }
  }
"""


def svg(samples: Samples) -> str:
    """The plot of a run."""
    longest = max(_value(samples, metric, name) for names in GROUPS.values() for name in names for metric in METRICS)
    scale = (WIDTH - LEFT - RIGHT) / longest
    rows = list(_rows(samples, scale))
    height = TOP + ROW * sum(map(len, GROUPS.values())) + GAP * len(GROUPS)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}"',
            f' viewBox="0 0 {WIDTH} {height}">',
            "<title>CPU time per streamed chunk</title>",
            f"<style>{STYLE}</style>",
            '<text class="title" x="0" y="18">CPU time per streamed chunk</text>',
            '<text class="faint" x="0" y="38">microseconds, less is better; upper bar sync, lower bar async</text>',
            *rows,
            "</svg>\n",
        ]
    )


def _rows(samples: Samples, scale: float) -> Iterator[str]:
    top = TOP
    for group, names in GROUPS.items():
        yield f'<text class="faint" x="0" y="{top + 13}">{escape(group)}</text>'
        for name in names:
            yield from _bars(samples, name, top, scale)
            top += ROW
        top += GAP


def _bars(samples: Samples, name: str, top: float, scale: float) -> Iterator[str]:
    kind = "ours" if name in OURS else "peer"
    sync, concurrent = (_value(samples, metric, name) for metric in METRICS)
    yield f'<text x="{LEFT - 8}" y="{top + 13}" text-anchor="end">{escape(name)}</text>'
    yield f'<rect class="{kind}" x="{LEFT}" y="{top}" width="{sync * scale:.1f}" height="9" rx="2"/>'
    yield f'<rect class="{kind} async" x="{LEFT}" y="{top + 10}" width="{concurrent * scale:.1f}" height="9" rx="2"/>'
    at = LEFT + max(sync, concurrent) * scale + 6
    yield f'<text class="faint" x="{at:.1f}" y="{top + 13}">{sync:.0f} / {concurrent:.0f}</text>'


def _value(samples: Samples, metric: str, name: str) -> float:
    return median(samples[metric][name])
