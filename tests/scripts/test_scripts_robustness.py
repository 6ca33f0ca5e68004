"""The table of a bundle's error rates under worse conditions."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ctcasr.data import Utterance, write_manifest
from ctcasr.runtime import bundle, find_bundle
from scripts import robustness

SAMPLE = find_bundle(None).parent / "sample.wav"
TEXT = SAMPLE.with_suffix(".txt").read_text(encoding="utf-8").strip()

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """Name the sample, and a hum that nobody spoke in."""
    hum = 0.1 * np.sin(2 * np.pi * 120 * np.arange(8000) / 16000)
    soundfile.write(tmp_path / "hum.wav", hum, 16000)
    seconds = soundfile.info(SAMPLE).duration
    path = tmp_path / "test.jsonl"
    write_manifest(
        path, [Utterance("sample", SAMPLE, seconds, TEXT), Utterance("hum", tmp_path / "hum.wav", 0.5, "")]
    )
    return path


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(bundle, "DEFAULT", "an4")
        monkeypatch.setattr("sys.argv", ["robustness.py", *map(str, arguments)])
        try:
            code = robustness.main()
        except SystemExit as stop:
            code = int(stop.code or 0)
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


def test_the_usual_conditions(run: Run, manifest: Path) -> None:
    before = sorted(manifest.parent.iterdir())
    code, out, err = run(manifest, "--threads", 1)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "| condition | WER | errors |"
    assert lines[2] == f"| clean | 0.00 % | 0 / {len(TEXT.split())} |"
    assert [line.split(" | ")[0][2:] for line in lines[2:]] == [
        "clean",
        "8 kHz band",
        "noise, 20 dB",
        "noise, 10 dB",
        "noise, 5 dB",
        "reverberation, RT60 0.5 s",
        "Opus, 12 kbit/s",
    ]
    assert sorted(manifest.parent.iterdir()) == before


def test_each_condition_is_heard() -> None:
    """What the network is given differs from condition to condition, and not from run to run."""

    class Listener:
        bundle = robustness.Recognizer.load("an4").bundle

        def __init__(self) -> None:
            self.heard: list[bytes] = []

        def transcribe_waveform(self, waveform: np.ndarray) -> object:
            self.heard.append(waveform.tobytes())
            return type("Said", (), {"text": ""})

    first, again, other = Listener(), Listener(), Listener()
    sample = Utterance("sample", SAMPLE, 0.5, "five")
    names = tuple(robustness.CONDITIONS)
    for listener, seed in ((first, 0), (again, 0), (other, 1)):
        robustness.heard(listener, sample, names, seed)
    assert len(set(first.heard)) == len(names)
    assert len({len(waveform) for waveform in first.heard}) == 1
    assert first.heard == again.heard
    differ = {name for name, one, two in zip(names, first.heard, other.heard, strict=True) if one != two}
    assert differ == {"noise20", "noise10", "noise5", "reverberation"}


def test_threads_and_other_conditions_change_nothing(run: Run, manifest: Path) -> None:
    conditions = ("noise5", "reverberation")
    code, out, _ = run(manifest, "--conditions", ",".join(conditions), "--json", "--threads", 1, "--greedy")
    assert code == 0
    rows = json.loads(out)
    assert [row["condition"] for row in rows] == list(conditions)
    assert all(row["unit"] == "word" and row["reference_length"] == len(TEXT.split()) for row in rows)
    assert all(row["error_rate"] == row["errors"] / row["reference_length"] for row in rows)
    _, alone, _ = run(manifest, "--conditions", "reverberation", "--json", "--threads", 2)
    assert json.loads(alone) == rows[1:]


def test_a_recording_that_cannot_be_read_is_named(run: Run, manifest: Path) -> None:
    (manifest.parent / "hum.wav").write_bytes(b"RIFF")
    code, out, err = run(manifest, "--conditions", "clean,band8k")
    assert code == 1
    assert err.startswith("error: hum (test.jsonl:2): ")
    assert err.count("\n") == 1
    assert out.count("\n") == 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--conditions", "clean,rain"), "unknown condition 'rain', expected of clean, band8k"),
        (("--seed", "-1"), "-1, expected 0 or more"),
        (("--seed", "x"), "invalid natural value: 'x'"),
        (("--threads", "0"), "0, expected 1 or more"),
    ],
)
def test_wrong_usage(run: Run, manifest: Path, arguments: tuple[str, ...], message: str) -> None:
    code, out, err = run(manifest, *arguments)
    assert (code, out) == (2, "")
    assert message in err


def test_without_manifest_or_bundle_there_is_one_sentence(run: Run, manifest: Path) -> None:
    for arguments in ((manifest.with_name("none.jsonl"),), (manifest, "-m", "none")):
        code, out, err = run(*arguments)
        assert (code, out) == (1, "")
        assert err.startswith("error: ")
        assert err.count("\n") == 1


def test_of_no_words_there_is_no_rate(run: Run, manifest: Path) -> None:
    lines = manifest.read_text(encoding="utf-8").splitlines()
    row = json.loads(lines[0]) | {"text": ""}
    manifest.write_text(json.dumps(row) + "\n", encoding="utf-8")
    code, out, _ = run(manifest, "--conditions", "clean", "--json")
    assert (code, json.loads(out)[0]["error_rate"]) == (0, None)
    assert "| clean | - |" in run(manifest, "--conditions", "clean")[1]
