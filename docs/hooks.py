"""MkDocs hooks: tables that are generated from the code, and `llms.txt`.

`<!-- table: NAME -->` in a page is replaced by a table of `TABLES`. Each page is also written as Markdown next to its
HTML, and `llms.txt` lists these files (https://llmstxt.org).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from langchain_tir._aliases import LANGCHAIN_UNSUPPORTED
from llama_index_tir._aliases import IGNORED
from tir_client.aliases import ALIASES
from tir_client.models import KNOWN, ModelInfo

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_PLACE = re.compile(r"^<!-- table: (\w+) -->$", re.MULTILINE)
_HOW_TO_RUN = re.compile(r"^ *<!-- (?:needs|not run|sandbox): .* -->\n\n?", re.MULTILINE)
"""A comment for the tests, before a block of code."""


def models() -> Iterator[str]:
    """The facts about each slug."""
    yield "| slug | context window | reasoning | tools | images | vector length |"
    yield "|---|---:|---|---|---|---:|"
    for slug, info in KNOWN.items():
        yield f"| `{slug}` | {' | '.join(_facts(info))} |"


def _facts(info: ModelInfo) -> Iterator[str]:
    yield f"{info.context_window:,}" if info.context_window else "not known"
    yield ", ".join(info.reasoning_efforts) or _yes(info.reasoning)
    yield from (_yes(info.tools), _yes(info.images))
    yield f"{info.dimensions:,}" if info.dimensions else ""


def _yes(fact: bool) -> str:
    return "yes" if fact else ""


def renamed() -> Iterator[str]:
    """The arguments that have another name here."""
    yield "| there | here |"
    yield "|---|---|"
    for other, name in {**ALIASES, "stream_usage": "stream_options"}.items():
        yield f"| `{other}` | `{name}` |"


def refused() -> Iterator[str]:
    """The arguments that are refused, and what to do instead."""
    yield "| argument | instead |"
    yield "|---|---|"
    for name, advice in LANGCHAIN_UNSUPPORTED.items():
        yield f"| `{name}` | {advice} |"


def without_effect() -> Iterator[str]:
    """The arguments of OpenAILike that are accepted and do nothing."""
    yield "| argument | accepted silently | why it has no effect |"
    yield "|---|---|---|"
    for name, (usual, reason) in IGNORED.items():
        yield f"| `{name}` | `{usual!r}` | {reason} |"


TABLES: dict[str, Callable[[], Iterator[str]]] = {
    "models": models,
    "renamed": renamed,
    "refused": refused,
    "without_effect": without_effect,
}


def with_tables(text: str) -> str:
    """The page with its tables filled in."""
    return _PLACE.sub(lambda found: "\n".join(TABLES[found[1]]()), text)


# MkDocs calls the functions below.

_texts: dict[str, str] = {}
"""The pages of a build as Markdown, by the path of their source."""
_nav: list[Any] = []
"""The navigation of the build."""


def on_nav(nav: Any, **_: Any) -> None:
    """Keep the navigation, whose order `llms.txt` has."""
    _nav[:] = [nav]


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Fill in the tables, and keep the page."""
    _texts[page.file.src_uri] = with_tables(markdown)
    return _texts[page.file.src_uri]


def on_post_build(config: Any, **_: Any) -> None:
    """Write each page as Markdown, and `llms.txt`, which lists them."""
    site = Path(config.site_dir)
    for path, text in _texts.items():
        if not path.startswith("reference/"):  # these pages have only the names of objects
            (site / path).write_text(_HOW_TO_RUN.sub("", text), "utf-8")
    (site / "llms.txt").write_text("".join(f"{line}\n" for line in _index(config)), "utf-8")


def _index(config: Any) -> Iterator[str]:
    yield from (f"# {config.site_name}", "", f"> {config.site_description}")
    sections: dict[str, list[str]] = {}
    for page in _nav[0].pages:
        lines = sections.setdefault(page.parent.title if page.parent else "Pages", [])
        lines.append(_entry(page, config.site_url))
    for title, lines in sections.items():
        yield from ("", f"## {title}", "", *lines)


def _entry(page: Any, site: str) -> str:
    path = page.url if page.file.src_uri.startswith("reference/") else page.file.src_uri
    description = page.meta.get("description", "")
    return f"- [{page.title}]({site}{path})" + (f": {description}" if description else "")
