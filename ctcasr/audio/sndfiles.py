"""Reading through libsndfile: WAV, FLAC, Ogg Vorbis and Opus, MP3, AIFF, NIST SPHERE and headerless PCM."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile as sf

from ctcasr.audio import containers
from ctcasr.audio.formats import (
    MAX_SECONDS,
    RAW_SUBTYPES,
    AudioInfo,
    RawFormat,
    Segment,
    check_file_rate,
    check_length,
)
from ctcasr.audio.mpeg import check_mp3
from ctcasr.audio.ogg import check_ogg
from ctcasr.audio.patched import Patch, PatchedFile
from ctcasr.errors import AudioError

# Samples decoded at a time (4 MiB): a header can promise what it likes, memory follows what is really there.
_BLOCK_SAMPLES = 1 << 20
# What libsndfile reports as length when a FLAC stream does not say.
_UNKNOWN_FRAMES = (1 << 63) - 1
# libsndfile's code for "not a regular file", which it also gives when its MP3 decoder finds nothing.
_NO_REGULAR_FILE = 7
_CHUNKED = frozenset({"WAV", "WAVEX", "RF64", "AIFF"})
_READABLE = _CHUNKED | {"FLAC", "OGG", "MP3", "NIST", "RAW"}
_EXPECTED = "wav, flac, ogg, opus, mp3, aiff, sph or a media file"
_CONVERT_ADVICE = "convert it with `ffmpeg -i IN OUT.wav`, or drop it"
_BEYOND_SOUNDFILE = (sf.SoundFileError, RuntimeError, OSError, ValueError)


class _SequentialSoundFile(sf.SoundFile):  # type: ignore[misc]
    """A sound file that soundfile does not seek in behind our back.

    soundfile seeks to where it already stands after every read. In MP3 that disturbs the decoder's bit
    reservoir (audible at each block) and in a FLAC stream of unknown length it fails. `seek` still works.
    """

    def seekable(self) -> bool:
        """Say no, so that `read` leaves the position alone."""
        return False


@dataclass(frozen=True)
class _Sound:
    """An open, checked sound file; `frames` is None when its length is unknown until it is read."""

    file: Path
    handle: Any
    frames: int | None

    @property
    def sample_rate(self) -> int:
        return int(self.handle.samplerate)


def blocks(
    file: Path, segment: Segment, raw: RawFormat | None
) -> Iterator[tuple[npt.NDArray[np.float32], int]]:
    """Read a segment of a file block by block and average its channels.

    Yields:
        Blocks `(n,)` of the waveform, each with its rate in Hz, which is the file's own.

    Raises:
        AudioError: The file or the segment cannot be read whole, which may show at its end only.
    """
    with _open(file, raw) as sound:
        rate = sound.sample_rate
        if sound.frames is None:
            for block in segment.cut(file, _decode_unknown(sound), rate):
                yield block, rate
            return
        segment.check_fits(file, sound.frames, rate)
        start, wanted = segment.span(rate)
        expected = sound.frames - start if wanted is None else min(wanted, sound.frames - start)
        if start:
            sound.handle.seek(start)
        found = 0
        for block in _decode(sound.handle, expected):
            found += len(block)
            yield block, rate
    containers.check_frames(file, expected, found)


def probe(file: Path, raw: RawFormat | None) -> AudioInfo:
    """Describe a file from its header; only a FLAC stream of unknown length is decoded.

    Raises:
        AudioError: The file cannot be opened, or is shorter than it promises.
    """
    with _open(file, raw) as sound:
        rate, handle = sound.sample_rate, sound.handle
        frames = sum(map(len, _decode_unknown(sound))) if sound.frames is None else sound.frames
        return AudioInfo(file, rate, handle.channels, frames / rate, handle.format, handle.subtype)


def _decode_unknown(sound: _Sound) -> Iterator[npt.NDArray[np.float32]]:
    """Decode a whole stream that does not say how long it is: seeking in it past its end would fail."""
    found = 0
    for block in _decode(sound.handle, int(MAX_SECONDS * sound.sample_rate) + 1):
        found += len(block)
        yield block
    check_length(sound.file, found, sound.sample_rate)


def _decode(handle: Any, most: int) -> Iterator[npt.NDArray[np.float32]]:
    """Decode at most so many frames, averaging the channels; fewer come when there are fewer."""
    block_frames = max(1, _BLOCK_SAMPLES // handle.channels)
    left = most
    while left > 0:
        asked = min(left, block_frames)
        block = handle.read(asked, dtype="float32", always_2d=True)
        # Infinities of either sign become NaN here; the loader finds and reports them.
        with np.errstate(all="ignore"):
            mono = block.mean(axis=1) if handle.channels > 1 else block[:, 0]
        if len(mono):
            yield mono
        left -= len(block)
        if len(block) < asked:
            break


@contextmanager
def _open(file: Path, raw: RawFormat | None) -> Iterator[_Sound]:
    """Open and check a file; whatever libsndfile says against it becomes an AudioError."""
    handle = None
    try:
        handle = _open_handle(file, raw)
        sound = _check(file, handle)
        yield sound
    except _BEYOND_SOUNDFILE as error:
        reason = _reason(error)
        if handle is None:
            found = f"holds no audio that libsndfile can open ({reason})"
            raise AudioError(f"{file}: {found}, expected {_EXPECTED}; {_CONVERT_ADVICE}") from error
        raise AudioError(
            f"{file}: damaged or truncated, decoding it stopped ({reason}); {containers.RESTORE_ADVICE}"
        ) from error
    finally:
        if handle is not None:
            handle.close()


def _reason(error: Exception) -> str:
    """Word what libsndfile has against a file, without its full stop."""
    if getattr(error, "code", None) == _NO_REGULAR_FILE:
        return "no audio stream found"
    return str(getattr(error, "error_string", error)).strip().rstrip(".") or type(error).__name__


def _open_handle(file: Path, raw: RawFormat | None) -> Any:
    if raw is not None:
        _check_raw_size(file, raw)
        subtype = RAW_SUBTYPES[raw.sample_format][0]
        return _SequentialSoundFile(
            str(file), "r", raw.sample_rate, raw.channels, subtype, raw.byte_order.upper(), "RAW"
        )
    handle = _SequentialSoundFile(str(file))
    try:
        _check_supported(file, handle)
        patch = _repair(file, handle)
    except BaseException:
        handle.close()
        raise
    if patch is None:
        return handle
    handle.close()
    return _SequentialSoundFile(PatchedFile(file, patch))


def _check_supported(file: Path, handle: Any) -> None:
    # Other containers cannot be checked for truncation here, and MP3 inside WAV has no dependable length.
    if handle.format not in _READABLE or (handle.format != "MP3" and handle.subtype.startswith("MPEG")):
        raise AudioError(
            f"{file}: holds {handle.subtype} in {handle.format}, expected {_EXPECTED}; {_CONVERT_ADVICE}"
        )


def _repair(file: Path, handle: Any) -> Patch | None:
    """Check what the container promises, and return a header with a length where a streamer left none."""
    if handle.format in _CHUNKED:
        position = containers.check_chunks(file)
        if position is not None:
            with file.open("rb") as stream:
                return Patch(stream.read(position) + b"\xff\xff\xff\xff", position + 4)
    elif handle.format == "NIST":
        containers.check_sphere(file, handle.frames)
    elif handle.format == "OGG":
        check_ogg(file)
    elif handle.format == "MP3":
        return check_mp3(file)
    return None


def _check(file: Path, handle: Any) -> _Sound:
    check_file_rate(file, handle.samplerate)
    if handle.frames == _UNKNOWN_FRAMES:
        return _Sound(file, handle, None)
    check_length(file, handle.frames, handle.samplerate)
    return _Sound(file, handle, handle.frames)


def _check_raw_size(file: Path, raw: RawFormat) -> None:
    size = file.stat().st_size
    if size % raw.frame_bytes:
        raise AudioError(
            f"{file}: holds {size:,} bytes, expected whole frames of {raw.frame_bytes} bytes "
            f"({raw.sample_format}, channels={raw.channels}); correct the RawFormat or restore the file"
        )
