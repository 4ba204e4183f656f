"""docs/guides/ray.md shows the program that `make test-ray` runs."""

from __future__ import annotations

from tests.docs.pages import DOCS, Page


def test_the_page_shows_the_program():
    (shown,) = Page("docs/guides/ray.md").files.items()

    assert shown == ("ray_bulk.py", f"# ray_bulk.py\n{(DOCS / 'guides' / 'ray_bulk.py').read_text('utf-8')}")
