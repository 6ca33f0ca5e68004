"""The code of the walk through the lecture runs as it stands, in both languages."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"
PAGES = ("lecture.md", "lecture.zh.md")


@pytest.mark.parametrize("name", PAGES)
def test_the_examples(name: str) -> None:
    failed, attempted = doctest.testfile(str(DOCS / name), module_relative=False, encoding="utf-8")
    assert attempted > 15
    assert failed == 0


def test_both_languages_show_the_same() -> None:
    """The same examples, commands and pictures, in the same order."""
    first, second = (
        re.findall(r"^(?: {4}\S.*|>>> .*|!\[.*?\]\(.*?\))$", (DOCS / name).read_text(encoding="utf-8"), re.M)
        for name in PAGES
    )
    assert len(first) > 30
    assert [re.sub(r"\[.*?\]", "", line) for line in first] == [
        re.sub(r"\[.*?\]", "", line) for line in second
    ]
