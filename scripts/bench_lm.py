"""N-gram language models on books: perplexity, pruning, and the time to read them against KenLM.

    OMP_NUM_THREADS=1 python scripts/bench_lm.py [--quick] [--json FILE]

Every fiftieth sentence is held out. Perplexities count the ends of sentences and leave out-of-vocabulary words out, as
KenLM's `query` does. Exits with 1 if our scores differ from KenLM's on the same file by more than 1e-4.
"""

from __future__ import annotations

import lzma
import re
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmark_table import Row, arguments, interleave, median_ratio, report
from decode_cases import BOOKS
from decode_peers import installed, silence

from ctcasr import lm

LN_10 = 2.302585092994046


def sentences(most_words: int) -> Iterator[str]:
    """Yield sentences of lower-cased words, until there are enough words."""
    words = 0
    with lzma.open(BOOKS, "rt", encoding="utf-8") as text:
        for paragraph in text:
            for sentence in re.split(r"(?<=[.!?])\s+", paragraph.lower()):
                found = re.findall(r"[a-z]+(?:'[a-z]+)?", sentence)
                if found:
                    yield " ".join(found)
                    words += len(found)
            if words > most_words:
                return


def main() -> int:
    """Run the benchmark."""
    options = arguments(__doc__.split("\n")[0])
    if not BOOKS.is_file():
        print(f"{BOOKS}: not there; the language models are trained on it", file=sys.stderr)
        return 0
    with tempfile.TemporaryDirectory(prefix="bench_lm") as name:
        folder = Path(name)
        train, held = folder / "train.txt", folder / "held.txt"
        lines = list(sentences(300_000 if options.quick else 100_000_000))
        train.write_text(
            "\n".join(line for number, line in enumerate(lines) if number % 50), encoding="utf-8"
        )
        held.write_text("\n".join(lines[::50]), encoding="utf-8")
        rows, wrong = measure(folder, train, held, lines[::50][:300])
    report(rows, options.json)
    return int(wrong)


def measure(folder: Path, train: Path, held: Path, some: list[str]) -> tuple[list[Row], bool]:
    """Train, prune and read; return the rows, and whether a score differs from KenLM's."""
    started = time.perf_counter()
    counts = lm.count_ngrams([train], lm.CountSettings(3, "word", 1, None))
    ours = lm.kneser_ney(counts)
    speed = counts.tokens / (time.perf_counter() - started)
    print(f"{counts.tokens:,} tokens, {speed / 1e6:.2f} million a second", file=sys.stderr)
    model = lm.NGramModel.from_tables(ours)
    baseline = lm.NGramModel.from_tables(lm.witten_bell(counts))
    pruned = lm.prune(ours, 1e-7)
    quality = [
        lm.perplexity(each, [held], "word").excluding_unknown
        for each in (model, baseline, lm.NGramModel.from_tables(pruned))
    ]
    rows = [
        Row(
            "Kneser-Ney 3-gram", quality[0], "Witten-Bell", quality[1], "perplexity", quality[1] / quality[0]
        ),
        Row("pruned at 1e-7", quality[2], "unpruned", quality[0], "perplexity", quality[0] / quality[2]),
        Row(
            "pruned at 1e-7",
            sum(pruned.counts) / 1e6,
            "unpruned",
            sum(ours.counts) / 1e6,
            "million n-grams",
            sum(ours.counts) / sum(pruned.counts),
        ),
    ]
    arpa, compiled = folder / "model.arpa", folder / "model.npz"
    lm.write_arpa(ours, arpa)
    lm.save(model, compiled)
    if not installed("kenlm"):
        return rows, False
    import kenlm

    def of_kenlm() -> kenlm.Model:
        with silence():
            return kenlm.Model(str(arpa))

    size = arpa.stat().st_size / 1e6
    times = interleave([lambda: lm.read_arpa(arpa), of_kenlm, lambda: lm.load_model(compiled)], 5)
    middle = [sorted(column)[len(column) // 2] for column in times]
    rows += [
        Row(
            f"ARPA of {size:.0f} MB",
            middle[0],
            "KenLM",
            middle[1],
            "s to read",
            median_ratio(times[0], times[1]),
        ),
        Row(
            "the same as .npz",
            middle[2],
            "KenLM, ARPA",
            middle[1],
            "s to read",
            median_ratio(times[2], times[1]),
        ),
    ]
    peer, again = of_kenlm(), lm.load_model(compiled)
    worst = max(
        abs(sum(again.score_sentence(line.split())) / LN_10 - peer.score(line)) / (1 + len(line.split()))
        for line in some
    )
    print(f"largest difference from KenLM: {worst:.1e} a word", file=sys.stderr)
    return rows, worst > 1e-4


if __name__ == "__main__":
    sys.exit(main())
