"""The model inside the package recognises the sample beside it."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import pytest

from ctcasr import audio
from ctcasr.runtime import Recognizer, bundled_names, find_bundle, read_bundle
from ctcasr.runtime.decoder import DecodingOptions

BUNDLES = Path(str(resources.files("ctcasr"))) / "bundles"


NAMES = ["an4", "english"]
"""What is bundled, the default last."""


def test_the_default_is_bundled() -> None:
    assert bundled_names() == NAMES
    assert find_bundle(None) == BUNDLES / "english"


@pytest.mark.parametrize("name", ["sample.wav", "sample.txt"])
def test_the_sample_is_there(name: str) -> None:
    assert (BUNDLES / name).is_file()


@pytest.mark.slow
@pytest.mark.parametrize("name", [None, *NAMES])
def test_the_sample_is_recognised(name: str | None) -> None:
    transcript = next(Recognizer.load(name).transcribe([BUNDLES / "sample.wav"]))
    assert transcript.error == ""
    assert transcript.text == (BUNDLES / "sample.txt").read_text(encoding="utf-8").strip() != ""


@pytest.mark.parametrize(("name", "bytes_at_most"), [("an4", 10e6), ("english", 30e6)])
def test_it_is_small(name: str, bytes_at_most: float) -> None:
    assert sum(path.stat().st_size for path in (BUNDLES / name).rglob("*")) < bytes_at_most


@pytest.mark.parametrize("name", NAMES)
def test_it_says_where_it_comes_from(name: str) -> None:
    description = read_bundle(BUNDLES / name).description
    assert description.name == name
    assert description.licence
    assert description.training is not None
    assert (BUNDLES / name / "README.md").is_file()


def test_the_english_one_writes_words_and_knows_how_sure_it_is() -> None:
    recognizer = Recognizer.load("english")
    assert recognizer.bundle.vocabulary.units == "phone"
    assert not recognizer.writes_phones
    assert recognizer.bundle.description.confidence is not None
    transcript = next(recognizer.transcribe([BUNDLES / "sample.wav"]))
    assert [word.text for word in transcript.words] == transcript.text.split()
    assert all(0 < word.confidence <= 1 for word in transcript.words)


@pytest.mark.slow
def test_streams_and_hot_words_work_with_it() -> None:
    waveform = audio.load(BUNDLES / "sample.wav", 16_000)
    stream = Recognizer.load("english", decoding=DecodingOptions(hot_words=("seven",))).stream()
    results = [*stream.feed(waveform[:20_000]), *stream.feed(waveform[20_000:]), *stream.finish()]
    said = " ".join(result.segment.text for result in results if result.is_final).split()
    assert {"seven", "one", "three"} <= set(said)


def test_it_holds_no_pickle() -> None:
    assert {path.suffix for path in BUNDLES.rglob("*") if path.is_file()} <= {
        ".json",
        ".txt",
        ".onnx",
        ".npz",
        ".npy",
        ".md",
        ".wav",
    }
