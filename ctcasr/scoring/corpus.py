"""Scores of a corpus: transcripts matched by utterance id, counts summed over all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ctcasr.errors import DataError
from ctcasr.scoring.aligning import Alignment, align_all, tokenize
from ctcasr.scoring.counts import ErrorCounts, Unit

_IDS_IN_MESSAGE = 5


@dataclass(frozen=True, slots=True)
class UtteranceScore:
    """The score of one utterance.

    Attributes:
        id: utterance id.
        reference: text of the reference, as it was given.
        hypothesis: text of the hypothesis, as it was given; empty if it was missing.
        alignment: the hypothesis laid beside the reference.
    """

    id: str
    reference: str
    hypothesis: str
    alignment: Alignment

    @property
    def counts(self) -> ErrorCounts:
        """Error counts."""
        return self.alignment.counts


@dataclass(frozen=True, slots=True)
class CorpusScore:
    """The score of a corpus.

    Attributes:
        unit: what was counted.
        counts: sum of the counts of all utterances.
        utterances: scores of the utterances, in the order of the references.
        missing: ids of the references without a hypothesis, which were scored against an empty one.
    """

    unit: Unit
    counts: ErrorCounts
    utterances: tuple[UtteranceScore, ...]
    missing: tuple[str, ...]

    @property
    def rate(self) -> float:
        """Errors per reference token of the whole corpus (`ErrorCounts.rate`)."""
        return self.counts.rate

    @property
    def sentence_errors(self) -> int:
        """Number of utterances with at least one error."""
        return sum(utterance.counts.errors > 0 for utterance in self.utterances)

    @property
    def sentence_error_rate(self) -> float:
        """Share of the utterances with at least one error, in [0, 1]."""
        return self.sentence_errors / len(self.utterances)

    def part(self, utterances: Sequence[UtteranceScore]) -> CorpusScore:
        """Return the score of some of the utterances."""
        chosen = {utterance.id for utterance in utterances}
        missing = tuple(identity for identity in self.missing if identity in chosen)
        total = sum((utterance.counts for utterance in utterances), start=ErrorCounts())
        return CorpusScore(self.unit, total, tuple(utterances), missing)

    def kaldi_lines(self) -> tuple[str, str]:
        """Return the two lines of Kaldi's `compute-wer`, without line ends.

        Returns:
            The error rate, `%WER 12.50 [ 1 / 8, 0 ins, 0 del, 1 sub ]` (`%CER` for characters; ` [PARTIAL]`
            follows if hypotheses were missing, as in Kaldi), and the sentence error rate,
            `%SER 33.33 [ 1 / 3 ]`.
        """
        partial = " [PARTIAL]" if self.missing else ""
        sentences = f"[ {self.sentence_errors} / {len(self.utterances)} ]"
        return (
            self.counts.kaldi_line(self.unit) + partial,
            f"%SER {100 * self.sentence_error_rate:.2f} {sentences}",
        )


def score(
    references: Mapping[str, str],
    hypotheses: Mapping[str, str],
    unit: Unit,
    *,
    allow_missing: bool = False,
) -> CorpusScore:
    """Score the hypotheses of a corpus against its references.

    Args:
        references: text of every utterance, by id.
        hypotheses: recognised text of every utterance, by id, in any order.
        unit: what to count: `word`, `char` or `phone` (see `ctcasr.scoring.tokenize`).
        allow_missing: count a missing hypothesis as an empty one, all deletions, instead of raising.

    Returns:
        The score.

    Raises:
        DataError: there is no reference at all, a hypothesis has an id that no reference has, or (unless
            `allow_missing`) a reference has no hypothesis.
        ConfigError: the unit is none of these.
    """
    missing = tuple(utterance_id for utterance_id in references if utterance_id not in hypotheses)
    extra = [utterance_id for utterance_id in hypotheses if utterance_id not in references]
    if not references:
        raise DataError("the references hold no utterance, expected at least one; check the reference file")
    if extra or (missing and not allow_missing):
        raise DataError(_mismatch(references, hypotheses, () if allow_missing else missing, extra))

    texts = [(reference, hypotheses.get(utterance_id, "")) for utterance_id, reference in references.items()]
    alignments = align_all(
        [tokenize(reference, unit) for reference, _ in texts],
        [tokenize(hypothesis, unit) for _, hypothesis in texts],
    )
    utterances = tuple(
        UtteranceScore(utterance_id, *pair, alignment)
        for utterance_id, pair, alignment in zip(references, texts, alignments, strict=True)
    )
    total = sum((utterance.counts for utterance in utterances), start=ErrorCounts())
    return CorpusScore(unit, total, utterances, missing)


def _mismatch(
    references: Mapping[str, str], hypotheses: Mapping[str, str], missing: Sequence[str], extra: Sequence[str]
) -> str:
    """Say which ids of references and hypotheses have no counterpart, and what to do."""
    problems = []
    if missing:
        problems.append(
            f"{len(missing)} of {len(references)} reference ids lack a hypothesis ({_listed(missing)})"
        )
    if extra:
        problems.append(
            f"{len(extra)} of {len(hypotheses)} hypothesis ids lack a reference ({_listed(extra)})"
        )
    remedy = (
        "check that both are of the same corpus and write their ids alike"
        if extra
        else "add what is missing, or allow missing hypotheses to be counted as empty"
    )
    return f"{' and '.join(problems)}, expected the same ids in both; {remedy}"


def _listed(ids: Sequence[str]) -> str:
    """Name the first ids and count the others."""
    named = ", ".join(repr(utterance_id) for utterance_id in ids[:_IDS_IN_MESSAGE])
    others = len(ids) - _IDS_IN_MESSAGE
    return f"{named} and {others} more" if others > 0 else named
