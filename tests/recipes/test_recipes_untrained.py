"""The recipes of larger corpora: generated trees of the published layouts, and real data where it is there."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from ctcasr.training.config_files import read_config
from tests.recipes.layouts import ROOT, corpus, load_recipe, parts, refusal, rows, run, write_wav

NAMES = ["mini_librispeech", "librispeech", "aishell", "timit", "commonvoice"]
RECIPES = {name: load_recipe(name) for name in NAMES}


def librispeech_part(folder: Path, speakers: int, first: int = 1) -> None:
    for speaker in range(first, first + speakers):
        chapter = folder / str(speaker) / "7"
        for number in range(2):
            write_wav(chapter / f"{speaker}-7-{number:04d}.wav", 100 * speaker + number)
        lines = [f"{speaker}-7-{number:04d} WORDS OF {['ONE', 'TWO'][number]}" for number in range(2)]
        (chapter / f"{speaker}-7.trans.txt").write_text("\n".join(lines) + "\n")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.mark.parametrize("name", NAMES)
def test_configurations_are_valid_and_documents_are_there(name: str) -> None:
    for path in (ROOT / "recipes" / name).glob("*.toml"):
        assert read_config(path).data.train == ROOT / "recipes" / name / "data" / "train.jsonl"
    assert "--expect" in (ROOT / "recipes" / name / "README.md").read_text()
    results = (ROOT / "recipes" / name / "RESULTS.md").read_text()
    assert ("Nothing has been trained" in results) != (name == "mini_librispeech")


@pytest.mark.parametrize("name", NAMES)
def test_a_wrong_source_is_an_error(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert str(tmp_path) in refusal(
        capsys, RECIPES[name], "--source", tmp_path, "--output", tmp_path / "data"
    )
    assert not (tmp_path / "data").exists()


def test_mini_librispeech(tmp_path: Path, data: Path) -> None:
    for speaker in (19, 2136, 3947):
        librispeech_part(tmp_path / "LibriSpeech" / "train-clean-5", 1, first=speaker)
    librispeech_part(tmp_path / "LibriSpeech" / "dev-clean-2", 2, first=90)
    assert run(RECIPES["mini_librispeech"], "--source", tmp_path, "--output", data) == 0
    speakers = [{row["speaker"] for row in part} for part in parts(data)]
    assert speakers == [{"19", "2136"}, {"3947"}, {"90", "91"}]
    assert parts(data)[2][0]["text"] == "words of one"


@pytest.mark.slow
def test_mini_librispeech_as_it_is(data: Path) -> None:
    source = corpus("mini_librispeech")
    assert run(RECIPES["mini_librispeech"], "--source", source, "--output", data, "--without-test") == 0
    found = parts(data)
    speakers = [{row["speaker"] for row in part} for part in found]
    assert len(speakers[0]) == 17
    assert speakers[1] == {"1737", "3947", "8629"}
    assert speakers[2] == {"2136", "3664", "4640", "7859"}
    assert not speakers[0] & (speakers[1] | speakers[2])
    assert sum(row["duration"] for part in found for row in part) / 3600 == pytest.approx(4.5, abs=0.2)


@pytest.mark.parametrize(("hours", "count"), [("100", 4), ("960", 12)])
def test_librispeech(tmp_path: Path, data: Path, hours: str, count: int) -> None:
    names = [
        "train-clean-100",
        "train-clean-360",
        "train-other-500",
        "dev-clean",
        "dev-other",
        "test-clean",
        "test-other",
    ]
    for number, part in enumerate(names):
        librispeech_part(tmp_path / "LibriSpeech" / part, 2, first=10 * number + 1)
    assert run(RECIPES["librispeech"], "--source", tmp_path, "--output", data, "--hours", hours) == 0
    assert len(rows(data / "train.jsonl")) == count
    assert [row["speaker"] for row in rows(data / "test-other.jsonl")] == ["61", "61", "62", "62"]


def test_aishell(tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = []
    for part, speaker in (("train", "S0002"), ("dev", "S0724"), ("test", "S0764")):
        for number in range(2):
            identity = f"BAC009{speaker}W012{number}"
            write_wav(tmp_path / "wav" / part / speaker / f"{identity}.wav", len(lines))
            lines.append(f"{identity} 好棒 棒 WIFI")
    (tmp_path / "transcript").mkdir()
    transcript = tmp_path / "transcript" / "aishell_transcript_v0.8.txt"
    transcript.write_text("\n".join(lines[1:]) + "\n", encoding="utf-8")
    assert run(RECIPES["aishell"], "--source", tmp_path, "--output", data) == 0
    train, dev, test = parts(data)
    assert (len(train), len(dev), len(test)) == (1, 2, 2)
    assert "train: 1 recordings have no transcript, the first is BAC009S0002W0120" in capsys.readouterr().err
    assert {row["text"] for row in train + dev + test} == {"好棒棒wifi"}
    assert test[0]["speaker"] == "S0764"
    transcript.write_text("BAC009S0002W0120\n")
    assert "aishell_transcript_v0.8.txt:1: " in refusal(
        capsys, RECIPES["aishell"], "--source", tmp_path, "--output", data
    )


@pytest.mark.parametrize("upper", [True, False])
def test_timit(tmp_path: Path, data: Path, upper: bool) -> None:
    case = str.upper if upper else str.lower
    for part, speakers in (("train", ["fcjf0", "mdac0"]), ("test", ["mdab0", "faks0"])):
        for speaker in speakers:
            for sentence in ("sa1", "si1027", "sx37"):
                stem = tmp_path / case(part) / case("dr1") / case(speaker) / case(sentence)
                write_wav(stem.with_suffix(".wav"), len(speaker + sentence))
                stem.with_suffix(case(".txt")).write_text('0 46797 She had, "your" suit.\n')
    assert run(RECIPES["timit"], "--source", tmp_path, "--output", data) == 0
    train, dev, test = parts(data)
    assert [row["id"] for row in train] == ["fcjf0-si1027", "fcjf0-sx37", "mdac0-si1027", "mdac0-sx37"]
    assert ({row["speaker"] for row in dev}, {row["speaker"] for row in test}) == ({"faks0"}, {"mdab0"})
    assert test[0]["text"] == "she had your suit"


def test_timit_core_test_set() -> None:
    core = RECIPES["timit"].CORE_TEST
    assert Counter(speaker[0] for speaker in core) == {"m": 16, "f": 8}


def test_commonvoice(tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number, part in enumerate(("train", "dev", "test")):
        lines = ["client_id\tpath\tsentence"]
        for row, text in enumerate(("Hello, World!", "...")):
            write_wav(tmp_path / "clips" / f"cv_{number}_{row}.wav", 10 * number + row)
            lines.append(f"c{number}\tcv_{number}_{row}.wav\t{text}")
        (tmp_path / f"{part}.tsv").write_text("\n".join(lines) + "\n")
    assert run(RECIPES["commonvoice"], "--source", tmp_path, "--output", data) == 0
    train, dev, test = parts(data)
    assert [(row["text"], row["speaker"]) for row in train + dev + test] == [
        ("hello world", "c0"), ("hello world", "c1"), ("hello world", "c2"),
    ]  # fmt: skip
    assert "train.tsv: 1 sentences are empty once normalised" in capsys.readouterr().err
    assert run(RECIPES["commonvoice"], "--source", tmp_path, "--output", data, "--normalize", "none") == 0
    assert rows(data / "train.jsonl")[1]["text"] == "..."
