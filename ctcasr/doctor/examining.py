"""The examination: a manifest in, findings out, and a cleaned manifest if one is wanted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ctcasr.ctc import min_input_length
from ctcasr.data import Utterance
from ctcasr.doctor.comparing import doubles, leaks, outliers
from ctcasr.doctor.findings import KINDS, Finding
from ctcasr.doctor.listening import CLIPPED_SHARE, GAP_SECONDS, SILENT_DB, Heard, listen
from ctcasr.doctor.manifests import read_leniently
from ctcasr.doctor.texts import check_text, mended
from ctcasr.errors import DataError
from ctcasr.features import FeatureSettings
from ctcasr.runtime.ordered import in_order
from ctcasr.text import Vocabulary

_DURATION_TOLERANCE_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class ModelFrames:
    """What a model makes of an utterance's length, for the exact feasibility of CTC.

    Attributes:
        features: settings of the feature frames.
        subsampling: feature frames for one encoder frame.
        vocabulary: what the model writes.
    """

    features: FeatureSettings
    subsampling: int
    vocabulary: Vocabulary

    def input_length(self, seconds: float) -> int:
        """Return the encoder frames of so much audio, rounded up as the model does."""
        return -(-self.features.frames(round(seconds * self.features.sample_rate)) // self.subsampling)


@dataclass(frozen=True, slots=True)
class DoctorSettings:
    """Choose what is looked for.

    Attributes:
        min_seconds: shorter audio is too short.
        max_seconds: longer audio is too long.
        model: for vocabulary and feasibility; None leaves both out.
        ignored: kinds of findings that are left out.
    """

    min_seconds: float = 0.1
    max_seconds: float = 60.0
    model: ModelFrames | None = None
    ignored: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What was found.

    Attributes:
        utterances: that could be read, in the order of the manifest.
        heard: what was heard of each, by id.
        findings: in the order of `KINDS`, then of the manifest.
    """

    utterances: tuple[Utterance, ...]
    heard: dict[str, Heard]
    findings: tuple[Finding, ...]

    @property
    def counts(self) -> dict[str, int]:
        """Number of findings of each kind that was found."""
        counted = Counter(finding.kind for finding in self.findings)
        return {kind: counted[kind] for kind in KINDS if counted[kind]}

    def with_findings(self, more: Sequence[Finding]) -> Diagnosis:
        """Return a diagnosis with more findings."""
        order = list(KINDS)
        return replace(
            self, findings=tuple(sorted([*self.findings, *more], key=lambda f: order.index(f.kind)))
        )

    def cleaned(self) -> list[Utterance]:
        """Return the utterances without those that are to be dropped, mended where that is possible."""
        dropped = {
            (finding.where, finding.id) for finding in self.findings if KINDS[finding.kind].remedy == "drop"
        }
        wrong = {finding.id for finding in self.findings if finding.kind == "audio-duration"}
        kept = []
        for utterance in self.utterances:
            if (utterance.where, utterance.id) in dropped:
                continue
            text, seconds = mended(utterance.text), utterance.duration_seconds
            if utterance.id in wrong:
                seconds = self.heard[utterance.id].file_seconds - utterance.offset_seconds
            # Word times belong to the words and the duration that they were found with.
            is_same = text == utterance.text and seconds == utterance.duration_seconds
            words = utterance.words if is_same else None
            kept.append(replace(utterance, text=text, duration_seconds=seconds, words=words))
        return kept

    def left_out(self) -> list[Finding]:
        """Return the findings for which `cleaned` leaves something out."""
        return [finding for finding in self.findings if KINDS[finding.kind].remedy == "drop"]


def examine(
    manifest: Path,
    settings: DoctorSettings,
    against: Path | None = None,
    advance: Callable[[], None] = lambda: None,
) -> Diagnosis:
    """Examine a manifest, its audio and its texts.

    Args:
        manifest: to examine.
        settings: what to look for.
        against: manifest of another part of the corpus, with which nothing may be shared.
        advance: called for each recording that was listened to.

    Raises:
        DataError: a manifest cannot be opened, or there is not one line in it.
    """
    utterances, findings = read_leniently(manifest)
    if not (utterances or findings):
        raise DataError(f"{manifest}: lists no utterance; expected one JSON object a line")
    heard = _listen_to(utterances, advance)
    if against is not None:
        others, _ = read_leniently(against)
        findings += leaks(utterances, heard, others, _listen_to(others, advance))
    vocabulary = settings.model.vocabulary if settings.model else None
    rate = _expected_rate(heard, settings)
    shared = Counter((utterance.audio_path, utterance.byte_span) for utterance in utterances)
    for utterance in utterances:
        findings += check_text(utterance, vocabulary)
        sound = heard[utterance.id]
        findings += _check_sound(utterance, sound, settings, rate)
        if not sound.problem:
            findings += _check_duration(
                utterance, sound, shared[utterance.audio_path, utterance.byte_span] == 1
            )
            findings += _check_feasible(utterance, sound, settings.model)
    findings += doubles(utterances, heard)
    findings += outliers(utterances, heard)
    wanted = [finding for finding in findings if finding.kind not in settings.ignored]
    return Diagnosis(tuple(utterances), heard, ()).with_findings(wanted)


def _listen_to(utterances: Sequence[Utterance], advance: Callable[[], None]) -> dict[str, Heard]:
    heard = {}
    for utterance, sound in zip(utterances, in_order(listen, utterances), strict=True):
        advance()
        heard[utterance.id] = sound
    return heard


def _expected_rate(heard: dict[str, Heard], settings: DoctorSettings) -> int:
    """Return the model's rate, or else that of most files; 0 without any file."""
    if settings.model is not None:
        return settings.model.features.sample_rate
    rates = Counter(sound.sample_rate for sound in heard.values() if not sound.problem)
    return rates.most_common(1)[0][0] if rates else 0


def _check_sound(
    utterance: Utterance, sound: Heard, settings: DoctorSettings, rate: int
) -> Iterator[Finding]:
    def finding(kind: str, message: str) -> Finding:
        return Finding(kind, utterance.where, message, utterance.id)

    if sound.problem:
        yield finding("audio-missing" if sound.is_missing else "audio-unreadable", sound.problem)
        return
    seconds = sound.samples / sound.sample_rate
    if sound.loudest_db <= SILENT_DB:
        yield finding(
            "audio-silent", f"is never louder than {sound.loudest_db:.0f} dB of full scale; drop it"
        )
    if sound.clipped_share > CLIPPED_SHARE:
        yield finding(
            "audio-clipped",
            f"{100 * sound.clipped_share:.1f} % of the samples are cut off; record with a lower gain",
        )
    if sound.gap_seconds >= GAP_SECONDS:
        yield finding(
            "audio-gap", f"{sound.gap_seconds:.1f} s in it are exact zeros; was something lost there?"
        )
    # A model hears a file of a higher rate as well as one of its own.
    if sound.sample_rate < rate or (settings.model is None and sound.sample_rate != rate):
        yield finding("audio-rate", f"is at {sound.sample_rate} Hz, expected {rate} Hz; was it converted?")
    if seconds < settings.min_seconds:
        yield finding(
            "audio-short", f"lasts {seconds:.3f} s, expected at least {settings.min_seconds:g}; drop it"
        )
    if seconds > settings.max_seconds:
        yield finding(
            "audio-long", f"lasts {seconds:.1f} s, expected at most {settings.max_seconds:g}; cut it"
        )


def _check_duration(utterance: Utterance, sound: Heard, is_alone: bool) -> Iterator[Finding]:
    """Yield a finding if the utterance reaches beyond its file, or is all that is said to be in a longer one."""
    excess = utterance.offset_seconds + utterance.duration_seconds - sound.file_seconds
    is_short = is_alone and utterance.offset_seconds == 0 and excess < -_DURATION_TOLERANCE_SECONDS
    if excess > _DURATION_TOLERANCE_SECONDS or is_short:
        yield Finding(
            "audio-duration",
            utterance.where,
            f"`duration` is {utterance.duration_seconds:.3f} s from {utterance.offset_seconds:.3f} s on and the file "
            f"lasts {sound.file_seconds:.3f} s; correct it",
            utterance.id,
        )


def _check_feasible(utterance: Utterance, sound: Heard, model: ModelFrames | None) -> Iterator[Finding]:
    text = mended(utterance.text)
    if model is None or model.vocabulary.unknown(text):
        return
    symbols = model.vocabulary.encode(text)
    needed = min_input_length(symbols)
    given = model.input_length(sound.samples / sound.sample_rate)
    if needed > given:
        yield Finding(
            "infeasible",
            utterance.where,
            f"{len(symbols)} symbols need at least {needed} frames, the model gives {given}; drop the utterance or "
            f"lower model.subsampling ({model.subsampling})",
            utterance.id,
        )
