"""From a training run to a model bundle."""

from __future__ import annotations

import shutil
from pathlib import Path

import onnx

from ctcasr.errors import ConfigError
from ctcasr.runtime.bundle import DESCRIPTION, MODEL_FILES, STREAM_MODEL, BundleDescription
from ctcasr.runtime.understanding_bundle import UnderstandingDescription
from ctcasr.training.checkpoints import AVERAGED
from ctcasr.training.config_files import read_config
from ctcasr.training.onnx_graph import has_int8, save_models
from ctcasr.training.records import CONFIG
from ctcasr.training.run_folder import CHECKPOINTS
from ctcasr.training.tensor_files import read_tensors
from ctcasr.training.transcription_export import Origin, transcription_content
from ctcasr.training.understanding_export import understanding_content


def export_bundle(
    run: Path, output: Path, *, name: str = "", licence: str = "", int8_only: bool = False
) -> BundleDescription | UnderstandingDescription:
    """Write the averaged weights of a finished run as a bundle: float32 and int8 networks, and one for streams.

    A cell that ONNX Runtime does not quantise has no int8 network. A network for streams has a model that transcribes
    and reads forward only, and whose features are not normalised over the utterance.

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
    make = transcription_content if config.task.head == "ctc" else understanding_content
    content = make(Origin(run, config, read_tensors(weights), weights), name or output.name, licence)
    temporary = output.with_name(output.name + ".tmp")
    try:
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        save_models(
            content.graph, config.model, temporary / MODEL_FILES["fp32"], temporary / MODEL_FILES["int8"]
        )
        if int8_only:
            (temporary / MODEL_FILES["fp32"]).unlink()
        elif content.stream is not None:
            onnx.save(content.stream, temporary / STREAM_MODEL)
        content.write(temporary)
        (temporary / DESCRIPTION).write_text(
            content.description.model_dump_json(indent=2) + "\n", encoding="utf-8"
        )
        (temporary / "README.md").write_text(content.card, encoding="utf-8")
        _replace(output, temporary)
    except OSError as error:
        raise ConfigError(
            f"{output}: cannot be written ({error.strerror}); choose another folder for the bundle"
        ) from error
    return content.description


def _check_output(run: Path, output: Path) -> None:
    """Raise ConfigError if writing a bundle there would destroy something that is none."""
    if output.exists() and (
        not output.is_dir() or (any(output.iterdir()) and not (output / DESCRIPTION).exists())
    ):
        raise ConfigError(f"{output}: exists and is no bundle; choose another folder for the bundle")
    if run.resolve().is_relative_to(output):
        raise ConfigError(f"{output}: holds the run {run}; choose another folder for the bundle")


def _replace(output: Path, temporary: Path) -> None:
    """Rename the new bundle into place; at every moment there is a whole one on disk."""
    old = output.with_name(output.name + ".old")
    if output.exists():
        shutil.rmtree(old, ignore_errors=True)
        output.rename(old)
    temporary.rename(output)
    shutil.rmtree(old, ignore_errors=True)
