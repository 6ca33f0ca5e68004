"""Lhotse: its cuts in and out, and its preparers, through which nearly a hundred corpora become ours."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ctcasr import audio
from ctcasr.data.exchange.settings import ImportSettings, add, seconds_of
from ctcasr.data.manifest import Utterance
from ctcasr.errors import ConfigError, DataError


def read_lhotse(source: Path, _: ImportSettings) -> list[Utterance]:
    """Read a file of cuts (`cuts.jsonl.gz`): each supervision becomes an utterance.

    Raises:
        ConfigError: lhotse is not installed.
        DataError: the file cannot be read, or a cut has no recording in a file.
    """
    lhotse = _lhotse()
    try:
        cuts = list(lhotse.CutSet.from_file(source))
    except Exception as error:  # whatever its readers raise
        raise DataError(f"{source}: lhotse cannot read it ({error}); expected a file of cuts") from error
    found: dict[str, Utterance] = {}
    for cut in cuts:
        where = f"{source.name}: {cut.id}"
        if not getattr(cut, "has_recording", False) or not hasattr(cut, "recording"):
            raise DataError(
                f"{where}: has no single recording, expected a MonoCut with one; cut the mix first"
            )
        for supervision in cut.supervisions:
            _add(found, cut.recording, supervision, cut.start, where)
    return list(found.values())


def write_lhotse(path: Path, utterances: Sequence[Utterance]) -> None:
    """Write a file of cuts, each with one supervision.

    Raises:
        ConfigError: lhotse is not installed.
        DataError: a recording cannot be read.
    """
    lhotse = _lhotse()
    files = sorted({item.audio_path for item in utterances})
    # Lhotse would list what each of its readers says of a file that cannot be read.
    for item in utterances:
        seconds_of(item.audio_path, str(item))
    recordings = {
        file: lhotse.Recording.from_file(file.resolve(), recording_id=f"rec{n}")
        for n, file in enumerate(files)
    }

    def cut(item: Utterance) -> Any:
        recording = recordings[item.audio_path]
        supervision = lhotse.SupervisionSegment(
            item.id,
            recording.id,
            start=0.0,
            duration=item.duration_seconds,
            text=item.text,
            speaker=item.speaker,
        )
        return lhotse.MonoCut(
            item.id,
            start=item.offset_seconds,
            duration=item.duration_seconds,
            channel=0,
            recording=recording,
            supervisions=[supervision],
        )

    lhotse.CutSet.from_cuts(cut(item) for item in utterances).to_file(path)


def prepare_with_lhotse(corpus: str, source: Path, output: Path) -> dict[str, list[Utterance]]:
    """Run one of Lhotse's preparers, `prepare_CORPUS`, and return the utterances of every part of the corpus.

    Raises:
        ConfigError: lhotse is not installed, or has no such preparer.
        DataError: the preparer fails.
    """
    _lhotse()
    recipes = importlib.import_module("lhotse.recipes")
    prepare = getattr(recipes, f"prepare_{corpus}", None)
    if prepare is None:
        known = sorted(name.removeprefix("prepare_") for name in dir(recipes) if name.startswith("prepare_"))
        raise ConfigError(f"lhotse has no preparer {corpus!r}, expected one of {', '.join(known)}")
    options = (
        {"output_dir": output / "lhotse"} if "output_dir" in inspect.signature(prepare).parameters else {}
    )
    try:
        manifests = prepare(source, **options)
    except Exception as error:  # whatever a preparer raises
        raise DataError(
            f"{source}: lhotse's preparer of {corpus} failed ({type(error).__name__}: {error}); check the path"
        ) from error
    return {name: list(part.values()) for name, part in _parts("all", manifests, corpus)}


def _parts(name: str, manifests: Any, corpus: str) -> Iterator[tuple[str, dict[str, Utterance]]]:
    """Walk to the recordings and supervisions of each part, however deep the preparer nests them."""
    if "recordings" not in manifests:
        for key, inner in manifests.items():
            yield from _parts(str(key) if name == "all" else f"{name}-{key}", inner, corpus)
        return
    recordings = {recording.id: recording for recording in manifests["recordings"]}
    found: dict[str, Utterance] = {}
    for supervision in manifests.get("supervisions") or ():
        _add(found, recordings[supervision.recording_id], supervision, 0.0, f"{corpus}: {supervision.id}")
    yield name, found


def _add(found: dict[str, Utterance], recording: Any, supervision: Any, start: float, where: str) -> None:
    source = recording.sources[0]
    if source.type != "file":
        raise DataError(
            f"{where}: its sound comes from a {source.type}, expected a file; export the audio first"
        )
    if len(recording.channel_ids) > 1:
        raise DataError(f"{where}: the recording has several channels; split them first, one file each")
    path, offset = Path(source.source), start + supervision.start
    # Preparers round; what is beyond the file by a little is its end.
    left = audio.probe(path).duration_seconds - offset if path.is_file() else supervision.duration
    add(
        found,
        Utterance(
            id=str(supervision.id),
            audio_path=path,
            duration_seconds=min(supervision.duration, left) if left > 0 else supervision.duration,
            text=supervision.text or "",
            offset_seconds=max(offset, 0.0),
            speaker=supervision.speaker,
            where=where,
        ),
    )


def _lhotse() -> Any:
    try:
        return importlib.import_module("lhotse")
    except ModuleNotFoundError as error:
        raise ConfigError("this needs lhotse; install it with `pip install 'ctcasr[corpora]'`") from error
