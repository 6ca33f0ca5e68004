"""ARPA files are read as KenLM reads them, and refused in one sentence where they are wrong."""

from __future__ import annotations

import bz2
import gzip
import lzma
import math
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ctcasr.errors import DataError
from ctcasr.lm import read_arpa
from tests.lm.peers import kenlm, needs_kenlm
from tests.lm.samples import TINY_ARPA, as_dict

LN_10 = math.log(10)
Write = Callable[..., Path]


def scores(path: Path, sentence: str = "a b c zebra a") -> list[float]:
    return read_arpa(path).score_sentence(sentence.split())


class TestForms:
    @pytest.mark.parametrize(
        "content",
        [
            TINY_ARPA.replace("\n", "\r\n"),
            b"\xef\xbb\xbf" + TINY_ARPA.encode(),
            gzip.compress(TINY_ARPA.encode()),
            lzma.compress(TINY_ARPA.encode()),
            bz2.compress(TINY_ARPA.encode()),
            "\n\n" + TINY_ARPA + "\n  \n",
            "This file is in the ARPA-standard format\nsee \\data\\ below\n\n" + TINY_ARPA,
            TINY_ARPA.replace("\t", " "),
            TINY_ARPA.replace("\t", " \t "),
            TINY_ARPA.replace("ngram 2=5", "ngram  2 =\t5"),
            TINY_ARPA.replace("\n\n", "\n"),
            TINY_ARPA.replace("\n", "\n \n"),
            TINY_ARPA.rstrip("\n"),
            TINY_ARPA.replace("\t0\n", "\n"),
            TINY_ARPA.replace("-0.4\t<s> a", "-4e-1\t<s> a").replace(
                "-0.5\ta b", "-.50000000000000000000\ta b"
            ),
            TINY_ARPA.replace("-0.4\t<s> a", "-40.E-2\t<s> a").replace(
                "-0.5\ta b", "-0000000000000000000.5\ta b"
            ),
            TINY_ARPA.replace("<unk>", "<UNK>"),
        ],
        ids=range(17),
    )
    def test_all_read_the_same(self, write: Write, content: str | bytes) -> None:
        expected = as_dict(read_arpa(write(TINY_ARPA)).tables())
        assert as_dict(read_arpa(write(content, "other.gz")).tables()) == expected

    def test_words_of_any_script(self, write: Write) -> None:
        words = ["straße", "日本語", "\u00a0", "\u2028", "\x85", "🎧", "\\end\\", "#", '"', "a" * 3000]
        lines = "".join(f"-1\t{word}\t-0.5\n" for word in ["</s>", "<unk>", *words])
        path = write(
            f"\\data\\\nngram 1={len(words) + 2}\nngram 2=0\n\\1-grams:\n{lines}\\2-grams:\n\\end\\\n"
        )
        model = read_arpa(path)
        assert model.words == ("</s>", "<unk>", *words)
        assert [model.word_id(word) for word in words] == list(range(2, len(words) + 2))
        assert model.order == 2

    @needs_kenlm
    def test_a_missing_unknown_word_has_kenlms_floor(self, write: Write) -> None:
        path = write(TINY_ARPA.replace("-1.5\t<unk>\t0\n", "").replace("1=6", "1=5"))
        model = read_arpa(path)
        assert model.words[-1] == "<unk>"
        assert model.score_sentence(["zebra"], begin=False)[0] == pytest.approx(-100 * LN_10)
        assert kenlm.Model(str(path)).score("zebra", bos=False, eos=False) == pytest.approx(-100)

    @needs_kenlm
    def test_a_missing_suffix_is_allowed(self, write: Write) -> None:
        path = write(TINY_ARPA.replace("-0.6\tb c\t-0.13\n", "").replace("2=5", "2=4"))
        peer = kenlm.Model(str(path))
        for sentence in ("a b c", "a b c a", "b c </s>", "a b b c"):
            words = sentence.split()
            assert sum(scores(path, sentence)) / LN_10 == pytest.approx(peer.score(sentence), abs=1e-5), words


class TestAgainstKenlm:
    @needs_kenlm
    @settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        st.lists(st.sampled_from(["a", "b", "c", "</s>", "zebra", "<unk>", "A"]), max_size=8),
        st.booleans(),
        st.booleans(),
    )
    def test_scores(self, write: Write, words: list[str], begin: bool, end: bool) -> None:
        path = write(TINY_ARPA)
        ours = sum(read_arpa(path).score_sentence(words, begin=begin, end=end)) / LN_10
        assert ours == pytest.approx(
            kenlm.Model(str(path)).score(" ".join(words), bos=begin, eos=end), abs=1e-5
        )


def replaced(old: str, new: str, text: str = TINY_ARPA) -> str:
    assert old in text
    return text.replace(old, new, 1)


BAD = {
    "empty": ("", None, "empty"),
    "blank": (" \n\n\t\n", None, "empty"),
    "no data line": (replaced("\\data\\\n", ""), None, "no line \\data\\"),
    "another file": ("RIFF....WAVEfmt ", None, "no line \\data\\"),
    "no counts": ("\\data\\\n\n\\1-grams:\n", 3, "no unigrams"),
    "zero unigrams": ("\\data\\\nngram 1=0\n\\1-grams:\n\\end\\\n", 3, "no unigrams"),
    "header cut": ("\\data\\\nngram 1=2\nngra", 3, "ngram 2=COUNT"),
    "header only": ("\\data\\\nngram 1=2\n", 3, "ends in its header"),
    "counts out of turn": (replaced("ngram 2=5", "ngram 3=5"), 3, "ngram 2=COUNT"),
    "no number": (replaced("ngram 2=5", "ngram 2=five"), 3, "ngram 2=COUNT"),
    "negative": (replaced("ngram 2=5", "ngram 2=-5"), 3, "ngram 2=COUNT"),
    "endless number": (replaced("ngram 2=5", "ngram 2=" + "9" * 5000), 3, "ngram 2=COUNT"),
    "huge count": (replaced("ngram 2=5", "ngram 2=99999999999999"), 3, "can hold"),
    "many words": (replaced("ngram 1=6", "ngram 1=16777217"), 2, "can hold"),
    "section missing": (replaced("\\2-grams:\n", ""), 14, "\\2-grams:"),
    "sections swapped": (replaced("\\2-grams:\n", "\\3-grams:\n"), 14, "\\2-grams:"),
    "a line too many": (replaced("ngram 2=5", "ngram 2=4"), 19, "'-0.71\\tb a\\t0'"),
    "a line too few": (replaced("ngram 2=5", "ngram 2=6"), 21, "ends after 5 2-grams, the header counts 6"),
    "no end": (replaced("\\end\\\n", ""), 25, "\\end\\"),
    "text after the end": (TINY_ARPA + "\nmore\n", 27, "after \\end\\"),
    "a second model": (TINY_ARPA * 2, 26, "after \\end\\"),
    "above one": (replaced("-1\ta", "0.01\ta"), 10, "above 0"),
    "a word for a number": (replaced("-1\ta", "minus\ta"), 10, "'minus'"),
    "not a number": (replaced("-1\ta", "nan\ta"), 10, "'nan'"),
    "infinite": (replaced("-1\ta", "-inf\ta"), 10, "'-inf'"),
    "too small": (replaced("-1\ta", "-1e39\ta"), 10, "'-1e39'"),
    "two points": (replaced("-1\ta", "-1.0.0\ta"), 10, "'-1.0.0'"),
    "hexadecimal": (replaced("-1\ta", "-0x1\ta"), 10, "'-0x1'"),
    "lone minus": (replaced("-1\ta", "-\ta"), 10, "'-'"),
    "half an exponent": (replaced("-1\ta", "-1e\ta"), 10, "'-1e'"),
    "bad back-off": (replaced("a b\t-0.12", "a b\tNaN"), 16, "'NaN'"),
    "infinite back-off": (replaced("a b\t-0.12", "a b\t1e99"), 16, "'1e99'"),
    "too few words": (replaced("a b\t-0.12", "a"), 16, "too few words"),
    "too many words": (replaced("a b\t-0.12", "a b c\t-0.12"), 16, "'c'"),
    "too many fields": (replaced("a b\t-0.12", "a b\t-0.12\t-0.13"), 16, "too many fields"),
    "unseen word": (replaced("\ta b\t", "\tzebra b\t"), 16, "'zebra' has no unigram"),
    "repeated word": (replaced("\tb\t", "\ta\t"), 11, "'a' is listed twice"),
    "repeated after blank lines": (replaced("-0.6\tb c", "\n \n\n-0.6\ta b"), 20, "listed twice"),
    "repeated bigram": (replaced("\tb c\t", "\ta b\t"), 17, "listed twice"),
    "repeated trigram": (replaced("\ta b c", "\t<s> a b"), 23, "`<s> a b` is listed twice"),
    "no context": (replaced("\ta b c", "\tc b c"), 23, "context"),
    "back-off of the longest": (replaced("\ta b c", "\ta b c\t-0.1"), 23, "'-0.1'"),
    "no end word": (replaced("\t</s>", "\tstop").replace("c </s>", "c stop"), None, "no unigram </s>"),
    "not UTF-8": (replaced("\ta\t", "\t?\t").encode().replace(b"?", b"caf\xe9"), 10, "UTF-8"),
    "cut in a line": (TINY_ARPA[: TINY_ARPA.index("c </s>")], 18, "ends after 3 of 5 2-grams"),
    "cut at a line": (TINY_ARPA[: TINY_ARPA.index("-0.7\tc")], 18, "ends after 3 of 5 2-grams"),
    "cut compressed": (gzip.compress(TINY_ARPA.encode())[:-20], None, "cut short"),
    "cut xz": (lzma.compress(TINY_ARPA.encode())[:-20], None, "cut short"),
    "damaged gzip": (gzip.compress(TINY_ARPA.encode())[:30] + b"x" * 50, None, "damaged"),
}


class TestBadFiles:
    @pytest.mark.parametrize(("content", "line", "says"), BAD.values(), ids=BAD.keys())
    def test_one_sentence_with_the_place(
        self, write: Write, content: str | bytes, line: int | None, says: str
    ) -> None:
        path = write(content)
        with pytest.raises(DataError) as raised:
            read_arpa(path)
        message = str(raised.value)
        assert message.startswith(f"{path}: " if line is None else f"{path}:{line}: ")
        assert says in message
        assert "\n" not in message
        assert len(message) < len(str(path)) + 300

    def test_no_file(self, tmp_path: Path) -> None:
        for path in (tmp_path, tmp_path / "none", tmp_path / "a\0b"):
            with pytest.raises(DataError, match="cannot be read"):
                read_arpa(path)

    def test_cut_anywhere(self, write: Write) -> None:
        whole = TINY_ARPA.rstrip("\n")
        for end in range(len(whole)):
            with pytest.raises(DataError):
                read_arpa(write(whole[:end]))

    @pytest.mark.slow
    @settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.integers(0, len(TINY_ARPA) - 1), st.integers(0, 255), st.integers(0, 2))
    def test_a_wrong_byte_is_refused_or_read_soundly(
        self, write: Write, place: int, byte: int, width: int
    ) -> None:
        content = TINY_ARPA.encode()
        path = write(content[:place] + bytes([byte]) + content[place + width :])
        error = ""
        try:
            model = read_arpa(path)
        except DataError as raised:
            error = str(raised)
        if error:
            assert re.match(rf"{re.escape(str(path))}(:\d+)?: ", error)
            return
        assert np.isfinite(model.score_sentence(["a", "b", "c", "b", "a"])).all()
