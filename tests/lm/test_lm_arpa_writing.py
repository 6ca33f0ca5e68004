"""What is written as ARPA reads as the same model."""

from __future__ import annotations

import gzip
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ctcasr.errors import ConfigError
from ctcasr.lm import NGramTable, NGramTables, read_arpa, write_arpa
from tests.lm.samples import TINY_ARPA, as_dict

Write = Callable[..., Path]
LN_10 = math.log(10)


def unigram_model(values: list[float]) -> NGramTables:
    words = ("</s>", "<unk>", *(f"w{number}" for number in range(len(values))))
    log_probs = np.array([-1, -1, *values], np.float32)
    zeros = np.zeros(len(words), np.int32)
    ids = np.arange(len(words), dtype=np.int32)
    return NGramTables(words, (NGramTable(zeros, ids, log_probs, zeros.astype(np.float32)),))


class TestText:
    def test_as_lmplz_writes(self, write: Write, tmp_path: Path) -> None:
        path = tmp_path / "out.arpa"
        write_arpa(read_arpa(write(TINY_ARPA)).tables(), path)
        expected = TINY_ARPA.replace("\t</s>\n", "\t</s>\t0\n").replace("c </s>\n", "c </s>\t0\n")
        expected = expected.replace("-0.6\tb c\t-0.13\n", "").replace("-0.7\t", "-0.6\tb c\t-0.13\n-0.7\t")
        lines = path.read_text(encoding="utf-8").splitlines()
        assert sorted(lines) == sorted(expected.splitlines())
        assert lines[:8] == expected.splitlines()[:8]
        assert lines[-2:] == ["", "\\end\\"]

    def test_reading_and_writing_again_changes_nothing(self, write: Write, tmp_path: Path) -> None:
        first, second = tmp_path / "1.arpa", tmp_path / "2.arpa"
        write_arpa(read_arpa(write(TINY_ARPA)).tables(), first)
        write_arpa(read_arpa(first).tables(), second)
        assert first.read_bytes() == second.read_bytes()

    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.lists(st.one_of(st.floats(-30, 0, width=32), st.floats(-(2**-13), 0, width=32)), max_size=20))
    def test_numbers_keep_what_a_float_holds(self, tmp_path: Path, values: list[float]) -> None:
        write_arpa(unigram_model(values), tmp_path / "numbers.arpa")
        read = read_arpa(tmp_path / "numbers.arpa").tables().levels[0].log_probs[2:]
        np.testing.assert_allclose(read, np.array(values, np.float32), rtol=2e-7, atol=1.2e-7)

    @pytest.mark.parametrize(
        ("value", "text"),
        [
            (0.0, "0"),
            (-1e-9, "0"),
            (-0.5 * LN_10, "-0.5"),
            (-0.0000012 * LN_10, "-0.0000012"),
            (-100 * LN_10, "-100"),
            (-12345.0 * LN_10, "-12345"),
            (-1e37, "-1000000000"),
        ],
    )
    def test_numbers_are_short(self, tmp_path: Path, value: float, text: str) -> None:
        write_arpa(unigram_model([value]), tmp_path / "numbers.arpa")
        assert f"\n{text}\tw0\n" in (tmp_path / "numbers.arpa").read_text(encoding="utf-8")

    def test_more_rows_than_a_block(self, tmp_path: Path) -> None:
        tables = unigram_model(np.linspace(-9, 0, 70_000).tolist())
        write_arpa(tables, tmp_path / "large.arpa")
        read = read_arpa(tmp_path / "large.arpa").tables()
        assert read.words == tables.words
        np.testing.assert_allclose(
            read.levels[0].log_probs, tables.levels[0].log_probs, rtol=2e-7, atol=1.2e-7
        )


class TestFiles:
    def test_gzip_by_the_name_and_always_the_same(self, write: Write, tmp_path: Path) -> None:
        tables = read_arpa(write(TINY_ARPA)).tables()
        paths = [tmp_path / name for name in ("one.arpa.gz", "two.arpa.gz", "plain.arpa")]
        for path in paths:
            write_arpa(tables, path)
        assert paths[0].read_bytes() == paths[1].read_bytes()
        assert gzip.decompress(paths[0].read_bytes()) == paths[2].read_bytes()
        assert as_dict(read_arpa(paths[0]).tables()) == as_dict(read_arpa(paths[2]).tables())

    def test_whole_or_not_at_all(self, write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        tables = read_arpa(write(TINY_ARPA)).tables()
        path = tmp_path / "out.arpa"
        path.write_text("before", encoding="utf-8")

        def fail(*arguments: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr("ctcasr.lm.arpa_writing._lines", fail)
        with pytest.raises(KeyboardInterrupt):
            write_arpa(tables, path)
        assert path.read_text(encoding="utf-8") == "before"
        assert sorted(file.name for file in tmp_path.iterdir()) == ["model.arpa", "out.arpa"]

    def test_no_place_for_it(self, write: Write, tmp_path: Path) -> None:
        tables = read_arpa(write(TINY_ARPA)).tables()
        for path, says in ((tmp_path / "none" / "out.arpa", "cannot be written"), (tmp_path, "is a folder")):
            with pytest.raises(ConfigError, match=says):
                write_arpa(tables, path)
