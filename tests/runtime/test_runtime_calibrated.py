"""Calibrated bundles: they keep what was fitted, and the recognizer uses it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from ctcasr.data import Utterance
from ctcasr.decoding import BeamSettings
from ctcasr.decoding.confidence import CANDIDATES, posterior
from ctcasr.errors import BundleError
from ctcasr.runtime import Recognizer, read_bundle
from ctcasr.runtime.bundle import DESCRIPTION, LEXICON
from ctcasr.runtime.calibration import calibrate, write_calibration
from ctcasr.runtime.confidence import ConfidenceCalibration, Evidence, WordCalibration
from ctcasr.runtime.decoder import DecodingOptions, Parts, make_decoder
from ctcasr.runtime.tuning import write_decoding
from tests.runtime.test_runtime_calibration import Record


def utterances(recognizer: Recognizer, record: Record, count: int = 12) -> list[Utterance]:
    """Recordings whose transcripts are what is recognised, every third word replaced."""
    found = []
    for number in range(count):
        path = record(f"{number}.wav", number, 3.0)
        texts = [word.text for word in next(recognizer.transcribe([path])).words]
        texts[::3] = ["nothing"] * len(texts[::3])
        found.append(Utterance(f"u{number}", path, 3.0, " ".join(texts)))
    return found


def written(folder: Path, **calibrations: WordCalibration) -> Path:
    description = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
    description["confidence"] = {kind: found.model_dump() for kind, found in calibrations.items()}
    (folder / DESCRIPTION).write_text(json.dumps(description), encoding="utf-8")
    return folder


HALF = WordCalibration(bias=0, acoustic=0, words=1)
RISING = WordCalibration(bias=-0.4, acoustic=0.5, posterior=0.3, words=1)


class TestBundle:
    def test_an_older_one_has_none(self, tiny_bundle: Path) -> None:
        assert read_bundle(tiny_bundle).description.confidence is None

    def test_write_and_read(self, own_bundle: Path, record: Record) -> None:
        recognizer = Recognizer.load(own_bundle)
        found = calibrate(recognizer, utterances(recognizer, record))
        assert set(found) == {"greedy"}
        before = {path.name for path in own_bundle.iterdir()}
        write_calibration(recognizer.bundle, found)
        assert {path.name for path in own_bundle.iterdir()} == before
        kept = read_bundle(own_bundle).description
        assert kept.confidence == ConfidenceCalibration(greedy=found["greedy"].parameters)
        assert kept.model_copy(update={"confidence": None}) == recognizer.bundle.description

    def test_a_folder_that_cannot_be_written(self, own_bundle: Path, tmp_path: Path) -> None:
        bundle = read_bundle(own_bundle)
        own_bundle.rename(tmp_path / "elsewhere")
        with pytest.raises(BundleError, match="cannot be written"):
            write_calibration(bundle, {})

    @pytest.mark.parametrize("value", ['"high"', "{}", '{"bias": NaN, "acoustic": 1, "words": 1}', "[]"])
    def test_damaged(self, own_bundle: Path, value: str) -> None:
        path = own_bundle / DESCRIPTION
        text = path.read_text(encoding="utf-8").rstrip()[:-1]
        text = text.replace('"confidence": null,', "").replace(',\n  "confidence": null', "")
        path.write_text(f'{text}, "confidence": {{"greedy": {value}}}}}', encoding="utf-8")
        with pytest.raises(BundleError, match=r"bundle\.json: "):
            read_bundle(own_bundle)

    def test_another_search_forgets_the_beam_s(self, own_bundle: Path) -> None:
        bundle = read_bundle(written(own_bundle, greedy=HALF, beam=RISING))
        write_decoding(bundle, Parts(BeamSettings(beam_size=7)))
        kept = read_bundle(own_bundle).description
        assert kept.confidence == ConfidenceCalibration(greedy=HALF)
        assert kept.decoding == BeamSettings(beam_size=7)


class TestRecognizer:
    def test_greedy_is_calibrated_where_the_bundle_is(self, own_bundle: Path, record: Record) -> None:
        path = record(seconds=5.0)
        raw = next(Recognizer.load(own_bundle).transcribe([path]))
        found = next(Recognizer.load(written(own_bundle, greedy=RISING)).transcribe([path]))
        assert len(raw.words) > 2
        for before, after in zip(raw.words, found.words, strict=True):
            assert after.confidence == RISING.probability(Evidence(before.confidence))
            assert (after.text, after.start_seconds) == (before.text, before.start_seconds)
        assert found.confidence == raw.confidence

    def test_a_beam_has_a_calibration_of_its_own(self, beam_bundle: Path, record: Record) -> None:
        written(beam_bundle, beam=HALF)
        path = record(seconds=2.0)
        found = next(Recognizer.load(beam_bundle).transcribe([path]))
        assert {word.confidence for word in found.words} == {0.5}
        raw = next(Recognizer.load(beam_bundle, decoding=DecodingOptions(is_greedy=True)).transcribe([path]))
        assert all(word.confidence != 0.5 for word in raw.words)

    def test_another_lexicon_is_not_calibrated(self, beam_bundle: Path, tmp_path: Path) -> None:
        (beam_bundle / LEXICON).rename(tmp_path / "other.txt")
        written(beam_bundle, greedy=HALF, beam=HALF)
        bundle = read_bundle(beam_bundle)
        assert make_decoder(bundle).calibration == HALF
        other = make_decoder(bundle, DecodingOptions(lexicon=tmp_path / "other.txt"))
        assert (other.is_greedy, other.calibration) == (False, None)

    def test_a_beam_s_raw_confidence_is_the_posterior(self, beam_bundle: Path, record: Record) -> None:
        path, wide = record(seconds=5.0), DecodingOptions(settings={"beam_size": 100})
        one = next(Recognizer.load(beam_bundle, decoding=wide).transcribe([path]))
        many = next(Recognizer.load(beam_bundle, decoding=wide, alternatives=100).transcribe([path]))
        assert len(many.alternatives) > CANDIDATES
        listed = many.alternatives[:CANDIDATES]
        found = posterior([other.text.split() for other in listed], [other.log_prob for other in listed])
        assert [word.confidence for word in one.words] == pytest.approx(found.words)
        assert one.confidence == pytest.approx(found.utterance)
        assert 0 < one.confidence < min(found.words) < 1
        # Whatever alternatives are asked for:
        assert (one.words, one.confidence) == (many.words, many.confidence)
        assert one.alternatives == ()

    def test_calibrating_both(self, beam_bundle: Path, record: Record) -> None:
        recognizer = Recognizer.load(beam_bundle, decoding=DecodingOptions(is_greedy=True))
        steps = []
        spoken = utterances(recognizer, record)
        found = calibrate(recognizer, spoken, lambda: steps.append(1))
        assert list(found) == ["greedy", "beam"]
        assert len(steps) == len(spoken)
        assert 0.4 < found["greedy"].correct.mean() < 0.8
        write_calibration(recognizer.bundle, found)
        for kind in ("greedy", "beam"):
            options = DecodingOptions(is_greedy=kind == "greedy")
            again = Recognizer.load(beam_bundle, decoding=options)
            confidences = [word.confidence for one in again.transcribe(spoken) for word in one.words]
            assert np.mean(confidences) == pytest.approx(found[kind].correct.mean(), abs=0.02)

    def test_calibrating_twice_is_calibrating_once(self, own_bundle: Path, record: Record) -> None:
        recognizer = Recognizer.load(own_bundle)
        spoken = utterances(recognizer, record, 6)
        first = calibrate(recognizer, spoken)["greedy"]
        write_calibration(recognizer.bundle, {"greedy": first})
        again = calibrate(Recognizer.load(own_bundle), spoken)["greedy"]
        assert again.parameters == first.parameters
        assert again.raw.tolist() == first.raw.tolist()

    def test_transcripts_without_a_word_right(self, own_bundle: Path, record: Record) -> None:
        recognizer = Recognizer.load(own_bundle)
        silent = [Utterance(f"u{n}", record(f"{n}.wav", n), 1.0, "") for n in range(3)]
        found = calibrate(recognizer, silent)["greedy"]
        assert not found.correct.any()
        assert found.parameters.probability(Evidence(0.9)) < 0.2
