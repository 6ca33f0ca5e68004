"""The loader: any audio file to a mono float32 waveform at one rate, whole and finite or not at all."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ctcasr.audio import media, sndfiles
from ctcasr.audio.formats import RAW_SUFFIXES, AudioInfo, RawFormat, Segment, check_wanted_rate
from ctcasr.audio.resampling import StreamResampler
from ctcasr.errors import AudioError

# Sound lies within ±1; past this, samples are integers that were stored as floats without scaling, or damage.
LARGEST_SAMPLE = 1e4
_MAGIC_WORDS = (b"RIFF", b"RIFX", b"RF64", b"fLaC", b"OggS", b"FORM", b"NIST")


def load(
    path: str | os.PathLike[str],
    sample_rate: int,
    *,
    raw: RawFormat | None = None,
    offset_seconds: float = 0.0,
    duration_seconds: float | None = None,
) -> npt.NDArray[np.float32]:
    """Read an audio file, or a segment of it, as one mono waveform at the wanted rate.

    The content, not the suffix, decides how a file is read. Channels are averaged. Integer samples are scaled
    to [-1, 1) (the last few 32-bit codes round to 1); float samples stay as they are. A file at another rate
    is resampled after the segment is cut out. A segment is reached by seeking (media files, and FLAC of
    unknown length, are decoded from their start), and equals the same slice of the whole file; in MP3 and
    Opus up to the decoder's rounding.

    Args:
        path: The file.
        sample_rate: Wanted rate in Hz, 4,000 to 192,000.
        raw: What a headerless PCM file holds; required for `.raw` and `.pcm`, left out for all others.
        offset_seconds: Where to start, zero or more.
        duration_seconds: How much to read, None for all that follows; at most 0.05 s beyond the end.

    Returns:
        `(N,)` float32, N > 0, finite.

    Raises:
        AudioError: The file cannot be read whole, holds no usable sound, or does not hold the segment.
        ConfigError: `sample_rate` is out of range.
    """
    blocks = list(
        stream(path, sample_rate, raw=raw, offset_seconds=offset_seconds, duration_seconds=duration_seconds)
    )
    return blocks[0] if len(blocks) == 1 else np.concatenate(blocks)


def stream(
    path: str | os.PathLike[str],
    sample_rate: int,
    *,
    raw: RawFormat | None = None,
    offset_seconds: float = 0.0,
    duration_seconds: float | None = None,
) -> Iterator[npt.NDArray[np.float32]]:
    """Read an audio file, or a segment of it, as `load` does, but block by block: joined, they are the same.

    A block is about a minute of sound at 16 kHz, so that memory does not grow with the file.

    Args:
        path: The file.
        sample_rate: Wanted rate in Hz, 4,000 to 192,000.
        raw: What a headerless PCM file holds; required for `.raw` and `.pcm`, left out for all others.
        offset_seconds: Where to start, zero or more.
        duration_seconds: How much to read, None for all that follows; at most 0.05 s beyond the end.

    Yields:
        Blocks `(n,)` float32, n > 0, finite; at least one.

    Raises:
        AudioError: As `load` does; damage shows when the block that has it is reached.
        ConfigError: `sample_rate` is out of range.
    """
    check_wanted_rate(sample_rate, "sample_rate")
    file = Path(path)
    segment = Segment(offset_seconds, duration_seconds)
    segment.check(file)
    demuxer = _examine(file, raw)
    read = sndfiles.blocks(file, segment, raw) if demuxer is None else media.blocks(file, segment, demuxer)
    resampler: StreamResampler | None = None
    position, file_rate, written = 0, 0, 0
    for block, file_rate in read:
        if resampler is None:
            resampler = StreamResampler(file_rate, sample_rate)
        _check_samples(file, block, file_rate, offset_seconds + position / file_rate)
        position += len(block)
        converted = resampler(block)
        written += len(converted)
        if len(converted):
            yield converted
    rest = resampler.finish() if resampler is not None else np.zeros(0, np.float32)
    if len(rest):
        yield rest
    if not written + len(rest):
        raise AudioError(
            f"{file}: {position} samples at {file_rate} Hz are less than one at {sample_rate} Hz, "
            "expected some sound; drop the file"
        )


def probe(path: str | os.PathLike[str], raw: RawFormat | None = None) -> AudioInfo:
    """Describe an audio file from its header, checking that it is as long as it promises.

    Streams that do not say how long they are (some FLAC, AAC and WebM) are decoded; the samples of others are
    not looked at.

    Args:
        path: The file.
        raw: What a headerless PCM file holds; required for `.raw` and `.pcm`, left out for all others.

    Returns:
        The rate, channels, length, container and encoding of the file.

    Raises:
        AudioError: The file cannot be opened, holds no samples, or is shorter than it promises.
    """
    file = Path(path)
    demuxer = _examine(file, raw)
    return sndfiles.probe(file, raw) if demuxer is None else media.probe(file, demuxer)


def _examine(file: Path, raw: RawFormat | None) -> str | None:
    """Check that there is a file with something in it, and name FFmpeg's demuxer if that is to read it."""
    try:
        status = file.stat()
        # Opening a named pipe or a device could wait for ever, and neither can be read twice.
        if not stat.S_ISREG(status.st_mode):
            kind = "a directory" if stat.S_ISDIR(status.st_mode) else "no regular file"
            raise AudioError(f"{file}: is {kind}, expected an audio file; name the file itself")
        with file.open("rb") as stream:
            head = stream.read(16)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise AudioError(
            f"{file}: cannot be opened ({reason}), expected a readable audio file; "
            "check the path and the permissions"
        ) from error
    if not head:
        raise AudioError(f"{file}: is empty (zero bytes), expected audio; restore the file or drop it")
    if raw is not None:
        if head[:4] in _MAGIC_WORDS:
            raise AudioError(
                f"{file}: begins with {head[:4].decode()}, so it has a header, expected headerless PCM; "
                "leave out the RawFormat and give the file its proper suffix"
            )
        return None
    if file.suffix.lower() in RAW_SUFFIXES:
        raise AudioError(
            f"{file}: a headerless {file.suffix} file does not say what it holds, expected a RawFormat with "
            "its sample rate, sample width and byte order; pass for example "
            "raw=RawFormat(sample_rate=16000, sample_format='s16', byte_order='little')"
        )
    return media.sniff(head)


def _check_samples(file: Path, waveform: npt.NDArray[np.float32], rate: int, offset_seconds: float) -> None:
    """Refuse a waveform with NaN, infinity or values that no scaled sound can have."""
    highest, lowest = float(waveform.max()), float(waveform.min())
    if highest <= LARGEST_SAMPLE and lowest >= -LARGEST_SAMPLE:
        return
    # A NaN fails both comparisons above, so that clean files are looked through only twice.
    bad = np.flatnonzero(~np.isfinite(waveform))
    if len(bad):
        raise AudioError(
            f"{file}: {len(bad):,} of {len(waveform):,} samples are NaN or infinite, the first at "
            f"{offset_seconds + bad[0] / rate:.3f} s, expected finite sound; repair or drop the file"
        )
    large = np.flatnonzero(np.abs(waveform) > LARGEST_SAMPLE)
    raise AudioError(
        f"{file}: {len(large):,} of {len(waveform):,} samples lie beyond ±{LARGEST_SAMPLE:,.0f} (up to "
        f"{max(highest, -lowest):,.0f}), the first at {offset_seconds + large[0] / rate:.3f} s, expected "
        "floats within about ±1; divide them by the full scale of their integers (32768 for 16 bits) or drop "
        "the file"
    )
