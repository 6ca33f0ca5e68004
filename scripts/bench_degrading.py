"""What rooms, noise, bands and codecs cost a training: CPU milliseconds for ten seconds of sound at 16 kHz.

    OMP_NUM_THREADS=1 python scripts/bench_degrading.py [--seed 0]

The bundled sample is repeated. The last row is the mean of 100 utterances, with the shares that it names.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from ctcasr import audio
from ctcasr.runtime import find_bundle
from ctcasr.training.augmenting import generator
from ctcasr.training.config import AugmentSettings
from ctcasr.training.degrading import degraded

RATE, SECONDS = 16000, 10
OFTEN = AugmentSettings(reverberation=0.3, noise=0.5, level_db=6, clip=0.1, band_limit=0.2, codec=0.2)
ALONE = {
    "reverberation, RT60 0.2 s": AugmentSettings(reverberation=1, reverberation_seconds=(0.2, 0.2)),
    "reverberation, RT60 0.8 s": AugmentSettings(reverberation=1, reverberation_seconds=(0.8, 0.8)),
    "noise": AugmentSettings(noise=1),
    "band limit": AugmentSettings(band_limit=1),
    "codec mulaw": AugmentSettings(codec=1, codecs=("mulaw",)),
    "codec gsm": AugmentSettings(codec=1, codecs=("gsm",)),
    "codec opus": AugmentSettings(codec=1, codecs=("opus",)),
}


def milliseconds(settings: AugmentSettings, seed: int, utterances: int) -> list[float]:
    """Return the CPU time of this process for each utterance."""
    sample = audio.load(find_bundle(None).parent / "sample.wav", RATE)
    waveform = np.resize(sample, RATE * SECONDS)
    times = []
    for number in range(utterances):
        rng = generator(seed, 0, number)
        started = time.process_time()
        degraded(waveform, RATE, settings, rng)
        times.append(1000 * (time.process_time() - started))
    return times


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seed", type=int, default=0)
    seed = parser.parse_args().seed
    print("| what | ms |\n|---|---|")
    for name, settings in ALONE.items():
        count = 5 if "opus" in name else 25
        print(f"| {name}, median | {np.median(milliseconds(settings, seed, count)):.1f} |", flush=True)
    times = milliseconds(OFTEN, seed, 100)
    shares = ", ".join(f"{name} {value:g}" for name, value in OFTEN.model_dump(exclude_defaults=True).items())
    print(f"| {shares}: mean | {np.mean(times):.1f} |")


if __name__ == "__main__":
    main()
