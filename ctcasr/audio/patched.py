"""A file whose beginning is replaced while it is read: a header is mended, and nothing is copied."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Patch:
    """Bytes that stand for the first `skip` bytes of a file."""

    head: bytes
    skip: int


class PatchedFile(io.RawIOBase):
    """Read a file as if it began with a patch; the file itself stays as it is, and out of memory."""

    def __init__(self, file: Path, patch: Patch) -> None:
        """Open the file.

        Raises:
            OSError: it cannot be opened.
        """
        self._patch = patch
        self._position = 0
        self._file = file.open("rb")
        self._size = file.stat().st_size - patch.skip + len(patch.head)

    def readable(self) -> bool:
        """Say yes."""
        return True

    def seekable(self) -> bool:
        """Say yes."""
        return True

    def tell(self) -> int:
        """Return the position in the patched file."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a position of the patched file."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer as far as the head, or else the file behind it, reaches; return how many bytes."""
        wanted, head = len(buffer), self._patch.head
        if self._position < len(head):
            found = head[self._position : self._position + wanted]
        else:
            self._file.seek(self._position - len(head) + self._patch.skip)
            found = self._file.read(wanted)
        buffer[: len(found)] = found
        self._position += len(found)
        return len(found)

    def close(self) -> None:
        """Close the file as well."""
        self._file.close()
        super().close()


__all__ = ["Patch", "PatchedFile"]
