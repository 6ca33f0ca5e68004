"""Learning frames from alignments: what the targets are, and what the loss of frames is."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ctcasr.decoding.topology import Topology
from ctcasr.models import frame_loss
from ctcasr.runtime.aligned import AlignedSegment, AlignedToken, AlignedTranscript, AlignedWord
from ctcasr.text import BLANK, SPACE, Vocabulary
from ctcasr.training.frame_targets import UNKNOWN, Timeline, frame_targets, parts_of
from ctcasr.training.objectives import FrameObjective
from ctcasr.training.splicing import Piece

LETTERS = Vocabulary((BLANK, SPACE, "a", "b", "c"))
BARE = Vocabulary((BLANK, "a", "b", "c"))


def aligned(*words: list[tuple[str, float, float]], seconds: float = 2.0) -> AlignedTranscript:
    """Return words of symbols with their times."""
    spans = [
        AlignedWord(
            "x", "x", word[0][1], word[-1][2], 1.0, tuple(AlignedToken(*token, 1.0) for token in word)
        )
        for word in words
    ]
    segment = AlignedSegment("x", spans[0].start_seconds, spans[-1].end_seconds, 1.0, tuple(spans), 1)
    return AlignedTranscript((segment,), seconds, 0.0)


def parts(found: AlignedTranscript, vocabulary: Vocabulary, growth: float) -> list[tuple[str, float]]:
    topology = Topology("hmm", 1, vocabulary.symbols)
    return [
        (vocabulary.symbols[symbol], round(end, 6))
        for symbol, end in parts_of(found, vocabulary, topology, growth)
    ]


class TestParts:
    def test_symbols_meet_halfway_and_grow_into_pauses(self) -> None:
        found = aligned([("a", 0.4, 0.5), ("b", 0.7, 0.8)], [("c", 1.4, 1.5)])
        assert parts(found, LETTERS, 0.1) == [
            (SPACE, 0.3), ("a", 0.6), ("b", 0.9), (SPACE, 1.3), ("c", 1.6), (SPACE, np.inf)
        ]  # fmt: skip
        assert parts(found, BARE, 0.1) == [
            (BLANK, 0.3), ("a", 0.6), ("b", 0.9), (BLANK, 1.3), ("c", 1.6), (BLANK, np.inf)
        ]  # fmt: skip

    def test_a_third_of_a_short_pause_is_left_where_words_are_parted(self) -> None:
        found = aligned([("a", 0.0, 0.5)], [("b", 0.56, 1.95)])
        assert parts(found, LETTERS, 0.1) == [("a", 0.52), (SPACE, 0.54), ("b", 2.0), (SPACE, np.inf)]
        assert parts(found, BARE, 0.1) == [("a", 0.53), ("b", 2.0), (BLANK, np.inf)]

    def test_symbols_of_an_hmm_stay_as_they_are(self) -> None:
        found = aligned([("a", 0.4, 0.6), ("b", 0.6, 0.8)], [("c", 0.8, 1.5)], [("c", 1.6, 1.7)])
        assert parts(found, BARE, 0.0) == [
            (BLANK, 0.4), ("a", 0.6), ("b", 0.8), ("c", 1.5), (BLANK, 1.6), ("c", 1.7), (BLANK, np.inf)
        ]  # fmt: skip


class TestTargets:
    def test_frames_take_what_is_said_in_their_middle(self) -> None:
        timeline = Timeline(np.array([1, 5, 2]), np.array([0.1, 0.14, np.inf]))
        whole = (Piece(0, 0.0, 0.3),)
        assert frame_targets([timeline], whole, 8, 0.04).tolist() == [1, 1, 5, 2, 2, 2, 2, 2]
        # Twice as fast: half as many frames.
        assert frame_targets([timeline], whole, 4, 0.08).tolist() == [1, 5, 2, 2]

    def test_pieces_follow_each_other(self) -> None:
        one, two = (
            Timeline(np.array([1, 2]), np.array([0.5, np.inf])),
            Timeline(np.array([3]), np.array([np.inf])),
        )
        origin = (Piece(0, 0.4, 0.2), Piece(1, 1.0, 0.1), Piece(0, 0.0, 0.1))
        assert frame_targets([one, two], origin, 10, 0.05).tolist() == [1, 1, 2, 2, 3, 3, 1, 1, 1, 1]

    def test_nothing_is_known_of_what_could_not_be_aligned(self) -> None:
        timeline = Timeline(np.array([3]), np.array([np.inf]))
        origin = (Piece(0, 0.0, 0.1), Piece(1, 0.0, 0.1))
        assert frame_targets(["broken", timeline], origin, 4, 0.05).tolist() == [UNKNOWN, UNKNOWN, 3, 3]
        assert frame_targets(["broken"], (), 2, 0.05).tolist() == [UNKNOWN, UNKNOWN]

    @settings(max_examples=60, deadline=None, derandomize=True)
    @given(st.lists(st.floats(0.01, 0.5), min_size=1, max_size=6), st.integers(0, 40), st.floats(0.01, 0.1))
    def test_outputs_come_in_order(self, lengths: list[float], frames: int, frame_seconds: float) -> None:
        ends = np.append(np.cumsum(lengths[:-1]), np.inf)
        found = frame_targets(
            [Timeline(np.arange(len(lengths)), ends)], (Piece(0, 0.0, 1.0),), frames, frame_seconds
        )
        assert all(one <= other for one, other in pairwise(found.tolist()))
        for frame, target in enumerate(found.tolist()):
            assert target == int(np.sum(ends <= (frame + 0.5) * frame_seconds))


class TestLoss:
    def test_frames_of_which_nothing_is_known_do_not_count(self, monkeypatch: pytest.MonkeyPatch) -> None:
        targets = torch.tensor([[0, UNKNOWN, 2, 1], [1, 1, UNKNOWN, 0]])
        monkeypatch.setattr(FrameObjective, "_targets", lambda *_: targets)
        objective = object.__new__(FrameObjective)
        lengths = torch.tensor([4, 2])
        counted = objective.counted(torch.zeros(4, 4, 3), lengths.repeat(2), None)
        assert counted.tolist() == [[True, False, True, True], [True, True, False, False]] * 2
        assert objective.sizes(lengths, None).tolist() == counted[:2].sum(1).tolist()

    def test_it_is_torchs_where_frames_count(self) -> None:
        generator = torch.Generator().manual_seed(0)
        log_probs = torch.randn(3, 5, 4, generator=generator).log_softmax(-1).requires_grad_()
        targets = torch.randint(0, 4, (3, 5), generator=generator)
        targets[0, 1] = UNKNOWN
        lengths = torch.tensor([5, 3, 0])
        losses = frame_loss(log_probs, lengths, targets)
        for row, length in enumerate(lengths.tolist()):
            expected = torch.nn.functional.nll_loss(
                log_probs[row, :length], targets[row, :length], reduction="sum", ignore_index=UNKNOWN
            )
            torch.testing.assert_close(losses[row], expected)
        (gradient,) = torch.autograd.grad(losses.sum(), log_probs)
        assert not gradient[0, 1].any()
        assert not gradient[1, 3:].any()
