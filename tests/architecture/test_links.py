"""What the pages point at is there."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.source import ROOT

NOT_OURS = {".venv", ".data", ".cache", ".git", "node_modules"}
LINK = re.compile(r"\]\(([^)#\s]+)")
ELSEWHERE = ("http:", "https:", "mailto:")


def pages() -> Iterator[Path]:
    """Yield every page of the repository."""
    for page in sorted(ROOT.rglob("*.md")):
        if not NOT_OURS.intersection(page.relative_to(ROOT).parts):
            yield page


def dead_links(page: Path) -> list[str]:
    """Name the links of a page that lead to no file beside it."""
    targets = LINK.findall(page.read_text())
    return [each for each in targets if not each.startswith(ELSEWHERE) and not (page.parent / each).exists()]


class TestPages:
    @pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
    def test_link_to_what_is_there(self, page: Path) -> None:
        assert dead_links(page) == []

    def test_that_link_to_nothing_are_found(self, tmp_path: Path) -> None:
        page = tmp_path / "page.md"
        page.write_text("[itself](page.md#part) [gone](gone.py) [far](https://orderly.example/gone)")

        assert dead_links(page) == ["gone.py"]
