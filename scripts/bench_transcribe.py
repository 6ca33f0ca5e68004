"""End to end on one thread: read, features, network, decode; and what a cold command costs.

    python scripts/bench_transcribe.py [MANIFEST] [--quick] [--json FILE] [-m BUNDLE]

Without a manifest the bundled sample is transcribed again and again. The peer is the same network computed as
PyTorch toolkits do: torchaudio mel features, `nn.LSTM` in float32, one utterance at a time, greedy. Exits with 1
if the transcripts of int8 and float32-free paths are empty, or threads change a transcript.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time
from pathlib import Path

from benchmark_table import Row, median_ratio, report

from ctcasr import audio
from ctcasr.data import Utterance, read_manifest
from ctcasr.runtime import Recognizer, find_bundle

SAMPLE = Path(__file__).parent.parent / "ctcasr" / "bundles" / "sample.wav"


def torch_peer(recognizer: Recognizer):  # type: ignore[no-untyped-def]  # torch is optional here
    """Return a function from a path to symbol numbers, or None where torch is not installed."""
    try:
        import torch
        import torchaudio
    except ModuleNotFoundError:
        return None
    from ctcasr.models import AcousticModel, ModelSettings

    torch.set_num_threads(1)
    description = recognizer.bundle.description
    settings = ModelSettings(subsampling=description.subsampling)
    model = AcousticModel(settings, description.features.dimension, description.symbols).eval()
    stack = torch.nn.LSTM(
        model.subsampling.output_size, settings.hidden, settings.layers, batch_first=True, bidirectional=True
    ).eval()
    mel = torchaudio.transforms.MelSpectrogram(16000, n_fft=512, win_length=400, hop_length=160, n_mels=80)

    @torch.inference_mode()
    def transcribe(path: Path) -> list[int]:
        waveform = torch.from_numpy(audio.load(path, description.features.sample_rate))
        features = mel(waveform).clamp_min(1e-6).log().T
        features = (features - features.mean(0)) / (features.std(0) + 1e-3)
        sequences, _ = model.subsampling(features[None], torch.tensor([len(features)]))
        path_ids: list[int] = model.output(stack(sequences)[0]).log_softmax(-1)[0].argmax(-1).tolist()
        return path_ids

    return transcribe


def cold_start(bundle: Path, repeats: int) -> float:
    """Return the median seconds of a whole `ctcasr transcribe` process on the sample."""
    command = [sys.executable, "-m", "ctcasr.cli.main", "transcribe", str(SAMPLE), "-m", str(bundle)]
    seconds = []
    for _ in range(repeats + 1):
        started = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        seconds.append(time.perf_counter() - started)
    return sorted(seconds[1:])[repeats // 2]


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("manifest", type=Path, nargs="?")
    parser.add_argument("-m", "--model")
    parser.add_argument("--quick", action="store_true", help="end within 50 s")
    parser.add_argument("--json", type=Path, help="also write the rows to this file")
    options = parser.parse_args()
    recognizer = Recognizer.load(options.model)
    sample = Utterance("sample", SAMPLE, audio.probe(SAMPLE).duration_seconds)
    utterances = read_manifest(options.manifest) if options.manifest else [sample] * 100
    spoken = sum(utterance.duration_seconds for utterance in utterances)

    def ours(threads: int) -> list[str]:
        return [transcript.text for transcript in recognizer.transcribe(utterances, threads=threads)]

    texts = ours(1)
    wrong = not any(texts) or ours(2) != texts
    rounds = 3 if options.quick else 7
    peer = torch_peer(recognizer)
    own_times, two_times, peer_times = [], [], []
    stages = dict.fromkeys(("read", "features", "network", "decode"), 0.0)
    for _ in range(rounds):
        started = time.perf_counter()
        for transcript in recognizer.transcribe(utterances, threads=1):
            for stage, seconds in transcript.timings.items():
                stages[stage] += seconds
        own_times.append(time.perf_counter() - started)
        started = time.perf_counter()
        ours(2)
        two_times.append(time.perf_counter() - started)
        if peer is not None:
            started = time.perf_counter()
            for utterance in utterances:
                peer(utterance.audio_path)
            peer_times.append(time.perf_counter() - started)
    middle = rounds // 2
    speed = spoken / sorted(own_times)[middle]
    rows = []
    if peer is not None:
        theirs = spoken / sorted(peer_times)[middle]
        rows.append(
            Row(
                "one thread",
                speed,
                "torch fp32, one by one",
                theirs,
                "x real time",
                median_ratio(own_times, peer_times),
            )
        )
    rows.append(Row("one thread", speed, "required", 200.0, "x real time", speed / 200))
    rows.append(
        Row(
            "two threads",
            spoken / sorted(two_times)[middle],
            "one thread",
            speed,
            "x real time",
            median_ratio(two_times, own_times),
        )
    )
    cold = cold_start(find_bundle(options.model), 3 if options.quick else 9)
    rows.append(Row("cold command", cold, "required", 1.0, "s", 1.0 / cold))
    print(f"{len(utterances)} recordings, {spoken:.0f} s, {recognizer.precision}")
    report(rows, options.json)
    total = sum(stages.values())
    print(
        "share of time: "
        + ", ".join(f"{name} {100 * seconds / total:.0f} %" for name, seconds in stages.items())
    )
    print(f"peak memory of this process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")
    return int(wrong)


if __name__ == "__main__":
    sys.exit(main())
