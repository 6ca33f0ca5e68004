from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.recipes.layouts import ROOT, corpus, load_recipe, parts, refusal, run, write_wav

yesno = load_recipe("yesno")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Make a tree of the published layout: names 0 to 59 in binary, spread over eight digits."""
    for number in range(60):
        write_wav(tmp_path / "source" / "waves_yesno" / f"{'_'.join(f'{4 * number:08b}')}.wav", number)
    (tmp_path / "source" / "waves_yesno" / "README").write_text("not a recording")
    return tmp_path / "source"


def test_the_name_is_the_text(source: Path, tmp_path: Path):
    assert run(yesno, "--source", source, "--output", tmp_path / "data") == 0
    for row in [row for part in parts(tmp_path / "data") for row in part]:
        words = {"0": "lo", "1": "ken"}
        assert row["text"] == " ".join(words[digit] for digit in row["id"].split("_"))
        assert Path(row["audio_filepath"]).stem == row["id"]
        assert row["duration"] == pytest.approx(0.1)
    (row,) = [row for part in parts(tmp_path / "data") for row in part if row["id"] == "1_0_1_0_0_0_0_0"]
    assert row["text"] == "ken lo ken lo lo lo lo lo"


def test_every_other_name_is_in_the_test_set(source: Path, tmp_path: Path):
    run(yesno, "--source", source, "--output", tmp_path / "data")
    names = sorted(path.stem for path in (source / "waves_yesno").glob("*.wav"))
    train, dev, test = parts(tmp_path / "data")
    assert [row["id"] for row in test] == names[1::2]
    assert [row["id"] for row in dev] == [names[2 * index] for index in (2, 7, 12, 17, 22, 27)]
    assert sorted(row["id"] for row in train + dev) == names[::2]


def test_preparing_twice_writes_the_same(source: Path, tmp_path: Path):
    for _ in range(2):
        assert run(yesno, "--source", source, "--output", tmp_path / "data") == 0
        texts = [path.read_bytes() for path in sorted((tmp_path / "data").iterdir())]
        (tmp_path / "data" / "train.jsonl").write_text("left from before\n")
    run(yesno, "--source", source, "--output", tmp_path / "data")
    assert [path.read_bytes() for path in sorted((tmp_path / "data").iterdir())] == texts


def test_a_missing_recording_is_an_error(source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    next((source / "waves_yesno").glob("*.wav")).unlink()
    message = refusal(capsys, yesno, "--source", source, "--output", tmp_path / "data")
    assert "holds 59 recordings; expected 60" in message
    assert not (tmp_path / "data").exists()


def test_a_wrong_source_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    message = refusal(capsys, yesno, "--source", tmp_path, "--output", tmp_path / "data")
    assert "holds 0 recordings" in message
    assert "--source must be" in message


@pytest.mark.parametrize("name", ["0_1_0", "0_1_0_1_0_1_0_2", "0_1_0_1_0_1_0_1_1", "silence"])
def test_a_name_without_text_is_an_error(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
):
    recording = min((source / "waves_yesno").glob("*.wav"))
    recording.rename(recording.with_name(f"{name}.wav"))
    message = refusal(capsys, yesno, "--source", source, "--output", tmp_path / "data")
    assert f"{name}.wav: the name says no text" in message


def test_a_damaged_recording_is_an_error(source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    recording = max((source / "waves_yesno").glob("*.wav"))
    recording.write_bytes(b"no audio")
    assert recording.name in refusal(capsys, yesno, "--source", source, "--output", tmp_path / "data")


def test_an_output_that_is_a_file_is_an_error(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    (tmp_path / "data").write_text("in the way")
    assert str(tmp_path / "data") in refusal(capsys, yesno, "--source", source, "--output", tmp_path / "data")


def test_the_command_line_says_what_was_written(source: Path, tmp_path: Path):
    script = ROOT / "recipes" / "yesno" / "prepare.py"
    command = [sys.executable, str(script), "--source", str(source), "--output", str(tmp_path / "data")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"train 24, dev 6, test 30 utterances in {tmp_path / 'data'}\n"


def test_the_real_corpus(tmp_path: Path):
    assert run(yesno, "--source", corpus("yesno"), "--output", tmp_path) == 0
    train, dev, test = parts(tmp_path)
    assert (len(train), len(dev), len(test)) == (24, 6, 30)
    assert all(len(row["text"].split()) == 8 for row in train + dev + test)
    assert sum(row["duration"] for row in train + dev + test) == pytest.approx(367.67, abs=0.01)


def test_a_fold_holds_out_another_part(source: Path, tmp_path: Path):
    names = sorted(path.stem for path in (source / "waves_yesno").glob("*.wav"))[::2]
    for fold in range(5):
        assert run(yesno, "--source", source, "--output", tmp_path, "--fold", fold) == 0
        train, dev, _ = parts(tmp_path / f"fold-{fold}")
        assert [row["id"] for row in dev] == names[fold::5]
        assert len(train) == 24
