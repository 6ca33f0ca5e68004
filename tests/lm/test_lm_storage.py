"""The file of a compiled model: mapped, aligned, and refused when damaged."""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ctcasr.errors import ConfigError, DataError
from ctcasr.lm import NGramModel, load, load_model, read_arpa, save
from ctcasr.lm.automaton import score_word
from tests.lm.samples import TINY_ARPA, as_dict

Write = Callable[..., Path]


@pytest.fixture
def model(write: Write) -> NGramModel:
    return read_arpa(write(TINY_ARPA))


@pytest.fixture
def path(model: NGramModel, tmp_path: Path) -> Path:
    save(model, tmp_path / "lm.npz")
    return tmp_path / "lm.npz"


class TestRoundTrip:
    def test_the_same_model(self, model: NGramModel, path: Path) -> None:
        loaded = load(path)
        assert (loaded.words, loaded.order) == (model.words, model.order)
        for name, array in model.arrays._asdict().items():
            np.testing.assert_array_equal(getattr(loaded.arrays, name), array)
        assert loaded.score_sentence(["a", "b"]) == model.score_sentence(["a", "b"])
        assert as_dict(loaded.tables()) == as_dict(model.tables())

    def test_always_the_same_bytes(self, path: Path, tmp_path: Path) -> None:
        save(load(path), tmp_path / "again.npz")
        assert (tmp_path / "again.npz").read_bytes() == path.read_bytes()

    def test_words_of_any_script(self, write: Write, tmp_path: Path) -> None:
        words = ["straße", "日本語", "\u00a0", "\u2028", "\x85", "🎧"]
        lines = "".join(f"-1\t{word}\n" for word in ["</s>", "<unk>", *words])
        save(read_arpa(write(f"\\data\\\nngram 1=8\n\\1-grams:\n{lines}\\end\\\n")), tmp_path / "lm.npz")
        assert load(tmp_path / "lm.npz").words == ("</s>", "<unk>", *words)

    def test_numpy_and_unzip_read_it(self, model: NGramModel, path: Path) -> None:
        with np.load(path, allow_pickle=False) as archive:
            np.testing.assert_array_equal(archive["keys"], model.arrays.keys)
        with zipfile.ZipFile(path) as archive:
            assert archive.testzip() is None

    def test_load_model_looks_at_the_content(self, write: Write, path: Path) -> None:
        for content in (path.read_bytes(), TINY_ARPA):
            assert load_model(write(content, "some.lm")).words[3:] == ("a", "b", "c")
        with pytest.raises(DataError, match="cannot be read"):
            load_model(path.parent / "none")


class TestMapping:
    def test_aligned_read_only_views_of_the_file(self, path: Path) -> None:
        for array in load(path).arrays:
            assert type(array) is np.ndarray
            assert array.flags.aligned
            assert array.flags.c_contiguous
            assert not array.flags.writeable
            assert not array.flags.owndata
            assert array.ctypes.data % 64 == 0

    def test_one_kind_of_arrays_for_the_kernels(self, model: NGramModel, path: Path) -> None:
        model.score(0, 3)
        load(path).score(0, 3)
        kinds = {signature[0] for signature in score_word.signatures}  # type: ignore[attr-defined]
        assert len(kinds) == 1

    def test_a_new_file_in_its_place_does_not_disturb(self, model: NGramModel, path: Path) -> None:
        loaded = load(path)
        save(model, path)
        assert loaded.score_sentence(["a"]) == model.score_sentence(["a"])


class TestDamage:
    @pytest.mark.slow
    def test_any_wrong_byte_is_found_or_harmless(self, model: NGramModel, path: Path) -> None:
        content = path.read_bytes()
        damaged = path.with_name("damaged.npz")
        found = 0
        for place in range(0, len(content), 11):
            damaged.write_bytes(content[:place] + bytes([content[place] ^ 0x55]) + content[place + 1 :])
            try:
                loaded = load(damaged)
            except DataError as error:
                assert str(error).startswith(f"{damaged}: ")  # noqa: PT017
                found += 1
                continue
            assert loaded.words == model.words
            assert loaded.score_sentence(["a", "b"]) == model.score_sentence(["a", "b"])
        assert found > len(content) / 11 / 3

    def test_cut_anywhere(self, path: Path) -> None:
        content = path.read_bytes()
        cut = path.with_name("cut.npz")
        for end in range(0, len(content), 11):
            cut.write_bytes(content[:end])
            with pytest.raises(DataError):
                load(cut)

    def test_other_files(self, write: Write, tmp_path: Path) -> None:
        np.savez(tmp_path / "other.npz", keys=np.arange(4))
        np.savez_compressed(tmp_path / "packed.npz", keys=np.zeros(1000))
        np.savez(tmp_path / "pickle.npz", keys=np.array([{"a": 1}], object))
        for path in (*tmp_path.glob("*.npz"), write("", "empty"), write("text", "text"), tmp_path):
            with pytest.raises(DataError):
                load(path)

    @pytest.mark.parametrize(
        "change",
        [
            {"keys": np.zeros(32, np.int64)},
            {"keys": np.full(32, -1, np.int64)},
            {"keys": np.full(31, -1, np.int64)},
            {"keys": np.full(32, -1, np.int32)},
            {"log_probs": np.full(32, np.nan, np.float32)},
            {"log_probs": np.full(32, 0.1, np.float32)},
            {"log_probs": np.zeros(16, np.float32)},
            {"next_states": np.full(32, 8, np.int32)},
            {"next_states": np.full(32, -1, np.int32)},
            {"backoffs": np.full(8, np.inf, np.float32)},
            {"backoffs": np.zeros(0, np.float32)},
            {"backoffs": np.zeros((2, 4), np.float32)},
            {"backoff_states": np.arange(8, dtype=np.int32)},
            {"backoff_states": np.full(8, -1, np.int32)},
            {"unknown": np.array([6], np.int32)},
            {"words": np.frombuffer(b"\xff\n</s>\n", np.uint8)},
            {"words": np.frombuffer(b"a\nb\nc\nd\ne\nf\n", np.uint8)},
            {"format": np.array([2], np.int32)},
        ],
        ids=str,
    )
    def test_arrays_that_would_lead_a_kernel_astray(
        self, path: Path, tmp_path: Path, change: dict[str, np.ndarray]
    ) -> None:
        with np.load(path) as archive:
            arrays = dict(archive)
        np.savez(tmp_path / "wrong.npz", **(arrays | change))
        with pytest.raises(DataError, match=r"wrong\.npz: .*make it anew"):
            load(tmp_path / "wrong.npz")

    def test_unaligned_archives_of_numpy_are_read_too(
        self, model: NGramModel, path: Path, tmp_path: Path
    ) -> None:
        with np.load(path) as archive:
            np.savez(tmp_path / "plain.npz", **dict(archive))
        loaded = load(tmp_path / "plain.npz")
        assert loaded.score_sentence(["a", "b"]) == model.score_sentence(["a", "b"])
        assert all(array.flags.aligned for array in loaded.arrays)

    def test_a_zip_whose_header_points_outside(self, path: Path) -> None:
        content = bytearray(path.read_bytes())
        content[26:28] = struct.pack("<H", 65535)
        path.write_bytes(bytes(content))
        with pytest.raises(DataError):
            load(path)

    def test_no_place_for_it(self, model: NGramModel, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="cannot be written"):
            save(model, tmp_path / "none" / "lm.npz")
