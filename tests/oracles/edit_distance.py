"""The Levenshtein distance from its definition: the plain dynamic programme, nothing of ours."""

from __future__ import annotations

from collections.abc import Sequence


def edit_distance(
    reference: Sequence[str], hypothesis: Sequence[str], substitution: int = 1, gap: int = 1
) -> int:
    """Return the least cost of substitutions, deletions and insertions that turn one into the other.

    `distances[i][j]` is the distance between the first i reference and the first j hypothesis tokens (Wagner
    and Fischer, The String-to-String Correction Problem, 1974).
    """
    distances = [[0] * (len(hypothesis) + 1) for _ in range(len(reference) + 1)]
    for i in range(len(reference) + 1):
        for j in range(len(hypothesis) + 1):
            if i == 0 or j == 0:
                distances[i][j] = gap * (i + j)
                continue
            distances[i][j] = min(
                distances[i - 1][j - 1] + substitution * (reference[i - 1] != hypothesis[j - 1]),
                distances[i - 1][j] + gap,
                distances[i][j - 1] + gap,
            )
    return distances[-1][-1]
