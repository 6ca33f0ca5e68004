"""Spoken commands: a tree of the published layout, and the archive of the test set as it is."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import pytest

from ctcasr.training.config_files import read_config
from tests.recipes.layouts import ROOT, corpus, load_recipe, parts, refusal, rows, run, write_wav

commands = load_recipe("speech_commands")


def test_the_configuration_is_valid() -> None:
    config = read_config(ROOT / "recipes" / "speech_commands" / "config.toml")
    assert (config.task.head, config.task.input) == ("label", "audio")


def test_the_published_split_and_labels(tmp_path: Path) -> None:
    source, data = tmp_path / "source", tmp_path / "data"
    for number, speaker in enumerate(("aaa", "bbb", "ccc")):
        for word in ("yes", "no"):
            write_wav(source / word / f"{speaker}_nohash_0.wav", number + 10 * len(word))
    for number in range(60):
        write_wav(source / "bird" / f"ddd_nohash_{number}.wav", 100 + number)
    write_wav(source / "_background_noise_" / "pink.wav", 99)
    (source / "validation_list.txt").write_text("yes/bbb_nohash_0.wav\nno/bbb_nohash_0.wav\n")
    (source / "testing_list.txt").write_text("yes/ccc_nohash_0.wav\nno/ccc_nohash_0.wav\n")
    assert run(commands, "--source", source, "--output", data) == 0
    train, dev, test = parts(data)
    assert [{row["speaker"] for row in part} for part in (dev, test)] == [{"bbb"}, {"ccc"}]
    assert [(row["id"], row["text"], row["label"]) for row in test] == [
        ("no-ccc_nohash_0", "no", "no"),
        ("yes-ccc_nohash_0", "yes", "yes"),
    ]
    others = [row for row in train if row["text"] == "bird"]
    assert {row["label"] for row in others} == {"_unknown_"}
    assert 0 < len(others) < 20  # about a tenth of them


def test_copies_of_a_recording_are_left_out(tmp_path: Path) -> None:
    source = tmp_path / "source"
    for number in range(40):
        write_wav(source / "yes" / f"{number}.wav", number)
        shutil.copy(source / "yes" / f"{number}.wav", source / "yes" / f"{number}-again.wav")
    assert run(commands, "--source", source, "--output", tmp_path / "data", "--test-archive") == 0
    found = [row["audio_filepath"] for part in parts(tmp_path / "data") for row in part]
    assert len(found) == 40
    assert all(len(rows(tmp_path / "data" / f"{part}.jsonl")) for part in ("train", "dev", "test"))


def test_a_wrong_source_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "data"
    assert str(tmp_path) in refusal(capsys, commands, "--source", tmp_path, "--output", output)
    assert not output.exists()


@pytest.mark.minutes  # half a minute: it decodes 2,416 files of Opus
def test_the_test_archive_as_it_is(tmp_path: Path) -> None:
    source = corpus("speech_commands")
    assert run(commands, "--source", source, "--output", tmp_path, "--test-archive") == 0
    listed = [rows(tmp_path / f"{part}.jsonl") for part in ("train", "dev", "test")]
    assert [len(part) for part in listed] == [1687, 279, 450]  # 29 have the samples of another
    labels = Counter(row["label"] for part in listed for row in part)
    assert len(labels) == 12
    assert min(labels.values()) > 150
    speakers = [{row["speaker"] for row in part if "speaker" in row} for part in listed]
    assert not speakers[0] & speakers[1]
    assert not (speakers[0] | speakers[1]) & speakers[2]
