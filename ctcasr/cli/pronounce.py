"""`ctcasr pronounce`: lines of a lexicon, guessed for words that the dictionary does not have."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import typer

from ctcasr.cli.progress import bar
from ctcasr.errors import DataError
from ctcasr.text import Pronunciations

# The function imports ctcasr.g2p itself: with it comes numba, for which other verbs should not wait.


def command(
    words: list[str] = typer.Argument(
        help="Words; `-` reads them from standard input, the first of each line."
    ),
    dictionary: Path = typer.Option(
        ..., "-d", "--dictionary", help="Pronouncing dictionary, `word phone phone ...` a line, e.g. CMU's."
    ),
    count: int = typer.Option(1, min=1, max=10, help="Guesses for a word that the dictionary does not have."),
    stress: bool = typer.Option(False, "--stress", help="Keep the digits that mark the stress of vowels."),
) -> None:
    """Write the pronunciations of words: the dictionary's, and guesses where it has none.

    E.g. `ctcasr pronounce kubernetes zyzzyva -d cmudict.dict >> lexicon.txt`.

    Guesses are those of a joint n-gram model of letters and phones. It is trained on the dictionary first, which takes
    some seconds.
    """
    known = Pronunciations.read(dictionary)
    if not stress:
        known = known.without_stress()
    wanted = list(_words(words))
    missing = [word for word in wanted if not known.variants(word)]
    guesses: dict[str, list[tuple[str, ...]]] = {}
    failed = False
    if missing:
        from ctcasr.g2p import Pronouncer

        pronouncer = Pronouncer.train(known)
        with bar("pronouncing", len(missing)) as advance:
            for word in missing:
                try:
                    guesses[word] = [guess.phones for guess in pronouncer.pronounce(word, count)]
                except DataError as error:
                    print(f"error: {error}", file=sys.stderr)
                    failed = True
                advance()
    for word in wanted:
        for phones in known.variants(word) or guesses.get(word, ()):
            typer.echo(" ".join((word, *phones)))
    if failed:
        raise typer.Exit(1)


def _words(given: list[str]) -> Iterator[str]:
    for word in dict.fromkeys(given):
        if word == "-":
            yield from dict.fromkeys(line.split()[0] for line in sys.stdin if line.split())
        else:
            yield word
