"""What a step of training does: the parts of the loss, what it leaves out, and the average that follows the weights."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from ctcasr.data import Utterance
from ctcasr.errors import ConfigError
from ctcasr.models import consistency_loss, ctc_loss, smoothing_loss
from ctcasr.models.subsampling import valid_frames
from ctcasr.training.config_files import read_config
from ctcasr.training.loop import Trainer
from ctcasr.training.monitor import EpochTotals
from ctcasr.training.stepping import Stepper
from ctcasr.training.tensor_files import read_tensors


def test_an_unusable_utterance_teaches_nothing(corpus, audio_folder: Path) -> None:
    crowded = Utterance("crowded", audio_folder / "00-ab.wav", 0.3, "ab" * 40)
    trainer = Trainer(read_config(corpus(extra=(crowded,))))
    (batch,) = trainer.task.batches([[12]], 0)
    totals = EpochTotals()
    trainer.stepper.model.train()
    trainer.stepper.step([batch], 0, totals)
    assert (totals.loss, totals.size, totals.amount, totals.norms) == (0, 0, 0, [0])
    assert list(totals.problems) == [12]


def test_unusable_utterances_beside_others_change_nothing(corpus, tmp_path: Path, audio_folder: Path) -> None:
    extra = (
        Utterance("crowded", audio_folder / "11-cc.wav", 0.4, "ab" * 40),
        Utterance("gone", tmp_path / "gone.wav", 0.3, "ab"),
    )
    config = corpus(extra=extra, model__dropout=0.0, augment__frequency_warp=0.2, optimizer__consistency=0.5)
    results = []
    for rows in ([0, 5, 1], [0, 12, 5, 13, 1]):
        trainer = Trainer(read_config(config))
        (batch,) = trainer.task.batches([rows], 0)
        totals = EpochTotals()
        trainer.stepper.model.train()
        trainer.stepper.step([batch], 0, totals)
        results.append([totals.loss, totals.size, totals.amount, *totals.norms])
    assert results[0] == pytest.approx(results[1], rel=1e-4)


def test_the_loss_is_that_of_both_maskings_and_their_divergence(corpus) -> None:
    trainer = Trainer(read_config(corpus(model__dropout=0.0, optimizer__consistency=0.5)))
    (batch,) = trainer.task.batches([[0, 7, 3]], 0)
    log_probs, lengths = trainer.stepper.model(*trainer.task.inputs(batch))
    losses, sizes = trainer.task.losses((log_probs, lengths), batch)
    assert sizes.tolist() == batch.target_lengths.tolist()
    parts = [
        ctc_loss(part, count, batch.targets, batch.target_lengths)
        for part, count in zip(log_probs.chunk(2), lengths.chunk(2), strict=True)
    ]
    disagreement = consistency_loss(log_probs, lengths)
    assert (disagreement > 0).all()
    torch.testing.assert_close(losses, (parts[0] + parts[1]) / 2 + 0.5 * disagreement)


def test_smoothing_is_a_share_of_the_loss(corpus) -> None:
    trainer = Trainer(read_config(corpus(model__dropout=0.0, optimizer__label_smoothing=0.1)))
    (batch,) = trainer.task.batches([[0, 7, 3]], 0)
    log_probs, lengths = trainer.stepper.model(*trainer.task.inputs(batch))
    plain = ctc_loss(log_probs, lengths, batch.targets, batch.target_lengths)
    expected = 0.9 * plain + 0.1 * smoothing_loss(log_probs, valid_frames(lengths, log_probs.shape[1]))
    losses, _ = trainer.task.losses((log_probs, lengths), batch)
    torch.testing.assert_close(losses, expected)


def test_the_middle_layer_has_its_share_of_the_loss(corpus) -> None:
    overrides = ["optimizer.intermediate=0.3", "model.layers=2", "model.dropout=0"]
    trainer = Trainer(read_config(corpus(), overrides))
    (batch,) = trainer.task.batches([[0, 7, 3]], 0)
    outputs = trainer.stepper.model(*trainer.task.inputs(batch))
    last, early = (
        ctc_loss(log_probs, outputs[1], batch.targets, batch.target_lengths)
        for log_probs in (outputs[0], outputs[2])
    )
    assert (last - early).abs().min() > 1e-3
    losses, _ = trainer.task.losses(outputs, batch)
    torch.testing.assert_close(losses, 0.7 * last + 0.3 * early)
    with pytest.raises(ConfigError, match="two layers or more"):
        read_config(corpus(), ["optimizer.intermediate=0.3", "model.layers=1"])


@pytest.mark.parametrize("normalised", ["false", "true"])
def test_the_moving_average_is_scored_and_kept(
    corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, normalised: str
) -> None:
    steps: list[dict[str, torch.Tensor]] = []
    original = Stepper.step

    def noting(self, *args):
        original(self, *args)
        steps.append({name: tensor.clone() for name, tensor in self.network.state_dict().items()})

    monkeypatch.setattr(Stepper, "step", noting)
    overrides = ["optimizer.moving_average=0.2", "run.average=2", f"model.batch_norm={normalised}"]
    Trainer(read_config(corpus(optimizer__epochs=2), overrides)).run()
    expected = steps[0]  # torch's average is the weights themselves after the first step
    for count, weights in enumerate(steps[1:], 1):
        kept = min(0.2, (1 + count) / (10 + count))
        expected = {name: kept * expected[name] + (1 - kept) * weights[name] for name in weights}
    assert len(steps) > 4  # from the third on it keeps 0.2
    folder = tmp_path / "run/checkpoints"
    last = read_tensors(folder / "last.safetensors")
    for name, tensor in expected.items():
        torch.testing.assert_close(last[f"model.average.module.{name}"], tensor)
    epochs = [read_tensors(path) for path in folder.glob("epoch-*.safetensors")]
    assert any(
        all(torch.allclose(found[name], tensor) for name, tensor in expected.items()) for found in epochs
    )


def test_evaluation_neither_masks_nor_warps(corpus) -> None:
    evaluations = []
    for overrides in ([], ["optimizer.consistency=0.5", "augment.frequency_warp=0.5"]):
        trainer = Trainer(read_config(corpus(), overrides))
        evaluations.append(trainer.task.evaluate(trainer.network))
    assert evaluations[0] == evaluations[1]
