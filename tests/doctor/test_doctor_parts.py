"""The doctor's measurements and its command line, on sounds made for it."""

import json

import numpy as np
import pytest
import soundfile as sf
from hypothesis import given
from hypothesis import strategies as st

from ctcasr.data import Utterance, read_manifest
from ctcasr.doctor.comparing import outliers
from ctcasr.doctor.listening import Heard, measure
from ctcasr.doctor.texts import mended


def noise(samples, loudness=0.1, seed=0):
    return (loudness * np.random.default_rng(seed).standard_normal(samples)).astype(np.float32)


def test_measures():
    waveform = np.concatenate([noise(8000), np.zeros(8000, np.float32), noise(8000)])
    heard = measure(waveform, 16000, 1.5)
    assert heard.gap_seconds == 0.5
    assert heard.speech_seconds == pytest.approx(1.0)
    assert heard.loudest_db == pytest.approx(-20, abs=1)
    assert heard.clipped_share == 0
    assert measure(np.clip(noise(16000), -0.15, 0.15), 16000, 1.0).clipped_share < 0.02
    assert measure(np.clip(np.repeat(noise(4000), 8), -0.1, 0.1), 16000, 2.0).clipped_share > 0.2
    assert measure(np.zeros(10, np.float32), 16000, 0.1).loudest_db == pytest.approx(-120)
    assert measure(waveform[::2], 8000, 1.5).digest != heard.digest == measure(waveform, 16000, 1.5).digest


@given(st.text())
def test_mended_texts_need_no_more_mending(text):
    assert mended(mended(text)) == mended(text)


def test_outliers_go_by_speech_and_not_by_silence():
    def utterance(number, text):
        return Utterance(f"u{number}", None, 1.0, text)

    utterances = [utterance(n, "a" * (10 + n % 5)) for n in range(30)]
    heard = {u.id: Heard(speech_seconds=1.0, samples=1) for u in utterances}
    heard = {name: Heard(speech_seconds=1.0, samples=1, loudest_db=-20) for name in heard}
    assert list(outliers(utterances, heard)) == []
    utterances[4] = utterance(4, "a" * 90)
    heard["u9"] = Heard(speech_seconds=9.0, samples=1, loudest_db=-20)
    assert [finding.id for finding in outliers(utterances, heard)] == ["u4", "u9"]
    assert list(outliers(utterances[:19], heard)) == []


@pytest.fixture
def manifest(tmp_path):
    rows = []
    for number in range(4):
        sf.write(tmp_path / f"{number}.wav", noise(16000 + number, seed=number), 16000)
        rows.append({"id": f"u{number}", "audio_filepath": f"{number}.wav", "duration": 1.0, "text": "a b"})
    return tmp_path / "train.jsonl", rows


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


class TestCommandLine:
    def test_a_clean_manifest(self, ctcasr, manifest):
        write(*manifest)
        said = ctcasr("doctor", manifest[0])
        assert (said.code, said.err) == (0, "")
        assert said.out == f"{manifest[0]}: 4 utterances, 0.00 hours\nnothing is wrong with it\n"

    def test_findings_fail_and_can_be_ignored(self, ctcasr, manifest):
        path, rows = manifest
        rows[1]["text"] = "a  b"
        rows[2]["audio_filepath"] = "gone.wav"
        write(path, rows)
        said = ctcasr("doctor", path)
        assert said.code == 1
        assert (
            "1 x superfluous white space in texts (text-spaces)\n  u1 (train.jsonl:2): the text 'a  b'"
            in said.out
        )
        found = [json.loads(line) for line in ctcasr("doctor", path, "--json").out.splitlines()]
        assert [(line["kind"], line["id"]) for line in found] == [
            ("audio-missing", "u2"),
            ("text-spaces", "u1"),
        ]
        said = ctcasr("doctor", path, "--ignore", "text-spaces", "--ignore", "audio-missing")
        assert said.code == 0

    def test_lengths(self, ctcasr, manifest):
        write(*manifest)
        assert "4 x too short audio" in ctcasr("doctor", manifest[0], "--min-seconds", 2).out
        assert "4 x too long audio" in ctcasr("doctor", manifest[0], "--max-seconds", 0.5).out

    def test_fix(self, ctcasr, manifest, tmp_path):
        path, rows = manifest
        rows[0]["text"] = "e\u0301 \u200bb"
        rows[1]["duration"] = 0.5
        rows[2]["text"] = ""
        write(path, rows)
        (tmp_path / "out").mkdir()
        said = ctcasr("doctor", path, "--fix", tmp_path / "out" / "clean.jsonl")
        assert said.code == 1
        kept = read_manifest(tmp_path / "out" / "clean.jsonl")
        assert [(u.id, u.text) for u in kept] == [("u0", "é b"), ("u1", "a b"), ("u3", "a b")]
        assert kept[1].duration_seconds == pytest.approx(16001 / 16000, abs=1e-5)
        left = (tmp_path / "out" / "clean.left-out.jsonl").read_text().splitlines()
        assert [json.loads(line)["id"] for line in left] == ["u2"]
        assert ctcasr("doctor", tmp_path / "out" / "clean.jsonl").code == 0

    def test_a_bundle_knows_vocabulary_and_feasibility(self, ctcasr, manifest, tiny_bundle):
        path, rows = manifest
        rows[0]["text"] = "xyz"
        rows[1]["text"] = "a" * 60
        write(path, rows)
        out = ctcasr("doctor", path, "-m", tiny_bundle, "--ignore", "contradiction").out
        assert "the text holds x y z, which the model cannot write" in out
        # 101 feature frames make 26, and between equal letters there is a blank.
        assert "60 symbols need at least 119 frames, the model gives 26" in out

    def test_against(self, ctcasr, manifest, tmp_path):
        write(*manifest)
        other = tmp_path / "test.jsonl"
        write(other, manifest[1][:1])
        assert (
            "1 x audio that the other manifest has as well"
            in ctcasr("doctor", manifest[0], "--against", other).out
        )

    def test_a_configuration_gives_vocabulary_and_feasibility(self, ctcasr, manifest, tmp_path):
        path, rows = manifest
        write(tmp_path / "other.jsonl", [*rows[:1], rows[1] | {"text": "a" * 60 + "c"}])
        write(path, rows)
        (tmp_path / "config.toml").write_text(f'[data]\ntrain = "{path.name}"\ndev = "{path.name}"\n')
        out = ctcasr("doctor", tmp_path / "other.jsonl", "--config", tmp_path / "config.toml").out
        assert "the text holds c, which" in out
        assert ctcasr("doctor", path, "--config", "x", "-m", "an4").code == 2

    def test_a_configuration_of_phones_knows_words(self, ctcasr, manifest, tmp_path):
        path, rows = manifest
        rows[2]["text"] = "b zoo ant"
        rows[3]["text"] = "a " * 40
        write(path, rows)
        (tmp_path / "words.txt").write_text("a EY\nb B IY\n")
        text = '[text]\nunits = "phone"\nlexicon = "words.txt"\n'
        (tmp_path / "config.toml").write_text(f'[data]\ntrain = "{path.name}"\ndev = "{path.name}"\n{text}')
        out = ctcasr("doctor", path, "--config", tmp_path / "config.toml").out
        assert "the text holds ant zoo, which the model cannot write" in out
        assert "40 symbols need at least 79 frames" in out

    def test_wrong_usage(self, ctcasr, tmp_path):
        assert ctcasr("doctor", tmp_path / "none.jsonl").code == 1
        assert ctcasr("doctor", tmp_path / "none.jsonl", "--fix", tmp_path / "no" / "x.jsonl").code == 2
        (tmp_path / "empty.jsonl").write_text("\n")
        assert "lists no utterance" in ctcasr("doctor", tmp_path / "empty.jsonl").err
        (tmp_path / "junk.jsonl").write_bytes(b"\xff\xfe\n[1]\n\n{}\n")
        said = ctcasr("doctor", tmp_path / "junk.jsonl")
        assert (said.code, said.err) == (1, "")
        assert "3 x lines that are no utterance" in said.out
        said = ctcasr("doctor", tmp_path / "junk.jsonl", "--fix", tmp_path / "clean.jsonl")
        assert "clean.jsonl: not written, for nothing is left" in said.err
        assert not (tmp_path / "clean.jsonl").exists()
