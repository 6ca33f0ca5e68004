"""Long recordings for `bench_transcribe.py`: joined utterances, a model of their texts, memory of a process."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from itertools import cycle
from pathlib import Path

import numpy as np
import soundfile as sf
from benchmark_table import Row, median_ratio

from ctcasr import audio, lm
from ctcasr.data import Utterance
from ctcasr.runtime import Recognizer
from ctcasr.runtime.decoder import DecodingOptions

MUST_BE_FAST, MUST_BE_FAST_WITH_LM, MUST_SCALE = 250.0, 150.0, 1.7
MOST_MEGABYTES = 500.0
# Linux' own account of this process: what `getrusage` says of a child begins with the memory of its parent.
MEASURED = """
import atexit, pathlib, sys
from ctcasr.cli.main import main
atexit.register(lambda: sys.stderr.write(pathlib.Path("/proc/self/status").read_text()))
main(sys.argv[1:])
"""


def write_recording(utterances: Sequence[Utterance], minutes: float, path: Path, rate: int) -> None:
    """Write a 16-bit WAV file of so many minutes: the utterances one after the other, again and again."""
    left = round(minutes * 60 * rate)
    waveforms = {utterance.id: audio.load(utterance.audio_path, rate) for utterance in utterances}
    with sf.SoundFile(path, "w", rate, 1, "PCM_16") as file:
        for utterance in cycle(utterances):
            if left <= 0:
                return
            piece = np.clip(waveforms[utterance.id][:left], -1, 1)
            file.write(piece)
            left -= len(piece)


def write_language_model(utterances: Sequence[Utterance], path: Path) -> None:
    """Write a 3-gram model of the utterances' own texts: its speed counts here, not what it gains."""
    texts = path.with_suffix(".txt")
    texts.write_text("".join(f"{utterance.text}\n" for utterance in utterances), encoding="utf-8")
    counts = lm.count_ngrams([texts], lm.CountSettings(3))
    lm.save(lm.NGramModel.from_tables(lm.witten_bell(counts)), path)


def speed_rows(model: str | None, utterances: Sequence[Utterance], minutes: float, rounds: int) -> list[Row]:
    """Transcribe a long recording with greedy decoding on one and two threads, and with a beam and a language model."""
    with tempfile.TemporaryDirectory() as folder:
        path, arpa = Path(folder, "long.wav"), Path(folder, "lm.npz")
        greedy = Recognizer.load(model, decoding=DecodingOptions(is_greedy=True))
        write_recording(utterances, minutes, path, greedy.bundle.description.features.sample_rate)
        write_language_model(utterances, arpa)
        beam = Recognizer.load(model, decoding=DecodingOptions(language_model=arpa))
        cases = {"one": (greedy, 1), "two": (greedy, 2), "beam": (beam, 1)}
        times: dict[str, list[float]] = {name: [] for name in cases}
        for _ in range(rounds):
            for name, (recognizer, threads) in cases.items():
                started = time.perf_counter()
                transcript = next(recognizer.transcribe([path], threads=threads))
                times[name].append(time.perf_counter() - started)
                if transcript.error or not transcript.text:
                    raise SystemExit(f"{name}: {transcript.error or 'nothing was recognised'}")
    speeds = {name: 60 * minutes / sorted(seconds)[rounds // 2] for name, seconds in times.items()}
    what = f"one recording of {minutes:g} min"
    scaling = median_ratio(times["two"], times["one"])
    return [
        Row(f"{what}, greedy", speeds["one"], "required", MUST_BE_FAST, "x real time", speeds["one"] / MUST_BE_FAST),
        Row(f"{what}, beam 32 + LM", speeds["beam"], "required", MUST_BE_FAST_WITH_LM, "x real time",
            speeds["beam"] / MUST_BE_FAST_WITH_LM),
        Row(f"{what}, two threads by one", scaling, "required", MUST_SCALE, "times", scaling / MUST_SCALE),
    ]  # fmt: skip


def memory_row(bundle: Path, utterances: Sequence[Utterance], minutes: float, rate: int) -> Row:
    """Transcribe a longer recording in a process of its own; return the most memory that it was resident in."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "long.wav")
        write_recording(utterances, minutes, path, rate)
        command = [sys.executable, "-c", MEASURED, "transcribe", str(path), "-m", str(bundle), "-f", "srt"]
        done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        found = re.search(r"VmHWM:\s*(\d+) kB", done.stderr)
        if done.returncode or found is None:
            raise SystemExit(f"transcribing {minutes:g} minutes ended with {done.returncode}: {done.stderr}")
    megabytes = int(found[1]) / 1024
    name = f"memory for {minutes:g} min"
    return Row(name, megabytes, "required at most", MOST_MEGABYTES, "MiB", MOST_MEGABYTES / megabytes)
