"""What a network is trained to do: write transcripts (CTC), or name each frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from ctcasr.data import Utterance
from ctcasr.decoding.topology import Topology, TopologyKind
from ctcasr.models import ctc_loss, frame_loss
from ctcasr.models.subsampling import valid_frames
from ctcasr.text import Vocabulary
from ctcasr.training.config import TrainingConfig
from ctcasr.training.dataset import SpeechBatch
from ctcasr.training.frame_targets import UNKNOWN, Timeline, align_all, frame_targets


class Objective(Protocol):
    """The loss of a batch of one manifest's utterances."""

    @property
    def problems(self) -> Mapping[int, str]:
        """The utterances of the manifest, by number, of which nothing can be learned, and why."""
        ...

    def losses(self, log_probs: Tensor, input_lengths: Tensor, batch: SpeechBatch) -> Tensor:
        """Return the loss of each row, `(W * B,)`, in nats.

        Args:
            log_probs: `(W * B, T', O)`, for W maskings of each utterance, all of the first before those of the second.
            input_lengths: `(W * B,)`.
            batch: of B utterances.
        """
        ...

    def sizes(self, input_lengths: Tensor, batch: SpeechBatch) -> Tensor:
        """Return over how much each utterance's loss is summed, `(B,)`: symbols, or frames."""
        ...

    def counted(self, log_probs: Tensor, input_lengths: Tensor, batch: SpeechBatch) -> Tensor:
        """Tell which frames of each row, `(W * B, T')`, something is learned of."""
        ...


@dataclass(frozen=True)
class CtcObjective:
    """Write the transcript, in whatever frames."""

    problems: Mapping[int, str]

    def losses(self, log_probs: Tensor, input_lengths: Tensor, batch: SpeechBatch) -> Tensor:
        """Return the loss of each row; see `Objective`."""
        maskings = len(log_probs) // len(batch.targets)
        targets, target_lengths = batch.targets.repeat(maskings, 1), batch.target_lengths.repeat(maskings)
        return ctc_loss(log_probs, input_lengths, targets, target_lengths)

    def sizes(self, input_lengths: Tensor, batch: SpeechBatch) -> Tensor:  # noqa: ARG002  (frames do not matter here)
        """Return the symbols of each transcript."""
        return batch.target_lengths

    def counted(self, log_probs: Tensor, input_lengths: Tensor, batch: SpeechBatch) -> Tensor:  # noqa: ARG002
        """Tell which frames are no padding."""
        return valid_frames(input_lengths, log_probs.shape[1])


class FrameObjective:
    """Name each frame as an alignment has it (frame-wise cross-entropy, as hybrid systems are trained)."""

    def __init__(
        self, utterances: Sequence[Utterance], aligner: Path, topology: Topology, frame_seconds: float
    ) -> None:
        """Align the utterances of a manifest.

        Raises:
            BundleError: the aligner's bundle is damaged.
            ConfigError: it writes other symbols.
        """
        self._timelines = align_all(aligner, utterances, topology)
        self._frame_seconds = frame_seconds
        self.problems = {
            number: found for number, found in enumerate(self._timelines) if not isinstance(found, Timeline)
        }

    def losses(self, log_probs: Tensor, input_lengths: Tensor, batch: SpeechBatch) -> Tensor:
        """Return the loss of each row; see `Objective`."""
        targets = self._targets(batch, log_probs.shape[1], log_probs.device)
        return frame_loss(log_probs, input_lengths, targets.repeat(len(log_probs) // len(targets), 1))

    def sizes(self, input_lengths: Tensor, batch: SpeechBatch) -> Tensor:
        """Return the frames of each utterance of which the target is known."""
        targets = self._targets(batch, int(input_lengths.max()), input_lengths.device)
        known = (targets != UNKNOWN) & valid_frames(input_lengths[: len(targets)], targets.shape[1])
        return known.sum(1)

    def counted(self, log_probs: Tensor, input_lengths: Tensor, batch: SpeechBatch) -> Tensor:
        """Tell of which frames the target is known."""
        known = self._targets(batch, log_probs.shape[1], log_probs.device) != UNKNOWN
        return known.repeat(len(log_probs) // len(known), 1) & valid_frames(input_lengths, log_probs.shape[1])

    def _targets(self, batch: SpeechBatch, frames: int, device: torch.device) -> Tensor:
        rows = [
            frame_targets(self._timelines, origin, frames, self._frame_seconds * speed)
            for origin, speed in zip(batch.origins, batch.speeds, strict=True)
        ]
        return torch.from_numpy(np.stack(rows)).to(device)


def topology_of(config: TrainingConfig, vocabulary: Vocabulary) -> Topology:
    """Return what the outputs of a network stand for."""
    kind: TopologyKind = "hmm" if config.optimizer.objective == "frames" else "ctc"
    return Topology(kind, config.frames.states, vocabulary.symbols)


def make_objective(config: TrainingConfig, utterances: Sequence[Utterance], topology: Topology) -> Objective:
    """Return the objective of a manifest's utterances.

    Raises:
        BundleError: the aligner's bundle is damaged.
        ConfigError: it writes other symbols.
    """
    if config.optimizer.objective == "ctc":
        return CtcObjective({})
    assert config.frames.aligner is not None
    features = config.features
    frame_seconds = config.model.subsampling * features.hop_samples / features.sample_rate
    return FrameObjective(utterances, config.frames.aligner, topology, frame_seconds)
