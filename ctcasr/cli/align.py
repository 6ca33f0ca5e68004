"""`ctcasr align`: when each line, word and symbol of a text is said."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from ctcasr.cli.guesses import with_told_guesses
from ctcasr.cli.plotting import check_plot
from ctcasr.cli.progress import bar
from ctcasr.cli.transcribe import Precision
from ctcasr.data import Utterance, read_manifest, write_manifest
from ctcasr.errors import ConfigError, CtcAsrError, DataError
from ctcasr.runtime import Recognizer, find_bundle, read_bundle
from ctcasr.runtime.aligned import AlignedTranscript
from ctcasr.runtime.alignment_formats import ALIGNMENT_FORMATS
from ctcasr.runtime.alignment_text import name_unknown
from ctcasr.runtime.decoder import DecodingOptions
from ctcasr.runtime.segmenting import LOW_CONFIDENCE, low_segments, segment_utterances
from ctcasr.text import Vocabulary

if TYPE_CHECKING:
    from ctcasr.runtime.aligned_utterances import AlignedUtterance

# The functions import ctcasr.runtime.alignment themselves: with it comes numba, for which others should not wait.

AlignmentFormat = Enum(  # type: ignore[misc]
    "AlignmentFormat", {name: name for name in ALIGNMENT_FORMATS}, type=str
)


def command(
    audio: Path = typer.Argument(help="Audio file of any length; or a manifest (.jsonl), without TEXT."),
    text: Path = typer.Argument(None, help="What is said in the audio file: UTF-8, a segment a line."),
    model: str = typer.Option(None, "-m", "--model", help="Bundle: a folder, or a name inside the package."),
    form: AlignmentFormat = typer.Option(
        None, "-f", "--format", help="What to write; default: textgrid, or only what the other options write."
    ),
    output: Path = typer.Option(
        None, "-o", "--output", help="File to write; default: stdout. Of a manifest: the manifest to write."
    ),
    skip_audio: bool = typer.Option(
        False, "--skip-audio", help="Between lines, before and after them more may be said than is written."
    ),
    skip_unknown: bool = typer.Option(
        False,
        "--skip-unknown",
        help="Leave out characters that the model cannot write, or words that its dictionary lacks.",
    ),
    name_pronunciations: bool = typer.Option(
        False,
        "--name-pronunciations",
        help="Of a manifest: mark words that are not said as usual, as `a(2)`, to train on phones.",
    ),
    segments_to: Path = typer.Option(
        None, "--segments-to", help="Write the lines as utterances of a training manifest."
    ),
    min_confidence: float = typer.Option(
        LOW_CONFIDENCE,
        min=0.0,
        max=1.0,
        help="Name lines or utterances below; lines are left out of --segments-to.",
    ),
    plot: Path = typer.Option(
        None, help="Draw sound, posteriors and words, as .png or .svg; needs the extra `train`."
    ),
    precision: Precision = typer.Option(None, help="Network to run; default: int8 where there is one."),
    threads: int = typer.Option(
        None,
        min=1,
        max=1024,
        help="Windows of a recording, or utterances, at a time; default: one a processor.",
    ),
) -> None:
    """Align a text with a recording of it: times of lines, words and symbols.

    E.g. `ctcasr align talk.wav talk.txt -f srt -o talk.srt`.

    Or `ctcasr align book.flac chapter.txt --skip-audio --segments-to train.jsonl` for utterances to train on.

    Or `ctcasr align train.jsonl -o aligned.jsonl` for a manifest that has `words`: the start and the end of each word
    of an utterance's text, in seconds from the start of the utterance.
    """
    from ctcasr.cli.alignment_plot import check_length, draw_alignment
    from ctcasr.runtime.aligned_utterances import align_utterances
    from ctcasr.runtime.alignment import AlignmentOptions, align_recording

    options = AlignmentOptions(skip_unknown, skip_audio)
    is_manifest = audio.suffix == ".jsonl"
    check_plot(plot)
    _check_usage(is_manifest, text, output, {"--format": form, "--segments-to": segments_to, "--plot": plot})
    if name_pronunciations and not is_manifest:
        raise ConfigError("--name-pronunciations is for a manifest (.jsonl); leave it out")
    taken = [path for path in (audio, text) if path is not None]
    for path in (output, segments_to, plot):
        if path is not None:
            _check_writable(path, taken)
            taken.append(path)
    if plot is not None:
        check_length(audio)
    content = "" if is_manifest else _read_text(text)
    utterances = read_manifest(audio) if is_manifest else []
    bundle = read_bundle(find_bundle(model))
    if not skip_unknown:
        bundle = with_told_guesses(bundle, [utterance.text for utterance in utterances] or [content])
    recognizer = Recognizer(
        bundle, precision.value if precision else None, decoding=DecodingOptions(is_greedy=True)
    )
    if is_manifest:
        found = align_utterances(
            recognizer, utterances, options, name_pronunciations=name_pronunciations, threads=threads
        )
        _align_manifest(found, len(utterances), recognizer.bundle.vocabulary, output, min_confidence)
        return
    try:
        aligned = align_recording(recognizer, audio, content, options, threads=threads)
    except DataError as error:
        raise DataError(f"{text}: {error}") from error
    if form is not None or output is not None or (segments_to is None and plot is None):
        _put(ALIGNMENT_FORMATS[form.value if form else "textgrid"](aligned), output)
    _report(aligned, text, min_confidence, recognizer.bundle.vocabulary)
    if plot is not None:
        draw_alignment(recognizer, audio, aligned, plot)
    if segments_to is not None:
        _write_segments(aligned, segments_to, min_confidence)


def _check_usage(
    is_manifest: bool, text: Path | None, output: Path | None, of_audio: Mapping[str, object]
) -> None:
    """Raise ConfigError where the arguments are those of the other use."""
    if not is_manifest and text is None:
        raise ConfigError(
            "TEXT is missing; name the file of what is said, or give a manifest (.jsonl) as AUDIO"
        )
    if is_manifest and text is not None:
        raise ConfigError(f"{text}: a manifest has the texts in it; leave TEXT out")
    if is_manifest and output is None:
        raise ConfigError("the aligned manifest needs a name; give it with -o")
    for name, value in of_audio.items():
        if is_manifest and value is not None:
            raise ConfigError(
                f"{name} is for an audio file; of a manifest a manifest is written: leave it out"
            )


def _read_text(path: Path) -> str:
    try:
        content = path.read_text(encoding="utf-8-sig")
        if "\0" in content:
            raise ValueError("it holds zero bytes")
        return content
    except (OSError, ValueError) as error:  # ValueError: no UTF-8, or a zero byte in the name
        raise DataError(
            f"{path}: cannot be read as UTF-8 text ({error}); expected what is said, a segment a line"
        ) from error


def _check_writable(path: Path, taken: list[Path]) -> None:
    """Raise ConfigError now rather than after an hour of work."""
    if not path.parent.is_dir():
        raise ConfigError(f"{path}: there is no folder {path.parent}; make it, or choose another file")
    if path.exists() and not path.is_file():
        raise ConfigError(f"{path}: is {'a folder' if path.is_dir() else 'no regular file'}; name a file")
    if path.resolve() in {other.resolve() for other in taken}:
        raise ConfigError(f"{path}: is named twice; what is written needs a file of its own")


def _put(written: str, output: Path | None) -> None:
    """Print, or write a file that appears whole or not at all."""
    if output is None:
        print(written, flush=True)
        return
    temporary = output.with_name(f"{output.name}.tmp")
    try:
        temporary.write_text(written + "\n", encoding="utf-8", errors="backslashreplace")
        temporary.replace(output)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink()
        raise CtcAsrError(f"{output}: cannot be written ({error.strerror})") from error


def _report(aligned: AlignedTranscript, text: Path, min_confidence: float, vocabulary: Vocabulary) -> None:
    """Say on stderr what was left out, and which lines hardly fit."""
    if aligned.skipped_text:
        print(f"{text}: left out {name_unknown(aligned.skipped_text, vocabulary)}", file=sys.stderr)
    if aligned.skipped_lines:
        numbers = ", ".join(map(str, aligned.skipped_lines))
        print(f"{text}: of these lines nothing was left: {numbers}", file=sys.stderr)
    if aligned.skipped_audio:
        seconds = sum(end - start for start, end in aligned.skipped_audio)
        places = ", ".join(f"{start:.1f}-{end:.1f}" for start, end in aligned.skipped_audio[:5])
        more = ", ..." if len(aligned.skipped_audio) > 5 else ""
        print(f"{aligned.audio_path}: skipped {seconds:.1f} s of audio ({places}{more})", file=sys.stderr)
    low = low_segments(aligned, min_confidence)
    for segment in low:
        place = f"{segment.start_seconds:.2f}-{segment.end_seconds:.2f} s"
        print(
            f"{text}:{segment.line}: confidence {segment.confidence:.3f} at {place}: {_short(segment.text)}",
            file=sys.stderr,
        )
    if low:
        count = f"{len(low)} of {len(aligned.segments)} segments"
        print(f"{count} have a confidence below {min_confidence:g}", file=sys.stderr)


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}..."


def _write_segments(aligned: AlignedTranscript, path: Path, min_confidence: float) -> None:
    utterances = segment_utterances(aligned, min_confidence)
    if not utterances:
        raise DataError(
            f"{path}: not written, none of the {len(aligned.segments)} segments has a confidence of "
            f"{min_confidence:g}; check that text and recording belong together, or lower --min-confidence"
        )
    _write_manifest(path, utterances)
    left = len(aligned.segments) - len(utterances)
    seconds = sum(utterance.duration_seconds for utterance in utterances)
    print(f"{path}: {len(utterances)} utterances, {seconds:.1f} s; {left} segments left out", file=sys.stderr)


def _align_manifest(
    aligned: Iterable[AlignedUtterance],
    count: int,
    vocabulary: Vocabulary,
    output: Path,
    min_confidence: float,
) -> None:
    """Write the utterances that can be aligned, with their words' times; name the others, and end with exit code 1."""
    done, low, skipped = [], 0, Counter[str]()
    with bar("aligning", count) as advance:
        for found in aligned:
            advance()
            if found.error:
                print(f"error: {found.error}", file=sys.stderr)
                continue
            done.append(found.utterance)
            skipped.update(dict(found.skipped_text))
            if found.confidence < min_confidence:
                low += 1
                text = _short(found.utterance.text)
                print(f"{found.utterance}: confidence {found.confidence:.3f}: {text}", file=sys.stderr)
    failures = count - len(done)
    if not done:
        raise DataError(f"{output}: not written, none of the {count} utterances can be aligned")
    _write_manifest(output, done)
    if skipped:
        print(f"left out {name_unknown(skipped, vocabulary)}", file=sys.stderr)
    if low:
        print(f"{low} of {len(done)} utterances have a confidence below {min_confidence:g}", file=sys.stderr)
    print(f"{output}: {len(done)} utterances with the times of their words", file=sys.stderr)
    if failures:
        print(f"{failures} of {count} utterances failed and are left out", file=sys.stderr)
        raise typer.Exit(1)


def _write_manifest(path: Path, utterances: list[Utterance]) -> None:
    try:
        write_manifest(path, utterances)
    except OSError as error:
        raise CtcAsrError(f"{path}: cannot be written ({error.strerror})") from error
