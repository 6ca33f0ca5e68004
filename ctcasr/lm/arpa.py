r"""Reading of ARPA files, the text form of back-off models (Paul and Baker 1992; described in SRILM's manual).

An ARPA file lists, after `\data\` and the number of n-grams of each order, a section `\N-grams:` for each
order, with lines `log10-probability word... [log10-back-off]`, and closes with `\end\`. Reading is as strict as
KenLM's (Heafield 2011): the counts have to be right, each n-gram's context has to be there, every word has its
unigram, no probability is above one, the longest n-grams have no back-off. What KenLM allows is allowed: a
missing back-off is 0, an n-gram's suffix may be missing (pruned models), `<UNK>` means `<unk>`.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ctcasr.errors import DataError
from ctcasr.lm import arpa_parsing as parsing
from ctcasr.lm.automaton import EMPTY_KEY
from ctcasr.lm.building import RepeatedNGramError
from ctcasr.lm.files import open_bytes
from ctcasr.lm.model import NGramModel
from ctcasr.lm.tables import END, MOST_WORDS, UNKNOWN, NGramTable, NGramTables
from ctcasr.lm.words import WordTable, listed_words, new_word_table

MISSING_UNKNOWN_LOG10 = -100.0
"""The log10-probability of `<unk>` in a model that lists none; KenLM gives it the same."""

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_DATA_LINE = re.compile(rb"^\\data\\[ \t\r]*$", re.MULTILINE)
_COUNT_LINE = re.compile(rb"ngram[ \t]+(\d{1,4})[ \t]*=[ \t]*(\d{1,18})[ \t\r]*")
_UNKNOWN_IN_CAPITALS = "<UNK>"


class _Section(NamedTuple):
    """Where the n-grams of one order begin, and how they read."""

    order: int
    place: int
    rows: parsing.Rows


def read_arpa(path: Path) -> NGramModel:
    """Read an ARPA file, compressed (gzip, xz, bzip2) or not, as a model.

    Raises:
        DataError: the file cannot be read, or breaks a rule of the format, which is named with its line.
    """
    reader = _Reader(path)
    tables = reader.tables()
    try:
        return NGramModel.from_tables(tables)
    except RepeatedNGramError as error:
        raise reader.error(reader.place_of(error.order, error.row), str(error)) from error


class _Reader:
    """One ARPA file while it is being read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with open_bytes(path) as file:
            self.text = file.read()
        self.bytes = np.frombuffer(self.text, np.uint8)
        self.sections: list[_Section] = []

    def error(self, place: int, message: str) -> DataError:
        line = self.text.count(b"\n", 0, place) + 1
        return DataError(f"{self.path}:{line}: {message}")

    def tables(self) -> NGramTables:
        counts, place = self._header()
        words = new_word_table(counts[0], len(self.text) + counts[0])
        for order, count in enumerate(counts, 1):
            place = self._section_line(place, order)
            rows = parsing.Rows(
                np.empty((count, order), np.int32), np.empty(count, np.float32), np.empty(count, np.float32)
            )
            section = _Section(order, place, rows)
            self.sections.append(section)
            ending = parsing.Ending(*parsing.parse_rows(self.bytes, place, words, rows, order == len(counts)))
            if ending.code != parsing.DONE:
                raise self._row_error(section, ending)
            place = ending.place
            if order == 1:
                names = self._names(words)
        self._end(place, len(counts))
        return self._linked(names)

    def _header(self) -> tuple[list[int], int]:
        """Return the counts of each order, and where the line after them begins."""
        if not self.text[:1000].strip() and not self.text.strip():
            raise DataError(
                f"{self.path}: the file is empty; expected an ARPA model, which begins with \\data\\"
            )
        data = _DATA_LINE.search(self.text.removeprefix(_BYTE_ORDER_MARK))
        if data is None:
            raise DataError(
                f"{self.path}: has no line \\data\\; expected an ARPA model, or an lm.npz written by ctcasr"
            )
        place = data.end() + 1 + (len(_BYTE_ORDER_MARK) if self.text.startswith(_BYTE_ORDER_MARK) else 0)
        counts: list[int] = []
        while True:
            line, following = self._line(place)
            if line.startswith(b"\\"):
                break
            if line:
                match = _COUNT_LINE.fullmatch(line)
                if match is None or int(match[1]) != len(counts) + 1:
                    expected = f"`ngram {len(counts) + 1}=COUNT`"
                    raise self.error(
                        place, f"found {_shown(line)}, expected {expected}; the header is damaged"
                    )
                counts.append(int(match[2]))
                self._check_count(place, len(counts), counts[-1])
            elif following > len(self.text):
                raise self.error(place, "the file ends in its header; it is cut short: get it anew")
            place = following
        if not counts or not counts[0]:
            raise self.error(place, "the header counts no unigrams; expected `ngram 1=COUNT` after \\data\\")
        if counts[0] > MOST_WORDS:
            raise self.error(
                place,
                f"the model has {counts[0]:,} words, expected {MOST_WORDS:,} at most; prune its vocabulary",
            )
        return counts, place

    def _check_count(self, place: int, order: int, count: int) -> None:
        shortest_line = len(b"0\n") + order * len(b"\ta")
        if count * shortest_line > len(self.text):
            raise self.error(
                place,
                f"the header counts {count:,} {order}-grams, more than the {len(self.text):,} bytes of the file can "
                "hold; it is damaged or cut short: get it anew",
            )

    def _line(self, place: int) -> tuple[bytes, int]:
        """Return the line that begins at a place, without white space around it, and where the next begins."""
        end = self.text.find(b"\n", place)
        end = len(self.text) if end < 0 else end
        return self.text[place:end].strip(), end + 1

    def _next_line(self, place: int) -> tuple[bytes, int, int]:
        """Return the first line from a place on that is not blank, where it begins, and where the next does."""
        while True:
            line, following = self._line(place)
            if line or following > len(self.text):
                return line, place, following
            place = following

    def _section_line(self, place: int, order: int) -> int:
        """Check that the section of an order begins here; return where its n-grams begin."""
        line, start, following = self._next_line(place)
        if line != b"\\%d-grams:" % order:
            raise self._misplaced(line, start, f"\\{order}-grams:", order - 1)
        return following

    def _end(self, place: int, order: int) -> None:
        line, start, following = self._next_line(place)
        if line != b"\\end\\":
            raise self._misplaced(line, start, "\\end\\", order)
        line, start, _ = self._next_line(following)
        if line:
            raise self.error(start, f"found {_shown(line)} after \\end\\, expected nothing; cut it off")

    def _misplaced(self, line: bytes, place: int, expected: str, order: int) -> DataError:
        if not line:
            return self.error(
                place, f"the file ends where {expected} is expected; it is cut short: get it anew"
            )
        more = "" if not order else f"; has the section more than the {len(self.sections[-1].rows.ids):,} "
        more += f"{order}-grams of the header?" if more else "; the header is damaged"
        return self.error(place, f"found {_shown(line)}, expected {expected}{more}")

    def _row_error(self, section: _Section, ending: parsing.Ending) -> DataError:
        order, count = section.order, len(section.rows.log_probs)
        line, _ = self._line(self.text.rfind(b"\n", 0, ending.place) + 1)
        field = re.split(rb"[ \t\r\n]", self.text[ending.place : ending.place + 200], maxsplit=1)[0]
        messages = {
            parsing.FEWER: f"the section ends after {ending.row:,} {order}-grams, the header counts {count:,}; "
            "lines are missing: get the file anew",
            parsing.CUT: f"the file ends after {ending.row:,} of {count:,} {order}-grams; it is cut short: get it anew",
            parsing.NOT_A_NUMBER: f"found {_shown(field)} where a number is expected, in {_shown(line)}; the line "
            f"should be a log10-probability, {order} word(s) and perhaps a back-off",
            parsing.POSITIVE: f"the log10-probability {_shown(field)} is above 0; probabilities are 1 at most: "
            "mend the tool that wrote the model",
            parsing.FEW_WORDS: f"{_shown(line)} has too few words, expected {order}",
            parsing.MANY_FIELDS: f"{_shown(line)} has too many fields, expected a log10-probability, {order} word(s) "
            "and perhaps a back-off",
            parsing.UNSEEN_WORD: f"the word {_shown(field)} has no unigram; each word needs one: add it, or drop "
            "the n-gram",
            parsing.REPEATED_WORD: f"the word {_shown(field)} is listed twice; expected every unigram once: drop one",
            parsing.TOP_BACKOFF: f"found the back-off {_shown(field)}; the longest n-grams have none: is the header "
            "right about the order?",
        }
        return self.error(ending.place, messages[ending.code])

    def place_of(self, order: int, row: int) -> int:
        """Return where the line of an n-gram begins."""
        _, place, following = self._next_line(self.sections[order - 1].place)
        for _ in range(row):
            _, place, following = self._next_line(following)
        return place

    def _names(self, words: WordTable) -> tuple[str, ...]:
        try:
            names = listed_words(words)
        except UnicodeDecodeError as error:
            row = int(np.count_nonzero(words.letters[: error.start] == parsing.NEWLINE))
            place = self.place_of(1, row)
            raise self.error(
                place,
                f"{_shown(self._line(place)[0])} is not UTF-8 ({error.reason}); convert the file to UTF-8",
            ) from error
        if _UNKNOWN_IN_CAPITALS in names and UNKNOWN not in names:
            names = tuple(UNKNOWN if name == _UNKNOWN_IN_CAPITALS else name for name in names)
        if END not in names:
            raise DataError(
                f"{self.path}: has no unigram {END}; a model without ends of sentences cannot be used: add it"
            )
        return names

    def _linked(self, words: tuple[str, ...]) -> NGramTables:
        """Make tables of the rows: find the context of each."""
        counts = [len(section.rows.ids) for section in self.sections]
        slots = 1 << (3 * sum(counts[1:-1]) // 2).bit_length()
        contexts = parsing.Contexts(np.full(slots, EMPTY_KEY, np.int64), np.zeros(slots, np.int32))
        levels = [_unigrams(self.sections[0].rows, UNKNOWN in words)]
        first = counts[0]
        for section in self.sections[1:]:
            ids, log_probs, backoffs = section.rows
            found = np.empty(len(ids), np.int32)
            wrong = int(parsing.link_rows(contexts, ids, found, first if section.order < len(counts) else 0))
            if wrong != -1:
                raise self._link_error(section.order, wrong)
            below = first - counts[section.order - 2] if section.order > 2 else 0
            levels.append(NGramTable(found - np.int32(below), ids[:, -1].copy(), log_probs, backoffs))
            first += len(ids)
        return NGramTables(words if UNKNOWN in words else (*words, UNKNOWN), tuple(levels))

    def _link_error(self, order: int, wrong: int) -> DataError:
        row = wrong if wrong >= 0 else -2 - wrong
        place = self.place_of(order, row)
        line = _shown(self._line(place)[0])
        if wrong < 0:
            return self.error(
                place, f"the {order}-gram of {line} is listed twice; expected it once: drop one"
            )
        return self.error(
            place,
            f"the context of {line} (its words but the last) is not among the {order - 1}-grams; add it, or drop "
            "the n-gram",
        )


def _unigrams(rows: parsing.Rows, has_unknown: bool) -> NGramTable:
    log_probs, backoffs = rows.log_probs, rows.backoffs
    if not has_unknown:
        log_probs = np.append(log_probs, np.float32(MISSING_UNKNOWN_LOG10 * np.log(10)))
        backoffs = np.append(backoffs, np.float32(0))
    ids: npt.NDArray[np.int32] = np.arange(len(log_probs), dtype=np.int32)
    return NGramTable(np.zeros_like(ids), ids, log_probs, backoffs)


def _shown(text: bytes) -> str:
    """Show a piece of the file in a message."""
    shown = text[:60].decode(errors="backslashreplace")
    return repr(shown + ("..." if len(text) > 60 else ""))
