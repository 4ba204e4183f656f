"""The plot for the README: CPU time per streamed chunk for each contender, as SVG.

There is one for light and one for dark pages, because an image does not inherit the page's colours. Each has its own
background, for pages that show only one.
"""

from __future__ import annotations

from html import escape
from statistics import median
from typing import TYPE_CHECKING

from benchmarks.contenders import OURS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.results import Samples

GROUPS = {
    "LangChain": ("ChatTIR", "ChatNVIDIA", "ChatMistralAI", "ChatOpenAI"),
    "LlamaIndex": ("TIR", "OpenAILike"),
    "no framework": ("our transport + jiter", "httpx on aiohttp + jiter", "httpx + jiter", "openai SDK"),
}
METRICS = ("stream/one", "astream/one")

WIDTH, MARGIN, LEFT, RIGHT, ROW, TOP, GAP = 800, 20, 290, 100, 30, 78, 16

STYLE = """
  text {{ font: 13px system-ui, sans-serif; fill: {text} }}
  .paper {{ fill: {paper}; stroke: {edge} }}
  .title {{ font-size: 15px; font-weight: 600 }} .faint {{ fill: {faint}; font-size: 12px }}
  .ours {{ fill: {ours} }} .peer {{ fill: {peer} }} .async {{ opacity: 0.55 }}
"""
LIGHT = {
    "text": "#24292f",
    "paper": "#ffffff",
    "edge": "#d0d7de",
    "faint": "#57606a",
    "ours": "#0969da",
    "peer": "#afb8c1",
}
DARK = {
    "text": "#e6edf3",
    "paper": "#0d1117",
    "edge": "#30363d",
    "faint": "#9198a1",
    "ours": "#4493f8",
    "peer": "#656c76",
}


def svg(samples: Samples, colours: dict[str, str] = LIGHT) -> str:
    """The plot of a run."""
    groups = {group: [name for name in names if _values(samples, name)] for group, names in GROUPS.items()}
    names = [name for group in groups.values() for name in group]
    longest = max(value for name in names for value in _values(samples, name).values())
    rows = list(_rows(samples, groups, (WIDTH - LEFT - RIGHT) / longest))
    height = TOP + ROW * len(names) + GAP * len(groups)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}"',
            f' viewBox="0 0 {WIDTH} {height}">',
            "<title>CPU time per streamed chunk</title>",
            f"<style>{STYLE.format(**colours)}</style>",
            f'<rect class="paper" x="0.5" y="0.5" width="{WIDTH - 1}" height="{height - 1}" rx="6"/>',
            f'<text class="title" x="{MARGIN}" y="32">CPU time per streamed chunk</text>',
            f'<text class="faint" x="{MARGIN}" y="52">',
            "microseconds, less is better; upper bar sync, lower bar async</text>",
            *rows,
            "</svg>\n",
        ]
    )


def _rows(samples: Samples, groups: dict[str, list[str]], scale: float) -> Iterator[str]:
    top = TOP
    for group, names in groups.items():
        yield f'<text class="faint" x="{MARGIN}" y="{top + 13}">{escape(group)}</text>'
        for name in names:
            yield f'<text x="{LEFT - 8}" y="{top + 13}" text-anchor="end">{escape(name)}</text>'
            yield from _bars(_values(samples, name), top, scale, "ours" if name in OURS else "peer")
            top += ROW
        top += GAP


def _bars(values: dict[str, float], top: float, scale: float, kind: str) -> Iterator[str]:
    for metric, value in values.items():
        look, y = (kind, top) if metric == METRICS[0] else (f"{kind} async", top + 10)
        yield f'<rect class="{look}" x="{LEFT}" y="{y}" width="{value * scale:.1f}" height="9" rx="2"/>'
    at = LEFT + max(values.values()) * scale + 6
    shown = " / ".join(f"{values[metric]:.0f}" if metric in values else "-" for metric in METRICS)
    yield f'<text class="faint" x="{at:.1f}" y="{top + 13}">{shown}</text>'


def _values(samples: Samples, name: str) -> dict[str, float]:
    """The medians of one contender, if it was measured."""
    found = {metric: samples.of(metric, name) for metric in METRICS}
    return {metric: median(values) for metric, values in found.items() if values}
