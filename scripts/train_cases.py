"""What `bench_train.py` compares: our training and a plain torch loop, over the same recordings, model and batches."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch
import torchaudio
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence
from torch.utils.data import DataLoader, Dataset

from ctcasr import audio
from ctcasr.data import Utterance, write_manifest
from ctcasr.features.settings import ENERGY_FLOOR
from ctcasr.models import AcousticModel
from ctcasr.models.recurrent import RecurrentLayer
from ctcasr.training import dataset
from ctcasr.training.config_files import read_config
from ctcasr.training.loop import Trainer
from ctcasr.training.monitor import EpochTotals
from ctcasr.training.planning import Epoch, plan_epoch
from ctcasr.training.transcribing import TranscriptionTask

RATE, LETTERS = 16000, "abcdefghijklmnopqrstuvwxyz "
STAGES = ("read", "augment", "features", "forward", "loss", "backward", "optimiser")


def write_corpus(folder: Path, count: int) -> Path:
    """Write noise of 2 to 12 s with about 14 letters a second, as people speak; return a configuration's path."""
    rng = np.random.default_rng(0)
    utterances = []
    for number in range(count):
        seconds = float(rng.uniform(2, 12))
        path = folder / f"{number}.flac"
        soundfile.write(path, 0.1 * rng.standard_normal(round(seconds * RATE)), RATE)
        text = "".join(rng.choice(list(LETTERS), round(14 * seconds)))
        utterances.append(Utterance(f"u{number}", path, seconds, text))
    write_manifest(folder / "train.jsonl", utterances)
    write_manifest(folder / "dev.jsonl", utterances[:1])
    config = folder / "config.toml"
    config.write_text('[data]\ntrain = "train.jsonl"\ndev = "dev.jsonl"\n', encoding="utf-8")
    return config


class OurTraining:
    """The toolkit's own training, batch by batch, without evaluation and checkpoints."""

    def __init__(self, config: Path, *overrides: str) -> None:
        self.trainer = Trainer(read_config(config, overrides))
        assert isinstance(self.trainer.task, TranscriptionTask)
        self.task = self.trainer.task
        self.network = self.trainer.network
        assert isinstance(self.network, AcousticModel)
        settings = self.trainer.config
        self.plan = plan_epoch(self.task.part, Epoch(0, settings.run.seed, 1, settings.batches.shards))
        self.audio_seconds = sum(utterance.duration_seconds for utterance in self.task.train_set)

    def epoch(self) -> None:
        """Train once on each utterance."""
        self.trainer.stepper.model.train()
        totals = EpochTotals()
        for number, batch in enumerate(self.task.batches(self.plan, 0)):
            self.trainer.stepper.step([batch], number, totals)

    @contextmanager
    def watched(self) -> Iterator[dict[str, float]]:
        """Count the seconds of each stage; what one waits for in another counts once, in the inner one."""
        seconds = dict.fromkeys(STAGES, 0.0)
        running: list[float] = []
        replaced: list[tuple[Any, str, Any]] = []

        def watch(owner: Any, name: str, stage: str) -> None:
            function = getattr(owner, name)

            def timed(*arguments: Any, **options: Any) -> Any:
                started = time.perf_counter()
                running.append(0.0)
                result = function(*arguments, **options)
                if torch.cuda.is_available():
                    torch.cuda.synchronize()
                whole = time.perf_counter() - started
                seconds[stage] += whole - running.pop()
                if running:
                    running[-1] += whole
                return result

            replaced.append((owner, name, function))
            setattr(owner, name, timed)

        stepper, accelerator = self.trainer.stepper, self.trainer.accelerator
        watch(dataset, "load_utterance", "read")
        watch(audio, "change_speed", "augment")
        watch(dataset, "degraded", "augment")
        watch(dataset.SpeechDataset, "_maskings", "augment")
        watch(self.task, "inputs", "augment" if self.task.feeder.reader is None else "features")
        if self.task.feeder.extractor is not None:
            watch(type(self.task.feeder.extractor), "__call__", "features")
        watch(self.network, "forward", "forward")
        watch(self.task, "losses", "loss")
        watch(accelerator, "backward", "backward")
        watch(accelerator, "clip_grad_norm_", "optimiser")
        watch(stepper.optimizer, "step", "optimiser")
        try:
            yield seconds
        finally:
            for owner, name, function in reversed(replaced):
                setattr(owner, name, function)


class PackedModel(nn.Module):
    """The same network as it is usually written: a packed bidirectional `nn.LSTM` in each layer."""

    def __init__(self, ours: AcousticModel) -> None:
        super().__init__()
        ours = copy.deepcopy(ours)
        self.subsampling, self.output, self.dropout = ours.subsampling, ours.output, ours.dropout
        self.lstms, self.norms, self.dropouts = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        for layer in ours.layers:
            assert isinstance(layer, RecurrentLayer)
            assert isinstance(layer.ahead, nn.LSTM)
            assert isinstance(layer.back, nn.LSTM)
            lstm = nn.LSTM(
                layer.ahead.input_size, layer.ahead.hidden_size, batch_first=True, bidirectional=True
            )
            for suffix, direction in (("", layer.ahead), ("_reverse", layer.back)):
                for name in ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"):
                    getattr(lstm, name + suffix).data.copy_(getattr(direction, name).data)
            self.lstms.append(lstm)
            self.norms.append(layer.norm)
            self.dropouts.append(layer.dropout)

    def forward(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Return `log_probs (B, T', V)` and `input_lengths (B,)`."""
        sequences, lengths = self.subsampling(features, lengths)
        for lstm, norm, dropout in zip(self.lstms, self.norms, self.dropouts, strict=True):
            packed = pack_padded_sequence(
                dropout(sequences), lengths.cpu(), batch_first=True, enforce_sorted=False
            )
            padded, _ = pad_packed_sequence(
                lstm(packed)[0], batch_first=True, total_length=sequences.shape[1]
            )
            sequences = norm(padded)
        return self.output(self.dropout(sequences)).log_softmax(-1), lengths


class PlainDataset(Dataset[tuple[Tensor, Tensor]]):
    """Read, change the speed, make log-mels by torchaudio, normalise, mask."""

    def __init__(self, task: TranscriptionTask) -> None:
        self.utterances = task.train_set
        self.targets = [torch.from_numpy(task.vocabulary.encode(u.text)) for u in self.utterances]
        self.mel = torchaudio.transforms.MelSpectrogram(
            RATE, n_fft=512, win_length=400, hop_length=160, n_mels=80
        )
        augment = task.config.augment
        self.speeds = augment.speeds
        times = torchaudio.transforms.TimeMasking(augment.time_mask_frames, p=augment.time_mask_share)
        bands = torchaudio.transforms.FrequencyMasking(augment.frequency_mask_bins)
        self.masks = nn.Sequential(times, times, bands, bands)

    def __len__(self) -> int:
        return len(self.utterances)

    def __getitem__(self, number: int) -> tuple[Tensor, Tensor]:
        waveform, _ = soundfile.read(self.utterances[number].audio_path, dtype="float32")
        waveform = audio.change_speed(waveform, float(np.random.default_rng().choice(self.speeds)))
        features = self.mel(torch.from_numpy(waveform)).clamp_min(ENERGY_FLOOR).log()
        features = (features - features.mean(1, keepdim=True)) / features.std(1, keepdim=True)
        return self.masks(features[None])[0].T, self.targets[number]


def collate(examples: Sequence[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Pad."""
    features, targets = [part for part, _ in examples], [part for _, part in examples]
    return (
        pad_sequence(features, batch_first=True),
        torch.tensor([len(row) for row in features]),
        pad_sequence(targets, batch_first=True),
        torch.tensor([len(row) for row in targets]),
    )


class PlainTraining:
    """A training loop as tutorials write it: packed LSTM, `F.ctc_loss`, AdamW, clipping, in float32."""

    def __init__(self, ours: OurTraining) -> None:
        assert isinstance(ours.network, AcousticModel)
        self.device = next(ours.network.parameters()).device
        self.model = PackedModel(ours.network).to(self.device)
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-4)
        self.loader = DataLoader(PlainDataset(ours.task), batch_sampler=ours.plan, collate_fn=collate)

    def epoch(self) -> None:
        """Train once on each utterance."""
        for batch in self.loader:
            loss = self.loss(*(part.to(self.device) for part in batch), training=True)
            self.optimizer.zero_grad()
            torch.autograd.backward(loss)
            nn.utils.clip_grad_norm_(self.model.parameters(), 5.0)
            self.optimizer.step()

    def loss(
        self, features: Tensor, lengths: Tensor, targets: Tensor, target_lengths: Tensor, *, training: bool
    ) -> Tensor:
        """Return the loss in nats a symbol."""
        log_probs, input_lengths = self.model.train(training)(features, lengths)
        losses = functional.ctc_loss(
            log_probs.transpose(0, 1), targets, input_lengths, target_lengths, reduction="sum"
        )
        return losses / target_lengths.sum()


def disagreement(ours: OurTraining, plain: PlainTraining) -> float:
    """Return by how much the two differ in the loss and the gradients of a batch, in float32 and without dropout."""
    (batch,) = ours.task.batches(ours.plan[:1], 0)
    inputs = ours.task.inputs(batch)
    losses, sizes = ours.task.losses(ours.network.eval()(*inputs), batch)
    loss = losses.sum() / sizes.sum()
    features, lengths = inputs
    other = plain.loss(features, lengths, batch.targets, batch.target_lengths, training=False)
    torch.autograd.backward([loss, other])
    gradient = ours.network.get_parameter("layers.0.back.weight_ih_l0").grad
    theirs = plain.model.get_parameter("lstms.0.weight_ih_l0_reverse").grad
    assert gradient is not None
    assert theirs is not None
    found = (
        abs(float((loss / other).detach()) - 1),
        float((gradient - theirs).abs().max() / theirs.abs().max()),
    )
    ours.network.zero_grad()
    plain.model.zero_grad()
    return max(found)
