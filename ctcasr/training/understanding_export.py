"""What a bundle of a network that understands holds."""

from __future__ import annotations

from pathlib import Path

import ctcasr
from ctcasr.models.subsampling import ConvSubsampling
from ctcasr.models.tokens import TokenFront
from ctcasr.models.understanding import UnderstandingModel
from ctcasr.runtime.bundle import FORMAT_VERSION
from ctcasr.runtime.understanding_bundle import (
    CHAIN,
    CHARACTERS,
    LABELS,
    TAGS,
    WORDS,
    UnderstandingDescription,
    UnderstandingSummary,
)
from ctcasr.text.tokens import Names, TokenVocabulary
from ctcasr.training.records import score_name
from ctcasr.training.run_folder import read_statistics
from ctcasr.training.task_settings import ChainObjective
from ctcasr.training.tensor_files import load_weights
from ctcasr.training.transcription_export import Content, Origin, layers_of
from ctcasr.training.understanding import Targets, chain_of, make_model
from ctcasr.training.understanding_graph import build_understanding_graph

_CHAINS: dict[ChainObjective, str] = {
    "likelihood": "a linear-chain CRF",
    "perceptron": "a chain, trained as a structured perceptron",
    "margin": "a chain, trained as a structured support vector machine",
}
"""What a chain of tags is called, by what it was trained for."""


def understanding_content(origin: Origin, name: str, licence: str) -> Content[UnderstandingDescription]:
    """Return what the bundle of a run that tags or classifies holds.

    Raises:
        ConfigError: the run's files do not fit each other.
        DataError: its words, tags or labels are damaged.
    """
    run, config = origin.run, origin.config
    lists = {
        file: Names.read(run / file) for file in (WORDS, CHARACTERS, TAGS, LABELS) if (run / file).is_file()
    }
    front: TokenFront | ConvSubsampling
    if config.task.input == "tokens":
        vocabulary = TokenVocabulary(lists[WORDS], lists[CHARACTERS])
        front = TokenFront(config.tokens, vocabulary.word_count, vocabulary.character_count)
    else:
        front = ConvSubsampling(config.model, config.features.dimension)
    model = make_model(config, front, Targets(lists.get(TAGS), lists.get(LABELS)))
    load_weights(model, origin.weights, origin.weights_path)
    hears = config.task.input == "audio"
    scores, epochs = origin.outcome()
    description = UnderstandingDescription(
        format_version=FORMAT_VERSION,
        name=name,
        task="classify" if model.tag_head is None else "tag",
        input=config.task.input,
        features=config.features if hears else None,
        statistics=read_statistics(run),
        subsampling=config.model.subsampling if hears else 1,
        licence=licence,
        training=UnderstandingSummary(
            ctcasr_version=ctcasr.__version__,
            epochs=epochs,
            parameters=sum(parameter.numel() for parameter in model.parameters()),
            seed=config.run.seed,
            dev_scores={key.removeprefix("dev_"): score for key, score in scores.items()},
        ),
    )

    def write(folder: Path) -> None:
        for file, names in lists.items():
            names.write(folder / file)
        if model.tag_head is not None and model.tag_head.chained:
            chain_of(model.tag_head).write(folder / CHAIN)

    return Content(
        build_understanding_graph(model), description, _card(description, model, config.task.objective), write
    )


def _card(description: UnderstandingDescription, model: UnderstandingModel, objective: ChainObjective) -> str:
    training, settings = description.training, model.settings
    assert training is not None
    heads = []
    if model.tag_head is not None:
        chained = _CHAINS[objective] if model.tag_head.chained else "each by itself"
        heads.append(f"{model.outputs.tags} tags, {chained}")
    if model.label_head is not None:
        heads.append(f"{model.outputs.labels} labels, pooling: {model.outputs.pooling}")
    scores = ", ".join(f"{score_name(key)} {100 * score:.2f} %" for key, score in training.dev_scores.items())
    example = "recording.wav" if description.input == "audio" else '"some text"'
    return f"""# {description.name}

A ctcasr model bundle: `ctcasr {description.task} {example} -m {description.name}`.

| | |
|---|---|
| reads | {"recordings" if description.input == "audio" else "words and their spelling"} |
| network | {settings.layers} {layers_of(settings)} |
| outputs | {"; ".join(heads)} |
| parameters | {training.parameters:,} |
| training | {training.epochs} epochs, seed {training.seed}, ctcasr {training.ctcasr_version} |
| held-out data | {scores} (float32) |
| licence | {description.licence or "not stated"} |
"""
