"""Beam search decoding against flashlight-text, fast-ctc-decode and pyctcdecode, one thread and two.

    OMP_NUM_THREADS=1 python scripts/bench_decode.py [--quick] [--json FILE]

Language model and posteriors are made from the books beside the checkout: characters, and BPE-1000. The posteriors
of AN4 are real, where `recipes/an4` was prepared. Both sides of a row have the same beam, token pruning, score
threshold, language model, weight and word bonus, and are timed in turn. Word error rates (%) stand in brackets.
Exits with 1 if ours is higher than the peer's in any row by more than one word and 0.03, or with the few sentences of
`--quick` by more than one word and 0.8.
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
    Rows,
    an4_language,
    characters,
    pieces,
    read_language,
    spoken_letters,
    work_folder,
)
from decode_peers import (
    MIN_TOKEN_LOG_PROB,
    PRUNE_LOG_PROB,
    THRESHOLD,
    UNKNOWN_COST,
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


def beam_search(case: Case, settings: BeamSettings, language: Language | None = None) -> Decode:
    """Return our decoder, over the words of a language or over symbols alone."""
    if language is None:
        plain = BeamSearch(case.symbols, settings)
        return lambda log_probs: case.text(plain.decode(log_probs)[0].ids)
    weighed = settings.model_copy(update={"lm_weight": case.lm_weight, "word_bonus": case.word_bonus})
    lexicon = Lexicon.of_pieces(language.words, case.symbols, lambda word: [case.spell(word)])
    search = BeamSearch(case.symbols, weighed, lexicon=lexicon, model=language.model)
    return lambda log_probs: " ".join(word.text for word in search.decode(log_probs)[0].words)


def like_flashlight(beam: int, tokens: int) -> BeamSettings:
    """Return settings that prune as flashlight-text does here."""
    return BeamSettings(
        beam_size=beam, tokens=tokens, min_token_log_prob=-math.inf, score_threshold=THRESHOLD
    )


def duels_of(letters: Case, split: Case, real: Case | None, books: Language, folder: Path) -> list[Duel]:
    """Return what is to be compared."""
    found: list[Duel] = []
    for beam in BEAMS:
        if installed("flashlight"):
            for tokens in (8, len(letters.symbols)):
                ours = beam_search(letters, like_flashlight(beam, tokens), books)
                theirs = flashlight(letters, books, beam, tokens, log_add=tokens > 8)
                name = f"characters, words, 3-gram, {tokens} symbols, beam {beam}"
                found.append(Duel(name, letters, ours, "flashlight-text", theirs))
        if installed("fast_ctc_decode"):
            cut = 0.0067
            settings = BeamSettings(
                beam_size=beam, min_token_log_prob=math.log(cut), score_threshold=THRESHOLD
            )
            theirs = fast_ctc(letters, beam, cut)
            name = f"characters alone, beam {beam}"
            found.append(Duel(name, letters, beam_search(letters, settings), "fast-ctc-decode", theirs))
        if installed("pyctcdecode"):
            settings = BeamSettings(
                beam_size=beam,
                tokens=len(split.symbols),
                min_token_log_prob=MIN_TOKEN_LOG_PROB,
                score_threshold=-PRUNE_LOG_PROB,
                unknown_cost=UNKNOWN_COST,
            )
            ours = beam_search(split, settings, books)
            name = f"BPE-1000, words, 3-gram, beam {beam}"
            found.append(Duel(name, split, ours, "pyctcdecode", pyctcdecode(split, books, beam)))
    if real is not None and installed("flashlight"):
        language = an4_language(folder)
        for beam in BEAMS:
            ours = beam_search(real, like_flashlight(beam, 8), language)
            theirs = flashlight(real, language, beam, 8)
            name = f"AN4 dev, words, 3-gram, 8 symbols, beam {beam}"
            found.append(Duel(name, real, ours, "flashlight-text", theirs))
    return found


def error_rate(case: Case, texts: Sequence[str]) -> float:
    """Return the word error rate in percent."""
    return 100 * float(jiwer.wer(list(case.references[: len(texts)]), [text or "*" for text in texts]))


def run(duel: Duel, rounds: int, seconds: float) -> tuple[Row, float]:
    """Time both on as many utterances as the peer does in `seconds`; tell by how much ours errs more than a word."""
    rates = [
        error_rate(duel.case, [decode(log_probs) for log_probs in duel.case.log_probs])
        for decode in (duel.ours, duel.theirs)
    ]
    started = time.perf_counter()
    for log_probs in duel.case.log_probs[:5]:
        duel.theirs(log_probs)
    each = (time.perf_counter() - started) / 5
    inputs = duel.case.log_probs[: max(5, math.ceil(seconds / each))]

    def all_of(decode: Decode) -> Callable[[], object]:
        return lambda: [decode(log_probs) for log_probs in inputs]

    times = interleave([all_of(duel.ours), all_of(duel.theirs)], rounds)
    speeds = [len(inputs) / sorted(column)[len(column) // 2] for column in times]
    row = Row(
        f"{duel.name} ({rates[0]:.2f})",
        speeds[0],
        f"{duel.peer} ({rates[1]:.2f})",
        speeds[1],
        "utterances/s",
        median_ratio(*times),
    )
    words = sum(len(reference.split()) for reference in duel.case.references)
    return row, rates[0] - rates[1] - 100 / words


def two_threads(name: str, case: Case, decode: Decode, rounds: int) -> Row:
    """Return what a second thread brings; the same texts have to come out."""
    halves = [case.log_probs[::2], case.log_probs[1::2]]

    def texts(part: Sequence[Rows]) -> list[str]:
        return [decode(log_probs) for log_probs in part]

    with ThreadPoolExecutor(2) as pool:

        def one() -> list[list[str]]:
            return [texts(part) for part in halves]

        def two() -> list[list[str]]:
            return list(pool.map(texts, halves))

        if one() != two():
            raise SystemExit("two threads decode something else than one")
        times = interleave([two, one], rounds)
    speeds = [len(case.log_probs) / sorted(column)[len(column) // 2] for column in times]
    return Row(
        f"two threads, {name}", speeds[0], "one thread", speeds[1], "utterances/s", median_ratio(*times)
    )


def main() -> int:
    """Run the benchmark."""
    options = arguments(__doc__.split("\n")[0])
    if not BOOKS.is_file():
        print(f"{BOOKS}: not there; the benchmark trains its language model on it", file=sys.stderr)
        return 0
    quick = options.quick
    rounds = 5 if quick else 15
    with work_folder() as name:
        folder = Path(name)
        books = read_language(folder, 150_000 if quick else 1_500_000, 20 if quick else 200)
        letters, split = characters(books), pieces(books, folder)
        duels = duels_of(letters, split, spoken_letters(20 if quick else 78), books, folder)
        if not duels:
            print("no peer is installed; they are the extra `peers`: pip install '.[peers]'", file=sys.stderr)
        results = [run(duel, rounds, 0.05 if quick else 0.3) for duel in duels]
        rows = [row for row, _ in results]
        for beam in (8, 64):
            ours = beam_search(letters, like_flashlight(beam, 8), books)
            rows.append(two_threads(f"characters, words, 3-gram, beam {beam}", letters, ours, rounds))
    report(rows, options.json)
    return int(max((more for _, more in results), default=0.0) > (0.8 if quick else 0.03))


if __name__ == "__main__":
    sys.exit(main())
