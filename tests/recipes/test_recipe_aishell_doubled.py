"""Doubled characters of Mandarin: CTC keeps them, and who trims repeats from the text loses them.

A tiny network learns some utterances of the AISHELL sample by heart, which is all that is asked here: whether what
comes out of training, export and decoding can hold the same character twice in a row.
"""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest

from ctcasr.data import read_manifest, write_manifest
from ctcasr.runtime import Recognizer
from ctcasr.scoring import score
from tests.recipes.layouts import corpus

CONFIG = """
[data]
train = "train.jsonl"
dev = "train.jsonl"
[features]
mel_bins = 40
[model]
subsampling = 4
channels = 8
layers = 1
hidden = 128
dropout = 0.0
[augment]
speeds = [1.0]
time_masks = 0
frequency_masks = 0
[batches]
seconds = 8
[optimizer]
epochs = 60
learning_rate = 6e-3
[run]
folder = "run"
average = 1
"""


def trimmed(text: str) -> str:
    """Write each run of a character once, as a decoder would that merges repeats without blanks."""
    return "".join(character for character, _ in itertools.groupby(text))


@pytest.mark.minutes
def test_a_mandarin_recogniser_writes_doubled_characters(tmp_path: Path) -> None:
    from ctcasr.training.config_files import read_config
    from ctcasr.training.export import export_bundle
    from ctcasr.training.loop import Trainer

    source = corpus("aishell_sample")
    chosen = [
        utterance
        for utterance in read_manifest(source / "manifest.jsonl")
        if utterance.text != trimmed(utterance.text)
        and utterance.text.isalpha()
        and utterance.duration_seconds < 4.0
    ][:8]
    assert len(chosen) == 8
    write_manifest(tmp_path / "train.jsonl", chosen)
    (tmp_path / "config.toml").write_text(CONFIG, encoding="utf-8")
    Trainer(read_config(tmp_path / "config.toml")).run()
    export_bundle(tmp_path / "run", tmp_path / "bundle")
    texts = {t.id: t.text for t in Recognizer.load(tmp_path / "bundle").transcribe(chosen)}
    references = {utterance.id: utterance.text for utterance in chosen}
    kept = score(references, texts, "char")
    lost = score(references, {name: trimmed(text) for name, text in texts.items()}, "char")
    assert kept.rate < 0.1, json.dumps(texts, ensure_ascii=False)
    assert any(text == references[name] for name, text in texts.items())
    assert lost.counts.deletions >= kept.counts.deletions + 6
    assert lost.rate > kept.rate
