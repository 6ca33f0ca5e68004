"""The trainings that the pages name: valid configurations, and in the lecture none overwrites another."""

from __future__ import annotations

import re
import shlex
from itertools import pairwise
from pathlib import Path

import pytest

from ctcasr.training.config_files import read_config

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    [
        ROOT / "README.md",
        ROOT / "RESULTS.md",
        *ROOT.glob("docs/*.md"),
        *ROOT.glob("recipes/*/*.md"),
        *ROOT.glob("recipes/*/cells/*.md"),
    ]
)


def trainings(page: Path) -> list[tuple[Path, list[str]]]:
    """Return the configuration and the `--set` options of each `ctcasr train recipes/...` of a page."""
    text = re.sub(r"\\\n\s*", " ", page.read_text(encoding="utf-8"))
    found = []
    for line in re.findall(r"^ {4}ctcasr train (recipes/.*)$", text, re.M):
        config, *options = shlex.split(line, comments=True)
        values = [value for option, value in pairwise(options) if option == "--set"]
        # SEED and NAME stand for the reader's own.
        found.append((ROOT / config, [value for value in values if not re.search("=[A-Z]", value)]))
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_their_configurations_are_valid(page: Path) -> None:
    for config, values in trainings(page):
        read_config(config, values)


def test_enough_are_found() -> None:
    assert sum(len(trainings(page)) for page in PAGES) > 50


def test_trainings_of_the_lecture_have_folders_of_their_own() -> None:
    folders = [read_config(*found).run.folder for found in trainings(ROOT / "docs/lecture.md")]
    assert len(set(folders)) == len(folders) > 9


def test_the_lecture_prepares_a_corpus_before_it_trains_on_it() -> None:
    text = (ROOT / "docs/lecture.md").read_text(encoding="utf-8")
    for name in set(re.findall(r"ctcasr train recipes/(\w+)/", text)):
        assert text.index(f"python recipes/{name}/prepare.py") < text.index(
            f"ctcasr train recipes/{name}/"
        ), name
