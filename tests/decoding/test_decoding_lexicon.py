"""Lexicons: reading, spelling, and the tree."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ctcasr.decoding.lexicon import Lexicon, kinds_of
from ctcasr.decoding.search_types import EITHER, INSIDE, SEPARATOR, WORD_START
from ctcasr.decoding.trie import Spellings, Trie
from ctcasr.errors import DataError
from ctcasr.text import Vocabulary

VOCABULARY = Vocabulary(("<blank>", "<space>", "a", "b", "c"))


@settings(deadline=None)
@given(st.sets(st.text("abc", min_size=1, max_size=6), min_size=1, max_size=30))
def test_every_word_and_only_words_are_paths_of_the_tree(words: set[str]) -> None:
    lexicon = Lexicon.of_characters(sorted(words), VOCABULARY)
    trie = lexicon.trie

    def spelled(node: int) -> str:
        symbols = ""
        while node:
            symbols = VOCABULARY.characters[trie.entered[node]] + symbols
            node = int(trie.parents[node])
        return symbols

    assert [spelled(int(end)) for end in trie.ends] == sorted(words)
    assert {spelled(node) for node in range(len(trie.entered))} == {
        word[:length] for word in words for length in range(len(word) + 1)
    }
    for node in range(len(trie.entered)):
        children = range(trie.first[node], trie.first[node + 1])
        assert all(trie.parents[child] == node for child in children)
        assert list(trie.entered[children.start : children.stop]) == sorted(set(trie.entered[list(children)]))


def test_files_hold_words_and_spellings(tmp_path: Path) -> None:
    path = tmp_path / "lexicon.txt"
    path.write_bytes(b"\xef\xbb\xbfab\r\n\r\ncab c a b\r\ncab c c\r\n")
    lexicon = Lexicon.read(path, VOCABULARY.symbols)
    assert lexicon.words == ("ab", "cab")
    assert list(lexicon.spellings) == [(0, (2, 3)), (1, (4, 2, 3)), (1, (4, 4))]


PIECES = ("<blank>", "a", "b", "é", "ʃ", "AH", "EY", "ab", "a\u0301")
LINES = st.lists(
    st.lists(
        st.tuples(
            st.sampled_from(["a", "b", "é", "ʃ", "AH", "ab", "cé", "ba", "x", "<blank>", "a\u0301"]),
            st.sampled_from([" ", "  ", "\t", "\xa0", "\u3000", "\x1f"]),
        ),
        max_size=4,
    ),
    max_size=8,
)
ENDS = st.sampled_from(["\n", "\r\n", "\r", "\v", "\f", "\x1c", "\x85", "\u2028", "\n\n"])


def read_slowly(text: str) -> list[tuple[str, tuple[int, ...]]] | int:
    """Return each word with its spellings, in the order of the words; or the number of the first wrong line."""
    found: dict[str, list[tuple[int, ...]]] = {}
    for number, line in enumerate(text.splitlines(), 1):
        word, *pieces = line.split() or [""]
        if not word:
            continue
        if any(piece not in PIECES[1:] for piece in pieces or word):
            return number
        spelled = tuple(PIECES.index(piece) for piece in pieces or word)
        variants = found.setdefault(word, [])
        if spelled not in variants:
            variants.append(spelled)
    return [(word, spelled) for word, variants in found.items() for spelled in variants]


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=LINES, ends=st.lists(ENDS, min_size=8, max_size=8))
def test_the_kernel_reads_as_python_does(
    tmp_path: Path, lines: list[list[tuple[str, str]]], ends: list[str]
) -> None:
    text = "".join(
        "".join(piece + space for piece, space in line) + end for line, end in zip(lines, ends, strict=False)
    )
    path = tmp_path / "lexicon.txt"
    path.write_bytes(text.encode())
    expected = read_slowly(path.read_text(encoding="utf-8"))
    if isinstance(expected, int):
        with pytest.raises(DataError, match=f"lexicon.txt:{expected}: the word "):
            Lexicon.read(path, PIECES)
    elif not expected:
        with pytest.raises(DataError, match="has no words"):
            Lexicon.read(path, PIECES)
    else:
        lexicon = Lexicon.read(path, PIECES)
        assert [(lexicon.words[number], spelled) for number, spelled in lexicon.spellings] == expected


@settings(deadline=None)
@given(st.lists(st.lists(st.integers(1, 5), min_size=1, max_size=6), min_size=1, max_size=20))
def test_the_tree_lists_its_nodes_breadth_first(spelled: list[list[int]]) -> None:
    prefixes = {tuple(symbols[:length]) for symbols in spelled for length in range(len(symbols) + 1)}
    # Breadth first, and within a depth as their parents stand, then by symbol: the order of the prefixes themselves.
    nodes = sorted(prefixes, key=lambda prefix: (len(prefix), prefix))
    trie = Trie.of(Spellings.of(enumerate(spelled)))
    assert trie.entered[1:].tolist() == [prefix[-1] for prefix in nodes[1:]]
    assert [nodes[parent] for parent in trie.parents[1:]] == [prefix[:-1] for prefix in nodes[1:]]
    assert [nodes[end] for end in trie.ends] == [tuple(symbols) for symbols in spelled]
    depths = [len(prefix) for prefix in nodes]
    assert list(trie.levels) == [depths.index(depth) for depth in range(max(depths) + 1)] + [len(nodes)]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"ab\nax\n", r"lexicon.txt:2: the word 'ax' is spelled with \['x'\]"),
        (b"ab a b z\n", r"lexicon.txt:1: .*\['z'\]"),
        (b"ab <blank>\n", r"lexicon.txt:1: .*<blank>"),
        (b"", "has no words"),
        (b"\n \n", "has no words"),
        (b"\xff\xfe", "UTF-8"),
    ],
)
def test_wrong_files_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "lexicon.txt"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        Lexicon.read(path, VOCABULARY.symbols)


def test_a_missing_file_or_a_folder_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none"):
        with pytest.raises(DataError, match="cannot be read"):
            Lexicon.read(path, VOCABULARY.symbols)


def test_wrong_words_are_refused() -> None:
    with pytest.raises(DataError, match="'xy' cannot be spelled"):
        Lexicon.of_characters(["xy"], VOCABULARY)
    with pytest.raises(DataError, match="'a b' is not one word"):
        Lexicon.of_characters(["a b"], VOCABULARY)
    with pytest.raises(DataError, match="without words"):
        Lexicon.of_characters([], VOCABULARY)
    with pytest.raises(DataError, match="no <space>"):
        Lexicon.of_characters(["a"], Vocabulary(("<blank>", "a")))
    with pytest.raises(DataError, match="not among"):
        Lexicon.of_pieces(["a"], ["<blank>", "b"], lambda word: [[word]])


def test_kinds_of_symbols() -> None:
    assert kinds_of(VOCABULARY.symbols).tolist() == [INSIDE, SEPARATOR, INSIDE, INSIDE, INSIDE]
    assert kinds_of(["<blank>", "▁a", "b"]).tolist() == [INSIDE, WORD_START, INSIDE]
    assert kinds_of(["<blank>", "AH", "B"]).tolist() == [EITHER] * 3
    with pytest.raises(DataError, match="one of them"):
        kinds_of(["<blank>", "<space>", "▁a"])


def test_words_can_be_added() -> None:
    lexicon = Lexicon.of_characters(["ab", "b"], VOCABULARY)
    assert lexicon.with_spellings([("ab", (2, 3)), ("AB", (2, 3))]) is lexicon
    more = lexicon.with_spellings([("ab", (2, 3)), ("cc", (4, 4)), ("cc", (4, 4))])
    assert more.words == ("ab", "b", "cc")
    assert list(more.spellings)[-1] == (2, tuple(VOCABULARY.encode("cc")))
