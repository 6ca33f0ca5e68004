"""What the loader accepts: suffixes, rates, lengths, and how headerless PCM is described."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from ctcasr.errors import AudioError, ConfigError

SampleFormat = Literal["s8", "u8", "s16", "s24", "s32", "f32", "f64", "ulaw", "alaw"]

MIN_SAMPLE_RATE = 4_000
MAX_SAMPLE_RATE = 192_000
MAX_SECONDS = 24 * 3600.0
# A segment may ask for this much more than the file holds: manifests round their durations.
SEGMENT_TOLERANCE_SECONDS = 0.05

RAW_SUFFIXES = frozenset({".raw", ".pcm"})
SNDFILE_SUFFIXES = frozenset(
    {".wav", ".wave", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".aifc", ".sph"}
)
MEDIA_SUFFIXES = frozenset({".aac", ".m4a", ".m4b", ".mp4", ".m4v", ".mov", ".3gp", ".mkv", ".mka", ".webm"})
AUDIO_SUFFIXES = SNDFILE_SUFFIXES | MEDIA_SUFFIXES | RAW_SUFFIXES
"""Lower-case suffixes of the files that `load` is meant for; the content, not the suffix, picks a reader."""

# sample format -> (libsndfile's subtype, bytes per sample)
RAW_SUBTYPES: dict[str, tuple[str, int]] = {
    "s8": ("PCM_S8", 1),
    "u8": ("PCM_U8", 1),
    "s16": ("PCM_16", 2),
    "s24": ("PCM_24", 3),
    "s32": ("PCM_32", 4),
    "f32": ("FLOAT", 4),
    "f64": ("DOUBLE", 8),
    "ulaw": ("ULAW", 1),
    "alaw": ("ALAW", 1),
}


@dataclass(frozen=True)
class RawFormat:
    """Describe headerless PCM, which says nothing about itself.

    Attributes:
        sample_rate: Frames per second in Hz, 4,000 to 192,000.
        sample_format: Width and coding of one sample, e.g. "s16" for signed 16-bit integers.
        byte_order: "little" or "big"; without effect on one-byte samples.
        channels: Interleaved channels, 1 to 1,024.

    Raises:
        ConfigError: A field lies outside its range.
    """

    sample_rate: int
    sample_format: SampleFormat
    byte_order: Literal["little", "big"]
    channels: int = 1

    def __post_init__(self) -> None:
        check_wanted_rate(self.sample_rate, "RawFormat.sample_rate")
        if self.sample_format not in RAW_SUBTYPES:
            known = ", ".join(RAW_SUBTYPES)
            raise ConfigError(f"RawFormat.sample_format is {self.sample_format!r}, expected one of {known}")
        if self.byte_order not in ("little", "big"):
            raise ConfigError(f"RawFormat.byte_order is {self.byte_order!r}, expected 'little' or 'big'")
        if not 1 <= self.channels <= 1024:
            raise ConfigError(f"RawFormat.channels is {self.channels}, expected 1 to 1024")

    @property
    def frame_bytes(self) -> int:
        """Bytes of one frame, that is of one sample of every channel."""
        return RAW_SUBTYPES[self.sample_format][1] * self.channels


@dataclass(frozen=True)
class AudioInfo:
    """What a file holds, as `probe` found it.

    Attributes:
        path: The file.
        sample_rate: Frames per second in Hz, as stored.
        channels: Channels as stored.
        duration_seconds: Length in seconds.
        container: The container in capitals, e.g. "WAV", "FLAC", "OGG", "MOV".
        encoding: The coding of the samples in capitals, e.g. "PCM_16", "VORBIS", "AAC".
    """

    path: Path
    sample_rate: int
    channels: int
    duration_seconds: float
    container: str
    encoding: str


@dataclass(frozen=True)
class Segment:
    """A part of a file in seconds: from the offset, for the duration or (None) to the end."""

    offset_seconds: float = 0.0
    duration_seconds: float | None = None

    def check(self, file: Path) -> None:
        """Refuse a segment that no file could hold.

        Raises:
            AudioError: The offset is negative, the duration is not positive, or one of them is not finite.
        """
        if not (math.isfinite(self.offset_seconds) and self.offset_seconds >= 0):
            raise AudioError(
                f"{file}: the offset is {self.offset_seconds} s, expected zero or more; correct the segment"
            )
        if self.duration_seconds is not None and not (
            math.isfinite(self.duration_seconds) and self.duration_seconds > 0
        ):
            raise AudioError(
                f"{file}: the duration is {self.duration_seconds} s, expected more than zero; "
                "correct the segment"
            )

    @property
    def is_whole(self) -> bool:
        """Whether the segment is the whole file."""
        return self.offset_seconds == 0 and self.duration_seconds is None

    def span(self, sample_rate: int) -> tuple[int, int | None]:
        """Return the first frame and the number of frames (None: to the end) at a rate in Hz."""
        start = round(self.offset_seconds * sample_rate)
        if self.duration_seconds is None:
            return start, None
        return start, max(1, round(self.duration_seconds * sample_rate))

    def check_fits(self, file: Path, available_frames: int, sample_rate: int) -> None:
        """Refuse a segment that starts behind the end of the file or reaches too far beyond it.

        Args:
            file: The file, for the message.
            available_frames: Frames of the whole file.
            sample_rate: The file's rate in Hz.

        Raises:
            AudioError: The segment does not lie within the file, give or take 0.05 s at its end.
        """
        start, count = self.span(sample_rate)
        length = available_frames / sample_rate
        if start >= available_frames:
            raise AudioError(
                f"{file}: the segment starts at {self.offset_seconds} s but the file ends at {length:.3f} s; "
                "correct the segment's offset"
            )
        excess = 0 if count is None else start + count - available_frames
        if excess > SEGMENT_TOLERANCE_SECONDS * sample_rate:
            raise AudioError(
                f"{file}: the segment ends at {(available_frames + excess) / sample_rate:.3f} s "
                f"but the file ends at {length:.3f} s, so it is truncated or the segment is wrong; "
                "restore the file or correct the segment"
            )

    def cut(
        self, file: Path, blocks: Iterable[npt.NDArray[np.float32]], sample_rate: int
    ) -> Iterator[npt.NDArray[np.float32]]:
        """Yield what of the blocks of a whole waveform lies in the segment; stop reading where it ends.

        Args:
            file: The file, for the message.
            blocks: `(n,)` each, from the beginning of the file.
            sample_rate: Their rate in Hz.

        Raises:
            AudioError: The segment does not lie within the file, give or take 0.05 s at its end.
        """
        start, count = self.span(sample_rate)
        stop = None if count is None else start + count
        position = 0
        for block in blocks:
            inside = block[max(0, start - position) : None if stop is None else max(0, stop - position)]
            position += len(block)
            if len(inside):
                yield inside
            if stop is not None and position >= stop:
                return
        self.check_fits(file, position, sample_rate)


def check_wanted_rate(sample_rate: float, name: str) -> None:
    """Refuse a sample rate that a caller or a configuration asks for outside 4 to 192 kHz.

    Raises:
        ConfigError: The rate is out of range; `name` says which setting it is.
    """
    if not MIN_SAMPLE_RATE <= sample_rate <= MAX_SAMPLE_RATE:
        raise ConfigError(f"{name} is {sample_rate} Hz, expected {MIN_SAMPLE_RATE} to {MAX_SAMPLE_RATE} Hz")


def check_file_rate(file: Path, sample_rate: int) -> None:
    """Refuse a file whose own rate lies outside 4 to 192 kHz.

    Raises:
        AudioError: The rate is out of range.
    """
    if not MIN_SAMPLE_RATE <= sample_rate <= MAX_SAMPLE_RATE:
        raise AudioError(
            f"{file}: its header gives a sample rate of {sample_rate} Hz, expected {MIN_SAMPLE_RATE} to "
            f"{MAX_SAMPLE_RATE} Hz; correct the header or convert the file"
        )


def check_length(file: Path, frames: int, sample_rate: int) -> None:
    """Refuse a file without samples or with more than 24 hours of them.

    Raises:
        AudioError: The number of frames is zero or exceeds 24 hours.
    """
    if frames <= 0:
        raise AudioError(
            f"{file}: holds no samples, expected some sound; record or export it again, or drop it"
        )
    if frames > MAX_SECONDS * sample_rate:
        hours = frames / sample_rate / 3600
        raise AudioError(
            f"{file}: promises {hours:,.1f} hours of sound, expected at most {MAX_SECONDS / 3600:.0f}; "
            "the header is damaged, or the file should be split"
        )
