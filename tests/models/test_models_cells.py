"""Recurrent cells and layers: against plain loops, alone and in batches, and each option against its absence."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from torch import Tensor, nn

from ctcasr.models import AcousticModel, ModelSettings, ctc_loss
from ctcasr.models.cells import LightGru, make_cell
from ctcasr.models.recurrent import RecurrentLayers
from ctcasr.models.subsampling import valid_frames
from tests.oracles.cells import CELLS

INPUTS = 3
OWN: dict[str, dict[str, int]] = {
    "lstmp": {"projection": 4},
    "clockwork": {"clock_modules": 3},
    "scrn": {"slow_units": 2},
}
every_cell = pytest.mark.parametrize("cell", CELLS)


def shape(cell: str, **fields: object) -> ModelSettings:
    return ModelSettings(
        **{"cell": cell, "hidden": 6, "layers": 2, "dropout": 0.0} | OWN.get(cell, {}) | fields
    )


def layers(cell: str, seed: int = 0, **fields: object) -> RecurrentLayers:
    """Return layers as in training, those of light GRUs as afterwards: what they train with depends on the batch."""
    torch.manual_seed(seed)
    return settled(RecurrentLayers(shape(cell, **fields), INPUTS).double().train(cell != "ligru"))


def settled(module: nn.Module) -> nn.Module:
    """Give batch normalisation means and variances that are not those of the start."""
    for name, buffer in module.named_buffers():
        if "running" in name:
            low = 0.4 if name.endswith("var") else -0.6
            buffer.copy_(torch.linspace(low, low + 0.9, len(buffer)))
    return module


def frames(*size: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*size, INPUTS, dtype=torch.float64, generator=generator)


@every_cell
@pytest.mark.parametrize("count", [1, 2, 19])
def test_a_cell_is_the_loop_of_its_paper(cell: str, count: int) -> None:
    torch.manual_seed(1)
    module = settled(make_cell(shape(cell), INPUTS).double().eval())
    sequences = frames(2, count)
    outputs, _ = module(sequences)
    assert outputs.shape == (2, count, shape(cell).width)
    weights = {name: value.numpy() for name, value in module.state_dict().items()}
    options = {"modules": 3} if cell == "clockwork" else {}
    for row in range(2):
        expected = CELLS[cell](weights, sequences[row].numpy(), **options)
        np.testing.assert_allclose(outputs[row].detach().numpy(), expected, rtol=0, atol=1e-12)


@every_cell
def test_a_state_goes_on_where_an_earlier_call_ended(cell: str) -> None:
    torch.manual_seed(2)
    module = settled(make_cell(shape(cell), INPUTS).double().eval())
    sequences = frames(2, 11)
    whole, _ = module(sequences)
    state, pieces = None, []
    for piece in sequences.split([1, 4, 6], dim=1):
        outputs, state = module(piece, state)
        pieces.append(outputs)
    torch.testing.assert_close(torch.cat(pieces, dim=1), whole, rtol=0, atol=1e-12)


@every_cell
def test_the_gradient_of_a_cell_is_its_slope(cell: str) -> None:
    torch.manual_seed(3)
    module = make_cell(shape(cell), INPUTS).double()
    names = [name for name, _ in module.named_parameters()]
    with torch.no_grad():
        _, state = module(frames(2, 3, seed=5))  # what the loop starts from
    parts = state if isinstance(state, tuple) else (state,)
    starts = [part.clone().requires_grad_() for part in parts if isinstance(part, Tensor)]

    def outputs(sequences: Tensor, *values: Tensor) -> Tensor:
        given = iter(values[len(names) :])
        start = tuple(next(given) if isinstance(part, Tensor) else part for part in parts)
        arguments = (sequences, start if isinstance(state, tuple) else start[0])
        parameters = dict(zip(names, values[: len(names)], strict=True))
        found: Tensor = torch.func.functional_call(module, parameters, arguments)[0]
        return found

    inputs = (frames(2, 7).requires_grad_(), *module.parameters(), *starts)
    assert torch.autograd.gradcheck(outputs, inputs, fast_mode=True)


@pytest.mark.slow
@every_cell
@settings(deadline=None, max_examples=12)
@given(data=st.data(), bidirectional=st.booleans(), residual=st.booleans())
def test_neighbours_change_neither_outputs_nor_gradients(
    cell: str, data: st.DataObject, bidirectional: bool, residual: bool
) -> None:
    lengths = data.draw(st.lists(st.integers(1, 9), min_size=1, max_size=4))
    network = layers(cell, bidirectional=bidirectional, residual=residual)
    sequences = frames(len(lengths), max(lengths) + data.draw(st.integers(0, 3)), seed=len(lengths))
    weights = frames(len(lengths), max(lengths), seed=99).sum(-1, keepdim=True)
    counts = torch.tensor(lengths)
    together = network(sequences, counts)
    sum((together[row, :n] * weights[row, :n]).sum() for row, n in enumerate(lengths)).backward()  # type: ignore[union-attr]
    gradients = [parameter.grad for parameter in network.parameters()]
    network.zero_grad()
    for row, length in enumerate(lengths):
        alone = network(sequences[row : row + 1, :length], counts[row : row + 1])[0]
        torch.testing.assert_close(together[row, :length], alone, rtol=0, atol=1e-12)
        (alone * weights[row, :length]).sum().backward()
    for gradient, parameter in zip(gradients, network.parameters(), strict=True):
        torch.testing.assert_close(gradient, parameter.grad, rtol=1e-9, atol=1e-11)


class TestLightGru:
    """Batch normalisation, which is torch's over the frames that are no padding."""

    def test_padding_is_left_out(self) -> None:
        torch.manual_seed(4)
        cell = LightGru(INPUTS, 5).double()
        peer = nn.BatchNorm1d(10, momentum=0.05).double()
        lengths = torch.tensor([7, 1, 4])
        valid = valid_frames(lengths, 9)
        for seed in range(3):
            sequences = frames(3, 9, seed=seed)
            rows = torch.cat([sequences[row, :n] for row, n in enumerate(lengths.tolist())])
            expected = peer(rows @ cell.weight_ih_l0.t())
            sequences[~valid] = 1e6 * (1 + seed)
            found = cell.normalised(sequences, valid)
            assert not found.transpose(0, 1)[~valid].any()
            torch.testing.assert_close(found.transpose(0, 1)[valid], expected, rtol=0, atol=1e-12)
        torch.testing.assert_close(cell.norm.running_mean, peer.running_mean, rtol=0, atol=1e-12)
        torch.testing.assert_close(cell.norm.running_var, peer.running_var, rtol=0, atol=1e-12)
        found = cell.eval().normalised(sequences[:1, :7])[:, 0]
        torch.testing.assert_close(found, peer.eval()(rows[:7] @ cell.weight_ih_l0.t()), rtol=0, atol=1e-12)

    @pytest.mark.parametrize("bidirectional", [True, False])
    @pytest.mark.parametrize("recurrent_dropout", [0.0, 0.5])
    def test_layers_train_alike_however_they_are_padded(
        self, bidirectional: bool, recurrent_dropout: float
    ) -> None:
        fields = {"bidirectional": bidirectional, "recurrent_dropout": recurrent_dropout}
        lengths, found = torch.tensor([6, 2, 5]), []
        for more in (0, 4):
            network = layers("ligru", **fields).train()
            sequences = torch.cat((frames(3, 6), torch.full((3, more, INPUTS), 9.0).double()), dim=1)
            torch.manual_seed(8)
            outputs = network(sequences, lengths)
            outputs[valid_frames(lengths, 6 + more)].square().sum().backward()
            gradients = [parameter.grad for parameter in network.parameters()]
            found.append([outputs[valid_frames(lengths, 6 + more)], *gradients, *network.buffers()])
        for one, other in zip(*found, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-11)

    def test_one_frame_alone_has_no_variance(self) -> None:
        cell = LightGru(INPUTS, 5).double()
        assert cell(frames(1, 1))[0].isfinite().all()
        assert not cell.norm.running_mean.any()


@every_cell
def test_one_direction_hears_nothing_of_what_follows(cell: str) -> None:
    sequences, changed = frames(1, 9), frames(1, 9)
    changed[:, 6] += 1
    length = torch.tensor([9])
    for bidirectional in (False, True):
        network = layers(cell, bidirectional=bidirectional)
        same = (network(sequences, length) == network(changed, length)).all(-1)[0]
        assert bool(same[:6].all()) != bidirectional
        assert not same[6:].any()


@pytest.mark.slow
@every_cell
@pytest.mark.parametrize(
    "fields",
    [
        {"bidirectional": False},
        {"layer_norm": False},
        {"residual": True},
        {"hidden": 9},
        {"layers": 3},
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_an_option_changes_the_output(cell: str, fields: dict[str, object]) -> None:
    sequences, length = frames(1, 9), torch.tensor([9])
    plain, changed = layers(cell)(sequences, length), layers(cell, **fields)(sequences, length)
    assert plain.shape != changed.shape or not torch.allclose(plain, changed)


@pytest.mark.parametrize(
    ("cell", "name", "other"),
    [("lstmp", "projection", 3), ("clockwork", "clock_modules", 2), ("scrn", "slow_units", 5)],
)
def test_an_option_of_one_cell_changes_the_output(cell: str, name: str, other: int) -> None:
    sequences, length = frames(1, 9), torch.tensor([9])
    plain, changed = layers(cell)(sequences, length), layers(cell, **{name: other})(sequences, length)
    assert plain.shape != changed.shape or not torch.allclose(plain, changed)


@every_cell
def test_recurrent_dropout_acts_in_training_only(cell: str) -> None:
    network, sequences, length = layers(cell, recurrent_dropout=0.5), frames(1, 9), torch.tensor([9])
    network.train()
    assert not torch.equal(network(sequences, length), network(sequences, length))
    network.eval()
    assert torch.equal(network(sequences, length), network(sequences, length))


@pytest.mark.parametrize("variational", [False, True])
def test_variational_dropout_drops_the_same_in_all_frames(variational: bool) -> None:
    network = layers("gru", dropout=0.5, variational_dropout=variational)
    dropped = network[1].dropout(torch.ones(40, 7, 12, dtype=torch.float64))
    assert set(dropped.unique().tolist()) == {0.0, 2.0}
    assert bool((dropped == dropped[:, :1]).all()) == variational
    assert len({tuple(row) for row in dropped[:, 0].tolist()}) > 30  # and others in other utterances
    assert torch.equal(network.eval()[1].dropout(dropped), dropped)


def test_a_residual_layer_adds_its_inputs() -> None:
    sequences, length = frames(1, 5), torch.tensor([5])
    first, second = layers("rnn", residual=True)
    turn, valid = torch.arange(4, -1, -1)[None], torch.ones(1, 5, dtype=torch.bool)
    inside = first(sequences, turn, valid)
    plain = layers("rnn")[1](inside, turn, valid)
    torch.testing.assert_close(layers("rnn", residual=True)(sequences, length), inside + plain)
    torch.testing.assert_close(second(inside, turn, valid), inside + plain)


@pytest.mark.slow
@every_cell
def test_a_network_learns(cell: str) -> None:
    torch.manual_seed(5)
    network = AcousticModel(shape(cell, hidden=12, channels=3, subsampling=2, bidirectional=False), 4, 4)
    optimizer = torch.optim.Adam(network.parameters(), 0.03)
    features, lengths = torch.randn(3, 24, 4), torch.tensor([24, 17, 20])
    targets, target_lengths = torch.tensor([[1, 2, 3], [2, 0, 0], [3, 3, 1]]), torch.tensor([3, 1, 3])
    losses = []
    for _ in range(25):
        optimizer.zero_grad()
        loss = ctc_loss(*network(features, lengths), targets, target_lengths).sum()
        torch.autograd.backward(loss)
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.6 * losses[0]


@every_cell
def test_half_precision_keeps_to_float32(cell: str) -> None:
    torch.manual_seed(4)
    network, sequences, length = (
        RecurrentLayers(shape(cell, hidden=12), INPUTS),
        frames(2, 20).float(),
        torch.tensor([20, 13]),
    )
    with torch.autocast("cpu", torch.bfloat16):
        half = network(sequences, length)
        half.float().sum().backward()
    torch.testing.assert_close(half.float(), network(sequences, length), rtol=0, atol=0.15)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"cell": "lstmp"}, "model.projection is missing: it is needed for model.cell = 'lstmp'"),
        ({"cell": "clockwork"}, "model.clock_modules is missing"),
        ({"cell": "scrn"}, "model.slow_units is missing"),
        (
            {"cell": "gru", "projection": 4},
            "model.projection is for model.cell = 'lstmp'; found cell = 'gru'",
        ),
        ({"clock_modules": 4}, "model.clock_modules is for model.cell = 'clockwork'; found cell = 'lstm'"),
        ({"slow_units": 4}, "model.slow_units is for model.cell = 'scrn'"),
        ({"cell": "lstmp", "projection": 256}, "model.projection .256. must be less than model.hidden .256."),
        (
            {"cell": "clockwork", "clock_modules": 3},
            "model.hidden .256. must be a multiple of model.clock_modules .3.",
        ),
        ({"residual": True, "layers": 1}, "model.residual needs two layers"),
        (
            {"variational_dropout": True, "dropout": 0.0},
            "model.variational_dropout needs model.dropout above 0",
        ),
        ({"cell": "elman"}, "cell"),
    ],
)
def test_an_option_that_does_not_fit_is_named(fields: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        ModelSettings(**fields)
