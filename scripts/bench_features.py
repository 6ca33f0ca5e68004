"""Log-mel features of 80 bins on one thread: our two readers against torchaudio and librosa.

    OMP_NUM_THREADS=1 python scripts/bench_features.py [--quick] [--json FILE]

Exits with 1 if our readers differ by more than 1e-4, or from librosa by more than 1e-3.
"""

from __future__ import annotations

import sys
from typing import Any

import librosa
import numpy as np
import torch
import torchaudio
from benchmark_table import Row, arguments, interleave, median_ratio, report

from ctcasr.features import FeatureExtractor, FeatureSettings
from ctcasr.features.settings import ENERGY_FLOOR
from ctcasr.features.torch_reader import BatchFeatureExtractor

SECONDS, RATE = 60, 16000


def main() -> int:
    """Run the benchmark."""
    options = arguments(__doc__.split("\n")[0])
    torch.set_num_threads(1)
    waveform = (0.1 * np.random.default_rng(0).standard_normal(SECONDS * RATE)).astype(np.float32)
    settings = FeatureSettings(normalization="none")
    numpy_reader, torch_reader = FeatureExtractor(settings), BatchFeatureExtractor(settings)
    batch, lengths = torch.from_numpy(waveform)[None], torch.tensor([len(waveform)])
    mel = torchaudio.transforms.MelSpectrogram(RATE, n_fft=512, win_length=400, hop_length=160, n_mels=80)

    def ours() -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
        return numpy_reader(waveform)

    def ours_torch() -> torch.Tensor:
        features: torch.Tensor = torch_reader(batch, lengths)[0]
        return features

    def torchaudio_log_mel() -> object:
        return mel(batch[0]).clamp_min(ENERGY_FLOOR).log()

    def librosa_log_mel() -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
        shape: dict[str, Any] = {"n_fft": 512, "win_length": 400, "hop_length": 160, "n_mels": 80, "fmin": 20}
        energies = librosa.feature.melspectrogram(
            y=waveform, sr=RATE, htk=True, norm=None, pad_mode="constant", **shape
        )
        return np.asarray(np.log(np.maximum(energies, ENERGY_FLOOR)).T, np.float32)

    reference = ours()
    between = float(np.abs(reference - ours_torch()[0].numpy()).max())
    to_librosa = float(np.abs(reference - librosa_log_mel()).max())
    print(f"largest difference: our readers {between:.1e}, librosa {to_librosa:.1e}", file=sys.stderr)
    times = interleave([ours, ours_torch, torchaudio_log_mel, librosa_log_mel], 5 if options.quick else 15)
    speeds = [SECONDS / sorted(column)[len(column) // 2] for column in times]
    rows = [
        Row(
            "numpy reader",
            speeds[0],
            peer,
            speeds[number],
            "x real time",
            median_ratio(times[0], times[number]),
        )
        for number, peer in ((1, "our torch reader"), (2, "torchaudio MelSpectrogram"), (3, "librosa"))
    ]
    report(rows, options.json)
    return int(between > 1e-4 or to_librosa > 1e-3)


if __name__ == "__main__":
    sys.exit(main())
