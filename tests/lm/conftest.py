"""Files for the tests of the language models."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write a file into the test's folder and return its path."""

    def write_file(content: str | bytes, name: str = "model.arpa") -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write_file


@pytest.fixture
def write_text(write: Callable[..., Path]) -> Callable[..., Path]:
    """Write sentences, one a line, and return the path."""

    def write_sentences(sentences: list[list[str]], name: str = "text.txt") -> Path:
        return write("".join(" ".join(sentence) + "\n" for sentence in sentences), name)

    return write_sentences
