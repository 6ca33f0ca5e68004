"""End to end on one thread: read, features, network, decode; and what a cold command costs.

    python scripts/bench_transcribe.py [MANIFEST] [--quick] [--json FILE] [-m BUNDLE] [--against pocketsphinx]

Without a manifest the bundled sample is transcribed again and again; of a long one --quick takes utterances from all
over it, 100 seconds. Then recordings are joined to one of an hour
(6 minutes with --quick) for greedy decoding on one and on two threads and for a beam search with a language model of
the texts, in turn, and to one of three hours (12 minutes) for the memory of a process. The peer is the same network
computed as PyTorch toolkits do: torchaudio mel features, `nn.LSTM` in float32, one utterance at a time, greedy (random
weights: only its speed counts). With `--against pocketsphinx` word error rates and speeds on the manifest stand beside
those of pocketsphinx 5.1.1 with the English model of its wheel, instead of all this. vosk 0.3.45 and sherpa-onnx 2.0.1
are no peers here: their wheels come without a model, and models are published elsewhere. Exits with 1 if every
transcript is empty, or if threads change one.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmark_table import Row, median_ratio, report
from long_cases import memory_row, speed_rows
from pocketsphinx_case import compare

from ctcasr import audio
from ctcasr.data import Utterance, read_manifest
from ctcasr.runtime import Recognizer, find_bundle
from ctcasr.runtime.decoding_parts import carries_beam

GREEDY, WITH_WORDS = 200.0, 150.0
"""Times real time that is asked of a bundle on one thread: greedy, and with its own lexicon and language model."""

QUICK_SECONDS = 100.0

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


@dataclass(frozen=True)
class Times:
    """Seconds of each round, and of each stage over all rounds on one thread."""

    one: list[float]
    two: list[float]
    peer: list[float]
    stages: dict[str, float]


def measure(recognizer: Recognizer, utterances: Sequence[Utterance], rounds: int) -> Times:
    """Time one thread, two threads and the peer in turn."""
    peer = torch_peer(recognizer)
    times = Times([], [], [], dict.fromkeys(("read", "features", "network", "decode"), 0.0))
    for _ in range(rounds):
        started = time.perf_counter()
        for transcript in recognizer.transcribe(utterances, threads=1):
            for stage, seconds in transcript.timings.items():
                times.stages[stage] += seconds
        times.one.append(time.perf_counter() - started)
        started = time.perf_counter()
        for _transcript in recognizer.transcribe(utterances, threads=2):
            pass
        times.two.append(time.perf_counter() - started)
        if peer is not None:
            started = time.perf_counter()
            for utterance in utterances:
                peer(utterance.audio_path)
            times.peer.append(time.perf_counter() - started)
    return times


def spread(utterances: Sequence[Utterance], seconds: float) -> Sequence[Utterance]:
    """Return utterances from all over a manifest, of about so many seconds together."""
    spoken = sum(utterance.duration_seconds for utterance in utterances)
    return utterances[:: max(1, round(spoken / seconds))]


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("manifest", type=Path, nargs="?")
    parser.add_argument("-m", "--model", help="bundle; default: an4, with --against the package's default")
    parser.add_argument("--quick", action="store_true", help="end within 50 s")
    parser.add_argument("--json", type=Path, help="also write the rows to this file")
    parser.add_argument(
        "--against", choices=["pocketsphinx"], help="compare with it on the manifest, and only that"
    )
    options = parser.parse_args()
    if options.against:
        if options.manifest is None:
            parser.error("--against needs a manifest of English speech")
        report(compare(options.model, read_manifest(options.manifest)), options.json)
        return 0
    model = options.model or "an4"
    recognizer = Recognizer.load(model)
    said = SAMPLE.with_suffix(".txt").read_text(encoding="utf-8").strip()
    sample = Utterance("sample", SAMPLE, audio.probe(SAMPLE).duration_seconds, said)
    utterances: Sequence[Utterance] = read_manifest(options.manifest) if options.manifest else [sample] * 100
    if options.quick:
        utterances = spread(utterances, QUICK_SECONDS)
    spoken = sum(utterance.duration_seconds for utterance in utterances)
    texts, threaded = (
        [transcript.text for transcript in recognizer.transcribe(utterances, threads=threads)]
        for threads in (1, 2)
    )
    wrong = not any(texts) or texts != threaded

    rounds = 3 if options.quick else 7
    times = measure(recognizer, utterances, rounds)
    speed = spoken / sorted(times.one)[rounds // 2]
    required = WITH_WORDS if carries_beam(recognizer.bundle) else GREEDY
    rows = [Row("one thread", speed, "required", required, "x real time", speed / required)]
    if times.peer:
        theirs = spoken / sorted(times.peer)[rounds // 2]
        ratio = median_ratio(times.one, times.peer)
        rows.append(Row("one thread", speed, "torch fp32, one by one", theirs, "x real time", ratio))
    two = spoken / sorted(times.two)[rounds // 2]
    rows.append(
        Row("two threads", two, "one thread", speed, "x real time", median_ratio(times.two, times.one))
    )
    cold = cold_start(find_bundle(model), 3 if options.quick else 9)
    rows.append(Row("cold command", cold, "required", 1.0, "s", 1.0 / cold))
    hour, three_hours = (6.0, 12.0) if options.quick else (60.0, 180.0)
    distinct = list({utterance.id: utterance for utterance in utterances}.values())
    rows += speed_rows(model, distinct, hour, 1 if options.quick else 3)
    rate = recognizer.bundle.description.features.sample_rate
    rows.append(memory_row(find_bundle(model), distinct, three_hours, rate))
    print(f"{len(utterances)} recordings, {spoken:.0f} s, {recognizer.precision}")
    report(rows, options.json)
    total = sum(times.stages.values())
    shares = ", ".join(f"{name} {100 * seconds / total:.0f} %" for name, seconds in times.stages.items())
    print(f"share of time: {shares}")
    print(f"peak memory of this process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")
    return int(wrong)


if __name__ == "__main__":
    sys.exit(main())
