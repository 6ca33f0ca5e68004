"""Score linear models of words on SST-2: what the sentences carry without the order of their words.

    python recipes/sst2/linear.py [--data recipes/sst2/data]

Naive Bayes; logistic regression on naive Bayes' log-count ratios (NB-SVM, Wang and Manning 2012, with another
classifier); logistic regression on tf-idf of words and characters. The regularisation C is chosen on dev; the test is
scored once for each model. It needs scikit-learn, which comes with `ctcasr[dev]`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from ctcasr.data.sentences import read_sentences
from ctcasr.errors import CtcAsrError

PARTS = ("train", "dev", "test")
WORDS = r"\S+"
MOST_ITERATIONS = 300


def row(name: str, right: Sequence[Sequence[bool]], choice: str = "") -> None:
    """Print a row of the table: what is right on dev and on the test."""
    scores = " | ".join(f"{100 * np.mean(part):.2f} ({np.sum(part):,} / {len(part):,})" for part in right)
    print(f"| {name}{choice} | {scores} |", flush=True)


def regression(name: str, features: Sequence[Any], truth: Sequence[Any], strengths: Sequence[float]) -> None:
    """Print a logistic regression's row, with the C that is best on dev, the smaller of two that are."""
    models = [
        LogisticRegression(C=strength, max_iter=MOST_ITERATIONS).fit(features[0], truth[0])
        for strength in strengths
    ]
    best = max(models, key=lambda model: np.mean(model.predict(features[1]) == truth[1]))
    right = [best.predict(features[part]) == truth[part] for part in (1, 2)]
    row(name, right, f", C = {best.C} of {len(strengths)}")


def naive_bayes(longest: int, texts: Sequence[Sequence[str]], truth: Sequence[Any]) -> None:
    """Print the rows of naive Bayes over runs of one to `longest` words, and of a regression on its ratios."""
    counts = CountVectorizer(ngram_range=(1, longest), binary=True, token_pattern=WORDS)
    features = [counts.fit_transform(texts[0]), *(counts.transform(part) for part in texts[1:])]
    totals = [1 + np.asarray(features[0][truth[0] == label].sum(axis=0)).ravel() for label in (True, False)]
    ratios = np.log(totals[0] / totals[0].sum()) - np.log(totals[1] / totals[1].sum())
    prior = np.log(truth[0].mean() / (1 - truth[0].mean()))
    row(
        f"naive Bayes, runs of 1 to {longest} words",
        [(features[part] @ ratios + prior > 0) == truth[part] for part in (1, 2)],
    )
    scaled = [part @ sparse.diags(ratios) for part in features]
    regression(f"regression on its ratios, 1 to {longest} words", scaled, truth, (0.01, 0.03, 0.1, 0.3, 1))


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path(__file__).parent / "data", help="of prepare.py")
    folder = parser.parse_args().data
    try:
        parts = [read_sentences(folder / f"{part}.jsonl") for part in PARTS]
    except (CtcAsrError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    texts = [[" ".join(sentence.words) for sentence in part] for part in parts]
    truth = [np.array([sentence.label == "positive" for sentence in part]) for part in parts]
    print("| model | right on dev, % | on the test, % |\n|---|---|---|")
    for longest in (1, 2, 3):
        naive_bayes(longest, texts, truth)
    words = TfidfVectorizer(ngram_range=(1, 3), sublinear_tf=True, token_pattern=WORDS)
    characters = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True)
    both = [[kind.fit_transform(texts[0]), *map(kind.transform, texts[1:])] for kind in (words, characters)]
    regression("tf-idf, 1 to 3 words", both[0], truth, (1, 3, 10))
    regression("tf-idf, 2 to 5 characters", both[1], truth, (1, 3, 10))
    joined = [sparse.hstack(pair).tocsr() for pair in zip(*both, strict=True)]
    regression("tf-idf, both", joined, truth, (1, 3, 10))
    return 0


if __name__ == "__main__":
    sys.exit(main())
