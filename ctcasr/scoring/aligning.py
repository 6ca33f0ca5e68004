"""Alignment of a hypothesis with its reference, token by token.

jiwer (rapidfuzz beneath it) finds the alignment. It is handed token numbers, never the text, so none of its
text transformations can drop or change a token, whatever the token holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, cast

from ctcasr.errors import ConfigError
from ctcasr.scoring.counts import ErrorCounts, Unit

ChunkKind = Literal["equal", "substitute", "delete", "insert"]
"""What a stretch of an alignment is: hits, substitutions, deletions or insertions."""


@dataclass(frozen=True, slots=True)
class AlignmentChunk:
    """A stretch of an alignment in which every token met the same fate.

    Attributes:
        kind: the fate of the tokens.
        reference_start: index of the first reference token.
        reference_end: index after the last reference token; equals the start in an insertion.
        hypothesis_start: index of the first hypothesis token.
        hypothesis_end: index after the last hypothesis token; equals the start in a deletion.
    """

    kind: ChunkKind
    reference_start: int
    reference_end: int
    hypothesis_start: int
    hypothesis_end: int


@dataclass(frozen=True, slots=True)
class Alignment:
    """A hypothesis laid beside its reference with the fewest errors.

    Attributes:
        reference: tokens of the reference.
        hypothesis: tokens of the hypothesis.
        chunks: stretches that cover both in order, without a gap; empty when both are empty.
    """

    reference: tuple[str, ...]
    hypothesis: tuple[str, ...]
    chunks: tuple[AlignmentChunk, ...]

    @property
    def counts(self) -> ErrorCounts:
        """Error counts of the alignment."""
        totals: dict[ChunkKind, int] = {"equal": 0, "substitute": 0, "delete": 0, "insert": 0}
        for chunk in self.chunks:
            reference_tokens = chunk.reference_end - chunk.reference_start
            hypothesis_tokens = chunk.hypothesis_end - chunk.hypothesis_start
            # One of the two is zero in a deletion or insertion, and both are the same otherwise.
            totals[chunk.kind] += max(reference_tokens, hypothesis_tokens)
        return ErrorCounts(totals["equal"], totals["substitute"], totals["delete"], totals["insert"])


def tokenize(text: str, unit: Unit) -> list[str]:
    r"""Split a text into the tokens that are counted.

    Words are what white space separates, and so are the phones of a text of phones. Characters are the Unicode
    code points of the text after runs of white space became one space and both ends were stripped; the spaces
    between words count as characters, as they do in jiwer's `cer`. White space is Unicode's (`str.split`). Case,
    punctuation and Unicode form are left as they are: `\u00e9` and `e\u0301` look alike (é), differ, and have
    lengths 1 and 2.

    Args:
        text: the text to split.
        unit: `word`, `char` or `phone`.

    Returns:
        The tokens in order.

    Raises:
        ConfigError: the unit is none of these.
    """
    words = text.split()
    if unit in ("word", "phone"):
        return words
    if unit == "char":
        return list(" ".join(words))
    raise ConfigError(f"unit is {unit!r}, expected 'word', 'char' or 'phone'; name one of them")


def align(reference: Sequence[str], hypothesis: Sequence[str]) -> Alignment:
    """Align the tokens of a hypothesis with those of its reference.

    The number of errors is the least possible (Levenshtein). Where several alignments reach it, their split
    into substitutions, deletions and insertions can differ, and the choice is rapidfuzz's: another scorer may
    report another split, never another number of errors.

    Args:
        reference: tokens of the reference, words or characters (see `tokenize`); may be empty.
        hypothesis: tokens of the hypothesis; may be empty.

    Returns:
        The alignment.
    """
    return align_all([reference], [hypothesis])[0]


def align_all(references: Sequence[Sequence[str]], hypotheses: Sequence[Sequence[str]]) -> list[Alignment]:
    """Align many pairs in one call, which costs much less than a call for each pair.

    Args:
        references: tokens of each reference.
        hypotheses: tokens of each hypothesis, as many as there are references.

    Returns:
        One alignment for each pair, in order.

    Raises:
        ValueError: the numbers of references and hypotheses differ.
    """
    pairs = [
        (tuple(reference), tuple(hypothesis))
        for reference, hypothesis in zip(references, hypotheses, strict=True)
    ]
    # jiwer's handling of empty sentences has changed between versions, and there is nothing to align in them.
    chunks_of_full = iter(_align_with_jiwer([pair for pair in pairs if all(pair)]))
    return [
        Alignment(*pair, chunks=next(chunks_of_full) if all(pair) else _one_sided_chunks(*pair))
        for pair in pairs
    ]


def _one_sided_chunks(reference: tuple[str, ...], hypothesis: tuple[str, ...]) -> tuple[AlignmentChunk, ...]:
    """Return the chunks of a pair of which at least one side is empty."""
    if reference:
        return (AlignmentChunk("delete", 0, len(reference), 0, 0),)
    if hypothesis:
        return (AlignmentChunk("insert", 0, 0, 0, len(hypothesis)),)
    return ()


def _align_with_jiwer(
    pairs: Sequence[tuple[tuple[str, ...], tuple[str, ...]]],
) -> list[tuple[AlignmentChunk, ...]]:
    """Return the chunks of pairs that have tokens on both sides."""
    if not pairs:
        # jiwer would make one empty sentence of no sentences.
        return []
    # Imported here so that the command line starts fast: jiwer loads compiled libraries, and most commands
    # never align.
    import jiwer

    numbers: dict[str, str] = {}

    def numbered(tokens: tuple[str, ...]) -> str:
        return " ".join([numbers.setdefault(token, str(len(numbers))) for token in tokens])

    split_only = jiwer.ReduceToListOfListOfWords()
    output = jiwer.process_words(
        [numbered(reference) for reference, _ in pairs],
        [numbered(hypothesis) for _, hypothesis in pairs],
        reference_transform=split_only,
        hypothesis_transform=split_only,
    )
    return [
        tuple(
            AlignmentChunk(
                cast(ChunkKind, chunk.type),
                chunk.ref_start_idx,
                chunk.ref_end_idx,
                chunk.hyp_start_idx,
                chunk.hyp_end_idx,
            )
            for chunk in chunks
        )
        for chunks in output.alignments
    ]
