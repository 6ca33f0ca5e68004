"""From utterances to padded batches of features and targets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import Dataset

from ctcasr import audio
from ctcasr.ctc import min_input_length
from ctcasr.data import Utterance, load_utterance
from ctcasr.errors import AudioError
from ctcasr.features import FeatureExtractor, FeatureSettings
from ctcasr.text import Vocabulary
from ctcasr.training.augmenting import generator, kept_bins, kept_frames, warp_factor
from ctcasr.training.batching import Batch
from ctcasr.training.config import AugmentSettings
from ctcasr.training.degrading import degraded
from ctcasr.training.splicing import Piece, Splicer


@dataclass(frozen=True)
class Key:
    """What to compute: an utterance in an epoch; epoch -1 is without augmentation."""

    utterance: int
    epoch: int = -1


@dataclass(frozen=True)
class Example:
    """One utterance ready for a batch; `problem` says why it cannot be used."""

    utterance: int
    inputs: Tensor
    targets: Tensor
    warp: float
    kept_frames: Tensor
    kept_bins: Tensor
    problem: str = ""
    origin: tuple[Piece, ...] = ()
    speed: float = 1.0


@dataclass(frozen=True)
class SpeechBatch(Batch):
    """Padded examples: `inputs` are features `(B, T, F)`, or waveforms `(B, N)` for the device's reader.

    `kept_frames (B, W, T)` and `kept_bins (B, W, F)` hold W maskings of each; `warps (B,)` scale the
    frequencies of the filters. `origins` say where the sound of each row comes from, before its speed was changed.
    """

    inputs: Tensor
    lengths: Tensor
    targets: Tensor
    target_lengths: Tensor
    warps: Tensor
    kept_frames: Tensor
    kept_bins: Tensor
    origins: tuple[tuple[Piece, ...], ...]
    speeds: tuple[float, ...]

    def resized(self, length: int, frames: int) -> SpeechBatch:
        """Return the batch with all rows of the same length of inputs, cut or padded, which gives so many frames."""
        more = length - self.inputs.shape[1]
        padding = (0, more) if self.inputs.ndim == 2 else (0, 0, 0, more)
        return replace(
            self,
            inputs=torch.nn.functional.pad(self.inputs, padding),
            lengths=torch.full_like(self.lengths, length),
            kept_frames=torch.ones_like(self.kept_frames[..., :1]).expand(-1, -1, frames),
        )


def subsampled(frames: int, factor: int) -> int:
    """Return the encoder frames of `frames` feature frames: the quotient, rounded up."""
    return -(-frames // factor)


@dataclass(frozen=True)
class ExampleSettings:
    """What an example depends on besides its utterance."""

    features: FeatureSettings
    augment: AugmentSettings
    subsampling: int
    seed: int
    maskings: int = 1


class SpeechDataset(Dataset[Example]):
    """Read, vary and encode utterances.

    On a CPU the numpy reader makes the features here, several times as fast as the torch one; on a GPU
    (`extractor` None) waveforms are passed on and the device makes them.
    """

    def __init__(
        self,
        utterances: Sequence[Utterance],
        vocabulary: Vocabulary,
        settings: ExampleSettings,
        extractor: FeatureExtractor | None,
        problems: Mapping[int, str] | None = None,
    ) -> None:
        """Encode the transcripts; `problems` say which utterances cannot be used, by number, and why."""
        self.problems = problems or {}
        self.utterances = utterances
        self.settings = settings
        self.extractor = extractor
        self.vocabulary = vocabulary
        self.splicer = Splicer(utterances, settings.features.sample_rate) if settings.augment.splice else None
        self.targets = [torch.from_numpy(vocabulary.encode(utterance.text)) for utterance in utterances]

    def __len__(self) -> int:
        return len(self.utterances)

    def __getitem__(self, key: Key) -> Example:
        """Return the example; one that cannot be used carries the reason and is left out of its batch."""
        utterance, targets = self.utterances[key.utterance], self.targets[key.utterance]
        settings, problem = self.settings, self.problems.get(key.utterance, "")
        rng = generator(settings.seed, key.epoch, key.utterance) if key.epoch >= 0 else None
        try:
            spliced = self._spliced(key.utterance, rng) if rng is not None and self.splicer else None
            whole = (Piece(key.utterance, 0.0, utterance.duration_seconds),)
            waveform, targets, origin = spliced or (self._load(utterance), targets, whole)
        except AudioError as error:
            waveform, problem, origin = np.zeros(1, np.float32), str(error), ()
        warp = speed = 1.0
        if rng is not None:
            speed = float(rng.choice(settings.augment.speeds))
            waveform = audio.change_speed(waveform, speed)
            waveform = degraded(waveform, settings.features.sample_rate, settings.augment, rng)
            if settings.augment.frequency_warp:
                warp = warp_factor(settings.augment, rng)
        frames = settings.features.frames(len(waveform))
        if not problem:
            problem = infeasible(subsampled(frames, settings.subsampling), targets, settings.subsampling)
        inputs = torch.from_numpy(waveform if self.extractor is None else self.extractor(waveform, warp))
        maskings = self._maskings(frames, rng)
        return Example(key.utterance, inputs, targets, warp, *maskings, problem, origin, speed)

    def _spliced(
        self, number: int, rng: np.random.Generator
    ) -> tuple[npt.NDArray[np.float32], Tensor, tuple[Piece, ...]] | None:
        """Return a waveform, targets and origin in place of an utterance, or None where it stays as it is."""
        assert self.splicer is not None
        settings = self.settings
        if rng.random() >= settings.augment.splice:
            return None
        spliced = self.splicer(number, self._load, rng)
        if spliced is None:
            return None
        waveform, text, origin = spliced
        targets = torch.from_numpy(self.vocabulary.encode(text))
        frames = settings.features.frames(int(len(waveform) / max(settings.augment.speeds)))
        # Nobody recorded it: where it would be too short for CTC, no recording is to blame.
        if infeasible(subsampled(frames, settings.subsampling), targets, settings.subsampling):
            return None
        return waveform, targets, origin

    def _load(self, utterance: Utterance) -> npt.NDArray[np.float32]:
        """Read the waveform `(N,)` of an utterance."""
        return load_utterance(utterance, self.settings.features.sample_rate)

    def _maskings(self, frames: int, rng: np.random.Generator | None) -> tuple[Tensor, Tensor]:
        """Draw maskings of frames `(W, T)` and of bins `(W, F)`."""
        augment, features = self.settings.augment, self.settings.features
        bins, blocks = features.dimension, 1 + features.deltas
        if rng is None:
            return torch.ones(1, frames, dtype=torch.bool), torch.ones(1, bins, dtype=torch.bool)
        maskings = range(self.settings.maskings)
        times = np.stack([kept_frames(augment, frames, rng) for _ in maskings])
        # A band that is masked has no derivatives either.
        bands = np.stack([np.tile(kept_bins(augment, bins // blocks, rng), blocks) for _ in maskings])
        return torch.from_numpy(times), torch.from_numpy(bands)


def infeasible(input_length: int, targets: Tensor, subsampling: int) -> str:
    """Return why CTC cannot write the targets in so many encoder frames, or nothing where it can."""
    needed = min_input_length(targets.numpy())
    if needed <= input_length:
        return ""
    return (
        f"{len(targets)} symbols need at least {needed} frames, the model gives {input_length}; "
        f"drop the utterance or lower model.subsampling ({subsampling})"
    )


def collate(examples: Sequence[Example]) -> SpeechBatch:
    """Pad examples to a batch; one that cannot be used keeps its row, without targets, with weight zero."""
    pad = torch.nn.utils.rnn.pad_sequence
    targets = [example.targets[:0] if example.problem else example.targets for example in examples]
    return SpeechBatch(
        examples=tuple(example.utterance for example in examples),
        inputs=pad([example.inputs for example in examples], batch_first=True),
        lengths=torch.tensor([len(example.inputs) for example in examples]),
        targets=pad(targets, batch_first=True),
        target_lengths=torch.tensor([len(row) for row in targets]),
        weights=torch.tensor([0.0 if example.problem else 1.0 for example in examples]),
        warps=torch.tensor([example.warp for example in examples], dtype=torch.float64),
        kept_frames=pad([example.kept_frames.T for example in examples], batch_first=True).transpose(1, 2),
        kept_bins=torch.stack([example.kept_bins for example in examples]),
        problems=tuple((example.utterance, example.problem) for example in examples if example.problem),
        origins=tuple(example.origin for example in examples),
        speeds=tuple(example.speed for example in examples),
    )
