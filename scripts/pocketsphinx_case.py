"""The other recogniser whose wheel carries an English model, for `bench_transcribe.py --against pocketsphinx`."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np
from benchmark_table import Row, median_ratio

from ctcasr.data import Utterance, load_utterance
from ctcasr.runtime import Recognizer
from ctcasr.runtime.decoder import DecodingOptions
from ctcasr.scoring import score

RATE = 16_000


def pocketsphinx_reader() -> Callable[[Utterance], str]:
    """Return a function that transcribes with pocketsphinx's own English model, as its `Decoder` does by default."""
    try:
        from pocketsphinx import Decoder
    except ModuleNotFoundError as error:
        raise SystemExit("error: pocketsphinx is not installed; pip install pocketsphinx==5.1.1") from error
    decoder = Decoder(samprate=RATE, loglevel="FATAL")

    def transcribe(utterance: Utterance) -> str:
        samples = np.clip(load_utterance(utterance, RATE) * 32768, -32768, 32767).astype("<i2")
        decoder.start_utt()
        decoder.process_raw(samples.tobytes(), no_search=False, full_utt=True)
        decoder.end_utt()
        hypothesis = decoder.hyp()
        return hypothesis.hypstr if hypothesis else ""

    return transcribe


def our_reader(recognizer: Recognizer) -> Callable[[Utterance], str]:
    """Return a function that transcribes one utterance on one thread."""
    return lambda utterance: next(recognizer.transcribe([utterance], threads=1)).text


def compare(model: str | None, utterances: Sequence[Utterance]) -> list[Row]:
    """Transcribe each utterance by all in turn; return word error rates and speeds."""
    ours = Recognizer.load(model)
    readers = {"as the bundle decodes": our_reader(ours), "pocketsphinx": pocketsphinx_reader()}
    if ours.bundle.vocabulary.units != "phone":  # whose symbols are no words
        readers["greedy"] = our_reader(Recognizer.load(model, decoding=DecodingOptions(is_greedy=True)))
    texts: dict[str, dict[str, str]] = {name: {} for name in readers}
    seconds: dict[str, list[float]] = {name: [] for name in readers}
    for reader in readers.values():  # what is compiled or loaded once
        reader(utterances[0])
    for utterance in utterances:
        for name, reader in readers.items():
            started = time.perf_counter()
            texts[name][utterance.id] = reader(utterance)
            seconds[name].append(time.perf_counter() - started)
    spoken = sum(utterance.duration_seconds for utterance in utterances)
    references = {utterance.id: utterance.text for utterance in utterances}
    errors = {name: 100 * score(references, found, "word").counts.rate for name, found in texts.items()}
    speeds = {name: spoken / sum(times) for name, times in seconds.items()}
    theirs = "pocketsphinx"
    rows = []
    for name in readers:
        if name != theirs:
            gain = errors[theirs] / max(errors[name], 1e-9)
            rows.append(Row(f"WER, {name}", errors[name], theirs, errors[theirs], "%", gain))
            ratio = median_ratio(seconds[name], seconds[theirs])
            rows.append(Row(f"speed, {name}", speeds[name], theirs, speeds[theirs], "x real time", ratio))
    return rows
