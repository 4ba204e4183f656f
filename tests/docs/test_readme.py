"""The README renders on PyPI, its links work, and its picture and table are up to date."""

from __future__ import annotations

import re
import tomllib

import pytest
from readme_renderer import markdown

from tests.docs import features, picture
from tests.docs.pages import DOCS, ROOT, Page

README = Page("README.md")
URLS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["urls"]
FILES = (
    URLS["Homepage"].replace("github.com", "raw.githubusercontent.com") + "/main/",
    URLS["Homepage"] + "/blob/main/",
)


def links() -> list[str]:
    return [one or other for one, other in re.findall(r'\]\(([^)]+)\)|(?:src|srcset)="([^"]+)"', README.text)]


def test_links_are_absolute_because_pypi_has_no_other_files() -> None:
    assert len(links()) > 10
    assert [link for link in links() if not link.startswith("https://")] == []


def test_links_to_files_and_pages_lead_somewhere() -> None:
    site = URLS["Documentation"].rstrip("/") + "/"
    files = [link.removeprefix(start) for link in links() for start in FILES if link.startswith(start)]
    shown = [link.removeprefix(site).strip("/") for link in links() if link.startswith(site)]

    assert [path for path in files if not (ROOT / path).exists()] == []
    assert [path for path in shown if not (DOCS / f"{path or 'index'}.md").exists()] == []
    assert files
    assert shown


def test_pypi_can_render_it() -> None:
    rendered = markdown.render(README.text)

    assert rendered is not None
    assert len(re.findall("<img [^>]*raw.githubusercontent", rendered)) == 2
    assert "<pre" in rendered
    assert "<script" not in rendered


def test_the_demo_and_the_tests_are_one_command_each() -> None:
    shell = "".join(block.code for block in README.blocks if block.language == "bash")

    assert re.findall(r"^make (\w+)", shell, re.MULTILINE) == ["demo", "test"]


def test_the_readme_has_the_measured_table() -> None:
    measured = features.table_of(features.PAGES[1])

    assert features.table_of(features.PAGES[0]) == measured.partition("\n\n")[0]
    assert measured.count("\n|") == len(features.FEATURES) + 1


@pytest.mark.parametrize("subject", ["ChatTIR", "TIR"])
def test_our_models_have_each_feature(subject: str) -> None:
    assert [name for name in features.FEATURES if not features.measure(subject, name)] == []


def test_the_picture_shows_what_a_run_prints() -> None:
    def words(svg: str) -> list[str]:
        return re.findall(r"<text [^>]*>([^<]+)</text>", svg)

    assert words(picture.draw()) == words(picture.PICTURE.read_text("utf-8"))
    assert len(words(picture.draw())) > 5
