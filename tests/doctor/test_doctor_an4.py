"""Faults of every kind, planted in a copy of AN4: all are found, and nothing is found in what was left alone."""

import json
import random
import unicodedata
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from ctcasr import audio
from ctcasr.data import read_manifest, write_manifest
from ctcasr.doctor import KINDS, DoctorSettings, ModelFrames, examine
from ctcasr.doctor.contradicting import contradictions
from ctcasr.runtime import Recognizer
from tests.recipes.layouts import corpus, load_recipe

LONG = "one two three four five six seven eight nine oh one two three"
PLANTED_IN_FILE = {"manifest-bom", "manifest-crlf", "manifest-line"}


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    """Return 240 training utterances and the test part of AN4."""
    folder = tmp_path_factory.mktemp("an4")
    found = load_recipe("an4").read_parts(corpus("an4"), folder)
    random.Random(4).shuffle(training := list(found["train"]))
    write_manifest(folder / "train.jsonl", training[:240])
    write_manifest(folder / "test.jsonl", found["test"])
    return folder


@pytest.fixture(scope="module")
def recognizer():
    return Recognizer.load("an4")


@pytest.fixture(scope="module")
def settings(recognizer):
    description = recognizer.bundle.description
    frames = ModelFrames(description.features, description.subsampling, recognizer.bundle.vocabulary)
    return DoctorSettings(model=frames)


@pytest.mark.slow
def test_no_false_alarm_on_the_clean_corpus(parts, settings, recognizer):
    diagnosis = examine(parts / "train.jsonl", settings, parts / "test.jsonl")
    assert diagnosis.findings == ()
    assert list(contradictions(diagnosis.cleaned(), recognizer)) == []


class Plants:
    """Plant one fault after the other, each in an utterance of its own."""

    def __init__(self, rows, folder, seed):
        self.rows, self.folder = rows, folder
        self.source = random.Random(seed)
        self.free = self.source.sample(range(20, len(rows)), 60)
        self.planted = {}

    def row(self, kind):
        row = self.rows[self.free.pop()]
        self.planted[row["id"]] = kind
        return row

    def sound(self, kind, change, rate=16000):
        row = self.row(kind)
        waveform = change(audio.load(row["audio_filepath"], 16000))
        path = self.folder / f"{kind}.wav"
        sf.write(path, waveform, rate, subtype="PCM_16")
        row["audio_filepath"], row["duration"] = str(path), len(waveform) / rate

    def text(self, kind, change):
        row = self.row(kind)
        row["text"] = change(row["text"])


def plant_sounds(plants):
    def gap(waveform):
        waveform = np.concatenate([waveform, waveform])
        waveform[len(waveform) // 3 :][:9600] = 0
        return waveform

    plants.row("audio-missing")["audio_filepath"] = "nowhere.flac"
    row = plants.row("audio-unreadable")
    whole = Path(row["audio_filepath"]).read_bytes()
    (plants.folder / "cut.flac").write_bytes(whole[: len(whole) // 2])
    row["audio_filepath"] = "cut.flac"
    plants.sound("audio-silent", lambda waveform: waveform * 1e-4)
    plants.sound("audio-clipped", lambda waveform: np.clip(waveform * 30, -0.9, 0.9))
    plants.sound("audio-gap", gap)
    plants.sound("audio-rate", lambda waveform: audio.resample(waveform, 16000, 8000), 8000)
    plants.sound("audio-short", lambda waveform: waveform[8000:8800])
    plants.sound("audio-long", lambda waveform: np.tile(waveform, int(61 * 16000 / len(waveform)) + 1))
    plants.row("audio-duration")["duration"] *= 0.5
    plants.row("audio-duplicate")["audio_filepath"] = plants.rows[0]["audio_filepath"]


def plant_texts(plants):
    plants.text("text-empty", lambda _: " ")
    plants.text("text-vocabulary", lambda text: text + " 7")
    plants.text("text-invisible", lambda text: text[:2] + "\u200b" + text[2:])
    plants.text("text-spaces", lambda text: " " + text)
    plants.text("text-unicode", lambda text: unicodedata.normalize("NFD", text + "é"))
    plants.text("infeasible", lambda _: " ".join(["eight"] * 200))
    plants.text("rate-outlier", lambda _: " ".join(["seventeen"] * 25))
    speaker = plants.rows[3]["speaker"]
    plants.rows[3]["text"] = LONG
    plants.row("text-duplicate").update(text=LONG, speaker=speaker)
    plants.row("duplicate-id")["id"] = plants.rows[5]["id"]


@pytest.mark.slow
def test_every_planted_fault_is_found(parts, settings, tmp_path):
    rows = [json.loads(line) for line in (parts / "train.jsonl").read_text().splitlines()]
    for row in rows:
        row["audio_filepath"] = str((parts / row["audio_filepath"]).resolve())
        row.pop("words", None)  # they would contradict the planted texts and sounds
    plants = Plants(rows, tmp_path, seed=11)
    plant_sounds(plants)
    plant_texts(plants)
    other = read_manifest(parts / "test.jsonl")
    plants.row("shared-speaker")["speaker"] = other[0].speaker
    row = plants.row("shared-audio")
    row["audio_filepath"], row["duration"] = str(other[1].audio_path.resolve()), other[1].duration_seconds
    plants.row("shared-text")["text"] = LONG + " four"
    theirs = [json.loads(line) for line in (parts / "test.jsonl").read_text().splitlines()]
    for line in theirs:
        line["audio_filepath"] = str((parts / line["audio_filepath"]).resolve())
    theirs[2]["text"] = LONG + " four"
    (tmp_path / "test.jsonl").write_text("".join(json.dumps(line) + "\n" for line in theirs))
    lines = [json.dumps(row) for row in rows] + ["{oops"]
    (tmp_path / "train.jsonl").write_bytes(b"\xef\xbb\xbf" + "\r\n".join(lines).encode())

    diagnosis = examine(tmp_path / "train.jsonl", settings, tmp_path / "test.jsonl")
    found = {(finding.kind, finding.id) for finding in diagnosis.findings}
    assert {kind for kind, _ in found} >= PLANTED_IN_FILE
    planted = {(kind, identity) for identity, kind in plants.planted.items() if kind != "duplicate-id"}
    assert planted - found == set()
    assert ("duplicate-id", rows[5]["id"]) in found
    assert {kind for kind, _ in found} == set(KINDS) - {"contradiction"}
    touched = {*plants.planted, rows[3]["id"], rows[5]["id"], ""}
    assert {identity for _, identity in found} <= touched  # nothing else raises an alarm


def test_swapped_texts_are_found(parts, recognizer):
    utterances = read_manifest(parts / "train.jsonl")[:40]
    long = [utterance for utterance in utterances if len(utterance.text) > 20]
    first, second = long[0], long[1]
    swapped = [
        type(first)(**{**vars(utterance), "text": other.text})
        for utterance, other in ((first, second), (second, first))
    ]
    found = list(contradictions([*swapped, *long[2:]], recognizer))
    assert [finding.id for finding in found] == [first.id, second.id]
