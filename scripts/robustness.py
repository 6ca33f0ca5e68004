"""Word error rates of a bundle on a manifest as it is, and as worse rooms, microphones and lines would have given it.

    python scripts/robustness.py MANIFEST [-m BUNDLE] [--conditions clean,noise10,opus12] [--greedy] [--json]

What is random (rooms, noise) is drawn from --seed and the utterance's id: neither the order of the utterances, nor
--threads, nor which conditions are measured changes it. Nothing is written. A recording that cannot be read counts as
unrecognised, is named, and makes the exit code 1.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from zlib import crc32

import numpy as np
import numpy.typing as npt

from ctcasr.audio.channels import narrow_band, opus, telephone_band, telephone_codec
from ctcasr.audio.noise import add_noise, draw_noise
from ctcasr.audio.rooms import draw_room, reverberate, room_response
from ctcasr.cli.progress import bar
from ctcasr.data import Utterance, load_utterance, read_manifest
from ctcasr.errors import CtcAsrError, DataError
from ctcasr.runtime import Recognizer
from ctcasr.runtime.decoder import DecodingOptions
from ctcasr.runtime.ordered import in_order
from ctcasr.scoring import Unit, score
from ctcasr.scoring.counts import RATE_NAMES
from ctcasr.text import NORMALIZERS

Float32 = npt.NDArray[np.float32]
Change = Callable[[Float32, int, np.random.Generator], Float32]


def as_it_is(waveform: Float32, _rate: int, _rng: np.random.Generator) -> Float32:
    return waveform


def noisy(waveform: Float32, rate: int, rng: np.random.Generator, snr_db: float) -> Float32:
    return add_noise(waveform, draw_noise(len(waveform), rate, rng), snr_db)


def in_a_room(waveform: Float32, rate: int, rng: np.random.Generator) -> Float32:
    return reverberate(waveform, room_response(draw_room(0.5, rng), rate, rng))


@dataclass(frozen=True)
class Condition:
    """What is done to each recording, and how the table calls it."""

    title: str
    change: Change


CONDITIONS = {
    "clean": Condition("clean", as_it_is),
    "band8k": Condition("8 kHz band", lambda waveform, rate, _: narrow_band(waveform, rate)),
    "noise20": Condition("noise, 20 dB", partial(noisy, snr_db=20)),
    "noise10": Condition("noise, 10 dB", partial(noisy, snr_db=10)),
    "noise5": Condition("noise, 5 dB", partial(noisy, snr_db=5)),
    "reverberation": Condition("reverberation, RT60 0.5 s", in_a_room),
    "opus12": Condition("Opus, 12 kbit/s", lambda waveform, rate, _: opus(waveform, rate, 12)),
    "telephone": Condition("300 to 3400 Hz", lambda waveform, rate, _: telephone_band(waveform, rate)),
    "mulaw": Condition("G.711", lambda waveform, rate, _: telephone_codec(waveform, rate, "mulaw")),
    "gsm": Condition("GSM, 13 kbit/s", lambda waveform, rate, _: telephone_codec(waveform, rate, "gsm")),
}
USUAL = ("clean", "band8k", "noise20", "noise10", "noise5", "reverberation", "opus12")


@dataclass(frozen=True)
class Row:
    """The errors under one condition; the rate is a share of the units, None where there are none to divide by."""

    condition: str
    title: str
    unit: Unit
    error_rate: float | None
    errors: int
    reference_length: int


def heard(
    recognizer: Recognizer, utterance: Utterance, names: Sequence[str], seed: int
) -> tuple[dict[str, str], str]:
    """Return what is recognised of an utterance under each condition, and why not where it cannot be read."""
    rate = recognizer.bundle.description.features.sample_rate
    texts = dict.fromkeys(names, "")
    try:
        waveform = load_utterance(utterance, rate)
        for name in names:
            rng = np.random.default_rng((seed, crc32(utterance.id.encode())))  # the same noise at each ratio
            changed = CONDITIONS[name].change(waveform, rate, rng)
            texts[name] = recognizer.transcribe_waveform(changed).text
    except CtcAsrError as error:
        return texts, f"{utterance}: {error}"
    return texts, ""


def reference(recognizer: Recognizer, utterance: Utterance) -> str:
    try:
        return recognizer.reference(utterance.text)
    except DataError as error:
        raise DataError(f"{utterance}: {error}") from error


def measure(
    recognizer: Recognizer, utterances: Sequence[Utterance], options: argparse.Namespace
) -> tuple[list[Row], list[str]]:
    """Return a row for each condition, and a sentence for each recording that cannot be recognised."""
    normalizer = NORMALIZERS[options.normalize]
    references = normalizer.each({each.id: reference(recognizer, each) for each in utterances})
    found: dict[str, dict[str, str]] = {name: {} for name in options.conditions}
    problems = []
    one = partial(heard, recognizer, names=options.conditions, seed=options.seed)
    with bar("recognising", len(utterances)) as advance:
        results = in_order(one, utterances, options.threads)
        for utterance, (texts, problem) in zip(utterances, results, strict=True):
            advance()
            for name, text in texts.items():
                found[name][utterance.id] = text
            if problem:
                problems.append(problem)
    unit: Unit = "phone" if recognizer.writes_phones else "word"
    rows = []
    for name, texts in found.items():
        counts = score(references, normalizer.each(texts), unit).counts
        rate = counts.rate if math.isfinite(counts.rate) else None
        rows.append(Row(name, CONDITIONS[name].title, unit, rate, counts.errors, counts.reference_length))
    return rows, problems


def table(rows: Sequence[Row]) -> str:
    """Return the rows as a table."""
    lines = [f"| condition | {RATE_NAMES[rows[0].unit][1:]} | errors |", "|---|---|---|"]
    for row in rows:
        rate = "-" if row.error_rate is None else f"{100 * row.error_rate:.2f} %"
        lines.append(f"| {row.title} | {rate} | {row.errors} / {row.reference_length} |")
    return "\n".join(lines)


def chosen(text: str) -> tuple[str, ...]:
    """Return the conditions that a list with commas names."""
    names = tuple(name.strip() for name in text.split(","))
    for name in names:
        if name not in CONDITIONS:
            raise argparse.ArgumentTypeError(
                f"unknown condition {name!r}, expected of {', '.join(CONDITIONS)}"
            )
    return tuple(dict.fromkeys(names))


def natural(text: str) -> int:
    """Return a whole number from 0 on."""
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"{text}, expected 0 or more")
    return number


def positive(text: str) -> int:
    """Return a whole number from 1 on."""
    number = natural(text)
    if not number:
        raise argparse.ArgumentTypeError("0, expected 1 or more")
    return number


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("manifest", type=Path)
    parser.add_argument("-m", "--model", help="bundle: a folder, or a name inside the package")
    parser.add_argument(
        "--conditions",
        type=chosen,
        default=USUAL,
        help=f"of {','.join(CONDITIONS)}; default: {','.join(USUAL)}",
    )
    parser.add_argument("--precision", choices=("int8", "fp32"), help="default: int8 where there is one")
    parser.add_argument(
        "--greedy", action="store_true", help="without the bundle's language model and lexicon"
    )
    parser.add_argument("--normalize", choices=tuple(NORMALIZERS), default="none", help="as in ctcasr score")
    parser.add_argument("--seed", type=natural, default=0, help="of rooms and noise")
    parser.add_argument("--threads", type=positive, help="recordings at a time; default: one a processor")
    parser.add_argument("--json", action="store_true", help="print a JSON list instead of the table")
    return parser.parse_args()


def main() -> int:
    """Run the measurement."""
    options = arguments()
    decoding = DecodingOptions(is_greedy=True) if options.greedy else None
    try:
        utterances = read_manifest(options.manifest)
        recognizer = Recognizer.load(options.model, options.precision, decoding=decoding)
        rows, problems = measure(recognizer, utterances, options)
    except CtcAsrError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for problem in problems:
        print(f"error: {problem}", file=sys.stderr)
    print(json.dumps([asdict(row) for row in rows], indent=2) if options.json else table(rows))
    return int(bool(problems))


if __name__ == "__main__":
    sys.exit(main())
