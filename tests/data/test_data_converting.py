"""`ctcasr data convert`: recordings decoded once, sample by sample, and everything that can be wrong with them."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from ctcasr import audio
from ctcasr.audio.encoding import encoded
from ctcasr.data import INDEX, Utterance, load_utterance, read_manifest, write_manifest
from ctcasr.data.shards import ShardSettings, write_shards

Run = Callable[..., Any]
RATE = 8000


def noise(path: Path, seed: int = 0, **coding: str) -> Path:
    samples = np.random.default_rng(seed).uniform(-1, 1, RATE // 2)
    samples[:2] = [-1.0, 0.999]
    soundfile.write(path, samples, RATE, **coding)
    return path


@pytest.fixture
def corpus(tmp_path: Path) -> list[Utterance]:
    """A lossless and a lossy recording, and two segments of the first with words and more."""
    flac, opus = noise(tmp_path / "a.flac"), noise(tmp_path / "b.opus", format="OGG", subtype="OPUS")
    whole = Utterance("x/ü", flac, 0.5, "one two", speaker="anna", label="loud")
    return [
        replace(whole, words=((0.0, 0.2), (0.25, 0.5))),
        Utterance("b" * 300, opus, 0.5, "three"),
        *(replace(whole, id=f"part{n}", offset_seconds=n / 8, duration_seconds=0.25) for n in (0, 1)),
    ]


@pytest.fixture
def manifest(tmp_path: Path, corpus: list[Utterance]) -> Path:
    write_manifest(tmp_path / "train.jsonl", corpus)
    return tmp_path / "train.jsonl"


def test_what_is_decoded_is_what_was_recorded(ctcasr: Run, manifest: Path, tmp_path: Path) -> None:
    output = tmp_path / "wav" / "train.jsonl"
    said = ctcasr("data", "convert", manifest, "-o", output, "--sample-rate", RATE)
    assert (said.code, said.err, said.out) == (0, "", f"{output}: 4 utterances, 0.00 hours\n")
    pairs = list(zip(read_manifest(manifest), read_manifest(output), strict=True))
    for before, after in pairs:
        assert after.audio_path.resolve().parent == output.with_suffix("")
        assert audio.probe(after.audio_path).encoding == "PCM_16"
        assert replace(after, audio_path=before.audio_path, offset_seconds=before.offset_seconds) == before
        decoded = load_utterance(before, RATE)
        expected = decoded if before.audio_path.suffix == ".flac" else np.clip(decoded, -1, 1 - 2**-15)
        tolerance = 0 if before.audio_path.suffix == ".flac" else 2**-16
        np.testing.assert_allclose(load_utterance(after, RATE), expected, rtol=0, atol=tolerance)
    assert len({after.audio_path for _, after in pairs}) == 4


def test_shards_convert_to_files_at_another_rate(
    ctcasr: Run, corpus: list[Utterance], tmp_path: Path
) -> None:
    write_shards(corpus, tmp_path / "shards", ShardSettings())
    output = tmp_path / "train.jsonl"
    shards = tmp_path / "shards"
    assert ctcasr("data", "convert", shards, "-o", shards / INDEX).code == 2
    assert ctcasr("data", "convert", shards, "-o", output).code == 0
    for before, after in zip(read_manifest(shards), read_manifest(output), strict=True):
        assert (after.id, after.byte_span) == (before.id, None)
        assert audio.probe(after.audio_path).sample_rate == 16000
        expected = np.clip(load_utterance(before, 16000), -1, 1 - 2**-15)
        np.testing.assert_allclose(load_utterance(after, 16000), expected, rtol=0, atol=2**-16)


def test_called_again_it_goes_on(ctcasr: Run, manifest: Path, tmp_path: Path) -> None:
    output = tmp_path / "wav.jsonl"
    assert ctcasr("data", "convert", manifest, "-o", output).code == 0
    listed, (first, *others) = output.read_text(), sorted(output.with_suffix("").iterdir())
    times = [path.stat().st_mtime_ns for path in others]
    first.unlink()
    output.unlink()
    assert ctcasr("data", "convert", manifest, "-o", output, "--threads", 2).code == 0
    assert output.read_text() == listed
    assert first.exists()
    assert [path.stat().st_mtime_ns for path in others] == times
    assert ctcasr("data", "convert", manifest, "-o", output, "--sample-rate", RATE).code == 0
    assert {audio.probe(found.audio_path).sample_rate for found in read_manifest(output)} == {RATE}


def test_a_source_that_has_changed_and_a_damaged_copy_are_written_anew(
    ctcasr: Run, manifest: Path, tmp_path: Path
) -> None:
    output = tmp_path / "wav.jsonl"
    ctcasr("data", "convert", manifest, "-o", output, "--sample-rate", RATE)
    first, second, *_ = read_manifest(output)
    second.audio_path.write_bytes(second.audio_path.read_bytes()[:1000])
    noise(tmp_path / "a.flac", seed=1)
    assert ctcasr("data", "convert", manifest, "-o", output, "--sample-rate", RATE).code == 0
    changed, mended, *_ = read_manifest(output)
    assert (changed.audio_path != first.audio_path, mended.audio_path) == (True, second.audio_path)
    np.testing.assert_array_equal(load_utterance(changed, RATE), audio.load(tmp_path / "a.flac", RATE))
    assert audio.probe(mended.audio_path).duration_seconds == second.duration_seconds


def test_ids_that_differ_in_foreign_letters_alone_have_files_of_their_own(
    ctcasr: Run, tmp_path: Path
) -> None:
    paths = [noise(tmp_path / f"{number}.mp3", number) for number in (0, 1)]
    write_manifest(
        tmp_path / "x.jsonl", [Utterance(*pair, 0.5) for pair in zip(("ü", "ä"), paths, strict=True)]
    )
    assert ctcasr("data", "convert", tmp_path / "x.jsonl", "-o", tmp_path / "wav.jsonl").code == 0
    one, other = (load_utterance(found, RATE) for found in read_manifest(tmp_path / "wav.jsonl"))
    assert not np.array_equal(one, other)


def test_links_in_a_circle_are_named(ctcasr: Run, manifest: Path, tmp_path: Path) -> None:
    (tmp_path / "b.opus").unlink()
    (tmp_path / "b.opus").symlink_to(tmp_path / "b.opus")
    said = ctcasr("data", "convert", manifest, "-o", tmp_path / "wav.jsonl")
    assert (said.code, len(said.errors)) == (1, 1)


def test_bad_recordings_are_named_and_left_out(ctcasr: Run, manifest: Path, tmp_path: Path) -> None:
    (tmp_path / "b.opus").write_bytes(b"OggS and nothing else")
    said = ctcasr("data", "convert", manifest, "-o", tmp_path / "wav.jsonl")
    assert said.code == 1
    assert len(said.errors) == 1
    assert "train.jsonl:2" in said.errors[0]
    assert said.err.endswith("1 of 4 utterances failed and are left out\n")
    assert [found.id for found in read_manifest(tmp_path / "wav.jsonl")] == ["x/ü", "part0", "part1"]
    for path in (tmp_path / "a.flac", tmp_path / "b.opus"):
        path.unlink()
    said = ctcasr("data", "convert", manifest, "-o", tmp_path / "none.jsonl")
    assert said.code == 1
    assert said.errors[-1].endswith("not written, none of the 4 recordings can be read")
    assert not (tmp_path / "none.jsonl").exists()


@pytest.mark.parametrize(
    "name", ["train.jsonl", "sub/../train.jsonl", "folder", "folder.jsonl", "../FOLDER.jsonl"]
)
def test_the_manifest_is_not_overwritten(ctcasr: Run, manifest: Path, name: str) -> None:
    before = manifest.read_text()
    name = name.replace("FOLDER", manifest.parent.name)  # of the recordings
    (manifest.parent / "folder.jsonl").mkdir()
    said = ctcasr("data", "convert", manifest, "-o", manifest.parent / name)
    assert said.code == 2
    assert "choose another --output" in said.errors[0]
    assert manifest.read_text() == before


def test_a_full_disk_is_told(
    ctcasr: Run, manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, content: bytes) -> int:
        path.touch()
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    said = ctcasr("data", "convert", manifest, "-o", tmp_path / "wav.jsonl")
    assert said.code == 2
    assert said.errors == [
        f"error: {tmp_path / 'wav.jsonl'}: cannot be written (No space left on device); choose another --output"
    ]
    assert not list((tmp_path / "wav").iterdir())


def test_words_end_with_the_recording(ctcasr: Run, manifest: Path, tmp_path: Path) -> None:
    lines = [json.loads(line) for line in manifest.read_text().splitlines()]
    lines[0] |= {"duration": 0.54, "words": [[0.0, 0.2], [0.25, 0.54]]}
    manifest.write_text(json.dumps(lines[0]) + "\n")
    assert ctcasr("data", "convert", manifest, "-o", tmp_path / "wav.jsonl").code == 0
    assert read_manifest(tmp_path / "wav.jsonl")[0].words == ((0.0, 0.2), (0.25, 0.5))


@pytest.mark.parametrize("container", ["WAV", "FLAC"])
@pytest.mark.parametrize("bits", [16, 24])
def test_every_code_comes_back(tmp_path: Path, container: str, bits: int) -> None:
    top = 2 ** (bits - 1)
    codes = np.unique(np.linspace(-top, top - 1, 2**16).round()).astype(np.int64)
    waveform = (codes / top).astype(np.float32)
    (tmp_path / "x").write_bytes(encoded(waveform, RATE, container, bits))
    np.testing.assert_array_equal(audio.load(tmp_path / "x", RATE), waveform)
    (tmp_path / "y").write_bytes(encoded(np.float32([-2, 2]), RATE, container, bits))
    np.testing.assert_array_equal(audio.load(tmp_path / "y", RATE), np.float32([-1, (top - 1) / top]))
