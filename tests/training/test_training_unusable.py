"""What a run does with utterances that cannot be used, and with losses and gradients that are not finite."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
import torch

from ctcasr.data import Utterance
from ctcasr.errors import DataError
from ctcasr.training.config_files import read_config
from ctcasr.training.loop import Trainer
from tests.training.test_training_trainer import metrics, train


def test_unusable_utterances_are_named_once_and_left_out(corpus, tmp_path: Path, caplog) -> None:
    extra = (
        Utterance("gone", tmp_path / "gone.wav", 0.3, "ab"),
        Utterance("long", tmp_path / "gone.wav", 0.3, "ab" * 40),
    )
    config = corpus(extra=extra, optimizer__epochs=2, data__max_bad_share=0.2)
    with caplog.at_level(logging.WARNING):
        train(config)
    told = [record.getMessage() for record in caplog.records if "left out" in record.getMessage()]
    assert len(told) == 2
    assert told[0].startswith("left out: gone (train.jsonl:13): ")
    assert [record["left_out"] for record in metrics(tmp_path / "run")] == [2, 2]


@pytest.mark.parametrize("part", ["train", "dev"])
def test_a_mostly_unreadable_manifest_stops_early(corpus, tmp_path: Path, part: str, caplog) -> None:
    config = corpus(batches__seconds=0.1)
    manifest = tmp_path / f"{part}.jsonl"
    lines = [
        f'{{"id": "gone{number}", "audio_filepath": "gone.wav", "duration": 0.3, "text": "ab"}}\n'
        for number in range(40)
    ]
    manifest.write_text(manifest.read_text() + "".join(lines))
    trainer = Trainer(read_config(config))
    total, readable = (52, 12) if part == "train" else (44, 4)
    passes = 0

    def count(*_: object) -> None:
        nonlocal passes
        passes += 1

    data = trainer.task.train_set if part == "train" else trainer.task.dev_set
    assert len(data) == total
    trainer.network.register_forward_hook(count)
    bad = int(0.02 * total) + 1
    message = rf"{part}\.jsonl: at least {bad} of {total} utterances cannot be used, more than .*gone\.wav"
    with caplog.at_level(logging.WARNING), pytest.raises(DataError, match=message):
        trainer.run()
    # One utterance a batch, and one batch to probe the memory.
    assert passes <= readable + bad + (12 if part == "dev" else 0) + 1
    assert sum("left out" in record.getMessage() for record in caplog.records) == bad
    assert not (tmp_path / "run/metrics.jsonl").exists()


def test_too_many_unusable_utterances_stop_the_run(corpus, tmp_path: Path, audio_folder: Path) -> None:
    extra = (
        Utterance("crowded", audio_folder / "00-ab.wav", 0.3, "ab" * 40),
        Utterance("gone", tmp_path / "gone.wav", 0.3, "ab"),
    )
    config = corpus(extra=extra, data__max_bad_share=0.1)
    message = (
        r"train\.jsonl: at least 2 of 14 .* crowded \(train\.jsonl:13\): 80 symbols need at least 80 frames"
    )
    with pytest.raises(DataError, match=message):
        train(config)


def test_an_unusable_dev_utterance_is_named(corpus, tmp_path: Path) -> None:
    config = corpus()
    (tmp_path / "dev.jsonl").write_text('{"audio_filepath": "gone.wav", "duration": 1, "text": "ab"}\n')
    with pytest.raises(
        DataError, match=r"dev\.jsonl: at least 1 of 1 .* gone \(dev\.jsonl:1\): .*cannot be opened"
    ):
        train(config)


def test_dev_characters_must_be_trained(corpus, tmp_path: Path) -> None:
    config = corpus()
    dev = tmp_path / "dev.jsonl"
    dev.write_text(dev.read_text().replace('"text": "abc"', '"text": "axc"'))
    with pytest.raises(DataError, match=r"u06 \(dev\.jsonl:1\): characters \['x'\] are not among"):
        train(config)


def test_an_exploding_loss_names_the_utterance(corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "ctcasr.training.objectives.ctc_loss", lambda log_probs, *_: log_probs.sum((1, 2)) * float("nan")
    )
    config = corpus()
    with pytest.raises(DataError, match=r"not finite at step 0 for u\d\d \(train\.jsonl:\d+\)"):
        train(config)
    assert (
        (config.parent / "run/coach.log").read_text().startswith("stopped: the loss is not finite at step 0")
    )


def test_a_gradient_that_is_not_finite_leaves_the_weights_alone(
    corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "ctcasr.training.objectives.ctc_loss", lambda log_probs, *_: (0 * log_probs.sum((1, 2))).sqrt()
    )
    trainer = Trainer(read_config(corpus(), ["run.folder=wild"]))
    before = [parameter.clone() for parameter in trainer.network.parameters()]
    with pytest.raises(DataError, match="the gradient is not finite at step 0, though the loss is"):
        trainer.run()
    assert all(torch.equal(*pair) for pair in zip(before, trainer.network.parameters(), strict=True))
