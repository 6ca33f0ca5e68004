"""The picture of `ctcasr align --plot`: what is heard, what the network makes of it, and where the words are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ctcasr import audio
from ctcasr.cli.plotting import GREY, STYLE, save
from ctcasr.errors import ConfigError
from ctcasr.features import FeatureExtractor, FeatureSettings
from ctcasr.features.filters import hz_to_mel
from ctcasr.runtime import Recognizer
from ctcasr.runtime.aligned import AlignedTranscript
from ctcasr.runtime.windows import waveform_log_probs
from ctcasr.text import BLANK, SPACE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LONGEST_SECONDS = 60.0
"""Recordings that can be seen on one picture."""

COLOURS = ("#1f6f8b", "#c4622d", "#4d7c3a", "#8a4f9e", "#b03a5b", "#97772b", "#2f8f83", "#5b6fb5")
GROUNDS = {BLANK: "#e3e7ea", SPACE: "#f3e6cf"}
LINE_COLOUR = "#30363c"
TICKS_HZ = (250, 500, 1000, 2000, 4000, 8000, 16000)


@dataclass(frozen=True)
class Seen:
    """What is drawn.

    Attributes:
        aligned: words and symbols with times.
        spectrogram: `(T, F)` log-mel energies.
        settings: of the spectrogram.
        posteriors: `(T', V)` probabilities of the symbols.
        symbols: their names.
        frame_seconds: from one row of posteriors to the next.
    """

    aligned: AlignedTranscript
    spectrogram: npt.NDArray[np.float32]
    settings: FeatureSettings
    posteriors: npt.NDArray[np.floating]
    symbols: tuple[str, ...]
    frame_seconds: float


def check_length(path: Path) -> None:
    """Raise ConfigError now if a recording is too long for one picture."""
    seconds = audio.probe(path).duration_seconds
    if seconds > LONGEST_SECONDS:
        raise ConfigError(
            f"{path}: lasts {seconds:.0f} s; expected at most {LONGEST_SECONDS:.0f} s for --plot: cut a part out of it"
        )


def draw_alignment(recognizer: Recognizer, recording: Path, aligned: AlignedTranscript, path: Path) -> None:
    """Draw spectrogram, words and posteriors of a recording.

    Raises:
        ConfigError: the file cannot be written.
    """
    import matplotlib
    from matplotlib.figure import Figure  # not pyplot: it needs no display and leaves no state

    bundle = recognizer.bundle
    rate = bundle.description.features.sample_rate
    waveform = audio.load(recording, rate)
    settings = FeatureSettings(sample_rate=rate, hop_seconds=0.005, normalization="none")
    posteriors = np.exp(bundle.topology.merged(waveform_log_probs(recognizer, waveform)))
    seen = Seen(
        aligned,
        FeatureExtractor(settings)(waveform),
        settings,
        posteriors,
        bundle.vocabulary.symbols,
        bundle.frame_seconds,
    )
    with matplotlib.rc_context(STYLE):
        width = min(18.0, max(7.0, 1.0 + 3.4 * aligned.duration_seconds))
        figure = Figure(figsize=(width, 4.6), layout="constrained")
        words, sound, network = figure.subplots(3, 1, sharex=True, height_ratios=(0.28, 2, 1.6))
        _words(words, seen)
        _spectrogram(sound, seen)
        _posteriors(network, seen)
        for axes in (sound, network):
            _bounds(axes, aligned)
        network.set(xlim=(0, aligned.duration_seconds), xlabel="seconds")
        save(figure, path)


def _words(axes: Axes, seen: Seen) -> None:
    for word in seen.aligned.words:
        start, end = word.start_seconds, word.end_seconds
        axes.axvspan(start, end, color="#dfeaf0", linewidth=0)
        axes.text((start + end) / 2, 0.5, word.text, ha="center", va="center", color=LINE_COLOUR, fontsize=11)
    axes.set(ylim=(0, 1), yticks=[])
    axes.tick_params(bottom=False)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _spectrogram(axes: Axes, seen: Seen) -> None:
    settings, energies = seen.settings, seen.spectrogram.T
    low, high = np.percentile(energies, (5, 99.8))
    extent = (0.0, len(seen.spectrogram) * settings.hop_seconds, 0.0, float(settings.mel_bins))
    axes.imshow(energies, origin="lower", aspect="auto", extent=extent, cmap="gray_r", vmin=low, vmax=high)
    edges = hz_to_mel(np.array([settings.low_hz, settings.sample_rate / 2]), settings.mel_scale)
    shown = [hz for hz in TICKS_HZ if hz < settings.sample_rate / 2]
    mels = hz_to_mel(np.array(shown, np.float64), settings.mel_scale)
    places = (mels - edges[0]) / (edges[1] - edges[0]) * settings.mel_bins
    axes.set_yticks(places.tolist(), [f"{hz / 1000:g}" for hz in shown])
    axes.set_ylabel("kHz")


def _posteriors(axes: Axes, seen: Seen) -> None:
    """Draw blank and space as grounds, every symbol of the text as a peak, and its name above its frames."""
    # A step a frame: frame t lasts from t to t + 1.
    edges = np.arange(len(seen.posteriors) + 1) * seen.frame_seconds
    for name, colour in GROUNDS.items():
        if name in seen.symbols:
            row = seen.posteriors[:, seen.symbols.index(name)]
            axes.stairs(row, edges, fill=True, color=colour)
            start, end = _longest_run(row > 0.5)
            if end > start:
                middle = (start + end) / 2 * seen.frame_seconds
                axes.text(
                    middle,
                    0.5,
                    name.strip("<>"),
                    color=GREY,
                    fontsize=7.5,
                    ha="center",
                    va="center",
                    rotation=90,
                )
    colours: dict[str, str] = {}
    for token in seen.aligned.tokens:
        colours.setdefault(token.text, COLOURS[len(colours) % len(COLOURS)])
    for name, colour in colours.items():
        row = seen.posteriors[:, seen.symbols.index(name)]
        axes.stairs(row, edges, fill=True, color=colour, alpha=0.55)
        axes.stairs(row, edges, color=colour, linewidth=1)
    for token in seen.aligned.tokens:
        middle = (token.start_seconds + token.end_seconds) / 2
        axes.text(middle, 1.04, token.text, ha="center", color=colours[token.text], fontsize=8.5)
    axes.set(ylim=(0, 1.18), yticks=[0, 0.5, 1], ylabel="probability")


def _longest_run(inside: npt.NDArray[np.bool_]) -> tuple[int, int]:
    """Return the bounds of the longest stretch, `[start, end)`; the first of equal ones."""
    changes = np.flatnonzero(np.diff(np.concatenate(([False], inside, [False])).astype(np.int8)))
    bounds = changes.reshape(-1, 2)
    if not len(bounds):
        return 0, 0
    start, end = bounds[int(np.argmax(bounds[:, 1] - bounds[:, 0]))]
    return int(start), int(end)


def _bounds(axes: Axes, aligned: AlignedTranscript) -> None:
    for word in aligned.words:
        for seconds in (word.start_seconds, word.end_seconds):
            axes.axvline(seconds, color="#1f6f8b", linewidth=0.8, alpha=0.8, linestyle=(0, (3, 2)))


__all__ = ["check_length", "draw_alignment"]
