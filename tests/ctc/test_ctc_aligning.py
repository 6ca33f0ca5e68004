"""Forced alignment against enumeration of all paths, against torchaudio, and against itself in blocks."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
import torchaudio.functional
from hypothesis import given, settings
from hypothesis import strategies as st

from ctcasr.ctc import aligning, collapse, min_input_length
from ctcasr.ctc.aligning import Alignment, align
from ctcasr.errors import DataError


def random_log_probs(frames: int, symbols: int, seed: int, scale: float = 2.0) -> np.ndarray:
    logits = np.random.default_rng(seed).normal(0, scale, (frames, symbols))
    return logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)


def spans(path: tuple[int, ...], blank: int) -> tuple[list[int], list[int]]:
    """Where each symbol of a path starts and ends: runs of one symbol, blanks left out."""
    starts, ends, frame = [], [], 0
    for symbol, run in itertools.groupby(path):
        length = len(list(run))
        if symbol != blank:
            starts.append(frame)
            ends.append(frame + length)
        frame += length
    return starts, ends


def states(path: tuple[int, ...], blank: int) -> list[int]:
    """The state of the trellis in each frame: 2u before target u, 2u + 1 on it."""
    starts, ends = spans(path, blank)
    return [
        sum(start <= frame for start in starts) + sum(end <= frame for end in ends)
        for frame in range(len(path))
    ]


def reference(log_probs: np.ndarray, targets: list[int], blank: int) -> tuple[float, list[int], list[int]]:
    """The best path by enumeration; of equals the one that is furthest along, compared from the end."""
    frames, symbols = log_probs.shape
    writing = (
        path for path in itertools.product(range(symbols), repeat=frames) if collapse(path, blank) == targets
    )
    score, _, path = max(
        (sum(log_probs[frame, symbol] for frame, symbol in enumerate(path)), states(path, blank)[::-1], path)
        for path in writing
    )
    return float(score), *spans(path, blank)


def assert_same(ours: Alignment, theirs: Alignment) -> None:
    assert ours.log_prob == theirs.log_prob
    for name in ("start_frames", "end_frames", "confidences"):
        np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name))


@st.composite
def cases(draw: st.DrawFn) -> tuple[int, int, list[int], int, int]:
    symbols, blank = draw(st.integers(2, 3)), draw(st.integers(0, 1))
    others = [symbol for symbol in range(symbols) if symbol != blank]
    targets = draw(st.lists(st.sampled_from(others), max_size=3))
    frames = draw(st.integers(max(1, min_input_length(targets)), 7 if symbols == 2 else 6))
    return frames, symbols, targets, blank, draw(st.integers(0, 999))


@settings(max_examples=80, deadline=None, derandomize=True)
@given(cases(), st.sampled_from([None, 1, 2, 3]))
def test_best_path_is_that_of_enumeration(
    case: tuple[int, int, list[int], int, int], block: int | None
) -> None:
    frames, symbols, targets, blank, seed = case
    log_probs = random_log_probs(frames, symbols, seed)
    with pytest.MonkeyPatch.context() as patch:
        if block:
            patch.setattr(aligning, "_block_frames", lambda *_: block)
        alignment = align(log_probs, targets, blank)
    score, starts, ends = reference(log_probs, targets, blank)
    assert alignment.log_prob == pytest.approx(score, abs=1e-12)
    assert (alignment.start_frames.tolist(), alignment.end_frames.tolist()) == (starts, ends)


@settings(max_examples=80, deadline=None, derandomize=True)
@given(cases(), st.sampled_from([None, 1, 2, 3]))
def test_ties_go_to_the_path_that_is_ahead(
    case: tuple[int, int, list[int], int, int], block: int | None
) -> None:
    frames, symbols, targets, blank, seed = case
    log_probs = -np.random.default_rng(seed).integers(0, 3, (frames, symbols)).astype(np.float64)
    with pytest.MonkeyPatch.context() as patch:
        if block:
            patch.setattr(aligning, "_block_frames", lambda *_: block)
        alignment = align(log_probs, targets, blank)
    found = (alignment.log_prob, alignment.start_frames.tolist(), alignment.end_frames.tolist())
    assert found == reference(log_probs, targets, blank)


def test_equal_frames_start_as_early_as_they_can() -> None:
    alignment = align(np.full((6, 3), np.log(1 / 3)), [1, 1, 2])
    assert alignment.start_frames.tolist() == [0, 2, 3]
    assert alignment.end_frames.tolist() == [1, 3, 4]


def test_worked_case() -> None:
    # Frames: blank, a, a, blank, b; the blanks are nobody's.
    probabilities = np.full((5, 3), 0.05)
    for frame, symbol in enumerate((0, 1, 1, 0, 2)):
        probabilities[frame, symbol] = 0.9
    probabilities[2] = (0.1, 0.7, 0.2)
    alignment = align(np.log(probabilities), [1, 2])
    assert alignment.start_frames.tolist() == [1, 4]
    assert alignment.end_frames.tolist() == [3, 5]
    assert alignment.confidences == pytest.approx([0.8, 0.9])
    assert alignment.log_prob == pytest.approx(np.log(0.9**4 * 0.7))


def hmm_paths(frames: int, silences: list[int]) -> list[tuple[int, ...]]:
    """Every way through the states of an HMM: 2u is the silence before target u, 2u + 1 the target."""
    last = 2 * len(silences) - 2
    paths = [(state,) for state in (0, 1) if state <= last]
    for _ in range(frames - 1):
        paths = [
            (*path, state)
            for path in paths
            for state in range(path[-1], min(path[-1] + 2 + path[-1] % 2, last + 1))
        ]
    closed, needed = (
        {2 * place for place, kind in enumerate(silences) if kind == wanted} for wanted in (0, 2)
    )
    return [path for path in paths if path[-1] >= last - 1 and not closed & set(path) and needed <= set(path)]


def silences_of(targets: list[int]) -> st.SearchStrategy[list[int]]:
    """Never, maybe or always before each target; never or maybe at the ends."""
    ends = st.integers(0, 1)
    inner = st.lists(st.integers(0, 2), min_size=len(targets) - 1, max_size=len(targets) - 1)
    if not targets:
        return ends.map(lambda kind: [kind])
    return st.tuples(ends, inner, ends).map(lambda kinds: [kinds[0], *kinds[1], kinds[2]])


@settings(max_examples=80, deadline=None, derandomize=True)
@given(
    st.lists(st.integers(1, 2), max_size=3).flatmap(
        lambda targets: st.tuples(st.just(targets), silences_of(targets))
    ),
    st.integers(1, 6),
    st.integers(0, 999),
    st.sampled_from([None, 1, 2, 3]),
    st.booleans(),
)
def test_an_hmm_is_silent_only_where_it_may(
    case: tuple[list[int], list[int]], frames: int, seed: int, block: int | None, ties: bool
) -> None:
    targets, silences = case
    log_probs = random_log_probs(frames, 3, seed)
    if ties:
        log_probs = np.round(log_probs)
    paths = hmm_paths(frames, silences)
    with pytest.MonkeyPatch.context() as patch:
        if block:
            patch.setattr(aligning, "_block_frames", lambda *_: block)
        if not paths:
            with pytest.raises(DataError, match=r"no path of the|need at least"):
                align(log_probs, targets, silences=np.array(silences))
            return
        alignment = align(log_probs, targets, silences=np.array(silences))
    symbols = [0] + [symbol for target in targets for symbol in (target, 0)]
    score, _, path = max(
        (float(sum(log_probs[frame, symbols[state]] for frame, state in enumerate(path))), path[::-1], path)
        for path in paths
    )
    assert alignment.log_prob == pytest.approx(score, abs=1e-12)
    starts = [path.index(2 * place + 1) for place in range(len(targets))]
    assert alignment.start_frames.tolist() == starts
    assert alignment.end_frames.tolist() == [
        start + path.count(2 * place + 1) for place, start in enumerate(starts)
    ]


def test_an_hmm_says_equal_targets_one_after_the_other() -> None:
    log_probs = random_log_probs(3, 3, 0)
    alignment = align(log_probs, [1, 1, 1], silences=np.zeros(4, int))
    assert alignment.start_frames.tolist() == [0, 1, 2]
    with pytest.raises(DataError, match="4 symbols need at least 4 frames, the model gives 3"):
        align(log_probs, [1, 1, 1, 1], silences=np.ones(5, int))
    with pytest.raises(DataError, match="2 symbols need at least 3 frames, the model gives 2"):
        align(log_probs[:2], [1, 2], silences=np.array([0, 2, 0]))


@pytest.mark.parametrize("silences", [[1, 1], [[1], [1], [1]], [0, 3, 0], [0, -1, 0], [2, 1, 1], [1, 1, 2]])
def test_wrong_silences_are_refused(silences: list[int]) -> None:
    with pytest.raises(DataError, match="expected 0, 1 or 2 before each of the 2 targets"):
        align(random_log_probs(4, 3, 0), [1, 2], silences=np.array(silences))


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.integers(1, 40), st.integers(0, 999), st.booleans())
def test_torchaudio_finds_the_same(count: int, seed: int, double: bool) -> None:
    rng = np.random.default_rng(seed)
    targets = rng.integers(1, 6, count)
    frames = min_input_length(targets) + int(rng.integers(0, 60))
    log_probs = random_log_probs(frames, 6, seed).astype(np.float64 if double else np.float32)
    path, scores = torchaudio.functional.forced_align(
        torch.from_numpy(log_probs)[None], torch.from_numpy(targets).int()[None], blank=0
    )
    alignment = align(log_probs, targets)
    assert alignment.log_prob == pytest.approx(float(scores.sum()), abs=1e-4)
    starts, ends = spans(tuple(path[0].tolist()), 0)
    assert (alignment.start_frames.tolist(), alignment.end_frames.tolist()) == (starts, ends)
    own = [log_probs[start:end, symbol] for start, end, symbol in zip(starts, ends, targets, strict=True)]
    assert alignment.confidences == pytest.approx([np.exp(values).mean() for values in own])


@pytest.mark.parametrize(("frames", "count"), [(400, 3), (400, 150), (400, 310), (65, 40)])
def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch, frames: int, count: int) -> None:
    log_probs = random_log_probs(frames, 8, seed=count)
    targets = np.random.default_rng(count).integers(1, 8, count)
    whole = align(log_probs, targets)
    monkeypatch.setattr(aligning, "WHOLE_COLUMNS", 0)
    assert aligning._block_frames(frames, count) == 64
    assert_same(align(log_probs, targets), whole)
    for block in (1, 7, frames - 1, frames):
        monkeypatch.setattr(aligning, "_block_frames", lambda *_, block=block: block)
        assert_same(align(log_probs, targets), whole)


def test_three_hours_take_less_than_half_a_gigabyte() -> None:
    frames, count = 270_000, 150_000
    block = aligning._block_frames(frames, count)
    assert 16 * (block**2 + (frames / block + 2) * count) < 500e6


def test_float32_and_other_layouts() -> None:
    log_probs = random_log_probs(50, 5, 0).astype(np.float32)
    whole = align(log_probs, [1, 2, 2, 4])
    assert_same(align(log_probs.astype(np.float64), [1, 2, 2, 4]), whole)
    assert_same(align(np.asfortranarray(log_probs), np.array([1, 2, 2, 4], np.uint8)), whole)
    padded = np.full((60, 9), np.nan, np.float32)
    padded[:50, :5] = log_probs
    assert_same(align(padded[:50, :5], [1, 2, 2, 4]), whole)
    half = align(log_probs.astype(np.float16), [1, 2, 2, 4])
    assert half.log_prob == pytest.approx(whole.log_prob, abs=0.1)


def test_confidence_is_a_probability_in_spite_of_rounding() -> None:
    log_probs = np.array([[-20.0, 1e-7], [1e-7, -20.0]], np.float32)
    assert align(log_probs, [1]).confidences.tolist() == [1.0]


def test_threads_align_at_once() -> None:
    jobs = [
        (random_log_probs(120, 7, seed), np.random.default_rng(seed).integers(1, 7, 30)) for seed in range(8)
    ]
    alone = [align(*job) for job in jobs]
    with ThreadPoolExecutor(2) as pool:
        for ours, theirs in zip(pool.map(lambda job: align(*job), jobs), alone, strict=True):
            assert_same(ours, theirs)


def test_no_targets_and_no_frames() -> None:
    log_probs = random_log_probs(4, 3, 0)
    silence = align(log_probs, [])
    assert silence.log_prob == pytest.approx(log_probs[:, 0].sum())
    assert len(silence.start_frames) == len(silence.end_frames) == len(silence.confidences) == 0
    nothing = align(np.zeros((0, 3)), [])
    assert (nothing.log_prob, len(nothing.start_frames)) == (0.0, 0)
    with pytest.raises(DataError, match="1 symbols need at least 1 frames, the model gives 0"):
        align(np.zeros((0, 3)), [1])


def test_minus_infinity_is_avoided_or_refused() -> None:
    log_probs = np.log(np.full((4, 3), 1 / 3))
    log_probs[0, 1] = -np.inf
    assert align(log_probs, [1, 2]).start_frames.tolist() == [1, 2]
    log_probs[:, 1] = -np.inf
    with pytest.raises(DataError, match="no path of the 4 frames that writes the 2 targets"):
        align(log_probs, [1, 2])


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        ([1, 1, 2, 1], r"4 symbols need at least 5 frames, the model gives 4; check"),
        ([1, 0, 2], r"target 1 is 0; expected a symbol from 0 to 2 that is not the blank \(0\)"),
        ([1, 3], r"target 1 is 3; expected a symbol from 0 to 2"),
        ([-1], r"target 0 is -1; expected"),
        ([[1]], r"shape \(4, 3\) and targets \(1, 1\); expected \(frames, symbols\) and \(targets,\)"),
    ],
)
def test_wrong_targets_are_refused(targets: list[int], message: str) -> None:
    with pytest.raises(DataError, match=message):
        align(random_log_probs(4, 3, 0), targets)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.nan, "log_probs hold nan at frame 2, symbol 1; expected logarithms"),
        (np.inf, "log_probs hold inf at frame 2, symbol 1"),
        (0.7, "log_probs hold 0.7 at frame 2, symbol 1"),
    ],
)
def test_wrong_log_probs_are_refused(value: float, message: str) -> None:
    log_probs = random_log_probs(4, 3, 0)
    log_probs[2, 1] = value
    with pytest.raises(DataError, match=message):
        align(log_probs, [2])
    with pytest.raises(DataError, match="expected \\(frames, symbols\\)"):
        align(log_probs[None], [2])
    with pytest.raises(DataError, match="blank 3 is none of the 3 symbols"):
        align(log_probs, [2], blank=3)
