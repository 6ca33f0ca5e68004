"""Write the recogniser's words with their pronunciations, `lexicon.txt`, and `train-phones.jsonl` to train on phones.

    python recipes/english/prepare_lexicon.py cmudict.dict [--data recipes/english/data] [--min-count 3]
    python recipes/english/prepare_lexicon.py cmudict.dict --data recipes/mini_librispeech/data --without-text

The words are those of the training and dev transcripts, those that come often enough in `text.txt.gz`, and all of CMU's
dictionary that are written in letters and apostrophes: of the words of mini LibriSpeech's training part, 2.0 % are not
among those of the books that come three times, 1.0 % with CMU's beside them. The dictionary says how they are
pronounced, and a joint n-gram model that is trained on it guesses where it is silent. In
`train-phones.jsonl` the letter A of AN4 is marked as `a(2)`, its second pronunciation: no sentence there has the
article.
"""

from __future__ import annotations

import argparse
import gzip
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from ctcasr.data import Utterance, read_manifest, write_manifest
from ctcasr.errors import CtcAsrError, DataError
from ctcasr.g2p import Pronouncer
from ctcasr.text import NORMALIZERS, Pronunciations

DATA = Path(__file__).parent / "data"
LETTER_A = ("EY",)


def frequent_words(path: Path, min_count: int) -> list[str]:
    """Return the words that come so often in a gzipped text, sorted."""
    counts: Counter[str] = Counter()
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            counts.update(line.split())
    return sorted(word for word, count in counts.items() if count >= min_count)


def pronounced(words: Iterable[str], dictionary: Pronunciations) -> tuple[Pronunciations, int]:
    """Return the pronunciations of words, and how many of them were guessed.

    Raises:
        DataError: a word has letters that no word of the dictionary has.
    """
    pronouncer = Pronouncer.train(dictionary)
    found = {}
    guessed = 0
    for word in words:
        variants = dictionary.by_word.get(word, ())
        if not variants:
            variants = (pronouncer.pronounce(word)[0].phones,)
            guessed += 1
        found[word] = variants
    return Pronunciations(found), guessed


def letters_marked(utterance: Utterance, lexicon: Pronunciations) -> Utterance:
    """Return an utterance of AN4 with the letter A marked by the number of its pronunciation; others as they are."""
    if not utterance.id.startswith("an4-"):
        return utterance
    letter = f"a({lexicon.by_word['a'].index(LETTER_A) + 1})"
    return replace(
        utterance, text=" ".join(letter if word == "a" else word for word in utterance.text.split())
    )


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("dictionary", type=Path, help="CMU's pronouncing dictionary")
    parser.add_argument("--data", type=Path, default=DATA, help="manifests and text of the other two scripts")
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument(
        "--min-count", type=int, default=3, help="words that come less often in the text are left out"
    )
    choice.add_argument(
        "--without-text", action="store_true", help="words of the transcripts and the dictionary alone"
    )
    arguments = parser.parse_args()
    try:
        dictionary = Pronunciations.read(arguments.dictionary).without_stress()
        parts = {part: read_manifest(arguments.data / f"{part}.jsonl") for part in ("train", "dev")}
        said = {
            word
            for utterances in parts.values()
            for utterance in utterances
            for word in utterance.text.split()
        }
        text, count = arguments.data / "text.txt.gz", arguments.min_count
        written = [] if arguments.without_text else frequent_words(text, count)
        listed = [word for word in dictionary.by_word if word and NORMALIZERS["basic"](word) == word]
        lexicon, guessed = pronounced(sorted(said.union(written, listed)), dictionary)
        lexicon.write(arguments.data / "lexicon.txt")
        write_manifest(
            arguments.data / "train-phones.jsonl",
            [letters_marked(utterance, lexicon) for utterance in parts["train"]],
        )
    except (CtcAsrError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1 if isinstance(error, (DataError, OSError)) else 2
    print(f"{len(lexicon.by_word)} words in {arguments.data / 'lexicon.txt'}, {guessed} of them guessed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
