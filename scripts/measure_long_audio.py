"""Measure what cutting long recordings into windows changes: error rates and disagreement with one piece.

    python scripts/measure_long_audio.py recipes/an4/data/test.jsonl [-m BUNDLE] [--gap 0.5] [--minutes 3]

Utterances are joined, with pauses between them, to recordings of some minutes. Each is recognised in one piece, and
in windows of several lengths. Rows: word error rate against the references, and words that differ from the transcript
of one piece. The utterances one by one are the line to compare with. Greedy, on one thread.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ctcasr import audio
from ctcasr.data import Utterance, read_manifest
from ctcasr.runtime import LongAudioSettings, Recognizer, StreamSettings, WindowSettings
from ctcasr.runtime.decoder import DecodingOptions
from ctcasr.runtime.pauses import PauseSettings
from ctcasr.scoring import align

Float32 = npt.NDArray[np.float32]

WINDOWS = (5.0, 10.0, 20.0, 30.0, 60.0)
IN_ONE_PIECE = WindowSettings(3500.0, 3500.0)


def recordings(
    utterances: Sequence[Utterance], rate: int, gap_seconds: float, minutes: float
) -> Iterator[tuple[Float32, list[str]]]:
    """Yield waveforms of joined utterances, at least so long, and their words.

    The pause between two is the first one's own: the quietest tenth of a second of it, repeated.
    """
    pieces: list[Float32] = []
    words: list[str] = []
    for number, utterance in enumerate(utterances, 1):
        waveform = audio.load(utterance.audio_path, rate)
        tenths = waveform[: len(waveform) // (rate // 10) * (rate // 10)].reshape(-1, rate // 10)
        quiet = tenths[np.square(tenths).mean(axis=1).argmin()]
        pieces += [waveform, np.resize(quiet, round(gap_seconds * rate))]
        words += utterance.text.split()
        if sum(map(len, pieces)) >= minutes * 60 * rate or number == len(utterances):
            yield np.concatenate(pieces), words
            pieces, words = [], []


def main() -> None:
    """Run the measurement."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("manifest", type=Path)
    parser.add_argument("-m", "--model")
    parser.add_argument("--gap", type=float, default=0.5, help="seconds between two utterances")
    parser.add_argument("--minutes", type=float, default=3.0, help="of a recording")
    options = parser.parse_args()
    greedy = DecodingOptions(is_greedy=True)
    utterances = read_manifest(options.manifest)
    plain = Recognizer.load(options.model, decoding=greedy)
    rate = plain.bundle.description.features.sample_rate
    references = [utterance.text.split() for utterance in utterances]
    spoken = sum(map(len, references))
    alone = [transcript.text.split() for transcript in plain.transcribe(utterances, threads=1)]
    errors = sum(align(*pair).counts.errors for pair in zip(references, alone, strict=True))
    print(f"{len(utterances)} utterances, {spoken} words, gap {options.gap:g} s")
    print("| cut into | WER | words that differ from one piece |\n|---|---|---|")
    print(f"| utterances | {100 * errors / spoken:.2f} % | - |")
    stream = Recognizer.load(options.model, decoding=greedy, long_audio=StreamSettings().long_audio)
    streamed = [transcript.text.split() for transcript in stream.transcribe(utterances, threads=1)]
    errors = sum(align(*pair).counts.errors for pair in zip(references, streamed, strict=True))
    print(f"| utterances, as a stream | {100 * errors / spoken:.2f} % | - |")
    joined = list(recordings(utterances, rate, options.gap, options.minutes))
    whole: list[list[str]] = []
    for seconds in (None, *WINDOWS):
        windows = WindowSettings(seconds, seconds * 2 / 3) if seconds else IN_ONE_PIECE
        cut = Recognizer.load(
            options.model, decoding=greedy, long_audio=LongAudioSettings(windows, PauseSettings())
        )
        found = [cut.transcribe_waveform(waveform).text.split() for waveform, _ in joined]
        whole = whole or found
        wrong = sum(align(words, mine).counts.errors for (_, words), mine in zip(joined, found, strict=True))
        other = sum(align(one, mine).counts.errors for one, mine in zip(whole, found, strict=True))
        name = f"windows of up to {seconds:g} s" if seconds else f"{len(joined)} recordings in one piece"
        print(f"| {name} | {100 * wrong / spoken:.2f} % | {100 * other / spoken:.2f} % |", flush=True)


if __name__ == "__main__":
    main()
