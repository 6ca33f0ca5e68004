"""Alignments in the layout of NIST sclite's `pralign`, which people and programs know how to read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rich.cells import cell_len

from ctcasr.scoring.aligning import Alignment, ChunkKind
from ctcasr.scoring.corpus import UtteranceScore

_LETTERS: dict[ChunkKind, str] = {"equal": "", "substitute": "S", "delete": "D", "insert": "I"}
_SHOWN = {" ": "<space>"}


def as_sclite(utterances: Iterable[UtteranceScore]) -> Iterator[str]:
    """Yield a block of lines for each utterance, without the last line end.

    The first line is the id, the second the counts, then come reference and hypothesis, token below token,
    with asterisks where one has nothing, and the letters S, D and I below the errors. Columns are as wide as a
    terminal shows them, so that Chinese characters stay aligned. A space that is counted as a character is
    written `<space>`. Where several alignments have the fewest errors, sclite may show another one.
    """
    for utterance in utterances:
        counts = utterance.counts
        scores = f"{counts.hits} {counts.substitutions} {counts.deletions} {counts.insertions}"
        rows = _rows(utterance.alignment)
        yield "\n".join((f"id: ({utterance.id})", f"Scores: (#C #S #D #I) {scores}", *rows, ""))


def steps(alignment: Alignment) -> Iterator[tuple[ChunkKind, str | None, str | None]]:
    """Yield the fate of each token with the token of the reference and that of the hypothesis, if any."""
    for chunk in alignment.chunks:
        reference = alignment.reference[chunk.reference_start : chunk.reference_end]
        hypothesis = alignment.hypothesis[chunk.hypothesis_start : chunk.hypothesis_end]
        for index in range(max(len(reference), len(hypothesis))):
            yield (
                chunk.kind,
                reference[index] if index < len(reference) else None,
                hypothesis[index] if index < len(hypothesis) else None,
            )


def _rows(alignment: Alignment) -> list[str]:
    """Return the lines of reference, hypothesis and letters, or none where both are empty."""
    cells: list[tuple[str, str, str]] = []
    for kind, *tokens in steps(alignment):
        shown = [_SHOWN.get(token, token) if token is not None else None for token in tokens]
        width = max(cell_len(token) for token in shown if token is not None)
        reference, hypothesis = (_padded("*" * width if token is None else token, width) for token in shown)
        cells.append((reference, hypothesis, _LETTERS[kind].ljust(width)))
    rows = ["".join(f"{cell} " for cell in column) for column in zip(*cells, strict=True)]
    return [f"{name} {row}" for name, row in zip(("REF: ", "HYP: ", "Eval:"), rows, strict=False)]


def _padded(token: str, width: int) -> str:
    return token + " " * (width - cell_len(token))
