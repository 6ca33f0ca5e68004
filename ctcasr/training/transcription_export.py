"""What a bundle of a network that transcribes holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import onnx
from torch import Tensor

import ctcasr
from ctcasr.data import read_manifest
from ctcasr.errors import ConfigError
from ctcasr.models import AcousticModel, ModelSettings
from ctcasr.models.settings import Cell
from ctcasr.runtime.bundle import FORMAT_VERSION, LEXICON, TOKENS, BundleDescription, TrainingSummary
from ctcasr.text import PhoneVocabulary, Units, read_vocabulary
from ctcasr.training.config import TrainingConfig
from ctcasr.training.objectives import topology_of
from ctcasr.training.onnx_graph import build_graph, build_stream_graph
from ctcasr.training.records import SUMMARY, read_records, read_summary
from ctcasr.training.run_folder import DICTIONARY, read_statistics
from ctcasr.training.tensor_files import load_weights

Description = TypeVar("Description")

CELL_NAMES: dict[Cell, str] = {
    "rnn": "RNN",
    "lstm": "LSTM",
    "gru": "GRU",
    "clockwork": "clockwork RNN",
    "scrn": "SCRN",
    "lstmp": "projected LSTM",
    "ligru": "light GRU",
}
_UNIT_NAMES: dict[Units, str] = {"char": "characters", "phone": "phones", "bpe": "pieces"}


@dataclass(frozen=True)
class Origin:
    """What a bundle is made of: a finished run, its configuration, and its averaged weights with their file."""

    run: Path
    config: TrainingConfig
    weights: Mapping[str, Tensor]
    weights_path: Path

    def outcome(self) -> tuple[dict[str, Any], int]:
        """Return the scores of the averaged weights, and how many epochs there were.

        Raises:
            DataError: the run does not tell them.
        """
        return read_summary(self.run), len(read_records(self.run))


@dataclass(frozen=True)
class Content(Generic[Description]):
    """What a bundle holds.

    Attributes:
        graph: the network.
        description: for `bundle.json`.
        card: the model card.
        write: puts other files into the folder.
        stream: the network that goes on frame by frame, if there is one.
    """

    graph: onnx.ModelProto
    description: Description
    card: str
    write: Callable[[Path], None]
    stream: onnx.ModelProto | None = None


def transcription_content(origin: Origin, name: str, licence: str) -> Content[BundleDescription]:
    """Return what the bundle of a run that transcribes holds.

    Raises:
        ConfigError: the run's files do not fit each other.
        DataError: its vocabulary is damaged.
    """
    run, config = origin.run, origin.config
    vocabulary = read_vocabulary(run / TOKENS, config.text.units, run / DICTIONARY)
    topology = topology_of(config, vocabulary)
    model = AcousticModel(config.model, config.features.dimension, topology.output_count)
    load_weights(model, origin.weights, origin.weights_path)
    description = BundleDescription(
        format_version=FORMAT_VERSION,
        name=name,
        features=config.features,
        statistics=read_statistics(run),
        subsampling=config.model.subsampling,
        symbols=topology.output_count,
        units=vocabulary.units,
        topology=topology.kind,
        states=topology.states,
        licence=licence,
        training=_summary(origin, sum(parameter.numel() for parameter in model.parameters())),
    )

    def write(folder: Path) -> None:
        vocabulary.write(folder / TOKENS)
        if isinstance(vocabulary, PhoneVocabulary):
            vocabulary.pronunciations.write(folder / LEXICON)

    streams = not config.model.bidirectional and config.features.normalization != "utterance"
    stream = build_stream_graph(model) if streams else None
    return Content(build_graph(model), description, _card(description, config), write, stream)


def _summary(origin: Origin, parameters: int) -> TrainingSummary:
    config = origin.config
    train = read_manifest(config.data.train) if config.data.train.exists() else []
    scores, epochs = origin.outcome()
    if not {"dev_wer", "dev_cer"} <= scores.keys():
        raise ConfigError(
            f"{origin.run}: {SUMMARY} has no dev_wer and dev_cer; finish the training with `ctcasr train --resume`"
        )
    return TrainingSummary(
        ctcasr_version=ctcasr.__version__,
        epochs=epochs,
        parameters=parameters,
        seed=config.run.seed,
        train_utterances=len(train),
        train_seconds=round(sum(utterance.duration_seconds for utterance in train), 1),
        dev_wer=scores["dev_wer"],
        dev_cer=scores["dev_cer"],
    )


def layers_of(model: ModelSettings) -> str:
    """Describe the recurrent layers of a network."""
    if model.bidirectional:
        return f"bidirectional {CELL_NAMES[model.cell]} layers of 2 x {model.hidden} cells"
    return f"{CELL_NAMES[model.cell]} layers of {model.hidden} cells that read forward"


def _card(description: BundleDescription, config: TrainingConfig) -> str:
    training = description.training
    assert training is not None
    model, features = config.model, description.features
    symbols = (description.symbols - 1) // description.states
    objective = "CTC"
    if description.topology == "hmm":
        objective = f"frame-wise cross-entropy on HMMs of {description.states} state(s) a symbol"
    front = f"{model.subsampling}x subsampling by convolutions of {model.channels} channels"
    rates = f"PER {100 * training.dev_wer:.2f} %"
    if description.units != "phone":
        rates = f"WER {100 * training.dev_wer:.2f} %, CER {100 * training.dev_cer:.2f} %"
    return f"""# {description.name}

A ctcasr model bundle: `ctcasr transcribe recording.wav -m {description.name}`.

| | |
|---|---|
| network | {front}, {model.layers} {layers_of(model)}, {objective} |
| parameters | {training.parameters:,} |
| audio | {features.sample_rate} Hz, {features.dimension} {features.kind} bins, normalised: {features.normalization} |
| symbols | {symbols} {_UNIT_NAMES[description.units]} and the blank |
| training data | {training.train_utterances} utterances, {training.train_seconds / 3600:.2f} hours |
| training | {training.epochs} epochs, seed {training.seed}, ctcasr {training.ctcasr_version} |
| held-out speakers | {rates} (greedy, float32) |
| licence | {description.licence or "not stated"} |
"""
