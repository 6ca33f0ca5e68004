"""The acoustic model: lengths, starting values, and independence from what an utterance is batched with."""

from __future__ import annotations

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from ctcasr.models import AcousticModel, ModelSettings, ctc_loss
from ctcasr.models.recurrent import RecurrentLayer, reversal
from ctcasr.models.subsampling import ConvSubsampling, valid_frames

BINS, SYMBOLS = 7, 4


def model(subsampling: int = 4, **fields: object) -> AcousticModel:
    torch.manual_seed(0)
    settings = ModelSettings(**{"subsampling": subsampling, "channels": 3, "layers": 2, "hidden": 5} | fields)
    return AcousticModel(settings, BINS, SYMBOLS).double().eval()


def batch(lengths: list[int]) -> tuple[Tensor, Tensor]:
    """Random features with garbage, not zeros, beyond each length."""
    generator = torch.Generator().manual_seed(len(lengths))
    features = torch.randn(len(lengths), max(lengths), BINS, dtype=torch.float64, generator=generator)
    return features, torch.tensor(lengths)


LENGTHS = [9, 1, 33, 16, 2]


@pytest.mark.parametrize("subsampling", [2, 4])
def test_neighbours_change_no_log_prob(subsampling: int) -> None:
    network = model(subsampling)
    features, lengths = batch(LENGTHS)
    together, frames = network(features, lengths)
    for row, length in enumerate(LENGTHS):
        alone, (count,) = network(features[row : row + 1, :length], lengths[row : row + 1])
        assert frames[row] == count == alone.shape[1] == -(-length // subsampling)
        torch.testing.assert_close(together[row, :count], alone[0], rtol=0, atol=1e-12)
        assert not together[row, count:].any()
        torch.testing.assert_close(alone.exp().sum(-1), torch.ones(1, count, dtype=torch.float64))


@pytest.mark.parametrize("subsampling", [2, 4])
def test_neighbours_change_no_gradient(subsampling: int) -> None:
    network = model(subsampling)
    features, lengths = batch(LENGTHS)
    targets = torch.tensor([[1, 2], [3, 0], [1, 1], [2, 3], [1, 0]])
    target_lengths = torch.tensor([2, 1, 2, 2, 1])

    def backward(rows: slice, frames: int) -> None:
        log_probs, counts = network(features[rows, :frames], lengths[rows])
        ctc_loss(log_probs, counts, targets[rows], target_lengths[rows]).sum().backward()

    backward(slice(None), max(LENGTHS))
    together = [parameter.grad.clone() for parameter in network.parameters()]
    network.zero_grad()
    for row, length in enumerate(LENGTHS):
        backward(slice(row, row + 1), length)
    for gradient, parameter in zip(together, network.parameters(), strict=True):
        assert gradient.abs().max() > 1e-6
        torch.testing.assert_close(gradient, parameter.grad, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("factor", [2, 4])
@pytest.mark.parametrize("bins", [1, 2, 13, 80])
def test_subsampling_divides_and_rounds_up(factor: int, bins: int) -> None:
    layer = ConvSubsampling(ModelSettings(subsampling=factor, channels=2), bins)
    lengths = torch.arange(1, 14)
    outputs, counts = layer(torch.randn(13, 13, bins), lengths)
    assert counts.tolist() == [-(-length // factor) for length in range(1, 14)]
    assert outputs.shape == (13, -(-13 // factor), layer.output_size)


def test_what_convolutions_put_out_is_normalised() -> None:
    settings, lengths = ModelSettings(channels=2, batch_norm=True), torch.tensor([9, 26, 1])
    torch.manual_seed(0)
    layer = ConvSubsampling(settings, 5).double()
    plain = ConvSubsampling(settings.model_copy(update={"batch_norm": False}), 5).double()
    plain.load_state_dict({name: value for name, value in layer.state_dict().items() if "norm" not in name})
    peer = nn.BatchNorm1d(layer.output_size, momentum=0.05).double()
    for _ in range(3):
        features = torch.randn(3, 26, 5, dtype=torch.float64)
        outputs, counts = layer(features, lengths)
        inside = valid_frames(counts, outputs.shape[1])
        expected = peer(plain(features, lengths)[0][inside])
        torch.testing.assert_close(outputs[inside], expected, rtol=0, atol=1e-12)
        assert not outputs[~inside].any()
    together, _ = layer.eval()(features, lengths)
    for row, length in enumerate(lengths):
        alone, (count,) = layer(features[row : row + 1, :length], length[None])
        torch.testing.assert_close(alone[0], together[row, :count], rtol=0, atol=1e-12)
    torch.testing.assert_close(
        together[inside], peer.eval()(plain(features, lengths)[0][inside]), rtol=0, atol=1e-12
    )


def test_reversal_is_its_own_inverse() -> None:
    turn = reversal(torch.tensor([1, 3, 4]), 4)
    assert turn.tolist() == [[0, 1, 2, 3], [2, 1, 0, 3], [3, 2, 1, 0]]
    assert turn.gather(1, turn).tolist() == [[0, 1, 2, 3]] * 3


def test_layer_is_a_packed_bidirectional_lstm() -> None:
    torch.manual_seed(3)
    layer = RecurrentLayer(ModelSettings(hidden=5, dropout=0.0), 6).double()
    packed = nn.LSTM(6, 5, batch_first=True, bidirectional=True).double()
    state = {}
    for direction, suffix in ((layer.ahead, ""), (layer.back, "_reverse")):
        state |= {name + suffix: value for name, value in direction.state_dict().items()}
    packed.load_state_dict(state)
    lengths = torch.tensor([4, 11, 1])
    sequences = torch.randn(3, 11, 6, dtype=torch.float64)
    expected, _ = pad_packed_sequence(
        packed(pack_padded_sequence(sequences, lengths, batch_first=True, enforce_sorted=False))[0],
        batch_first=True,
    )
    outputs = layer(sequences, reversal(lengths, 11), valid_frames(lengths, 11))
    for row, length in enumerate(lengths.tolist()):
        normed = layer.norm(expected[row, :length])
        torch.testing.assert_close(outputs[row, :length], normed, rtol=0, atol=1e-12)


def test_starting_values() -> None:
    network = model(blank_bias=-2.5)
    assert network.output.bias.tolist() == [-2.5, 0, 0, 0]
    for layer in network.layers:
        for lstm in (layer.ahead, layer.back):
            # As torch starts it: a forget bias of 1 makes the all-blank phase longer (recipes/an4/RESULTS.md).
            values = torch.cat([parameter.detach().flatten() for parameter in lstm.parameters()])
            assert values.abs().max() <= 5**-0.5
            assert values.std() == pytest.approx((5 * 3) ** -0.5, rel=0.1)


def test_gradient_is_the_slope() -> None:
    network = model(2, channels=2, layers=1, hidden=3)
    features, lengths = batch([5, 8])
    targets, target_lengths = torch.tensor([[1, 0], [2, 2]]), torch.tensor([1, 2])

    def loss() -> Tensor:
        return ctc_loss(*network(features, lengths), targets, target_lengths).sum()

    loss().backward()
    generator = torch.Generator().manual_seed(1)
    for parameter in network.parameters():
        direction = torch.randn(parameter.shape, dtype=torch.float64, generator=generator)
        with torch.no_grad():
            parameter += 1e-6 * direction
            ahead = loss()
            parameter -= 2e-6 * direction
            slope = (ahead - loss()) / 2e-6
            parameter += 1e-6 * direction
        assert float((parameter.grad * direction).sum()) == pytest.approx(float(slope), rel=1e-5, abs=1e-7)


def test_dropout_acts_in_training_only() -> None:
    network = model(dropout=0.5)
    features, lengths = batch([20])
    assert torch.equal(network(features, lengths)[0], network(features, lengths)[0])
    network.train()
    assert not torch.equal(network(features, lengths)[0], network(features, lengths)[0])


def test_half_precision_gives_float32_log_probs() -> None:
    network = model().float()
    features, lengths = batch([20])
    with torch.autocast("cpu", torch.bfloat16):
        log_probs, _ = network(features.float(), lengths)
    assert log_probs.dtype == torch.float32
    torch.testing.assert_close(log_probs.exp().sum(-1), torch.ones(1, 5), rtol=0, atol=1e-6)


@pytest.mark.parametrize("fields", [{"subsampling": 3}, {"layers": 0}, {"dropout": 1.0}, {"hiden": 4}])
def test_wrong_settings_are_refused(fields: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match=next(iter(fields))):
        ModelSettings(**fields)
