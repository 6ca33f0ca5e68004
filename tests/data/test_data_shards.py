"""Shards: what goes in comes out, sample by sample, wherever it stands; WebDataset's are read as well."""

from __future__ import annotations

import io
import json
import re
import resource
import tarfile
import tempfile
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from ctcasr import audio
from ctcasr.data import Utterance, by_shard, load_utterance, read_manifest, write_manifest
from ctcasr.data.shards import ShardSettings, write_shards
from ctcasr.errors import AudioError, ConfigError, DataError

Run = Callable[..., Any]
RATE = 8000


def noise(path: Path, seconds: float, subtype: str | None = None, channels: int = 1) -> Path:
    """Write noise that reaches both ends of the scale."""
    rng = np.random.default_rng(len(path.name))
    samples = rng.uniform(-1, 1, (round(seconds * RATE), channels))
    samples[:2] = [[-1.0], [0.999]]
    soundfile.write(path, samples, RATE, subtype=subtype)
    return path


@pytest.fixture
def corpus(tmp_path: Path) -> list[Utterance]:
    """Recordings of many kinds, and two segments of one of them."""
    kinds = [
        ("a.wav", None, 1),
        ("b.wav", "PCM_24", 1),
        ("c.flac", None, 1),
        ("d.ogg", None, 1),
        ("e.wav", None, 2),
    ]
    found = [
        Utterance(
            f"u.{name}/ü", noise(tmp_path / name, 0.5, kind, channels), 0.5, f"text of {name} \N{SNOWMAN}"
        )
        for name, kind, channels in kinds
    ]
    found[0] = replace(found[0], speaker="anna", words=((0.0, 0.1), (0.1, 0.2), (0.2, 0.3), (0.3, 0.5)))
    part = replace(found[0], duration_seconds=0.2, words=None)
    return [*found, *(replace(part, id=f"part{n}", offset_seconds=n / 8) for n in (0, 1))]


def test_what_goes_in_comes_out(tmp_path: Path, corpus: list[Utterance]) -> None:
    folder = tmp_path / "shards"
    written = write_shards(corpus, folder, ShardSettings(megabytes=0.01, seed=3))
    found = read_manifest(folder)
    assert [utterance.id for utterance in found] == [utterance.id for utterance in written]
    assert sorted(path.name for path in folder.iterdir()) == [
        "index.jsonl",
        *(f"shard-{n:06d}.tar" for n in range(len({utterance.audio_path for utterance in found}))),
    ]
    assert len(by_shard(found) or []) > 1
    sources = {utterance.id: utterance for utterance in corpus}
    assert {utterance.id for utterance in found} == sources.keys()
    for utterance in found:
        source = sources[utterance.id]
        assert (utterance.text, utterance.speaker, utterance.words) == (
            source.text,
            source.speaker,
            source.words,
        )
        assert utterance.duration_seconds == source.duration_seconds
        np.testing.assert_array_equal(load_utterance(utterance, RATE), load_utterance(source, RATE))


def test_others_read_the_shards_too(tmp_path: Path, corpus: list[Utterance]) -> None:
    folder = tmp_path / "shards"
    write_shards(corpus, folder, ShardSettings())
    with tarfile.open(folder / "shard-000000.tar") as tar:
        names = tar.getnames()
        fields = [json.loads(tar.extractfile(name).read()) for name in names if name.endswith(".json")]
    assert names[:2] == ["00000000.flac", "00000000.json"] or names[0] == "00000000.ogg"
    assert [Path(name).stem for name in names] == [f"{n:08d}" for n in range(7) for _ in "12"]
    assert {entry["id"] for entry in fields} == {utterance.id for utterance in corpus}
    assert all(entry.keys() >= {"id", "text", "duration"} for entry in fields)


def test_the_seed_deals_the_utterances_out(tmp_path: Path, corpus: list[Utterance]) -> None:
    for name, seed in {"a": 0, "b": 0, "c": 1}.items():
        write_shards(corpus, tmp_path / name, ShardSettings(megabytes=0.01, seed=seed))
    contents = [
        {path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in ("a", "b", "c")
    ]
    assert contents[0] == contents[1]
    assert contents[0]["index.jsonl"] != contents[2]["index.jsonl"]


def test_a_recording_far_inside_a_large_shard_costs_its_own_bytes_alone(tmp_path: Path) -> None:
    sound = noise(tmp_path / "a.flac", 0.5).read_bytes()
    shard = tmp_path / "large.tar"
    first = 40_000_000_000
    with shard.open("wb") as file:  # a hole on the disk
        file.seek(first)
        file.write(sound)
    utterance = Utterance("a", shard, 0.5, byte_span=(first, len(sound)))
    tracemalloc.start()
    waveform = load_utterance(utterance, RATE)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    np.testing.assert_array_equal(waveform, audio.load(tmp_path / "a.flac", RATE))
    assert peak < 2_000_000


def test_faults_are_told_by_shard_and_place(tmp_path: Path, corpus: list[Utterance]) -> None:
    write_shards(corpus[:1], tmp_path / "shards", ShardSettings())
    (utterance,) = read_manifest(tmp_path / "shards")
    assert utterance.byte_span is not None
    first, count = utterance.byte_span
    place = rf"shard-000000\.tar \(bytes {first} to {first + count}\)"
    with pytest.raises(AudioError, match=place + r": the segment ends at 9"):
        load_utterance(replace(utterance, duration_seconds=9.0), RATE)
    content = utterance.audio_path.read_bytes()
    utterance.audio_path.write_bytes(content[: first + 100])
    with pytest.raises(
        AudioError, match=place + rf": the shard ends after {first + 100} bytes; copy it again"
    ):
        load_utterance(utterance, RATE)
    utterance.audio_path.write_bytes(bytes(len(content)))
    with pytest.raises(AudioError, match=place):
        load_utterance(utterance, RATE)
    utterance.audio_path.unlink()
    with pytest.raises(AudioError, match=place + r": cannot be opened \(No such file or directory\)"):
        load_utterance(utterance, RATE)


def test_no_room_for_the_temporary_copy_is_not_the_shards_fault(
    tmp_path: Path, corpus: list[Utterance], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_shards(corpus[:1], tmp_path / "shards", ShardSettings())
    (utterance,) = read_manifest(tmp_path / "shards")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(ConfigError, match=r"tar \(bytes .* be copied there \(File too large\), .*TMPDIR"):
            load_utterance(utterance, RATE)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    with pytest.raises(ConfigError, match=r"be copied there \(No such file or directory\), .*TMPDIR"):
        load_utterance(utterance, RATE)


def test_a_damaged_recording_is_named_and_leaves_no_index(tmp_path: Path, corpus: list[Utterance]) -> None:
    corpus[2].audio_path.write_bytes(b"fLaC")
    with pytest.raises(DataError, match=r"u\.c\.flac/ü: .*c\.flac: "):
        write_shards(corpus, tmp_path / "shards", ShardSettings())
    assert not (tmp_path / "shards/index.jsonl").exists()
    assert not list((tmp_path / "shards").glob("*.tmp"))


@pytest.mark.parametrize("span", ["[1]", "[0, 0]", "[-1, 5]", "[0.5, 5]", '["0", 5]', "[true, 5]", "7"])
def test_wrong_bytes_are_refused(tmp_path: Path, span: str) -> None:
    path = tmp_path / "m.jsonl"
    path.write_text(f'{{"audio_filepath": "a.tar", "duration": 1, "text": "a", "bytes": {span}}}\n')
    with pytest.raises(DataError, match=r"m\.jsonl:1: `bytes` is "):
        read_manifest(path)


class TestCommands:
    def test_shard(self, ctcasr: Run, tmp_path: Path, corpus: list[Utterance]) -> None:
        write_manifest(tmp_path / "train.jsonl", corpus)
        command = ("data", "shard", str(tmp_path / "train.jsonl"), "-o", str(tmp_path / "shards"))
        result = ctcasr(*command, "--megabytes", "0.01", "--seed", "1")
        assert (result.code, result.err) == (0, "")
        count = len(list((tmp_path / "shards").glob("*.tar")))
        assert result.out == f"{tmp_path / 'shards'}: 7 utterances in {count} shards\n"
        result = ctcasr(*command)
        assert result.code == 1
        assert "shards: has shards already; choose another folder, or remove it first" in result.err

    def test_other_layouts_cannot_point_into_shards(
        self, ctcasr: Run, tmp_path: Path, corpus: list[Utterance]
    ) -> None:
        write_shards(corpus, tmp_path / "shards", ShardSettings())
        result = ctcasr("data", "export", "csv", str(tmp_path / "shards"), "-o", str(tmp_path / "x.csv"))
        assert result.code == 2
        assert "its recordings are in shards, which other layouts cannot point into" in result.err

    @pytest.mark.slow
    def test_shards_are_transcribed(self, ctcasr: Run, tmp_path: Path, corpus: list[Utterance]) -> None:
        write_manifest(tmp_path / "train.jsonl", corpus[:3])
        write_shards(corpus[:3], tmp_path / "shards", ShardSettings())
        texts = []
        for manifest in (tmp_path / "train.jsonl", tmp_path / "shards/index.jsonl"):
            result = ctcasr("transcribe", str(manifest), "-f", "json")
            assert result.code == 0, result.err
            texts.append(
                sorted((line["id"], line["text"]) for line in map(json.loads, result.out.splitlines()))
            )
        assert texts[0] == texts[1]


def add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    tar.addfile(info, io.BytesIO(content))


class TestWebDataset:
    def test_it_is_read_where_it_stands(self, ctcasr: Run, tmp_path: Path) -> None:
        one, two = (noise(tmp_path / name, 0.5).read_bytes() for name in ("a.flac", "b.wav"))
        shards = tmp_path / "shards"
        shards.mkdir()
        with tarfile.open(shards / "x-0.tar", "w") as tar:
            add(
                tar,
                "d/one.json",
                b'{"transcript": "yes no", "duration": 0.5, "speaker": "anna", "offset": 7}',
            )
            add(tar, "d/one.flac", one)
            add(tar, "two.wav", two)
            add(tar, "two.txt", b"da doch\n")
        with tarfile.open(shards / "x-1.tar", "w", format=tarfile.PAX_FORMAT) as tar:
            add(tar, "n" * 150 + ".FLAC", one)
            add(tar, "n" * 150 + ".json", b'{"id": "three", "text": "no"}')
        result = ctcasr("data", "import", "webdataset", str(shards), "-o", str(shards / "index.jsonl"))
        assert (result.code, result.err) == (0, "")
        found = read_manifest(shards)
        assert [(u.id, u.text, u.speaker, u.duration_seconds) for u in found] == [
            ("x-0-d/one", "yes no", "anna", 0.5),
            ("x-0-two", "da doch", None, 0.5),
            ("three", "no", None, 0.5),
        ]
        for utterance, name in zip(found, ("a.flac", "b.wav", "a.flac"), strict=True):
            np.testing.assert_array_equal(load_utterance(utterance, RATE), audio.load(tmp_path / name, RATE))

    @pytest.mark.parametrize(
        ("members", "message"),
        [
            ({"a.flac": b"x"}, r"x\.tar:a: has no text, expected a member \.json or \.txt"),
            ({"a.txt": b"x"}, r"x\.tar:a: has 0 recordings, expected one"),
            ({"a.flac": b"x", "a.wav": b"x", "a.txt": b"x"}, r"x\.tar:a: has 2 recordings, expected one"),
            ({"a.flac": b"x", "a.json": b"{"}, r"x\.tar:a: its text cannot be read"),
            ({"a.flac": b"x", "a.json": b"7"}, r"x\.tar:a: its text cannot be read"),
            ({"a.flac": b"x", "a.txt": b"\xff"}, r"x\.tar:a: its text cannot be read"),
            ({"a.flac": b"x", "a.txt": b"x"}, r"x-a \(x\.tar:a\): .*holds no audio"),
            (None, r"x\.tar: cannot be read as a tar file"),
        ],
    )  # fmt: skip
    def test_faults_are_told(
        self, ctcasr: Run, tmp_path: Path, members: dict[str, bytes] | None, message: str
    ) -> None:
        if members is None:
            (tmp_path / "x.tar").write_bytes(b"no tar" * 200)
        else:
            with tarfile.open(tmp_path / "x.tar", "w") as tar:
                for name, content in members.items():
                    add(tar, name, content)
        result = ctcasr("data", "import", "webdataset", str(tmp_path), "-o", str(tmp_path / "index.jsonl"))
        assert result.code == 1
        assert len(result.err.splitlines()) == 1
        assert re.search(message, result.err), result.err

    def test_a_folder_without_tars_is_refused(self, ctcasr: Run, tmp_path: Path) -> None:
        result = ctcasr("data", "import", "webdataset", str(tmp_path), "-o", str(tmp_path / "index.jsonl"))
        assert result.code == 1
        assert "holds no *.tar, expected shards of WebDataset" in result.err
