"""Ogg pages: a check that all pages of a stream are there and undamaged.

libogg drops a damaged page without a word, and libsndfile takes the pages that are left for the whole file.
"""

from __future__ import annotations

import mmap
import zlib
from pathlib import Path

from ctcasr.audio.containers import RESTORE_ADVICE
from ctcasr.errors import AudioError

_HEADER_BYTES = 27
_CHECKSUM = slice(22, 26)
_END_OF_STREAM = 4
_REVERSED_BITS = bytes(int(f"{value:08b}"[::-1], 2) for value in range(256))


def check_ogg(file: Path) -> None:
    """Check every page of an Ogg file: its checksum, its number, and that the last one ends the only stream.

    The pages are laid out as in RFC 3533, section 6.

    Raises:
        AudioError: A page is cut, damaged or missing, or the file holds several streams.
    """
    with file.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
        position = number = 0
        serial = data[14:18]
        is_last = False
        while not is_last and position < len(data):
            page = _page_at(file, data, position)
            if page[14:18] != serial:
                raise _several_streams(file)
            if int.from_bytes(page[18:22], "little") != number or not _has_valid_checksum(page):
                raise AudioError(f"{file}: damaged in its Ogg page at byte {position:,}; {RESTORE_ADVICE}")
            is_last = bool(page[5] & _END_OF_STREAM)
            position += len(page)
            number += 1
        if not is_last:
            raise AudioError(
                f"{file}: truncated, its last Ogg page is not marked as the end of the stream; "
                f"{RESTORE_ADVICE}, or remux a live recording with `ffmpeg -i IN -c copy OUT`"
            )
        if data[position : position + 4] == b"OggS":
            raise _several_streams(file)


def _page_at(file: Path, data: mmap.mmap, position: int) -> bytes:
    """Return the bytes of one whole page."""
    head = data[position : position + _HEADER_BYTES + 255]
    if head[:4] != b"OggS"[: len(head)]:
        raise AudioError(
            f"{file}: damaged, byte {position:,} should begin an Ogg page and does not; {RESTORE_ADVICE}"
        )
    table_end = _HEADER_BYTES + (head[26] if len(head) > 26 else 0)
    end = position + table_end + sum(head[_HEADER_BYTES:table_end])
    if len(head) < table_end or len(head) < _HEADER_BYTES or end > len(data):
        raise AudioError(f"{file}: truncated, its last Ogg page is cut; {RESTORE_ADVICE}")
    return data[position:end]


def _has_valid_checksum(page: bytes) -> bool:
    """Compare a page's CRC-32, which is computed over the page with a checksum of zero.

    Ogg feeds the bits of a byte to the polynomial 0x04C11DB7 from the top, zlib from the bottom: reversing
    the bits of the bytes and of the result turns one into the other. Ogg also starts at 0, inverting nothing.
    """
    blank = page[: _CHECKSUM.start] + bytes(4) + page[_CHECKSUM.stop :]
    remainder = zlib.crc32(blank.translate(_REVERSED_BITS), 0xFFFFFFFF) ^ 0xFFFFFFFF
    # Reversing 32 bits: the bits of each byte by the table, the bytes by writing the word big-endian.
    return remainder.to_bytes(4, "big").translate(_REVERSED_BITS) == page[_CHECKSUM]


def _several_streams(file: Path) -> AudioError:
    return AudioError(
        f"{file}: holds several Ogg streams, expected one; convert it with `ffmpeg -i IN OUT.wav`"
    )
