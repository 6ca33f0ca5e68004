from __future__ import annotations

from pathlib import Path

import pytest

from tests.recipes.layouts import corpus, load_recipe, parts, refusal, run, write_wav

fsdd = load_recipe("fsdd")

WORDS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Make a tree of the published layout: ten digits, two speakers, twelve recordings of each."""
    for digit in range(10):
        for number, speaker in enumerate(("ada", "bob")):
            for index in range(12):
                path = tmp_path / "source" / "recordings" / f"{digit}_{speaker}_{index}.wav"
                write_wav(path, 100 * digit + 20 * number + index)
    return tmp_path / "source"


def test_the_official_split(source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert run(fsdd, "--source", source, "--output", tmp_path / "data") == 0
    assert "train 40, dev 100, test 100 utterances" in capsys.readouterr().out
    train, dev, test = parts(tmp_path / "data")
    for part, indices in ((train, range(10, 12)), (dev, range(5, 10)), (test, range(5))):
        expected = {f"{d}_{s}_{i}" for d in range(10) for s in ("ada", "bob") for i in indices}
        assert {row["id"] for row in part} == expected


def test_texts_and_speakers_stand_in_the_name(source: Path, tmp_path: Path):
    run(fsdd, "--source", source, "--output", tmp_path / "data")
    for row in [row for part in parts(tmp_path / "data") for row in part]:
        digit, speaker, _ = row["id"].split("_")
        assert row["text"] == WORDS[int(digit)]
        assert row["speaker"] == speaker


def test_a_speaker_can_be_left_out(source: Path, tmp_path: Path):
    assert run(fsdd, "--source", source, "--output", tmp_path, "--leave-out", "bob") == 0
    assert not (tmp_path / "train.jsonl").exists()
    train, dev, test = parts(tmp_path / "leave-out-bob")
    assert (len(train), len(dev), len(test)) == (70, 50, 120)
    assert {row["speaker"] for row in test} == {"bob"}
    assert {row["speaker"] for row in train + dev} == {"ada"}
    assert {int(row["id"].split("_")[2]) for row in dev} == set(range(5))


def test_an_unknown_speaker_is_an_error(source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    message = refusal(capsys, fsdd, "--source", source, "--output", tmp_path, "--leave-out", "eve")
    assert "--leave-out eve" in message
    assert "found ada, bob" in message


def test_the_only_speaker_cannot_be_left_out(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    for path in (source / "recordings").glob("*_bob_*"):
        path.unlink()
    message = refusal(capsys, fsdd, "--source", source, "--output", tmp_path, "--leave-out", "ada")
    assert "expected one of several speakers" in message


@pytest.mark.parametrize("missing", ["0_ada_0", "7_bob_6", "9_bob_10"])
def test_a_missing_recording_is_an_error(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], missing: str
):
    (source / "recordings" / f"{missing}.wav").unlink()
    message = refusal(capsys, fsdd, "--source", source, "--output", tmp_path / "data")
    assert f"{missing}.wav is missing" in message
    assert not (tmp_path / "data").exists()


def test_a_missing_digit_is_an_error(source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    for path in (source / "recordings").glob("3_ada_*"):
        path.unlink()
    message = refusal(capsys, fsdd, "--source", source, "--output", tmp_path / "data")
    assert "3_ada_0.wav is missing" in message


def test_a_wrong_source_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    message = refusal(capsys, fsdd, "--source", tmp_path, "--output", tmp_path / "data")
    assert "--source must be" in message


@pytest.mark.parametrize("name", ["ten_ada_0", "10_ada_0", "1_ada", "1_ada_x", "notes"])
def test_a_name_of_another_form_is_an_error(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
):
    write_wav(source / "recordings" / f"{name}.wav")
    message = refusal(capsys, fsdd, "--source", source, "--output", tmp_path / "data")
    assert f"{name}.wav: expected a name like 7_jackson_32.wav" in message


def test_a_damaged_recording_is_an_error(source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (source / "recordings" / "4_bob_11.wav").write_bytes(b"")
    message = refusal(capsys, fsdd, "--source", source, "--output", tmp_path / "data")
    assert "4_bob_11.wav" in message


@pytest.mark.slow
def test_the_real_corpus(tmp_path: Path):
    source = corpus("fsdd")
    assert run(fsdd, "--source", source, "--output", tmp_path) == 0
    train, dev, test = parts(tmp_path)
    assert (len(train), len(dev), len(test)) == (2400, 300, 300)
    speakers = {row["speaker"] for row in train}
    assert len(speakers) == 6
    assert {(row["text"], row["speaker"]) for row in test} == {(w, s) for w in WORDS for s in speakers}
    assert run(fsdd, "--source", source, "--output", tmp_path, "--leave-out", "theo") == 0
    assert [len(part) for part in parts(tmp_path / "leave-out-theo")] == [2250, 250, 500]
