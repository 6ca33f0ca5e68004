"""Reading the sound of media files (m4a, mp4, mov, mkv, webm, aac) through PyAV, the `media` extra."""

from __future__ import annotations

import mmap
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ctcasr.audio.containers import RESTORE_ADVICE
from ctcasr.audio.formats import MAX_SECONDS, AudioInfo, Segment, check_file_rate, check_length
from ctcasr.errors import AudioError

# The decoder's priming and padding, and the rounding of Matroska's millisecond clock.
_LENGTH_TOLERANCE_SECONDS = 0.1
_ADTS_HEADER_BYTES = 7
_MP4_FIRST_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")


def sniff(head: bytes) -> str | None:
    """Name FFmpeg's demuxer for the first bytes of a file, or None when they begin no media file.

    Naming it keeps FFmpeg from guessing: some of its guesses (playlists) open other files and addresses.
    """
    if head[4:8] in _MP4_FIRST_BOXES:
        return "mov"
    if head[:4] == b"\x1a\x45\xdf\xa3":
        return "matroska"
    # ADTS: twelve sync bits and a layer of 0, which MPEG audio layers I to III never have.
    if len(head) > 1 and head[0] == 0xFF and head[1] & 0xF6 == 0xF0:
        return "aac"
    return None


def blocks(file: Path, segment: Segment, demuxer: str) -> Iterator[tuple[npt.NDArray[np.float32], int]]:
    """Decode a segment of a media file's first audio stream block by block and average its channels.

    Decoding starts at the beginning of the file whatever the offset, because media clocks are not exact to
    the sample; memory holds the segment only.

    Yields:
        Blocks `(n,)` of the waveform, each with its rate in Hz, which is the stream's own.

    Raises:
        AudioError: `av` is not installed, or the file or the segment cannot be read whole, which may show at
            its end only.
    """
    with _open(file, demuxer) as (container, stream):
        rate = int(stream.rate or 0)
        check_file_rate(file, rate)
        for block in segment.cut(file, _decode_all(file, container, stream), rate):
            yield block, rate


def probe(file: Path, demuxer: str) -> AudioInfo:
    """Describe a media file's first audio stream, decoding it only where its length is not written down.

    Raises:
        AudioError: `av` is not installed, or the file cannot be opened.
    """
    with _open(file, demuxer) as (container, stream):
        rate = int(stream.rate or 0)
        check_file_rate(file, rate)
        codec, channels = stream.codec_context.name.upper(), stream.channels
        seconds = _promised_seconds(container, stream)
        if seconds is None:
            seconds = sum(len(block) for block in _decode(file, container, stream)) / rate
        check_length(file, round(seconds * rate), rate)
        return AudioInfo(file, rate, channels, seconds, container.format.name.split(",")[0].upper(), codec)


def _decode_all(file: Path, container: Any, stream: Any) -> Iterator[npt.NDArray[np.float32]]:
    """Decode the whole stream, and check that it is as long as the container promises."""
    position = 0
    for block in _decode(file, container, stream):
        position += len(block)
        yield block
    rate = int(stream.rate)
    check_length(file, position, rate)
    _check_promise(file, _promised_seconds(container, stream), position / rate)


def _decode(file: Path, container: Any, stream: Any) -> Iterator[npt.NDArray[np.float32]]:
    """Yield the decoded sound block by block, averaged over the channels."""
    import av

    # To planar floats only: with no layout and no rate given, both stay as they are.
    to_floats = av.AudioResampler(format="fltp")
    position = 0
    for frame in container.decode(stream):
        for converted in to_floats.resample(frame):
            with np.errstate(all="ignore"):
                mono: npt.NDArray[np.float32] = converted.to_ndarray().mean(axis=0, dtype=np.float32)
            yield mono
            position += converted.samples
        if position > MAX_SECONDS * stream.rate:
            check_length(file, position, stream.rate)


def _promised_seconds(container: Any, stream: Any) -> float | None:
    """Return the length that the container gives for the audio stream, None where none can be relied on."""
    if container.format.name == "aac":
        return None  # FFmpeg extrapolates it from the first bit rates.
    if stream.duration is not None:
        return float(stream.duration * stream.time_base)
    # Matroska: a tag for each stream, in hours, minutes and seconds; the container has its longest stream's.
    tag = re.fullmatch(r"(\d+):(\d+):(\d+(?:\.\d+)?)", stream.metadata.get("DURATION", "").strip("\0 "))
    if tag:
        return int(tag[1]) * 3600 + int(tag[2]) * 60 + float(tag[3])
    if container.duration is not None and len(container.streams) == 1:
        return float(container.duration) / 1e6
    return None


def _check_promise(file: Path, promised_seconds: float | None, found_seconds: float) -> None:
    if promised_seconds is not None and found_seconds < promised_seconds - _LENGTH_TOLERANCE_SECONDS:
        raise AudioError(
            f"{file}: truncated or damaged, it promises {promised_seconds:.3f} s and {found_seconds:.3f} s "
            f"can be read; {RESTORE_ADVICE}"
        )


@contextmanager
def _open(file: Path, demuxer: str) -> Iterator[tuple[Any, Any]]:
    """Open a file and its first audio stream; whatever FFmpeg says against it becomes an AudioError."""
    # Imported when first needed: PyAV is an extra, and loads all of FFmpeg.
    try:
        import av
    except ImportError as error:
        raise AudioError(
            f"{file}: is a media file, which needs PyAV, and the package `av` is not installed; "
            "install it with pip install 'ctcasr[media]', or convert the file to wav or flac"
        ) from error
    try:
        if demuxer == "aac":
            _check_adts(file)
        # FFmpeg gets the open file and not its name, which it would read as an address ("concat:...").
        with file.open("rb") as stream, av.open(stream, format=demuxer) as container:
            if not container.streams.audio:
                raise AudioError(
                    f"{file}: holds no audio stream, expected one; export it again with its sound"
                )
            if container.streams.audio[0].codec_context is None:
                raise AudioError(
                    f"{file}: its sound is in a coding that FFmpeg does not know, expected AAC, Opus or the "
                    f"like; {RESTORE_ADVICE}"
                )
            yield container, container.streams.audio[0]
    except (av.error.FFmpegError, OSError, ValueError, ArithmeticError) as error:
        reason = getattr(error, "strerror", None) or error
        raise AudioError(
            f"{file}: damaged or truncated, FFmpeg cannot read it ({reason}); {RESTORE_ADVICE}"
        ) from error


def _check_adts(file: Path) -> None:
    """Walk an AAC stream from header to header (ISO 13818-7, 6.2), as FFmpeg skips what is damaged."""
    with file.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
        position = 0
        while position < len(data):
            head = data[position : position + _ADTS_HEADER_BYTES]
            if head[:3] == b"TAG" and position + 128 == len(data):
                return
            length = (
                (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5 if len(head) == _ADTS_HEADER_BYTES else 0
            )
            if sniff(head) != "aac" or length < _ADTS_HEADER_BYTES or position + length > len(data):
                raise AudioError(
                    f"{file}: damaged or truncated, no whole AAC frame begins at byte {position:,}; "
                    f"{RESTORE_ADVICE}"
                )
            position += length
