"""From a training run to a model bundle."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import ctcasr
from ctcasr.data import read_manifest
from ctcasr.errors import ConfigError
from ctcasr.models import AcousticModel, ModelSettings
from ctcasr.models.settings import Cell
from ctcasr.runtime.bundle import (
    DESCRIPTION,
    FORMAT_VERSION,
    LEXICON,
    MODEL_FILES,
    STREAM_MODEL,
    TOKENS,
    BundleDescription,
    TrainingSummary,
)
from ctcasr.text import PhoneVocabulary, Units, read_vocabulary
from ctcasr.training.checkpoints import AVERAGED
from ctcasr.training.config import TrainingConfig, read_config
from ctcasr.training.objectives import topology_of
from ctcasr.training.onnx_graph import has_int8, write_models, write_stream_model
from ctcasr.training.records import METRICS
from ctcasr.training.run_folder import CHECKPOINTS, CONFIG, DICTIONARY, SUMMARY, read_statistics
from ctcasr.training.tensor_files import load_weights, read_tensors

_CELL_NAMES: dict[Cell, str] = {
    "rnn": "RNN",
    "lstm": "LSTM",
    "gru": "GRU",
    "clockwork": "clockwork RNN",
    "scrn": "SCRN",
    "lstmp": "projected LSTM",
    "ligru": "light GRU",
}
_UNIT_NAMES: dict[Units, str] = {"char": "characters", "phone": "phones", "bpe": "pieces"}


def export_bundle(
    run: Path, output: Path, *, name: str = "", licence: str = "", int8_only: bool = False
) -> BundleDescription:
    """Write the averaged weights of a finished run as a bundle: float32 and int8 networks, and one for streams.

    A cell that ONNX Runtime does not quantise has no int8 network. A network for streams has a model that reads
    forward only, and whose features are not normalised over the utterance.

    Args:
        run: the run's folder.
        output: the bundle's folder; must not exist, or hold a bundle, which is replaced.
        name: of the bundle; by default the folder's.
        licence: of the weights, for `bundle.json` and the model card.
        int8_only: leave the float32 networks out, which makes the bundle a fifth of the size; a bundle without its
            network for streams hears these in windows.

    Raises:
        ConfigError: the run is not finished, the output folder holds something else, or int8 alone is asked for where
            there is none.
    """
    output = output.resolve()  # so that `.` has a name
    weights = run / CHECKPOINTS / AVERAGED
    if not weights.exists():
        raise ConfigError(
            f"{run}: has no {CHECKPOINTS}/{AVERAGED}; finish the training with `ctcasr train --resume`"
        )
    _check_output(run, output)
    config = read_config(run / CONFIG)
    if int8_only and not has_int8(config.model):
        raise ConfigError(
            f"{run / CONFIG}: model.cell = {config.model.cell!r} has no int8 network; export it without --int8-only"
        )
    vocabulary = read_vocabulary(run / TOKENS, config.text.units, run / DICTIONARY)
    topology = topology_of(config, vocabulary)
    model = AcousticModel(config.model, config.features.dimension, topology.output_count)
    load_weights(model, read_tensors(weights), weights)
    description = BundleDescription(
        format_version=FORMAT_VERSION,
        name=name or output.name,
        features=config.features,
        statistics=read_statistics(run),
        subsampling=config.model.subsampling,
        symbols=topology.output_count,
        units=vocabulary.units,
        topology=topology.kind,
        states=topology.states,
        licence=licence,
        training=_summary(run, config, sum(parameter.numel() for parameter in model.parameters())),
    )
    temporary = output.with_name(output.name + ".tmp")
    try:
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        _write_networks(model, config, temporary, int8_only=int8_only)
        vocabulary.write(temporary / TOKENS)
        if isinstance(vocabulary, PhoneVocabulary):
            vocabulary.pronunciations.write(temporary / LEXICON)
        (temporary / DESCRIPTION).write_text(description.model_dump_json(indent=2) + "\n", encoding="utf-8")
        (temporary / "README.md").write_text(_card(description, config), encoding="utf-8")
        _replace(output, temporary)
    except OSError as error:
        raise ConfigError(
            f"{output}: cannot be written ({error.strerror}); choose another folder for the bundle"
        ) from error
    return description


def _check_output(run: Path, output: Path) -> None:
    """Raise ConfigError if writing a bundle there would destroy something that is none."""
    if output.exists() and (
        not output.is_dir() or (any(output.iterdir()) and not (output / DESCRIPTION).exists())
    ):
        raise ConfigError(f"{output}: exists and is no bundle; choose another folder for the bundle")
    if run.resolve().is_relative_to(output):
        raise ConfigError(f"{output}: holds the run {run}; choose another folder for the bundle")


def _write_networks(model: AcousticModel, config: TrainingConfig, folder: Path, *, int8_only: bool) -> None:
    write_models(model, folder / MODEL_FILES["fp32"], folder / MODEL_FILES["int8"])
    if int8_only:
        (folder / MODEL_FILES["fp32"]).unlink()
    elif not config.model.bidirectional and config.features.normalization != "utterance":
        write_stream_model(model, folder / STREAM_MODEL)


def _replace(output: Path, temporary: Path) -> None:
    """Rename the new bundle into place; at every moment there is a whole one on disk."""
    old = output.with_name(output.name + ".old")
    if output.exists():
        shutil.rmtree(old, ignore_errors=True)
        output.rename(old)
    temporary.rename(output)
    shutil.rmtree(old, ignore_errors=True)


def _summary(run: Path, config: TrainingConfig, parameters: int) -> TrainingSummary:
    train = read_manifest(config.data.train) if config.data.train.exists() else []
    try:
        scores = json.loads((run / SUMMARY).read_text(encoding="utf-8"))
        return TrainingSummary(
            ctcasr_version=ctcasr.__version__,
            epochs=len((run / METRICS).read_text(encoding="utf-8").splitlines()),
            parameters=parameters,
            seed=config.run.seed,
            train_utterances=len(train),
            train_seconds=round(sum(utterance.duration_seconds for utterance in train), 1),
            dev_wer=float(scores["dev_wer"]),
            dev_cer=float(scores["dev_cer"]),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            f"{run}: {SUMMARY} and {METRICS} cannot be read ({error}); "
            "finish the training with `ctcasr train --resume`"
        ) from error


def _layers_of(model: ModelSettings) -> str:
    if model.bidirectional:
        return f"bidirectional {_CELL_NAMES[model.cell]} layers of 2 x {model.hidden} cells"
    return f"{_CELL_NAMES[model.cell]} layers of {model.hidden} cells that read forward"


def _card(description: BundleDescription, config: TrainingConfig) -> str:
    training = description.training
    assert training is not None
    model, features = config.model, description.features
    symbols = (description.symbols - 1) // description.states
    objective = "CTC"
    if description.topology == "hmm":
        objective = f"frame-wise cross-entropy on HMMs of {description.states} state(s) a symbol"
    rate = "PER" if description.units == "phone" else "WER"
    return f"""# {description.name}

A ctcasr model bundle: `ctcasr transcribe recording.wav -m {description.name}`.

| | |
|---|---|
| network | {model.subsampling}x convolutional subsampling, {model.layers} {_layers_of(model)}, {objective} |
| parameters | {training.parameters:,} |
| audio | {features.sample_rate} Hz, {features.dimension} {features.kind} bins, normalised: {features.normalization} |
| symbols | {symbols} {_UNIT_NAMES[description.units]} and the blank |
| training data | {training.train_utterances} utterances, {training.train_seconds / 3600:.2f} hours |
| training | {training.epochs} epochs, seed {training.seed}, ctcasr {training.ctcasr_version} |
| held-out speakers | {rate} {100 * training.dev_wer:.2f} %, CER {100 * training.dev_cer:.2f} % (greedy, float32) |
| licence | {description.licence or "not stated"} |
"""
