"""The kernels that read the n-gram lines of an ARPA file."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ctcasr.compiling import bare_kernel, inline_kernel
from ctcasr.lm.automaton import EMPTY_KEY, WORD_BITS, slot_of
from ctcasr.lm.words import EMPTY, WordTable, add_word, number_in_slot, word_slot

Bytes = npt.NDArray[np.uint8]

NEWLINE, RETURN, SPACE, TAB, BACKSLASH = 10, 13, 32, 9, 92
MINUS, PLUS, POINT, ZERO, NINE = 45, 43, 46, 48, 57
SMALL_E, LARGE_E = 101, 69

(
    DONE,
    FEWER,
    CUT,
    NOT_A_NUMBER,
    POSITIVE,
    FEW_WORDS,
    MANY_FIELDS,
    UNSEEN_WORD,
    REPEATED_WORD,
    TOP_BACKOFF,
) = range(10)
"""How the reading of a section ended."""

_POWERS = 10.0 ** np.arange(23)
_LN_10 = float(np.log(10.0))
_MOST_DIGITS = 18
_LARGEST_EXPONENT = 400
_LARGEST = 1e38


class Rows(NamedTuple):
    """The n-grams of a section, to be filled.

    Attributes:
        ids: `(n, order)` int32, their words.
        log_probs: `(n,)` float32, natural logarithm.
        backoffs: `(n,)` float32, natural logarithm; 0 where the line has none.
    """

    ids: npt.NDArray[np.int32]
    log_probs: npt.NDArray[np.float32]
    backoffs: npt.NDArray[np.float32]


class Ending(NamedTuple):
    """How the reading of a section ended: a code, the row it came to, and the place in the text."""

    code: int
    row: int
    place: int


@inline_kernel
def _is_blank(byte: int) -> bool:
    return byte in (SPACE, TAB, RETURN)


@inline_kernel
def _after_blanks(text: Bytes, place: int) -> int:
    while place < len(text) and _is_blank(text[place]):
        place += 1
    return place


@inline_kernel
def _after_word(text: Bytes, place: int) -> int:
    while place < len(text) and text[place] != NEWLINE and not _is_blank(text[place]):
        place += 1
    return place


@bare_kernel
def _number(text: Bytes, place: int, end: int) -> float:
    """Return the decimal number `text[place:end]`; NaN if it is none, infinities and NaN included."""
    negative = place < end and text[place] == MINUS
    if place < end and (text[place] == MINUS or text[place] == PLUS):
        place += 1
    mantissa, digits, scale = 0, 0, 0
    seen, fraction = False, False
    while place < end and (ZERO <= text[place] <= NINE or (text[place] == POINT and not fraction)):
        if text[place] == POINT:
            fraction = True
        else:
            seen = True
            if digits < _MOST_DIGITS:
                mantissa = mantissa * 10 + (text[place] - ZERO)
                digits += mantissa > 0
                scale -= fraction
            else:
                scale += not fraction
        place += 1
    if seen and place < end and (text[place] == SMALL_E or text[place] == LARGE_E):
        place += 1
        smaller = place < end and text[place] == MINUS
        if place < end and (text[place] == MINUS or text[place] == PLUS):
            place += 1
        exponent, seen = 0, False
        while place < end and ZERO <= text[place] <= NINE:
            exponent = min(exponent * 10 + (text[place] - ZERO), _LARGEST_EXPONENT)
            seen = True
            place += 1
        scale += -exponent if smaller else exponent
    if not seen or place < end:
        return np.nan
    value = float(mantissa)
    if -len(_POWERS) < scale <= 0:
        value /= _POWERS[-scale]  # correctly rounded below 2^53
    elif value != 0.0:
        value *= 10.0**scale
    return -value if negative else value


@bare_kernel
def parse_rows(text: Bytes, place: int, words: WordTable, rows: Rows, top: bool) -> Ending:
    """Read lines `log10-probability word... [log10-back-off]` until all rows are filled.

    Of unigrams the words are entered into the table; those of longer n-grams have to be there. `top`: the
    n-grams are the longest of the model, which may not have a back-off.
    """
    order = rows.ids.shape[1]
    for row in range(len(rows.log_probs)):
        place = _after_blanks(text, place)
        while place < len(text) and text[place] == NEWLINE:
            place = _after_blanks(text, place + 1)
        if place >= len(text):
            return Ending(CUT, row, len(text))
        if text[place] == BACKSLASH:
            return Ending(FEWER, row, place)
        end = _after_word(text, place)
        log_prob = _number(text, place, end)
        if np.isnan(log_prob) or log_prob < -_LARGEST:
            return Ending(NOT_A_NUMBER, row, place)
        if log_prob > 0:
            return Ending(POSITIVE, row, place)
        for position in range(order):
            place = _after_blanks(text, end)
            end = _after_word(text, place)
            if end == place:
                return Ending(CUT if place == len(text) else FEW_WORDS, row, place)
            slot = word_slot(words, text, place, end)
            known = words.slots[slot] != EMPTY
            if order == 1:
                if known:
                    return Ending(REPEATED_WORD, row, place)
                rows.ids[row, 0] = add_word(words, slot, text, place, end)
            elif not known:
                return Ending(UNSEEN_WORD, row, place)
            else:
                rows.ids[row, position] = number_in_slot(words, slot)
        place = _after_blanks(text, end)
        end = _after_word(text, place)
        backoff = _number(text, place, end) if end > place else 0.0
        if np.isnan(backoff) or abs(backoff) > _LARGEST:
            return Ending(NOT_A_NUMBER, row, place)
        if top and backoff != 0:
            return Ending(TOP_BACKOFF, row, place)
        place = _after_blanks(text, end)
        if place < len(text) and text[place] != NEWLINE:
            return Ending(MANY_FIELDS, row, place)
        rows.log_probs[row] = log_prob * _LN_10
        rows.backoffs[row] = backoff * _LN_10
        place += 1
    return Ending(DONE, len(rows.log_probs), place)


class Contexts(NamedTuple):
    """The n-grams that longer ones may have as contexts, numbered through all orders.

    Attributes:
        keys: `(H,)` int64, H a power of two: `number of the context << WORD_BITS | word`, or `EMPTY_KEY`.
        numbers: `(H,)` int32, the number of the n-gram.
    """

    keys: npt.NDArray[np.int64]
    numbers: npt.NDArray[np.int32]


@bare_kernel
def link_rows(
    contexts: Contexts, ids: npt.NDArray[np.int32], found: npt.NDArray[np.int32], first: int
) -> int:
    """Find the number of each n-gram's context, and enter the n-grams themselves from number `first` on.

    A unigram's number is its word. With `first` 0 the n-grams are not entered: none has them as its context.
    Returns the first row without a context or, as `-2 - row`, the first that repeats another; or -1.
    """
    order = ids.shape[1]
    for row in range(len(ids)):
        same = row > 0
        for position in range(order - 1):
            same = same and ids[row, position] == ids[row - 1, position]
        if same:
            number = np.int64(found[row - 1])
        else:
            number = np.int64(ids[row, 0])
            for position in range(1, order - 1):
                slot = slot_of(contexts.keys, (number << WORD_BITS) | np.int64(ids[row, position]))
                if contexts.keys[slot] == EMPTY_KEY:
                    return row
                number = np.int64(contexts.numbers[slot])
        found[row] = number
        if first:
            key = (number << WORD_BITS) | np.int64(ids[row, order - 1])
            slot = slot_of(contexts.keys, key)
            if contexts.keys[slot] != EMPTY_KEY:
                return -2 - row
            contexts.keys[slot] = key
            contexts.numbers[slot] = first + row
    return -1
