"""Texts as streams of word numbers: a sentence a line, words between white space, files compressed or not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from ctcasr.compiling import bare_kernel, inline_kernel
from ctcasr.errors import DataError
from ctcasr.lm.files import open_bytes
from ctcasr.lm.tables import END, MOST_WORDS, START, UNKNOWN
from ctcasr.lm.words import EMPTY, WordTable, add_word, grown, number_in_slot, word_slot, word_table
from ctcasr.text import SPACE

Unit = Literal["word", "char"]

BLOCK_BYTES = 1 << 17
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_NEWLINE, _SPACE = 10, 32
_FIRST_CONTROL, _LAST_CONTROL = 9, 13  # tab, line feed, vertical tab, form feed, carriage return
_CONTINUATION_BITS, _CONTINUATION = 0xC0, 0x80
_FINE, _MARKER, _NUL = range(3)


class Numbering(NamedTuple):
    """Which numbers the words of a text get.

    Attributes:
        unknown: of words that are not in the table, if it does not grow.
        start: written before each sentence.
        end: written after each sentence.
        space: written between words where each character is a word; -1 where words are words.
        growing: 1 if words that are not in the table are added to it, 0 if they are unknown.
    """

    unknown: int
    start: int
    end: int
    space: int
    growing: int


class TextReader:
    """Reads texts as numbers; its table of words grows while it reads, unless the vocabulary is given.

    White space is that of ASCII. Lines without words are skipped. In the unit `char` each character of a word
    is a word of the model, and `<space>` stands between words. A word `<unk>` in a text is the unknown word.

    Attributes:
        table: the words met so far, by their numbers.
        lines: how many sentences were read.
    """

    def __init__(self, unit: Unit = "word", vocabulary: tuple[str, ...] | None = None) -> None:
        """Prepare for texts.

        Args:
            unit: what counts as a word.
            vocabulary: the words of a model in the order of their ids, with `<unk>` and `</s>`; without it the
                words are numbered as they come, after `<unk>` 0, `<s>` 1, `</s>` 2 and `<space>` 3 in `char`.
        """
        space = (SPACE,) if unit == "char" else ()
        words = (UNKNOWN, START, END, *space) if vocabulary is None else vocabulary
        ids = {word: number for number, word in enumerate(words)}
        self.table = word_table(words)
        self.lines = 0
        self._numbering = Numbering(
            unknown=ids[UNKNOWN],
            start=ids.get(START, -1),
            end=ids[END],
            space=ids.get(SPACE, ids[UNKNOWN]) if space else -1,
            growing=int(vocabulary is None),
        )

    @property
    def start(self) -> int:
        """The number that begins each sentence: that of `<s>`, or -1 if the vocabulary has none."""
        return self._numbering.start

    def read(self, paths: Iterable[Path]) -> Iterator[npt.NDArray[np.int32]]:
        """Yield the texts' numbers, piece by piece: `<s>`, the words, `</s>`, for each sentence.

        Raises:
            DataError: a file cannot be read, is not UTF-8, holds NUL, `<s>` or `</s>`, or there are too many
                different words.
        """
        for path in paths:
            line = 1
            for block in _whole_lines(path):
                yield self._numbers(block, path, line)
                line += block.count(b"\n")

    def _numbers(self, block: bytes, path: Path, line: int) -> npt.NDArray[np.int32]:
        try:
            block.decode()
        except UnicodeDecodeError as error:
            line += block.count(b"\n", 0, error.start)
            raise DataError(
                f"{path}:{line}: byte {block[error.start]:#04x} is not UTF-8 "
                f"({error.reason}); convert the file to UTF-8"
            ) from error
        if self._numbering.growing:
            self._make_room(len(block))
        numbers = np.empty(len(block) // 2 * 3 + 3, np.int32)
        text = np.frombuffer(block, np.uint8)
        code, place, count, lines = _tokenize(text, self.table, self._numbering, numbers)
        self.lines += lines
        if code != _FINE:
            line += block.count(b"\n", 0, place)
            if code == _NUL:
                raise DataError(f"{path}:{line}: holds a NUL byte, expected text; give text files")
            word = block[place : place + len(END)].split()[0].decode()
            raise DataError(
                f"{path}:{line}: holds the word {word!r}, which models keep for the beginning or end of sentences; "
                "take it out of the text"
            )
        if self.table.size[0] > MOST_WORDS:
            raise DataError(
                f"{path}: more than {MOST_WORDS:,} different words; normalise the text, or give a vocabulary"
            )
        return numbers[:count]

    def _make_room(self, text_bytes: int) -> None:
        """Grow the table where the words of a block could overflow it."""
        size = int(self.table.size[0])
        words, letters = text_bytes // 2 + 1, text_bytes + 2
        if self._numbering.space >= 0:
            words, letters = text_bytes, 2 * text_bytes
        if size + words >= len(self.table.starts) or self.table.starts[size] + letters > len(
            self.table.letters
        ):
            self.table = grown(self.table, words, letters)


def _whole_lines(path: Path) -> Iterator[bytes]:
    """Yield a file's content in blocks that end where a line ends."""
    with open_bytes(path) as file:
        parts = [file.read(BLOCK_BYTES).removeprefix(_BYTE_ORDER_MARK)]
        while block := file.read(BLOCK_BYTES):
            end = block.rfind(b"\n") + 1
            if end:
                yield b"".join([*parts, block[:end]])
                parts = []
            parts.append(block[end:])
        yield b"".join(parts)


@inline_kernel
def _is_white(byte: int) -> bool:
    return byte == _SPACE or _FIRST_CONTROL <= byte <= _LAST_CONTROL


@bare_kernel
def _tokenize(
    text: npt.NDArray[np.uint8], table: WordTable, numbering: Numbering, numbers: npt.NDArray[np.int32]
) -> tuple[int, int, int, int]:
    """Number the words of whole lines; return a code, the place of what is wrong, how many numbers, and lines."""
    place, count, lines = 0, 0, 0
    by_character = numbering.space >= 0
    inside, spaced = False, False  # of a sentence; after a word and white space
    size = len(text)
    while place < size:
        byte = text[place]
        if byte == 0:
            return _NUL, place, count, lines
        if _is_white(byte):
            if inside and byte == _NEWLINE:
                numbers[count] = numbering.end
                count += 1
                inside = False
            spaced = inside
            place += 1
            continue
        if not inside:
            numbers[count] = numbering.start
            count += 1
            lines += 1
            inside = True
        elif spaced and by_character:
            numbers[count] = numbering.space
            count += 1
        spaced = False
        end = place + 1
        if by_character:
            while end < size and (text[end] & _CONTINUATION_BITS) == _CONTINUATION:
                end += 1
        else:
            while end < size and not _is_white(text[end]):
                end += 1
        slot = word_slot(table, text, place, end)
        if table.slots[slot] != EMPTY:
            number = number_in_slot(table, slot)
            if number == numbering.start or number == numbering.end:
                return _MARKER, place, count, lines
        elif numbering.growing:
            number = add_word(table, slot, text, place, end)
        else:
            number = numbering.unknown
        numbers[count] = number
        count += 1
        place = end
    if inside:
        numbers[count] = numbering.end
        count += 1
    return _FINE, place, count, lines
