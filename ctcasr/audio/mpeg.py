"""MPEG layer III streams: counting their frames, and giving a stream without an index the header it lacks.

libsndfile trusts the Xing or Info header of an MP3 file. Where it is missing (text-to-speech services, radio
dumps, encoders told to leave it out) libsndfile guesses the length from the first frame's bit rate and stops
reading there, which loses half of some variable-rate files; where two files were joined it stops after one.
"""

from __future__ import annotations

import mmap
from dataclasses import dataclass
from pathlib import Path

from ctcasr.audio.containers import RESTORE_ADVICE, check_frames
from ctcasr.audio.patched import Patch
from ctcasr.errors import AudioError

# ISO 11172-3 and 13818-3, layer III: kbit/s by index, and Hz of MPEG 1 by index (2 halves, 2.5 quarters).
_KILOBITS_1 = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_KILOBITS_2 = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_RATES = (44100, 48000, 32000)
# Sync word, version, layer and rate: what must stay the same from frame to frame.
_SIGNATURE_MASK = 0xFFFE0C00
_LONGEST_JUNK = 65536
_TAG_HEADER_BYTES = 10
_ID3V1_BYTES = 128
_APE_HEADER_BYTES = 32


@dataclass(frozen=True)
class _Stream:
    """A walked stream: its first header, all its frames, and those that its Xing or Info header promises."""

    first_position: int
    first_header: int
    frames: int
    promised: int | None


def check_mp3(file: Path) -> Patch | None:
    """Walk an MP3 file from frame to frame and check that it holds all that it promises.

    The walk touches the header of every frame, about 38 for a second of sound.

    Returns:
        None when the file can be read as it is, or the Xing header to read it with when it has none.

    Raises:
        AudioError: A frame is cut, frames are missing or damaged, or there are more than promised.
    """
    with file.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
        walked = _walk(file, data)
        if walked.promised is not None:
            check_frames(file, walked.promised, walked.frames)
            return None
        return Patch(_xing_frame(walked), walked.first_position)


def _walk(file: Path, data: mmap.mmap) -> _Stream:
    start = _find_first_frame(data)
    if start is None:
        raise AudioError(
            f"{file}: holds no MPEG layer III frames, expected MP3 audio; convert it to wav or flac"
        )
    header = _word(data, start)
    signature = header & _SIGNATURE_MASK
    has_index, promised = _read_index(data[start : start + 64])
    position = start + _frame_bytes(header) if has_index else start
    first = position
    frames = 0
    while position + 4 <= len(data):
        header_here = _word(data, position)
        length = _frame_bytes(header_here) if header_here & _SIGNATURE_MASK == signature else 0
        if length:
            frames += 1
        else:
            length = _tag_bytes(data, position)
        if not length:
            break
        position += length
    if position > len(data):
        raise AudioError(f"{file}: truncated, its last MPEG frame is cut; {RESTORE_ADVICE}")
    if promised is None and any(data[position:]):
        raise AudioError(
            f"{file}: damaged, byte {position:,} should begin an MPEG frame and does not; {RESTORE_ADVICE}"
        )
    return _Stream(first, header, frames, promised)


def _find_first_frame(data: mmap.mmap) -> int | None:
    """Return the position of the first frame that another one like it (or the end) follows."""
    begin = 0
    while (length := _tag_bytes(data, begin)) > 0:
        begin += length
    for position in range(begin, min(begin + _LONGEST_JUNK, len(data) - 4)):
        header = _word(data, position)
        length = _frame_bytes(header)
        after = position + length
        if length and (
            after + 4 > len(data)
            or (_word(data, after) ^ header) & _SIGNATURE_MASK == 0
            or _tag_bytes(data, after)
        ):
            return position
    return None


def _word(data: mmap.mmap | bytes, position: int) -> int:
    return int.from_bytes(data[position : position + 4], "big")


def _frame_bytes(header: int) -> int:
    """Return the length of the frame that a header begins, or 0 when it is no layer III header."""
    version, layer = header >> 19 & 3, header >> 17 & 3
    rate_index, bit_rate_index = header >> 10 & 3, header >> 12 & 15
    # A bit-rate index of 0 is the "free format", which no encoder writes and nothing can be sized by.
    if header >> 21 != 0x7FF or version == 1 or layer != 1 or rate_index == 3 or bit_rate_index in (0, 15):
        return 0
    padding = header >> 9 & 1
    if version == 3:
        return 144_000 * _KILOBITS_1[bit_rate_index] // _RATES[rate_index] + padding
    rate = _RATES[rate_index] // (2 if version == 2 else 4)
    return 72_000 * _KILOBITS_2[bit_rate_index] // rate + padding


def _tag_bytes(data: mmap.mmap, position: int) -> int:
    """Return the length of the ID3 or APE tag that stands at a position, or 0."""
    head = data[position : position + _APE_HEADER_BYTES]
    if head[:3] == b"ID3" and len(head) >= _TAG_HEADER_BYTES:
        size = head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]
        return _TAG_HEADER_BYTES + size
    if head[:3] == b"TAG" and position + _ID3V1_BYTES == len(data):
        return _ID3V1_BYTES
    if head[:8] == b"APETAGEX" and len(head) == _APE_HEADER_BYTES:
        # The size leaves the header out; a footer in front of nothing has no body of its own to skip.
        is_header = head[23] & 0x20
        return _APE_HEADER_BYTES + (int.from_bytes(head[12:16], "little") if is_header else 0)
    return 0


def _read_index(frame: bytes) -> tuple[bool, int | None]:
    """Tell whether a frame is a Xing or Info header as mpg123 accepts it, and how many frames it promises."""
    header = _word(frame, 0)
    has_checksum = not header >> 16 & 1
    at = 4 + 2 * has_checksum + _side_bytes(header)
    if frame[at : at + 4] not in (b"Xing", b"Info") or any(frame[4:at]):
        return False, None
    has_count = _word(frame, at + 4) & 1
    return True, _word(frame, at + 8) if has_count else None


def _side_bytes(header: int) -> int:
    """Return the length of the side information, in whose place an index frame has zeros."""
    is_mono, is_mpeg1 = header >> 6 & 3 == 3, header >> 19 & 3 == 3
    return (17 if is_mono else 32) if is_mpeg1 else (9 if is_mono else 17)


def _xing_frame(stream: _Stream) -> bytes:
    """Build the silent frame that tells a decoder the number of frames that follow.

    Its layout is that of the Xing VBR header: behind the side information the name, a word of flags (1: a
    count follows) and the count.
    """
    # Bit-rate index 9 (128 or 80 kbit/s) is long enough for the header at any rate; no CRC, no padding.
    header = stream.first_header & ~0xF200 | 0x19000
    index = b"Xing" + (1).to_bytes(4, "big") + stream.frames.to_bytes(4, "big")
    frame = header.to_bytes(4, "big") + bytes(_side_bytes(header)) + index
    return frame.ljust(_frame_bytes(header), b"\0")
