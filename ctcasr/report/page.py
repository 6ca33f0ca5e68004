"""The page: scores, slices, confusions and sounds put into one self-contained HTML file."""

from __future__ import annotations

import html
import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any

from ctcasr.data import Utterance
from ctcasr.report.slices import Slice, Traits, confusions, slices
from ctcasr.report.sounds import Clip, clips, noise_ratios
from ctcasr.scoring import CorpusScore, Interval, Result, UtteranceScore

_LETTERS = {"equal": "=", "substitute": "s", "delete": "d", "insert": "i"}


@dataclass(frozen=True, slots=True)
class ReportSettings:
    """Choose what the report is called and what goes into it.

    Attributes:
        title: heading of the page.
        systems: names of the system and of the other one.
        worst: utterances with the most errors that are shown with sound and spectrogram.
        known_words: words that are not out of vocabulary; None if it is not known which are.
    """

    title: str
    systems: tuple[str, str] = ("first", "second")
    worst: int = 20
    known_words: frozenset[str] | None = None


def report_html(
    result: Result,
    utterances: Iterable[Utterance],
    settings: ReportSettings,
    advance: Callable[[], None] = lambda: None,
) -> str:
    """Return the page of a result.

    Args:
        result: what was scored.
        utterances: of the manifest, with their audio; empty if there is none.
        settings: of the page.
        advance: called for every recording that was listened to, for a progress bar.
    """
    listed = {utterance.id: utterance for utterance in utterances}
    traits = Traits(listed, noise_ratios(listed.values(), advance), settings.known_words)
    score = result.scores[0]
    worst = worst_utterances(score, settings.worst)
    sounds = clips(listed[part.id] for part in worst if part.id in listed)
    data = {
        "unit": score.unit,
        "systems": list(settings.systems if result.other else settings.systems[:1]),
        "headline": _headline(result),
        "slices": [_slice_fields(part) for part in slices(score, traits)],
        "confusions": [_confusion_fields(part) for part in _both(result)],
        "utterances": _utterance_fields(result, traits),
        "worst": _positions(score, worst),
        "clips": {identity: _clip_fields(clip) for identity, clip in sounds.items()},
    }
    return _fill(settings.title, data)


def worst_utterances(score: CorpusScore, count: int) -> list[UtteranceScore]:
    """Return the utterances with the most errors, of equally many those with the higher rate first."""
    wrong = [part for part in score.utterances if part.counts.errors]
    return sorted(wrong, key=lambda part: (-part.counts.errors, part.counts.reference_length))[:count]


def _positions(score: CorpusScore, chosen: Iterable[UtteranceScore]) -> list[int]:
    places = {part.id: place for place, part in enumerate(score.utterances)}
    return [places[part.id] for part in chosen]


def _both(result: Result) -> list[CorpusScore]:
    return [result.scores[0], *([result.other] if result.other else [])]


def _headline(result: Result) -> dict[str, Any]:
    """Return the counts of each system, the other units' rates, the interval and the verdict."""
    first = result.scores[0]
    return {
        "systems": [_counts(score) for score in _both(result)],
        "others": [
            {"unit": score.unit, "rate": _finite(score.rate), "errors": score.counts.errors,
             "length": score.counts.reference_length}
            for score in result.scores[1:]
        ],
        "interval": _ends(result.interval),
        "missing": len(first.missing),
        "normalizer": result.normalizer.name,
        "rules": list(result.normalizer.rule_names),
        "comparison": result.comparison.lines("words" if first.unit == "word" else "characters")
        if result.comparison
        else [],
        "significant": bool(result.comparison and result.comparison.is_significant),
    }  # fmt: skip


def _counts(score: CorpusScore) -> dict[str, Any]:
    counts = score.counts
    return {
        "rate": _finite(counts.rate),
        "mer": counts.match_error_rate,
        "length": counts.reference_length,
        "sub": counts.substitutions,
        "del": counts.deletions,
        "ins": counts.insertions,
        "sentences": len(score.utterances),
        "wrong": score.sentence_errors,
    }


def _slice_fields(part: Slice) -> dict[str, Any]:
    counts = part.score.counts
    return {
        "kind": part.kind,
        "name": part.name,
        "rate": _finite(counts.rate),
        "errors": counts.errors,
        "length": counts.reference_length,
        "utterances": len(part.score.utterances),
        "interval": _ends(part.interval),
    }


def _confusion_fields(score: CorpusScore) -> dict[str, Any]:
    return dict(confusions(score.utterances))


def _utterance_fields(result: Result, traits: Traits) -> list[list[Any]]:
    """Return a short row for each utterance; the script names its fields."""
    rows = []
    for parts in zip(*(score.utterances for score in _both(result)), strict=True):
        first = parts[0]
        separator = " " if result.scores[0].unit == "word" else ""
        rows.append([
            first.id,
            separator.join(first.alignment.reference),
            [[_operations(part), separator.join(part.alignment.hypothesis)] for part in parts],
            traits.speaker(first),
            _rounded(traits.seconds(first), 2),
            _rounded(traits.ratios_db.get(first.id), 1),
            _rounded(traits.rate(first), 2),
            traits.unknown(first) if traits.known_words is not None else None,
        ])  # fmt: skip
    return rows


def _operations(part: UtteranceScore) -> str:
    return "".join(
        _LETTERS[chunk.kind]
        * max(chunk.reference_end - chunk.reference_start, chunk.hypothesis_end - chunk.hypothesis_start)
        for chunk in part.alignment.chunks
    )


def _clip_fields(clip: Clip) -> dict[str, Any]:
    return {"mp3": clip.mp3, "picture": clip.spectrogram, "columns": clip.columns, "seconds": clip.seconds}


def _finite(rate: float) -> float | None:
    return rate if math.isfinite(rate) else None


def _rounded(number: float | None, digits: int) -> float | None:
    return None if number is None else round(number, digits)


def _ends(interval: Interval | None) -> list[Any] | None:
    return None if interval is None else [interval.low, interval.high, interval.unit, interval.count]


def _fill(title: str, data: Mapping[str, Any]) -> str:
    """Put the data and the title into the page; nothing in them can end the script or begin a tag."""
    folder = resources.files("ctcasr.report")
    page, style, script = (
        folder.joinpath(name).read_text(encoding="utf-8") for name in ("page.html", "page.css", "page.js")
    )
    content = json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    content = content.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    content = content.encode("utf-8", "replace").decode("utf-8")
    pieces = {"TITLE": html.escape(title), "STYLE": style, "SCRIPT": script, "DATA": content}
    first, *rest = page.split("{{")
    return first + "".join(pieces[name] + after for name, _, after in (part.partition("}}") for part in rest))
