"""Beam search decoding against flashlight-text, fast-ctc-decode and pyctcdecode, one thread and two.

    OMP_NUM_THREADS=1 python scripts/bench_decode.py [--quick] [--json FILE]

Language model and posteriors are made from the
books beside the checkout; the posteriors of AN4 are real, where `recipes/an4` was prepared. Word error rates (%)
stand in brackets. Exits with 1 if ours is higher than a peer's by more than 0.5 with the same beam and pruning.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import jiwer
from benchmark_table import Row, arguments, interleave, median_ratio, report
from decode_cases import (
    BOOKS,
    Case,
    Language,
    an4_language,
    characters,
    pieces,
    read_language,
    spoken_letters,
    work_folder,
)
from decode_peers import (
    LM_WEIGHT,
    THRESHOLD,
    WORD_BONUS,
    Decode,
    fast_ctc,
    flashlight,
    installed,
    pyctcdecode,
)

from ctcasr.decoding import BeamSettings
from ctcasr.decoding.beam import BeamSearch
from ctcasr.decoding.lexicon import Lexicon

BEAMS = (8, 16, 64, 128)


@dataclass(frozen=True)
class Duel:
    """Two decoders that are to do the same."""

    name: str
    case: Case
    ours: Decode
    peer: str
    theirs: Decode


def beam_search(
    case: Case,
    beam: int,
    tokens: int,
    lowest: float,
    language: Language | None = None,
    *,
    unknown_cost: float | None = None,
) -> Decode:
    """Return our decoder, over the words of a language or over symbols alone."""
    settings = BeamSettings(
        beam_size=beam,
        tokens=tokens,
        min_token_log_prob=lowest,
        score_threshold=THRESHOLD,
        lm_weight=LM_WEIGHT,
        word_bonus=WORD_BONUS,
        unknown_cost=unknown_cost,
    )
    if language is None:
        plain = BeamSearch(case.symbols, settings)
        return lambda log_probs: case.text(plain.decode(log_probs)[0].ids)
    lexicon = Lexicon.of_pieces(language.words, case.symbols, lambda word: [case.spell(word)])
    search = BeamSearch(case.symbols, settings, lexicon=lexicon, model=language.model)
    return lambda log_probs: " ".join(word.text for word in search.decode(log_probs)[0].words)


def duels_of(letters: Case, split: Case, real: Case | None, books: Language, folder: Path) -> list[Duel]:
    """Return what is to be compared."""
    found: list[Duel] = []
    for beam in BEAMS:
        if installed("flashlight"):
            for tokens in (8, len(letters.symbols)):
                ours = beam_search(letters, beam, tokens, -math.inf, books)
                theirs = flashlight(letters, books, beam, tokens, log_add=tokens > 8)
                name = f"characters, words, 3-gram, {tokens} symbols, beam {beam}"
                found.append(Duel(name, letters, ours, "flashlight-text", theirs))
        if installed("fast_ctc_decode"):
            cut = 0.0067
            ours = beam_search(letters, beam, 40, math.log(cut))
            found.append(
                Duel(
                    f"characters alone, beam {beam}",
                    letters,
                    ours,
                    "fast-ctc-decode",
                    fast_ctc(letters, beam, cut),
                )
            )
        if installed("pyctcdecode"):
            ours = beam_search(split, beam, 40, -11.0, books, unknown_cost=-10.0)
            theirs = pyctcdecode(split, books, beam)
            found.append(Duel(f"BPE-1000, words, 3-gram, beam {beam}", split, ours, "pyctcdecode", theirs))
    if real is not None and installed("flashlight"):
        language = an4_language(folder)
        for beam in BEAMS:
            ours = beam_search(real, beam, 8, -math.inf, language)
            theirs = flashlight(real, language, beam, 8)
            found.append(
                Duel(f"AN4 dev, words, 3-gram, 8 symbols, beam {beam}", real, ours, "flashlight-text", theirs)
            )
    return found


def error_rate(case: Case, texts: Sequence[str]) -> float:
    """Return the word error rate in percent."""
    return 100 * float(jiwer.wer(list(case.references[: len(texts)]), [text or "*" for text in texts]))


def run(duel: Duel, rounds: int, seconds: float) -> tuple[Row, bool]:
    """Time both on as many utterances as the slower one does in `seconds`; tell whether ours errs more."""
    rates = [
        error_rate(duel.case, [decode(log_probs) for log_probs in duel.case.log_probs])
        for decode in (duel.ours, duel.theirs)
    ]
    started = time.perf_counter()
    duel.theirs(duel.case.log_probs[0])
    count = max(5, min(len(duel.case.log_probs), int(seconds / (time.perf_counter() - started))))
    inputs = duel.case.log_probs[:count]

    def all_of(decode: Decode) -> Callable[[], object]:
        return lambda: [decode(log_probs) for log_probs in inputs]

    times = interleave([all_of(duel.ours), all_of(duel.theirs)], rounds)
    speeds = [count / sorted(column)[len(column) // 2] for column in times]
    row = Row(
        f"{duel.name} ({rates[0]:.2f})",
        speeds[0],
        f"{duel.peer} ({rates[1]:.2f})",
        speeds[1],
        "utterances/s",
        median_ratio(*times),
    )
    return row, rates[0] > rates[1] + 0.5


def two_threads(case: Case, books: Language, rounds: int) -> Row:
    """Return what a second thread brings; the same texts have to come out."""
    decode = beam_search(case, 64, 8, -math.inf, books)
    with ThreadPoolExecutor(2) as pool:

        def one() -> list[str]:
            return [decode(log_probs) for log_probs in case.log_probs]

        def two() -> list[str]:
            return list(pool.map(decode, case.log_probs))

        if one() != two():
            raise SystemExit("two threads decode something else than one")
        times = interleave([two, one], rounds)
    speeds = [len(case.log_probs) / sorted(column)[len(column) // 2] for column in times]
    return Row(
        "two threads, beam 64", speeds[0], "one thread", speeds[1], "utterances/s", median_ratio(*times)
    )


def main() -> int:
    """Run the benchmark."""
    options = arguments(__doc__.split("\n")[0])
    if not BOOKS.is_file():
        print(f"{BOOKS}: not there; the benchmark trains its language model on it", file=sys.stderr)
        return 0
    quick = options.quick
    with work_folder() as name:
        folder = Path(name)
        books = read_language(folder, 150_000 if quick else 1_500_000, 20 if quick else 200)
        letters, split = characters(books), pieces(books, folder)
        duels = duels_of(letters, split, spoken_letters(20 if quick else 78), books, folder)
        results = [run(duel, 3 if quick else 7, 0.1 if quick else 0.5) for duel in duels]
        rows = [row for row, _ in results] + [two_threads(letters, books, 3 if quick else 7)]
    report(rows, options.json)
    return int(any(wrong for _, wrong in results))


if __name__ == "__main__":
    sys.exit(main())
