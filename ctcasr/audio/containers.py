"""Checks that a container holds what its header promises.

libsndfile reads a WAV, AIFF or SPHERE file that was cut as if it had always been shorter. Each check
here compares the promise in the container with the bytes of the file, and reads little of it to do so.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

from ctcasr.errors import AudioError

RESTORE_ADVICE = "copy or download it again, or drop it"

# Sizes that a program writes when it streams and cannot come back to fill in the true one: 2^31 or 2^32 less
# a header (sox 0x7FFFF000, arecord 0x7FFFFF00 to 0x80000000, ffmpeg 0xFFFFFFFF; sox 0x7F000000 in AIFF).
_PLACEHOLDERS = (range(0x7F000000, 0x7F000100), range(0x7FFFF000, 0x80000100), range(0xFFFFF000, 0x100000000))
_NIST_HEADER_BYTES = 1024


@dataclass(frozen=True)
class _DataChunk:
    """The samples' chunk of a RIFF or IFF file: where its size stands, what it says, how much follows."""

    size_position: int
    promised_bytes: int
    available_bytes: int


def check_chunks(file: Path) -> int | None:
    """Compare the promised with the actual size of the samples in a WAV, RF64 or AIFF file.

    Returns:
        None when the file can be read as it is; the position of its 32-bit size field when a streaming
        program left zero there although samples follow, so that the reader must put a size in.

    Raises:
        AudioError: The file is shorter or longer than it promises, or no chunk of samples can be found.
    """
    with file.open("rb") as stream:
        size = stream.seek(0, io.SEEK_END)
        stream.seek(0)
        chunk = _find_data_chunk(stream, size)
        if chunk is None:
            raise AudioError(
                f"{file}: its chunks lead to no samples, expected a data chunk; "
                f"it is damaged or truncated, so {RESTORE_ADVICE}"
            )
        if any(chunk.promised_bytes in sizes for sizes in _PLACEHOLDERS):
            return None
        if chunk.promised_bytes > chunk.available_bytes:
            raise AudioError(
                f"{file}: truncated, its header promises {chunk.promised_bytes:,} bytes of samples and "
                f"{chunk.available_bytes:,} are there; {RESTORE_ADVICE}"
            )
        if chunk.promised_bytes == 0 and chunk.available_bytes and not _at_last_chunk(stream, size):
            return chunk.size_position
        stream.seek(chunk.promised_bytes + chunk.promised_bytes % 2, io.SEEK_CUR)
        behind = stream.read(8)
        # Another chunk begins with four letters; zeros are the padding of some block devices and recorders.
        if len(behind) == 8 and any(behind) and not _is_text(behind[:4]):
            raise AudioError(
                f"{file}: damaged, its header promises {chunk.promised_bytes:,} bytes of samples and "
                f"{chunk.available_bytes:,} are there; correct the header or convert it afresh"
            )
    return None


def _find_data_chunk(stream: BinaryIO, size: int) -> _DataChunk | None:
    """Walk to the chunk of samples and leave the stream at the first of its bytes."""
    magic = stream.read(12)[:4]
    order: Literal["little", "big"] = "little" if magic in (b"RIFF", b"RF64") else "big"
    wide_size = None
    while len(head := stream.read(8)) == 8:
        promised = int.from_bytes(head[4:], order)
        start = stream.tell()
        if head[:4] in (b"data", b"SSND"):
            if magic == b"RF64" and wide_size is not None:
                promised = wide_size
            return _DataChunk(start - 4, promised, size - start)
        if head[:4] == b"ds64":
            wide_size = int.from_bytes(stream.read(16)[8:], "little")
        stream.seek(start + promised + promised % 2)
    return None


def _at_last_chunk(stream: BinaryIO, size: int) -> bool:
    """Tell whether one well-formed chunk (LIST, id3, ...) reaches from here to the end of the file."""
    head = stream.read(8)
    remaining = size - stream.tell()
    return _is_text(head[:4]) and remaining - int.from_bytes(head[4:], "little") in (0, 1)


def _is_text(name: bytes) -> bool:
    return all(32 <= letter < 127 for letter in name)


def check_sphere(file: Path, frames: int) -> None:
    """Compare the frames that a NIST SPHERE header promises with those that libsndfile found.

    Raises:
        AudioError: The file holds fewer frames than it promises.
    """
    with file.open("rb") as stream:
        header = stream.read(_NIST_HEADER_BYTES)
    for line in header.split(b"\n"):
        fields = line.split()
        if fields[:2] == [b"sample_count", b"-i"] and len(fields) > 2 and fields[2].isdigit():
            check_frames(file, int(fields[2][:18]), frames)


def check_frames(file: Path, promised: int, found: int) -> None:
    """Compare a promised number of frames with the number that was found.

    Raises:
        AudioError: They differ.
    """
    if found < promised:
        raise AudioError(
            f"{file}: truncated or damaged, it promises {promised:,} frames and {found:,} can be read; "
            f"{RESTORE_ADVICE}"
        )
    if found > promised:
        raise AudioError(
            f"{file}: damaged, its header promises {promised:,} frames and {found:,} are there; "
            "convert it afresh with `ffmpeg -i IN OUT.wav`"
        )
