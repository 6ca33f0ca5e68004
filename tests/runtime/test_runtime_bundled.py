"""The model inside the package recognises the sample beside it."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import pytest

from ctcasr.runtime import Recognizer, bundled_names, read_bundle

BUNDLES = Path(str(resources.files("ctcasr"))) / "bundles"


def test_the_default_is_bundled() -> None:
    assert "an4" in bundled_names()


@pytest.mark.parametrize("name", ["sample.wav", "sample.txt"])
def test_the_sample_is_there(name: str) -> None:
    assert (BUNDLES / name).is_file()


def test_the_sample_is_recognised() -> None:
    transcript = next(Recognizer.load().transcribe([BUNDLES / "sample.wav"]))
    assert transcript.error == ""
    assert transcript.text == (BUNDLES / "sample.txt").read_text(encoding="utf-8").strip() != ""


def test_it_is_small() -> None:
    assert sum(path.stat().st_size for path in (BUNDLES / "an4").rglob("*")) < 10e6


def test_it_says_where_it_comes_from() -> None:
    description = read_bundle(BUNDLES / "an4").description
    assert description.name == "an4"
    assert description.licence
    assert description.training is not None
    assert (BUNDLES / "an4" / "README.md").is_file()


def test_it_holds_no_pickle() -> None:
    assert {path.suffix for path in BUNDLES.rglob("*") if path.is_file()} <= {
        ".json",
        ".txt",
        ".onnx",
        ".md",
        ".wav",
    }
