"""`ctcasr info`: what a bundle, a run or an audio file is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from statistics import StatisticsError, fmean

import typer

from ctcasr import audio
from ctcasr.errors import ConfigError, CtcAsrError
from ctcasr.runtime import Bundle, bundled_names, find_bundle, read_bundle
from ctcasr.runtime.bundle import LANGUAGE_MODEL, PRIORS, read_task
from ctcasr.runtime.decoding_parts import DecodingOptions, carries_beam, decoding_parts
from ctcasr.runtime.understanding_bundle import UnderstandingBundle, read_understanding
from ctcasr.training.records import METRICS, Record, dev_scores, read_records, score_name


def command(
    target: str = typer.Argument(help="A bundle (folder or name), a run's folder, or an audio file."),
) -> None:
    """Describe a bundle, a training run or an audio file.

    E.g. `ctcasr info an4`, `ctcasr info recipes/an4/runs/base`, `ctcasr info talk.wav`.
    """
    path = Path(target)
    try:
        path.stat()
    except FileNotFoundError:
        pass  # perhaps the name of a bundle
    except (OSError, ValueError) as error:
        raise ConfigError(f"{target}: cannot be opened ({error})") from error
    if path.is_file():
        rows = _audio_rows(path)
    elif (path / METRICS).is_file():
        rows = _run_rows(path)
    elif path.is_dir() or target in bundled_names():
        rows = _bundle_rows(target)
    else:
        raise ConfigError(
            f"{target}: is no file, no folder, and no bundle of the package ({', '.join(bundled_names())})"
        )
    width = max(map(len, rows))
    typer.echo("\n".join(f"{name:<{width}}  {value}" for name, value in rows.items()))


def _audio_rows(path: Path) -> dict[str, str]:
    found = audio.probe(path)
    return {
        "audio": str(path),
        "format": f"{found.container} {found.encoding}",
        "sample rate": f"{found.sample_rate} Hz",
        "channels": str(found.channels),
        "duration": f"{found.duration_seconds:.3f} s",
    }


def _run_rows(path: Path) -> dict[str, str]:
    records = read_records(path)
    try:
        best = min(records, key=lambda record: (_error(record), record["dev_loss"]))
        last = records[-1]
        return {
            "run": str(path),
            "epochs": str(last["epoch"]),
            "best epoch": f"{best['epoch']}: dev {_percent(dev_scores(best))}",
            "last epoch": f"train loss {last['train_loss']:.3f}, dev loss {last['dev_loss']:.3f}",
            "time": f"{sum(record['seconds'] for record in records) / 60:.1f} minutes",
        }
    except (KeyError, TypeError, StatisticsError) as error:
        raise CtcAsrError(
            f"{path / METRICS}: cannot be read ({error}); is this the folder of a run?"
        ) from error


def _error(record: Record) -> float:
    """Return by which an epoch is chosen: the character error rate, or what F1 and accuracy lack."""
    scores = dev_scores(record)
    return scores["cer"] if "cer" in scores else 1 - fmean(scores.values())


def _percent(scores: Mapping[str, float]) -> str:
    return ", ".join(f"{score_name(name)} {100 * share:.2f} %" for name, share in scores.items())


def _understanding_rows(bundle: UnderstandingBundle) -> dict[str, str]:
    description, training = bundle.description, bundle.description.training
    rows = {
        "bundle": f"{description.name} ({bundle.folder})",
        "task": f"`ctcasr {description.task}`",
        "input": "recordings"
        if bundle.vocabulary is None
        else f"words, {len(bundle.vocabulary.words):,} of them known",
    }
    if bundle.tags is not None:
        rows["tags"] = f"{len(bundle.tags)}, {'by themselves' if bundle.chain is None else 'in a chain'}"
    if bundle.labels is not None:
        rows["labels"] = " ".join(bundle.labels.names)
    rows |= {"models": _models(bundle.folder), "licence": description.licence or "not stated"}
    if training is not None:
        rows |= {
            "parameters": f"{training.parameters:,}",
            "training": f"{training.epochs} epochs, seed {training.seed}",
            "dev": _percent(training.dev_scores),
        }
    return rows


def _models(folder: Path) -> str:
    return ", ".join(
        f"{path.name} {path.stat().st_size / 1e6:.1f} MB" for path in sorted(folder.glob("*.onnx"))
    )


def _bundle_rows(target: str) -> dict[str, str]:
    folder = find_bundle(target)
    if read_task(folder) != "transcribe":
        return _understanding_rows(read_understanding(folder))
    bundle = read_bundle(folder)
    description = bundle.description
    features, training = description.features, description.training
    rows = {
        "bundle": f"{description.name} ({bundle.folder})",
        "audio": f"{features.sample_rate} Hz, {features.dimension} {features.kind} bins",
        "subsampling": f"{description.subsampling} ({1000 * bundle.frame_seconds:g} ms a frame)",
        "symbols": " ".join(bundle.vocabulary.symbols),
        **_hmm_rows(bundle),
        "models": _models(bundle.folder),
        "streams": "frame by frame" if bundle.stream_path else "in windows",
        **(_decoding_rows(bundle) if carries_beam(bundle) else {}),
        "licence": description.licence or "not stated",
    }
    if training is not None:
        rows |= {
            "parameters": f"{training.parameters:,}",
            "training": f"{training.train_utterances} utterances, {training.train_seconds / 3600:.2f} hours, "
            f"{training.epochs} epochs, seed {training.seed}",
            "dev": f"PER {100 * training.dev_wer:.2f} %"
            if description.units == "phone"
            else f"WER {100 * training.dev_wer:.2f} %, CER {100 * training.dev_cer:.2f} %",
        }
    return rows


def _hmm_rows(bundle: Bundle) -> dict[str, str]:
    """Return what there is of a hidden Markov model."""
    description, rows = bundle.description, {}
    if description.topology == "hmm":
        rows["outputs"] = f"{description.symbols} HMM states, {description.states} a symbol"
    if (bundle.folder / PRIORS).is_file():
        rows["priors"] = f"of {description.symbols} outputs"
    if description.hmm is not None:
        settings = description.hmm.model_dump(exclude_none=True)
        rows["HMM decoding"] = ", ".join(f"{name} {value:g}" for name, value in settings.items())
    return rows


def _decoding_rows(bundle: Bundle) -> dict[str, str]:
    """Return what the bundle decodes with by default."""
    parts = decoding_parts(bundle, DecodingOptions())
    rows = {}
    if parts.model is not None:
        size = (bundle.folder / LANGUAGE_MODEL).stat().st_size
        unit = "words" if parts.lexicon else "symbols"
        rows["language model"] = (
            f"{parts.model.order}-grams of {len(parts.model.words):,} {unit}, {size / 1e6:.1f} MB"
        )
    if parts.lexicon is not None:
        rows["lexicon"] = f"{len(parts.lexicon.words):,} words, {len(parts.lexicon.spellings):,} spellings"
    settings = parts.settings.model_dump(exclude_none=True)
    rows["decoding"] = ", ".join(f"{name} {value:g}" for name, value in settings.items())
    return rows
