"""Networks that tag and classify: padding-exact, and each option has an effect."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from ctcasr.models import ModelSettings
from ctcasr.models.heads import LabelHead, Pooling
from ctcasr.models.subsampling import ConvSubsampling
from ctcasr.models.token_settings import TokenSettings
from ctcasr.models.tokens import HASH_FACTOR, HASH_MODULUS, TokenFront, subword_rows
from ctcasr.models.understanding import Outputs, UnderstandingModel

POOLINGS: list[Pooling] = ["last", "mean", "attention"]


def text_model(pooling: Pooling = "attention", *, seed: int = 0, **tokens: float) -> UnderstandingModel:
    torch.manual_seed(seed)
    front = TokenFront(
        TokenSettings(word_size=6, character_size=4, spelling_size=5).model_copy(update=tokens), 12, 9
    )
    outputs = Outputs(tags=4, chained=True, labels=3, pooling=pooling)
    model = UnderstandingModel(ModelSettings(layers=2, hidden=7), front, outputs)
    for parameter in model.parameters():
        parameter.data += 0.1 * torch.randn(parameter.shape)
    for table in (front.words, front.characters, front.subwords):
        if table is not None:
            table.weight.data[0] = 0.0  # padding's, as torch makes it, and keeps it in training
    return model


def sentences(rng: np.random.Generator, lengths: list[int]) -> tuple[Tensor, Tensor, Tensor]:
    words, characters = (
        np.zeros((len(lengths), max(lengths)), int),
        np.zeros((len(lengths), max(lengths), 5), int),
    )
    for row, length in enumerate(lengths):
        words[row, :length] = rng.integers(1, 12, length)
        for place in range(length):
            spelled = int(rng.integers(1, 6))
            characters[row, place, :spelled] = rng.integers(1, 9, spelled)
    return torch.from_numpy(words), torch.from_numpy(characters), torch.tensor(lengths)


@pytest.mark.slow
@settings(max_examples=20, deadline=None, derandomize=True)
@given(st.integers(0, 999), st.lists(st.integers(1, 9), min_size=1, max_size=4), st.sampled_from(POOLINGS))
def test_a_sentence_alone_is_as_in_a_batch(seed: int, lengths: list[int], pooling: Pooling) -> None:
    model = text_model(pooling, subwords=seed % 3 * 20).eval()
    words, characters, counts = sentences(np.random.default_rng(seed), lengths)
    together = model(words, characters, counts)
    for row, length in enumerate(lengths):
        width = max(1, int((characters[row] != 0).any(0).sum()))
        alone = model(
            words[row : row + 1, :length], characters[row : row + 1, :length, :width], counts[row : row + 1]
        )
        torch.testing.assert_close(alone.tags[0], together.tags[row, :length], rtol=0, atol=1e-5)
        torch.testing.assert_close(alone.labels[0], together.labels[row], rtol=0, atol=1e-5)


@pytest.mark.parametrize("pooling", POOLINGS)
def test_a_recording_alone_is_as_in_a_batch(pooling: Pooling) -> None:
    torch.manual_seed(1)
    model = UnderstandingModel(
        ModelSettings(layers=1, hidden=6),
        ConvSubsampling(ModelSettings(channels=3), 8),
        Outputs(labels=3, pooling=pooling),
    ).eval()
    features, lengths = torch.randn(3, 21, 8), torch.tensor([21, 9, 1])
    together = model(features, lengths)
    assert together.tags.shape == (3, 0)
    for row, length in enumerate(lengths.tolist()):
        alone = model(features[row : row + 1, :length], lengths[row : row + 1])
        torch.testing.assert_close(alone.labels[0], together.labels[row], rtol=0, atol=1e-5)


def test_padding_has_no_gradient() -> None:
    model = text_model("mean", subwords=20)
    model.eval()
    words, characters, lengths = sentences(np.random.default_rng(0), [6, 2])
    gradients = []
    for rows in ([0, 1], [0], [1]):
        model.zero_grad()
        count = int(lengths[rows].max())
        found = model(words[rows, :count], characters[rows, :count], lengths[rows])
        inside = torch.arange(count)[None] < lengths[rows][:, None]
        (found.tags.square().sum(-1) * inside).sum().add(found.labels.square().sum()).backward()
        gradients.append(
            [parameter.grad.clone() for parameter in model.parameters() if parameter.grad is not None]
        )
    for both, one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(both, one + other, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("pooling", POOLINGS)
def test_poolings_by_hand(pooling: Pooling) -> None:
    torch.manual_seed(2)
    head = LabelHead(4, 3, pooling)
    sequences, lengths = torch.randn(2, 5, 4), torch.tensor([5, 3])
    for row, length in enumerate(lengths.tolist()):
        states = sequences[row, :length]
        if pooling == "last":
            pooled = torch.cat([states[-1, :2], states[0, 2:]])
        elif pooling == "mean":
            pooled = states.mean(0)
        else:
            match = torch.stack([head.query.weight[0] @ torch.tanh(head.key(state)) for state in states])
            pooled = sum(share * state for share, state in zip(match.softmax(0), states, strict=True))
        torch.testing.assert_close(head(sequences, lengths)[row], head.output(pooled))


def test_the_poolings_differ() -> None:
    words, characters, lengths = sentences(np.random.default_rng(3), [5])
    found = []
    for pooling in POOLINGS:
        model = text_model(pooling).eval()
        model.label_head.output.weight.data[:] = 1.0  # type: ignore[union-attr]
        found.append(model(words, characters, lengths).labels)
    assert not any(torch.allclose(one, other) for one, other in itertools.combinations(found, 2))


def test_one_direction_ends_with_the_last_state() -> None:
    head = LabelHead(4, 3, "last", bidirectional=False)
    sequences = torch.randn(1, 5, 4)
    torch.testing.assert_close(head(sequences, torch.tensor([3]))[0], head.output(sequences[0, 2]))


def test_unknown_words_differ_by_their_spelling() -> None:
    words = torch.tensor([[1, 1]])
    characters = torch.tensor([[[2, 3, 4], [5, 6, 0]]])
    front = text_model().front
    vectors, _ = front(words, characters, torch.tensor([2]))
    assert torch.equal(vectors[0, 0, :6], vectors[0, 1, :6])
    assert not torch.equal(vectors[0, 0, 6:], vectors[0, 1, 6:])
    bare = text_model(spelling_size=0).front
    vectors, _ = bare(words, characters, torch.tensor([2]))
    assert vectors.shape == (1, 2, 6)
    assert torch.equal(vectors[0, 0], vectors[0, 1])


def hashed(run: list[int]) -> int:
    total = 0
    for number in run:
        total = (total * HASH_FACTOR + number + 1) % HASH_MODULUS
    return total


@given(
    st.lists(st.lists(st.integers(1, 10**6), min_size=1, max_size=9), min_size=1, max_size=3),
    st.integers(1, 50),
)
@settings(max_examples=50, deadline=None, derandomize=True)
def test_rows_of_runs_are_those_of_plain_loops(words: list[list[int]], rows: int) -> None:
    width = max(map(len, words))
    characters = torch.tensor([word + [0] * (width - len(word)) for word in words])[None]
    for word, found in zip(words, subword_rows(characters, rows)[0].tolist(), strict=True):
        ended = [0, *word, 0]
        expected = [
            1 + hashed(ended[start : start + size]) % rows
            for size in (3, 4, 5)
            for start in range(len(ended) - size + 1)
        ]
        assert [row for row in found if row] == expected


def test_runs_of_characters_are_added_to_a_word() -> None:
    words, characters = torch.tensor([[1, 1]]), torch.tensor([[[2, 3, 4], [5, 0, 0]]])
    front = text_model(subwords=30).front
    vectors, _ = front(words, characters, torch.tensor([2]))
    for place, spelled in enumerate(([2, 3, 4], [5])):
        runs = subword_rows(torch.tensor([[spelled]]), 30)[0, 0]
        runs = runs[runs != 0]
        pieces = front.subwords.weight[runs].sum(0) / len(runs) ** 0.5
        torch.testing.assert_close(vectors[0, place, :6], front.words.weight[1] + pieces)


def test_training_takes_some_words_for_unknown() -> None:
    words, characters = torch.full((1, 400), 5), torch.full((1, 400, 1), 3)
    words[0, 300:] = 0
    for share in (0.0, 0.3):
        front = text_model(unknown_share=share).front
        vectors = front.train()(words, characters, torch.tensor([300]))[0][0, :, :6]
        unknown = (vectors[:300] == front.words.weight[1]).all(1).float().mean()
        assert abs(float(unknown) - share) < 0.1
        assert not vectors[300:].any()
        vectors = front.eval()(words, characters, torch.tensor([300]))[0][0, :300, :6]
        assert (vectors == front.words.weight[5]).all()
