"""Log-probabilities in windows: the same frames, whatever the pieces, files and threads."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from ctcasr import audio
from ctcasr.errors import AudioError
from ctcasr.runtime import LongAudioSettings, Recognizer, WindowSettings
from ctcasr.runtime.windows import recording_log_probs, waveform_log_probs

Noise = Callable[..., np.ndarray]
SHORT = LongAudioSettings(WindowSettings(1.0, 0.5, 0.4))


@pytest.fixture(scope="module")
def recognizer(tiny_bundle: Path) -> Recognizer:
    return Recognizer.load(tiny_bundle, "fp32")


@pytest.fixture(scope="module")
def cutting(tiny_bundle: Path) -> Recognizer:
    return Recognizer.load(tiny_bundle, "fp32", long_audio=SHORT)


class TestWaveforms:
    def test_short_ones_are_scored_in_one_piece(self, recognizer: Recognizer, noise: Noise) -> None:
        waveform = noise(seconds=1.01)
        np.testing.assert_array_equal(
            waveform_log_probs(recognizer, waveform), recognizer.log_probs(waveform)
        )

    def test_a_frame_that_begins_at_the_end_is_left_out(self, recognizer: Recognizer, noise: Noise) -> None:
        waveform = noise(seconds=1.0)
        assert len(recognizer.log_probs(waveform)) == 26
        assert len(waveform_log_probs(recognizer, waveform)) == 25

    @pytest.mark.parametrize("samples", [8001, 8319, 8320, 11_200, 11_201, 16_000, 31_999, 32_001])
    def test_every_frame_is_there_once(self, cutting: Recognizer, noise: Noise, samples: int) -> None:
        log_probs = waveform_log_probs(cutting, noise(seconds=4.1)[:samples])
        assert log_probs.shape == (-(-samples // 320), len(cutting.bundle.vocabulary))

    @pytest.mark.parametrize("samples", [9000, 48_000, 48_001, 80_319])
    def test_frames_lie_where_they_lie_in_one_piece(
        self, cutting: Recognizer, monkeypatch: pytest.MonkeyPatch, samples: int
    ) -> None:
        # A network that writes the number of each frame's first sample, with a frame too many at the end.
        def log_probs(waveform: np.ndarray) -> np.ndarray:
            return np.append(waveform, waveform[-1] + 1)[::320, None]

        monkeypatch.setattr(cutting, "log_probs", log_probs)
        found = waveform_log_probs(cutting, np.arange(samples, dtype=np.float32))
        np.testing.assert_array_equal(found[:, 0], np.arange(0, samples, 320))

    def test_threads_change_nothing(self, cutting: Recognizer, noise: Noise) -> None:
        waveform = noise(seconds=6.3)
        np.testing.assert_array_equal(
            waveform_log_probs(cutting, waveform, 1), waveform_log_probs(cutting, waveform, 3)
        )

    @pytest.mark.parametrize(
        "waveform",
        [
            np.zeros(0, np.float32),
            np.zeros((2, 100), np.float32),
            np.array([0.0, np.nan], np.float32),
            np.array([np.inf], np.float32),
        ],
    )
    def test_what_is_no_waveform(self, recognizer: Recognizer, waveform: np.ndarray) -> None:
        with pytest.raises(AudioError, match=r"the waveform ha|the waveform holds"):
            waveform_log_probs(recognizer, waveform)


class TestRecordings:
    @pytest.mark.parametrize("suffix", ["wav", "flac", "ogg"])
    def test_files_give_what_their_waveforms_give(
        self, cutting: Recognizer, noise: Noise, tmp_path: Path, suffix: str
    ) -> None:
        path = tmp_path / f"talk.{suffix}"
        sf.write(path, noise(seconds=5.123), 8000)
        log_probs, duration = recording_log_probs(cutting, path, 2)
        np.testing.assert_array_equal(log_probs, waveform_log_probs(cutting, audio.load(path, 8000)))
        assert duration == pytest.approx(5.123)

    def test_other_rates(self, cutting: Recognizer, noise: Noise, tmp_path: Path) -> None:
        sf.write(tmp_path / "talk.wav", np.repeat(noise(seconds=5.123), 2), 16_000)
        log_probs, duration = recording_log_probs(cutting, tmp_path / "talk.wav")
        np.testing.assert_array_equal(
            log_probs, waveform_log_probs(cutting, audio.load(tmp_path / "talk.wav", 8000))
        )
        assert duration == pytest.approx(5.123, abs=1e-3)

    def test_damage_in_a_late_window_is_named(
        self, cutting: Recognizer, noise: Noise, tmp_path: Path
    ) -> None:
        waveform = noise(seconds=5.0)
        waveform[35_000] = np.nan
        sf.write(tmp_path / "talk.wav", waveform, 8000, "FLOAT")
        with pytest.raises(AudioError, match=r"NaN or infinite, the first at 4\.375 s"):
            recording_log_probs(cutting, tmp_path / "talk.wav")
