"""Written numbers in transcripts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ctcasr.runtime import Segment, Transcript, Word, find_bundle
from ctcasr.runtime.transcript import Alternative
from ctcasr.runtime.written import with_written_numbers

SAMPLE = find_bundle("an4").parent / "sample.wav"


def test_times_and_confidences_are_those_of_the_spoken_words() -> None:
    words = tuple(
        Word(text, number, number + 0.5, confidence, number == 1)
        for number, (text, confidence) in enumerate([("in", 0.9), ("nineteen", 0.4), ("ten", 0.6)])
    )
    other = Alternative("in nineteen eleven", -1.0, -1.0, 0.0)
    transcript = Transcript(
        "x",
        text="in nineteen ten",
        words=words,
        alternatives=(other,),
        segments=(Segment(0, 3, words, 0.5, (other,)),),
    )
    found = with_written_numbers(transcript)
    assert found.text == found.segments[0].text == "in 1910"
    assert found.words == (words[0], Word("1910", 1, 2.5, 0.5, True)) == found.segments[0].words
    assert found.alternatives[0].text == found.segments[0].alternatives[0].text == "in 1911"
    assert with_written_numbers(Transcript("x", words=words)).text == "in 1910"


@pytest.mark.slow
def test_the_option_changes_the_output(ctcasr_out: Callable[..., str]) -> None:
    spoken, written = ctcasr_out(), ctcasr_out("--numbers")
    assert spoken != written
    assert any(letter.isdigit() for letter in written)
    assert not any(letter.isdigit() for letter in spoken)


@pytest.fixture
def ctcasr_out(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Run `ctcasr transcribe` on a recording in which a date is heard."""
    from ctcasr.cli.main import main
    from ctcasr.runtime import Recognizer

    words = tuple(Word(text, n, n + 0.5, 0.5) for n, text in enumerate(["august", "thirteenth"]))
    heard = Transcript(
        "x", "x.wav", text="august thirteenth", words=words, segments=(Segment(0, 2, words, 0.5),)
    )

    def transcribe(self: Recognizer, recordings: Any, **_: Any) -> Any:
        return (heard for _ in recordings)

    monkeypatch.setattr(Recognizer, "transcribe", transcribe)

    def run(*options: str) -> str:
        with pytest.raises(SystemExit):
            main(["transcribe", str(SAMPLE), *options])
        return capsys.readouterr().out

    return run
